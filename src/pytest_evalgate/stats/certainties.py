"""Stopping early without a change of the verdict: is it the same however the remaining cases turn out?

The baseline's verdicts are known, so a remaining case can only be lost where the baseline passed and only be gained
where it failed. A case whose result is missing counts as remaining. For one trial per case, passed or failed: the t
test of graded scores has no such extremes, as one outlier more may make its p larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_evalgate.stats.bounds import tango_bounds
from pytest_evalgate.stats.checks import check_alpha, check_counts, check_within
from pytest_evalgate.stats.intervals import Interval, clopper_pearson_lower_one_sided
from pytest_evalgate.stats.paired import mcnemar_midp


@dataclass(frozen=True, slots=True)
class Certainty:
    """Whether a drop is already decided, with the p of the run that ends best and of the one that ends worst."""

    decided: Literal["regressed", "not_regressed", "open"]
    p_if_best: float
    p_if_worst: float


@dataclass(frozen=True, slots=True)
class CertaintyBounds:
    """The one-sided bounds of the change of the run that ends best and of the one that ends worst."""

    if_best: Interval
    if_worst: Interval


@dataclass(frozen=True, slots=True)
class CertaintyPassRate:
    """Whether a pass-rate gate is already decided, with its lower bound at both extremes."""

    decided: Literal["pass", "fail", "open"]
    lower_if_all_pass: float
    lower_if_all_fail: float


def certainty(
    *, losses: int, gains: int, remaining_baseline_pass: int, remaining_baseline_fail: int, alpha: float = 0.05
) -> Certainty:
    """Say whether the mid-p test at one-sided ``alpha`` can still change its answer.

    It is the answer of the full run whatever the order of the cases; cases that the baseline failed decide earlier if
    they run first. Source: the two extreme completions; mid-p rises with gains and falls with losses.

    Raises:
        ValueError: a count is negative, not whole or NaN, or ``alpha`` is outside (0, 0.5).

    """
    check_alpha(alpha)
    check_counts(losses=losses, gains=gains)
    _check_remaining(remaining_baseline_pass, remaining_baseline_fail)
    best = mcnemar_midp(losses, gains + remaining_baseline_fail)
    worst = mcnemar_midp(losses + remaining_baseline_pass, gains)
    if best <= alpha:
        return Certainty("regressed", best, worst)
    return Certainty("not_regressed" if worst > alpha else "open", best, worst)


def certainty_bounds(
    *, losses: int, gains: int, remaining_baseline_pass: int, remaining_baseline_fail: int, n: int, alpha: float = 0.05
) -> CertaintyBounds:
    """Return the score bounds of the change at both extremes of a run of ``n`` pairs, remaining ones included.

    A margin is decided where both ``lower`` lie on one side of it, a tolerance where both ``upper`` do.
    Source: Tango 1998.

    Raises:
        ValueError: a count is negative, not whole or NaN, ``n`` is less than the other counts together or 0, or
            ``alpha`` is outside (0, 0.5).

    """
    check_counts(losses=losses, gains=gains)
    _check_remaining(remaining_baseline_pass, remaining_baseline_fail)
    check_counts(losses + gains + remaining_baseline_pass + remaining_baseline_fail, n=n)
    return CertaintyBounds(
        if_best=tango_bounds(losses, gains + remaining_baseline_fail, n, alpha),
        if_worst=tango_bounds(losses + remaining_baseline_pass, gains, n, alpha),
    )


def certainty_pass_rate(
    passes: int, done: int, n: int, threshold: float, confidence: float = 0.95
) -> CertaintyPassRate:
    """Say whether the exact lower bound after all ``n`` cases can still end on the other side of ``threshold``.

    ``passes`` of the ``done`` cases passed. Source: Clopper & Pearson 1934 at both extremes.

    Raises:
        ValueError: not ``0 <= passes <= done <= n`` in whole numbers, ``n`` is 0, ``threshold`` is outside [0, 1] or
            ``confidence`` outside (0.5, 1).

    """
    check_counts(passes=passes)
    check_counts(passes, done=done)
    check_counts(max(1, done), n=n)
    check_within("threshold", threshold, 0.0, 1.0)
    highest = clopper_pearson_lower_one_sided(passes + n - done, n, confidence)
    lowest = clopper_pearson_lower_one_sided(passes, n, confidence)
    if lowest >= threshold:
        return CertaintyPassRate("pass", highest, lowest)
    return CertaintyPassRate("fail" if highest < threshold else "open", highest, lowest)


def _check_remaining(remaining_baseline_pass: int, remaining_baseline_fail: int) -> None:
    check_counts(remaining_baseline_pass=remaining_baseline_pass, remaining_baseline_fail=remaining_baseline_fail)

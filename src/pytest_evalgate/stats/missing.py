"""Cases without a candidate result: the worst and the best that they could have been."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_evalgate.stats.checks import check_counts
from pytest_evalgate.stats.paired import mcnemar


@dataclass(frozen=True, slots=True)
class MissingWorstCase:
    """The change of the pass rate and its p under both completions."""

    delta_worst: float
    delta_best: float
    p_regress_worst: float
    p_regress_best: float


def missing_worst_case(
    *,
    both_pass: int,
    losses: int,
    gains: int,
    both_fail: int,
    missing_baseline_passed: int,
    missing_baseline_failed: int,
) -> MissingWorstCase:
    """Complete a table of pairs by its missing candidate results, once all as failures and once all as passes.

    p is McNemar's mid-p. Where the two completions lead to different verdicts the run is incomplete.
    Source: the bounds of Manski 1989 for data missing for any reason.

    Raises:
        ValueError: a count is negative, not whole or NaN, or there is no pair at all.

    """
    check_counts(
        missing_baseline_passed=missing_baseline_passed,
        missing_baseline_failed=missing_baseline_failed,
    )
    worst = mcnemar(
        both_pass=both_pass,
        losses=losses + missing_baseline_passed,
        gains=gains,
        both_fail=both_fail + missing_baseline_failed,
    )
    best = mcnemar(
        both_pass=both_pass + missing_baseline_passed,
        losses=losses,
        gains=gains + missing_baseline_failed,
        both_fail=both_fail,
    )
    return MissingWorstCase(
        delta_worst=worst.delta,
        delta_best=best.delta,
        p_regress_worst=worst.p_regress_midp,
        p_regress_best=best.p_regress_midp,
    )

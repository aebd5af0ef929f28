"""Tests for a drop between two runs of the same cases. ``delta = candidate - baseline``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_counts, check_same_length, check_table
from pytest_evalgate.stats.clusters import drop_p
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import ROUNDING, at_least, upper_t

MOST_FLIPS = 16
"""Sign vectors are enumerated up to this many differences (65,536 vectors, 1 ms); the t test is good above."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """The change of a pass rate; a small ``p_regress`` means a drop."""

    delta: float
    p_regress_exact: float
    p_regress_midp: float
    p_two_sided_exact: float
    p_two_sided_midp: float


@dataclass(frozen=True, slots=True)
class SignFlip:
    """The exact permutation p of a drop."""

    p_regress_exact: float
    p_regress_midp: float


@dataclass(frozen=True, slots=True)
class PairedT:
    """The change of a mean; a small ``p_regress`` means a drop."""

    delta: float
    se: float
    t: float
    df: int
    p_regress: float
    p_two_sided: float
    ci95: Interval


def mcnemar(*, both_pass: int, losses: int, gains: int, both_fail: int) -> McNemar:
    """Test a two by two table of pairs for a drop: are losses and gains a fair coin?

    A loss is a case that the baseline passed and the candidate fails, a gain the reverse. The gate uses the mid-p.
    Source: Fagerland, Lydersen & Laake 2013.

    Raises:
        ValueError: a count is negative, not whole or NaN, or there is no pair.

    """
    n = check_table(both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail)
    m = losses + gains
    fewest = min(float(at_least(losses, m, 0.5)), float(at_least(gains, m, 0.5)))
    return McNemar(
        delta=(gains - losses) / n,
        p_regress_exact=float(at_least(losses, m, 0.5)),
        p_regress_midp=mcnemar_midp(losses, gains),
        p_two_sided_exact=min(1.0, 2 * fewest),
        p_two_sided_midp=min(1.0, 2 * min(mcnemar_midp(losses, gains), mcnemar_midp(gains, losses))),
    )


def mcnemar_midp(losses: int, gains: int) -> float:
    """Return the one-sided mid-p of a drop from the discordant pairs alone; 1 without any.

    Source: Fagerland, Lydersen & Laake 2013.

    Raises:
        ValueError: a count is negative, not whole or NaN.

    """
    check_counts(losses=losses, gains=gains)
    return float(midp(losses, losses + gains))


def midp(losses: npt.ArrayLike, discordant: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``P(X > losses) + P(X = losses) / 2`` for ``X ~ Binomial(discordant, 1/2)``, elementwise; 1 for none."""
    more, same_or_more = at_least(np.add(losses, 1), discordant, 0.5), at_least(losses, discordant, 0.5)
    return np.where(np.equal(discordant, 0), 1.0, (more + same_or_more) / 2)


def sign_flip(baseline: Numbers, candidate: Numbers) -> SignFlip:
    """Test n pairs of per-case means in [0, 1] for a drop, by all sign vectors of the non-zero differences.

    On passes and failures it equals McNemar's test. Shapes: (n,), (n,). Source: Fisher 1935.

    Raises:
        ValueError: no pair, unequal lengths, a mean that is NaN or outside [0, 1], or more than 16 non-zero
            differences (``paired_t`` serves those).

    """
    return flip_signs(paired_differences(baseline, candidate))


def flip_signs(differences: npt.NDArray[np.float64]) -> SignFlip:
    """Test differences, or cluster sums of them, for a drop: the work of ``sign_flip``.

    Raises:
        ValueError: more than 16 differences are not zero.

    """
    moved = differences[np.abs(differences) > ROUNDING]
    if len(moved) == 0:
        return SignFlip(p_regress_exact=1.0, p_regress_midp=1.0)
    if len(moved) > MOST_FLIPS:
        raise ValueError(f"sign_flip takes at most {MOST_FLIPS} non-zero differences, got {len(moved)}: use paired_t")
    totals = np.zeros(1)
    for difference in moved:
        totals = np.concatenate((totals - difference, totals + difference))
    observed = moved.sum()
    below = float(np.mean(totals < observed - ROUNDING))
    same = float(np.mean(np.abs(totals - observed) <= ROUNDING))
    return SignFlip(p_regress_exact=below + same, p_regress_midp=below + same / 2)


def paired_t(baseline: Numbers, candidate: Numbers) -> PairedT:
    """Test n >= 2 pairs of per-case means in [0, 1] for a drop, unchanged pairs included.

    Student's t with n - 1 degrees of freedom. If all pairs differ by the same amount, ``se`` is 0, ``t`` infinite (0
    without a change) and ``p_regress`` 0 for a drop, 1 otherwise. Shapes: (n,), (n,). Source: Student 1908.

    Raises:
        ValueError: fewer than two pairs, unequal lengths, or a mean that is NaN or outside [0, 1].

    """
    differences = paired_differences(baseline, candidate)
    n = len(differences)
    if n == 1:
        raise ValueError(f"paired_t needs at least 2 pairs, got {n}: use sign_flip")
    delta = float(differences.mean())
    se = standard_error(differences)
    half = upper_t(0.025, n - 1) * se
    return PairedT(
        delta=delta,
        se=se,
        t=_ratio(delta, se),
        df=n - 1,
        p_regress=drop_p(delta, se, n - 1),
        p_two_sided=min(1.0, 2 * min(drop_p(delta, se, n - 1), drop_p(-delta, se, n - 1))),
        ci95=Interval(delta - half, delta + half),
    )


def paired_differences(baseline: Numbers, candidate: Numbers) -> npt.NDArray[np.float64]:
    """Return candidate minus baseline, shape (n,); what is only a rounding error becomes 0.

    Raises:
        ValueError: no pair, unequal lengths, or a mean that is NaN or outside [0, 1].

    """
    check_same_length(baseline=baseline, candidate=candidate)
    differences = as_numbers("candidate", candidate, 0.0, 1.0) - as_numbers("baseline", baseline, 0.0, 1.0)
    differences[np.abs(differences) <= ROUNDING] = 0.0
    return differences


def standard_error(differences: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the mean; 0 where all differences are equal but for rounding."""
    if np.ptp(differences) <= ROUNDING:
        return 0.0
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))


def _ratio(delta: float, se: float) -> float:
    if delta == 0:
        return 0.0
    return delta / se if se else math.copysign(math.inf, delta)

"""Intervals of the change of a pass rate, from a two by two table of pairs (or from two separate sets)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.clusters import cluster_sums, drop_p, mean_se_df
from pytest_evalgate.stats.intervals import Interval, wilson_interval
from pytest_evalgate.stats.numeric import (
    ROUNDING,
    Numbers,
    as_numbers,
    binomial_tail,
    bisect,
    check_alpha,
    check_counts,
    check_inside,
    check_margin,
    check_same_length,
    check_table,
    check_within,
    upper_t,
    upper_z,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True, slots=True)
class UnpairedDelta:
    """The difference of two pass rates of different cases."""

    delta: float
    ci95: Interval


def tango_bounds(losses: int, gains: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the two one-sided score bounds of ``delta``, each at confidence ``1 - alpha``: those of the gate.

    Source: Tango 1998.

    Raises:
        ValueError: a count is negative, not whole or NaN, ``n`` is 0 or less than losses and gains together, or
            ``alpha`` is outside (0, 0.5).

    """
    check_counts(losses=losses, gains=gains)
    check_counts(max(1, losses + gains), n=n)
    check_alpha(alpha)
    z = upper_z(alpha)
    return Interval(lower=_tango_lower(losses, gains, n, z), upper=-_tango_lower(gains, losses, n, z))


def unpaired_newcombe(
    *, baseline_passes: int, baseline_n: int, candidate_passes: int, candidate_n: int
) -> UnpairedDelta:
    """Return the difference of two pass rates of different cases, with its 95% square-and-add interval.

    A description for sets without ids: a gate needs pairs. Source: Newcombe 1998.

    Raises:
        ValueError: a set is empty, or its passes are not from 0 to its size.

    """
    baseline, candidate = wilson_interval(baseline_passes, baseline_n), wilson_interval(candidate_passes, candidate_n)
    before, after = baseline_passes / baseline_n, candidate_passes / candidate_n
    delta = after - before
    return UnpairedDelta(
        delta=delta,
        ci95=Interval(
            lower=delta - math.hypot(after - candidate.lower, baseline.upper - before),
            upper=delta + math.hypot(candidate.upper - after, before - baseline.lower),
        ),
    )


def _tango_lower(losses: int, gains: int, n: int, z: float) -> float:
    lowest = -1 + 1e-10  # at -1 itself the variance under the hypothesis is 0
    if _tango_z(lowest, losses, gains, n) < z:
        return -1.0
    return bisect(lambda d: _tango_z(d, losses, gains, n) >= z, inside=lowest, outside=(gains - losses) / n)


def _tango_z(d: float, losses: int, gains: int, n: int) -> float:
    """Return the score statistic of the hypothesis ``delta = d``; it falls as d rises."""
    numerator = gains - losses - n * d
    if numerator == 0:
        return 0.0
    # q, the loss rate that is most likely if delta is d, solves a q² + b q + c = 0
    a, b, c = 2 * n, (2 * n - gains + losses) * d - losses - gains, -losses * d * (1 - d)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    q = (root - b) / (2 * a) if b <= 0 else -2 * c / (root + b)  # never the difference of two like numbers
    return numerator / math.sqrt(n * (2 * q + d * (1 - d)))


MAX_FLIPS = 16
"""Sign vectors are enumerated up to this many differences (65,536 vectors, 1 ms); the t test is good above."""


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
    more, same_or_more = binomial_tail(np.add(losses, 1), discordant, 0.5), binomial_tail(losses, discordant, 0.5)
    return np.where(np.equal(discordant, 0), 1.0, (more + same_or_more) / 2)


def sign_flip_midp(differences: npt.NDArray[np.float64]) -> float:
    """Return the one-sided mid-p of a drop from n differences, or cluster sums, by all sign vectors of those not zero.

    On passes and failures it equals McNemar's test. Shape: (n,). Source: Fisher 1935.

    Raises:
        ValueError: more than 16 differences are not zero.

    """
    moved = differences[np.abs(differences) > ROUNDING]
    if len(moved) == 0:
        return 1.0
    if len(moved) > MAX_FLIPS:
        raise ValueError(f"at most {MAX_FLIPS} differences may be non-zero, got {len(moved)}: use the t test")
    totals = np.zeros(1)
    for difference in moved:
        totals = np.concatenate((totals - difference, totals + difference))
    observed = moved.sum()
    below = float(np.mean(totals < observed - ROUNDING))
    same = float(np.mean(np.abs(totals - observed) <= ROUNDING))
    return below + same / 2


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


FindingName = Literal["regressed", "regressed_within_margin", "no_regression_beyond_margin", "inconclusive"]

DeltaTest = Literal["mcnemar-midp", "sign-flip-midp", "paired-t", "cluster-sign-flip-midp", "cluster-t"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one delta test; ``lower`` and ``upper`` are one-sided bounds at ``1 - alpha`` each."""

    name: FindingName
    test: DeltaTest
    delta: float
    p: float
    lower: float
    upper: float


def finding_name(p: float, lower: float, alpha: float, margin: float | None = None) -> FindingName:
    """Name what a p and a one-sided lower bound say: p decides on a drop, the bound decides on the margin.

    Raises:
        ValueError: ``p`` is outside [0, 1], ``lower`` is NaN, ``alpha`` is outside (0, 0.5) or ``margin`` outside
            (0, 1).

    """
    check_within("p", p, 0.0, 1.0)
    check_within("lower", lower, -math.inf, math.inf)
    check_alpha(alpha)
    check_margin(margin)
    inside_margin = margin is not None and lower > -margin
    if p <= alpha:
        return "regressed_within_margin" if inside_margin else "regressed"
    return "no_regression_beyond_margin" if inside_margin else "inconclusive"


def equivalent(lower: float, upper: float, margin: float) -> bool:
    """Say whether both one-sided bounds lie inside the margin: no drop and no rise of ``margin`` or more.

    A flag for migrations (a new model is to answer neither worse nor better), no verdict of its own. At bounds of
    ``1 - alpha`` it is wrong with probability alpha at most. Source: Schuirmann 1987, two one-sided tests.

    Raises:
        ValueError: a bound is NaN, ``lower`` exceeds ``upper``, or ``margin`` is outside (0, 1).

    """
    check_within("upper", upper, -math.inf, math.inf)
    check_within("lower", lower, -math.inf, upper)
    check_inside("margin", margin, 0.0, 1.0)
    return -margin < lower and upper < margin


def finding(
    *,
    both_pass: int,
    losses: int,
    gains: int,
    both_fail: int,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Finding:
    """Compare two runs of one trial per case, passed or failed: McNemar's mid-p and Tango's bounds.

    ``alpha`` is one-sided. Source: Fagerland, Lydersen & Laake 2013; Tango 1998.

    Raises:
        ValueError: a count is negative, not whole or NaN, there is no pair, ``alpha`` is outside (0, 0.5) or
            ``margin`` outside (0, 1).

    """
    n = check_table(both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail)
    bounds = tango_bounds(losses, gains, n, alpha)
    p = mcnemar_midp(losses, gains)
    name = finding_name(p, bounds.lower, alpha, margin)
    return Finding(name, "mcnemar-midp", (gains - losses) / n, p, bounds.lower, bounds.upper)


def finding_of_means(
    *,
    baseline: Numbers,
    candidate: Numbers,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Finding:
    """Compare two runs by the per-case means of their trials or graded scores, in [0, 1].

    The exact sign-flip mid-p if at most 16 cases (or cluster sums) differ, Student's t above that; Student's bounds,
    the lower one at least as far out as the score bound of a set without any difference. With ``clusters`` all of it
    rests on clusters instead of cases. The two runs may have different numbers of trials.
    Shapes: (n,), (n,), (n,). Source: Miller 2024; Tango 1998 for the floor of the bound.

    Raises:
        ValueError: no pair, unequal lengths, a mean that is NaN or outside [0, 1], a single cluster, ``alpha`` outside
            (0, 0.5) or ``margin`` outside (0, 1).

    """
    check_alpha(alpha)
    check_margin(margin)
    differences = paired_differences(baseline, candidate)
    if clusters is None:
        sums, delta, se = differences, float(differences.mean()), standard_error(differences)
    else:
        sums, (delta, se, _) = cluster_sums(differences, clusters), mean_se_df(differences, clusters)
    exact = int(np.count_nonzero(np.abs(sums) > ROUNDING)) <= MAX_FLIPS
    p = sign_flip_midp(sums) if exact else drop_p(delta, se, len(sums) - 1)
    bounds = _student_bounds(delta, se, len(sums), alpha)
    name = finding_name(p, bounds.lower, alpha, margin)
    return Finding(name, _test_name(exact, clusters is not None), delta, p, bounds.lower, bounds.upper)


def _student_bounds(delta: float, se: float, units: int, alpha: float) -> Interval:
    """Return Student's one-sided bounds, never nearer below than the score bound of ``units`` equal pairs."""
    if units == 1 and delta != 0:
        return Interval(-1.0, 1.0)  # one pair says nothing about spread
    z2 = upper_z(alpha) ** 2
    nearest = z2 / (units + z2)
    half = upper_t(alpha, units - 1) * se if se else nearest
    return Interval(lower=max(-1.0, delta - max(half, nearest)), upper=min(1.0, delta + half))


def _test_name(exact: bool, clustered: bool) -> DeltaTest:  # noqa: FBT001 - two facts in, one word out
    if clustered:
        return "cluster-sign-flip-midp" if exact else "cluster-t"
    return "sign-flip-midp" if exact else "paired-t"

"""Paired comparison of two runs: tests for a drop, one-sided bounds of the change, and the finding.

``delta`` is candidate minus baseline, as a share; ``losses`` are pairs that got worse, ``gains`` pairs that got
better. One trial a case: mid-p McNemar test with Tango's score bounds. Several trials or graded scores: exact
sign-flip test up to 16 changed cases, else Student's paired t test. With clusters both use cluster sums.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
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
from pytest_evalgate.stats.weights import relative_weights, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

FindingName = Literal["regressed", "regressed_within_margin", "no_regression_beyond_margin", "inconclusive"]

DeltaTest = Literal[
    "mcnemar-midp", "sign-flip-midp", "paired-t", "cluster-sign-flip-midp", "cluster-t", "run-labels-t"
]

MAX_FLIPS = 16
"""The sign-flip test enumerates all sign vectors of up to 16 differences (65,536 vectors, 1 ms); above, t is used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a paired test; ``lower`` and ``upper`` are one-sided bounds of ``delta`` at ``1 - alpha``."""

    name: FindingName
    test: DeltaTest
    delta: float
    p: float
    lower: float
    upper: float


def finding(
    *,
    both_pass: int,
    losses: int,
    gains: int,
    both_fail: int,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Finding:
    """Compare two runs of one trial per case, passed or failed: mid-p McNemar test and Tango's score bounds.

    The arguments are the cells of the two by two table. ``alpha`` is one-sided, ``margin`` a non-inferiority margin.
    Source: Fagerland, Lydersen & Laake 2013; Tango 1998.

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
    weights: Numbers | None = None,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Finding:
    """Compare two runs by the per-case means of their trials or graded scores, in [0, 1].

    The exact sign-flip mid-p if at most 16 cases (or cluster sums) differ, else Student's t. The bounds are Student's;
    the lower one is capped at the score bound of ``n`` pairs without a difference. With ``clusters`` the test and the
    bounds are those of cluster sums. The two runs may have different numbers of trials. With ``weights`` the
    differences are multiplied by them, and the bounds are those of the Hajek mean. Shapes: (n,) each.
    Source: Miller 2024; Tango 1998 for the cap; Särndal, Swensson & Wretman 1992 for weights.

    Raises:
        ValueError: no pair, unequal lengths, a mean that is NaN or outside [0, 1], a single cluster, a weight that is
            not positive and finite, ``alpha`` outside (0, 0.5) or ``margin`` outside (0, 1).
    """
    check_alpha(alpha)
    check_margin(margin)
    differences = paired_differences(baseline, candidate)
    if weights is not None:
        sums, delta, se, df = _weighted_change(differences, weights, clusters)
    elif clusters is None:
        sums, delta, se = differences, float(differences.mean()), standard_error(differences)
        df = float(len(sums) - 1)
    else:
        sums, (delta, se, df) = cluster_sums(differences, clusters), mean_se_df(differences, clusters)
    exact = int(np.count_nonzero(np.abs(sums) > ROUNDING)) <= MAX_FLIPS
    p = sign_flip_midp(sums) if exact else drop_p(delta, se, df)
    bounds = _student_bounds(delta, se, df, alpha)
    name = finding_name(p, bounds.lower, alpha, margin)
    tests: tuple[DeltaTest, DeltaTest] = ("sign-flip-midp", "paired-t")
    if clusters is not None:
        tests = "cluster-sign-flip-midp", "cluster-t"
    return Finding(name, tests[0 if exact else 1], delta, p, bounds.lower, bounds.upper)


def _weighted_change(
    differences: npt.NDArray[np.float64], weights: Numbers, clusters: Sequence[Hashable] | None
) -> tuple[npt.NDArray[np.float64], float, float, float]:
    """Return the weighted differences or their cluster sums, the mean, its standard error and degrees of freedom."""
    weighted = relative_weights(weights) * differences
    sums = weighted if clusters is None else cluster_sums(weighted, clusters)
    if clusters is None and len(sums) == 1:
        return sums, float(differences.mean()), 0.0, 0.0
    found = weighted_mean(differences, weights, clusters)
    return sums, found.mean, found.se, found.df


def finding_name(p: float, lower: float, alpha: float, margin: float | None = None) -> FindingName:
    """Return the finding of a p and a one-sided lower bound: p decides on a drop, the bound on the margin.

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


def _student_bounds(delta: float, se: float, df: float, alpha: float) -> Interval:
    """Return Student's one-sided bounds, the lower one capped at the score bound of ``df + 1`` unchanged pairs.

    At a true drop equal to the margin and n <= 50, the plain bound wrongly rules out the drop in 6 to 17 % of builds,
    the capped one in at most 9 %.
    """
    if df == 0 and delta != 0:
        return Interval(-1.0, 1.0)  # the spread cannot be estimated from one pair
    z2 = upper_z(alpha) ** 2
    cap = z2 / (df + 1 + z2)
    half = upper_t(alpha, df) * se if se else cap
    return Interval(lower=max(-1.0, delta - max(half, cap)), upper=min(1.0, delta + half))


def paired_differences(baseline: Numbers, candidate: Numbers) -> npt.NDArray[np.float64]:
    """Return candidate minus baseline, shape (n,), with rounding errors set to 0."""
    check_same_length(baseline=baseline, candidate=candidate)
    differences = as_numbers("candidate", candidate, 0.0, 1.0) - as_numbers("baseline", baseline, 0.0, 1.0)
    differences[np.abs(differences) <= ROUNDING] = 0.0
    return differences


def standard_error(differences: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the mean, shape (n,); 0 if all differences are equal up to rounding."""
    if np.ptp(differences) <= ROUNDING:
        return 0.0
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))


def equivalent(lower: float, upper: float, margin: float) -> bool:
    """Return whether both one-sided bounds are inside the margin: equivalence by two one-sided tests (TOST).

    The report shows it for migrations to another model; no gate uses it. With bounds at ``1 - alpha`` the probability
    of a wrong claim of equivalence is at most alpha. Source: Schuirmann 1987.

    Raises:
        ValueError: a bound is NaN, ``lower`` exceeds ``upper``, or ``margin`` is outside (0, 1).
    """
    check_within("upper", upper, -math.inf, math.inf)
    check_within("lower", lower, -math.inf, upper)
    check_inside("margin", margin, 0.0, 1.0)
    return -margin < lower and upper < margin


def mcnemar_midp(losses: int, gains: int) -> float:
    """Return the one-sided mid-p of McNemar's test for a drop; 1 if there are no discordant pairs.

    Source: Fagerland, Lydersen & Laake 2013.

    Raises:
        ValueError: a count is negative, not whole or NaN.
    """
    check_counts(losses=losses, gains=gains)
    return float(midp(losses, losses + gains))


def mcnemar_midp_two_sided(losses: int, gains: int) -> float:
    """Return the two-sided mid-p of McNemar's test for a change; 1 if there are no discordant pairs.

    It is the exact two-sided p less the probability of the observed split. At ``losses == gains`` the exact p is 1
    and the split is counted once, so the mid-p is ``1 - P(X = losses) / 2``, not 1.
    Source: Fagerland, Lydersen & Laake 2013.

    Raises:
        ValueError: a count is negative, not whole or NaN.
    """
    check_counts(losses=losses, gains=gains)
    if losses != gains:
        return 2 * min(mcnemar_midp(losses, gains), mcnemar_midp(gains, losses))
    if losses == 0:
        return 1.0
    discordant = losses + gains
    same = float(binomial_tail(losses, discordant, 0.5) - binomial_tail(losses + 1, discordant, 0.5))
    return 1 - same / 2


def midp(losses: npt.ArrayLike, discordant: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``P(X > losses) + P(X = losses) / 2`` for ``X ~ Binomial(discordant, 1/2)``, elementwise.

    The value is 1 if there are no discordant pairs.
    """
    more, same_or_more = binomial_tail(np.add(losses, 1), discordant, 0.5), binomial_tail(losses, discordant, 0.5)
    return np.where(np.equal(discordant, 0), 1.0, (more + same_or_more) / 2)


def sign_flip_midp(differences: npt.NDArray[np.float64]) -> float:
    """Return the one-sided mid-p of the exact sign-flip test for a drop, from n differences or cluster sums.

    The mean is compared with those of all sign vectors of the non-zero differences. For one pass or failure per case
    it equals the mid-p McNemar test. Shape: (n,). Source: Fisher 1935.

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


def tango_bounds(losses: int, gains: int, n: int, alpha: float = 0.05) -> Interval:
    """Return Tango's two one-sided score bounds of ``delta`` for ``n`` pairs, each at confidence ``1 - alpha``.

    A bound is the ``d`` at which the score statistic of the hypothesis ``delta = d`` equals the normal quantile, found
    by bisection. Source: Tango 1998.

    Raises:
        ValueError: a count is negative, not whole or NaN, ``n`` is 0 or less than losses and gains together, or
            ``alpha`` is outside (0, 0.5).
    """
    check_counts(losses=losses, gains=gains)
    check_counts(max(1, losses + gains), n=n)
    check_alpha(alpha)
    z = upper_z(alpha)
    return Interval(lower=_tango_lower(losses, gains, n, z), upper=-_tango_lower(gains, losses, n, z))


def _tango_lower(losses: int, gains: int, n: int, z: float) -> float:
    lowest = -1 + 1e-10  # at -1 itself the variance is 0
    if _tango_z(lowest, losses, gains, n) < z:
        return -1.0
    return bisect(lambda d: _tango_z(d, losses, gains, n) >= z, inside=lowest, outside=(gains - losses) / n)


def _tango_z(d: float, losses: int, gains: int, n: int) -> float:
    """Return the score statistic of the hypothesis ``delta = d``, which decreases in ``d``."""
    numerator = gains - losses - n * d
    if numerator == 0:
        return 0.0
    # q, the maximum likelihood estimate of the loss rate given delta = d, solves a q² + b q + c = 0
    a, b, c = 2 * n, (2 * n - gains + losses) * d - losses - gains, -losses * d * (1 - d)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    q = (root - b) / (2 * a) if b <= 0 else -2 * c / (root + b)  # avoids cancellation
    return numerator / math.sqrt(n * (2 * q + d * (1 - d)))


@dataclass(frozen=True, slots=True)
class UnpairedDelta:
    """The difference of two pass rates on different cases, with its two-sided 95 % interval."""

    delta: float
    ci95: Interval


def unpaired_newcombe(
    *, baseline_passes: int, baseline_n: int, candidate_passes: int, candidate_n: int
) -> UnpairedDelta:
    """Return the difference of two pass rates on different cases, with Newcombe's square-and-add 95 % interval.

    For golden sets without case ids; gates need pairs. Source: Newcombe 1998.

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

"""What a delta test says: a p for a drop, bounds of the change, and the finding they add up to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.stats.bounds import tango_bounds
from pytest_evalgate.stats.checks import Numbers, check_alpha, check_inside, check_margin, check_table, check_within
from pytest_evalgate.stats.clusters import cluster_sums, drop_p, mean_se_df
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import ROUNDING, upper_t, upper_z
from pytest_evalgate.stats.paired import MOST_FLIPS, mcnemar_midp, paired_differences, sign_flip_midp, standard_error

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

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
    exact = int(np.count_nonzero(np.abs(sums) > ROUNDING)) <= MOST_FLIPS
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

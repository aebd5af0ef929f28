"""Means and changes of dependent observations: clusters of cases, and repeated trials of one case.

Clusters (cases of one document or conversation) use cluster-robust standard errors and an effective number of cases.
Ignoring clusters of five cases nearly doubles the false alarms of a gate: 9 % instead of 5 %.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.intervals import Interval, clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.numeric import (
    ROUNDING,
    Numbers,
    as_numbers,
    check_counts,
    check_inside,
    check_same_length,
    upper_t,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClusterMean:
    """A mean of clustered cases with its cluster-robust standard error ``se``.

    ``ci`` is Student's interval; ``lower_one_sided_exact`` and ``wilson_two_sided`` are computed with ``n_eff``.
    """

    mean: float
    se: float
    df: int
    ci: Interval
    n_eff: float
    lower_one_sided_exact: float
    wilson_two_sided: Interval


@dataclass(frozen=True, slots=True)
class ClusterDelta:
    """A mean difference of clustered pairs; ``p_regress`` is the one-sided p of a drop."""

    delta: float
    se: float
    df: int
    p_regress: float


@dataclass(frozen=True, slots=True)
class RepeatsRate:
    """A pass rate over repeated trials; its bounds are computed with the effective number of cases ``n_eff``."""

    mean: float
    n_eff: float
    lower_one_sided_exact: float
    wilson_two_sided: Interval


@dataclass(frozen=True, slots=True)
class Icc:
    """The intraclass correlation of trials of one case, and the design effect that follows from it.

    At ``icc`` = 1 all trials of a case agree, and further trials add no information.
    """

    icc: float
    design_effect: float


def cluster_mean_ci(values: Numbers, clusters: Sequence[Hashable], confidence: float = 0.95) -> ClusterMean:
    """Estimate the mean of n case values in [0, 1] that come in C clusters.

    Cluster-robust: ``se² = C/(C-1) sum e_g² / n²``, where ``e_g`` is the sum of the deviations from the mean in
    cluster g. ``ci`` is Student's interval with C - 1 degrees of freedom, not clipped to [0, 1]. Gates use
    ``lower_one_sided_exact``, because the coverage of Student's interval is too low when nearly all cases pass.
    ``n_eff`` follows from ``se`` and is between C (also if all clusters are equal) and n. Shapes: (n,), (n,). Source:
    Miller 2024; Korn & Graubard 1998.

    Raises:
        ValueError: no case, unequal lengths, a value that is NaN or outside [0, 1], fewer than two clusters, or
            ``confidence`` outside (0.5, 1).
    """
    check_inside("confidence", confidence, 0.5, 1.0)
    array = as_numbers("values", values, 0.0, 1.0)
    mean, se, df = mean_se_df(array, clusters)
    half = upper_t((1 - confidence) / 2, df) * se
    n_eff = effective_n(mean, se, df + 1, len(array))
    return ClusterMean(
        mean=mean,
        se=se,
        df=df,
        ci=Interval(mean - half, mean + half),
        n_eff=n_eff,
        lower_one_sided_exact=clopper_pearson_lower_one_sided(mean * n_eff, n_eff, confidence),
        wilson_two_sided=wilson_interval(mean * n_eff, n_eff, confidence),
    )


def mean_score_ci(
    scores: Numbers, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> ClusterMean:
    """Estimate the mean of n >= 2 per-case scores in [0, 1]: graded scores, or means of several trials.

    As `cluster_mean_ci`; without ``clusters`` each case is a cluster. Gates use ``lower_one_sided_exact``: it treats
    the mean as a pass rate, which has the largest variance of all scores with this mean, so the bound is conservative.
    Shapes: (n,), (n,). Source: Miller 2024; Korn & Graubard 1998.

    Raises:
        ValueError: fewer than two cases or clusters, unequal lengths, a score that is NaN or outside [0, 1], or
            ``confidence`` outside (0.5, 1).
    """
    array = as_numbers("scores", scores, 0.0, 1.0)
    if len(array) == 1:
        raise ValueError("scores: at least 2 cases are needed for a standard error, got 1")
    return cluster_mean_ci(array, range(len(array)) if clusters is None else clusters, confidence)


def cluster_delta(differences: Numbers, clusters: Sequence[Hashable]) -> ClusterDelta:
    """Test n differences (candidate minus baseline, in [-1, 1]) that come in C clusters for a drop.

    Student's t test with C - 1 degrees of freedom on the cluster-robust standard error. If all clusters are equal,
    ``p_regress`` is 0 for a drop and 1 otherwise. Shapes: (n,), (n,). Source: Miller 2024.

    Raises:
        ValueError: no pair, unequal lengths, a difference that is NaN or outside [-1, 1], or fewer than two clusters.
    """
    delta, se, df = mean_se_df(as_numbers("differences", differences, -1.0, 1.0), clusters)
    return ClusterDelta(delta=delta, se=se, df=df, p_regress=drop_p(delta, se, df))


def mean_se_df(values: npt.NDArray[np.float64], clusters: Sequence[Hashable]) -> tuple[float, float, int]:
    """Return the mean of ``values``, shape (n,), its cluster-robust standard error and the degrees of freedom, C - 1.

    Raises ValueError for unequal lengths, or fewer than two clusters.
    """
    mean = float(values.mean())
    deviations = cluster_sums(values - mean, clusters)
    count = len(deviations)
    if count == 1:
        raise ValueError("clusters: at least 2 different ones are needed, got 1: remove the cluster field")
    deviations[np.abs(deviations) <= ROUNDING] = 0.0
    return mean, float(np.sqrt(count / (count - 1) * np.sum(deviations**2))) / len(values), count - 1


def cluster_sums(values: npt.NDArray[np.float64], clusters: Sequence[Hashable]) -> npt.NDArray[np.float64]:
    """Return the sum of ``values`` in each cluster, shape (C,), in the order of first appearance."""
    check_same_length(values=values, clusters=clusters)
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.bincount(codes, weights=values).astype(np.float64)


def drop_p(delta: float, se: float, df: float) -> float:
    """Return Student's one-sided p of a drop; with ``se`` 0 it is 0 for a drop and 1 otherwise."""
    if se == 0:
        return 0.0 if delta < 0 else 1.0
    return float(special.stdtr(df, delta / se))


def repeats_effective_n(passes: Numbers, trials: Numbers, confidence: float = 0.95) -> RepeatsRate:
    """Estimate the pass rate of N cases; case i passed ``passes[i]`` of ``trials[i]`` trials.

    The rate is the mean of the per-case rates. Their variance determines the effective n, between N (the trials of
    each case agree, or N = 1) and the number of all trials. The exact one-sided lower bound and Wilson's two-sided
    interval, both at ``confidence``, use this effective n. Below 50 cases the coverage of the bound is lower (0.88 at
    n = 20). Counting all trials as independent would cover 0.69 to 0.92. Shapes: (N,), (N,). Source: Korn & Graubard
    1998.

    Raises:
        ValueError: no case, unequal lengths, a case without a trial or with passes outside 0 to its trials, NaN, or
            ``confidence`` outside (0.5, 1).
    """
    rates = _case_rates(passes, trials)
    cases, mean = len(rates), float(rates.mean())
    se = float(rates.std(ddof=1) / np.sqrt(cases)) if np.ptp(rates) > 0 else 0.0
    n_eff = effective_n(mean, se, cases, float(np.sum(trials)))
    return RepeatsRate(
        mean=mean,
        n_eff=n_eff,
        lower_one_sided_exact=clopper_pearson_lower_one_sided(mean * n_eff, n_eff, confidence),
        wilson_two_sided=wilson_interval(mean * n_eff, n_eff, confidence),
    )


def effective_n(mean: float, se: float, fewest: float, most: float) -> float:
    """Return the number of independent cases at which the rate ``mean`` would have the standard error ``se``.

    ``mean (1 - mean) / se²``, clipped to ``[fewest, most]``; ``fewest`` if ``se`` is 0, which is no evidence of
    precision.
    Source: Korn & Graubard 1998.
    """
    if se == 0:
        return float(fewest)
    return float(np.clip(mean * (1 - mean) / se**2, fewest, most))


def icc_anova(passes: Numbers, k: int) -> Icc | None:
    """Estimate the intraclass correlation of ``k`` trials of each of N cases from their passes, shape (N,).

    ``design_effect = 1 + (k - 1) icc`` is the ratio of the variance to that of independent trials. None if it is
    undefined: one trial, one case, or all trials equal. Source: Fisher 1925, analysis of variance.

    Raises:
        ValueError: no case, ``k`` is not a whole number above 0, or passes are NaN or outside 0 to ``k``.
    """
    check_counts(1, k=k)
    rates = _case_rates(passes, [k] * len(passes))
    if k == 1 or len(rates) == 1:
        return None
    between = k * float(rates.var(ddof=1))
    within = k * float(np.mean(rates * (1 - rates))) / (k - 1)
    total = between + (k - 1) * within
    if total == 0:
        return None
    icc = (between - within) / total
    return Icc(icc=icc, design_effect=1 + (k - 1) * icc)


def _case_rates(passes: Numbers, trials: Numbers) -> npt.NDArray[np.float64]:
    check_same_length(passes=passes, trials=trials)
    each = as_numbers("trials", trials, 1, sys.float_info.max)
    return as_numbers("passes", passes, 0, each) / each

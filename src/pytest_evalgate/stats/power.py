"""How many pairs of means a drop needs, and what trials and clusters do to it.

The variance of the mean change comes first (``variance_trials``, ``variance_clusters``, or ``sd² / n``); its root and
its degrees of freedom then give the power and the smallest detectable drop of Student's test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from pytest_evalgate.stats.checks import check_alpha, check_counts, check_inside, check_within
from pytest_evalgate.stats.numeric import bisect, upper_t, upper_z

CERTAIN = 1e9
"""A drop of this many standard errors is never missed; scipy's noncentral t knows no larger ones."""


@dataclass(frozen=True, slots=True)
class MeanSampleSize:
    """Pairs needed by Student's test (``n`` is ``n_t`` rounded up) and by the normal approximation."""

    n_t: float
    n_normal: float
    n: int


@dataclass(frozen=True, slots=True)
class VarianceTrials:
    """The variance of the mean change, and the number of trials from which on more of them hardly lower it."""

    var_delta: float
    trials_worthwhile: float


def paired_mean_sample_size(
    sd: float, delta: float, alpha_one_sided: float = 0.05, power: float = 0.8
) -> MeanSampleSize:
    """Return the number of pairs at which a true drop ``delta`` of the mean is found with ``power``.

    ``sd`` is the standard deviation of the differences of single pairs, ``delta`` the size of the drop, above 0.
    Source: the noncentral t distribution, solved for n (at least 2); ``((z_alpha + z_power) sd / delta)²``.

    Raises:
        ValueError: ``sd`` or ``delta`` is not positive and finite, ``alpha_one_sided`` is outside (0, 0.5) or
            ``power`` outside [0.5, 1).

    """
    check_inside("sd", sd, 0.0, math.inf)
    check_inside("delta", delta, 0.0, math.inf)
    _check_levels(alpha_one_sided, power)

    def too_few(n: float) -> bool:
        return _power(delta * math.sqrt(n) / sd, n - 1, alpha_one_sided) < power

    n_normal = ((upper_z(alpha_one_sided) + upper_z(1 - power)) * sd / delta) ** 2
    enough = 2.0
    while too_few(enough):
        enough *= 2
    n_t = bisect(too_few, inside=2.0, outside=enough)
    return MeanSampleSize(n_t=n_t, n_normal=n_normal, n=math.ceil(n_t))


def mean_power(drop: float, se: float, df: int, alpha_one_sided: float = 0.05) -> float:
    """Return the chance that Student's test finds a true ``drop`` of the mean, given its standard error.

    ``df`` is the number of pairs, or of clusters, less one. Source: the noncentral t distribution.

    Raises:
        ValueError: ``drop`` is negative or infinite, ``se`` is not positive and finite, ``df`` is not a whole number
            above 0, ``alpha_one_sided`` is outside (0, 0.5), or the two are too small together (1 and 1e-6, say).

    """
    check_inside("drop", drop, -math.ulp(0.0), math.inf)  # 0 itself is allowed
    check_inside("se", se, 0.0, math.inf)
    check_counts(1, df=df)
    check_alpha(alpha_one_sided, "alpha_one_sided")
    return _power(drop / se, df, alpha_one_sided)


def mde_mean(se: float, df: int, alpha_one_sided: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest drop of the mean that Student's test finds with ``power``, given its standard error.

    ``df`` is the number of pairs, or of clusters, less one. Example: 30 clusters and 300 pairs that differ by 0.4,
    with an intraclass correlation of 0.2: ``mde_mean(sqrt(variance_clusters(0.16, 300, 30, 0.2)), 29)`` is 0.098.
    Source: the noncentral t distribution, solved for the drop.

    Raises:
        ValueError: ``se`` is not positive and finite, ``df`` is not a whole number above 0, ``alpha_one_sided`` is
            outside (0, 0.5), ``power`` outside [0.5, 1), or ``df`` and alpha are too small together (1 and 1e-6, say).

    """
    check_inside("se", se, 0.0, math.inf)
    check_counts(1, df=df)
    _check_levels(alpha_one_sided, power)
    enough = 1.0
    while enough < CERTAIN and _power(enough, df, alpha_one_sided) < power:
        enough *= 2
    return se * bisect(lambda drop: _power(drop, df, alpha_one_sided) < power, inside=0.0, outside=enough)


def variance_trials(var_between: float, var_within: float, k: int, n: int) -> VarianceTrials:
    """Return the variance of the mean change of ``n`` cases with ``k`` trials each in both runs.

    ``var_between / n + 2 var_within / (n k)``. ``var_between`` is the variance of the true per-case change,
    ``var_within`` the mean within-case variance of one trial (half of the flip rate of identical runs). Trials lower
    only the second part, cases both: beyond ``2 var_within / var_between`` trials the first part is the larger one.
    Source: Miller 2024.

    Raises:
        ValueError: a variance is negative or infinite, or ``k`` or ``n`` is not a whole number above 0.

    """
    check_inside("var_between", var_between, -math.ulp(0.0), math.inf)
    check_inside("var_within", var_within, -math.ulp(0.0), math.inf)
    check_counts(1, k=k, n=n)
    return VarianceTrials(
        var_delta=var_between / n + 2 * var_within / (n * k),
        trials_worthwhile=2 * var_within / var_between if var_between else math.inf,
    )


def variance_clusters(variance: float, n: int, clusters: int, icc: float) -> float:
    """Return the variance of the mean of ``n`` cases that come in ``clusters`` of about equal size.

    ``variance / n`` times the design effect ``1 + (n / clusters - 1) icc``. ``variance`` is that of single cases (or
    of their changes), ``icc`` the intraclass correlation within clusters. Source: Kish 1965.

    Raises:
        ValueError: ``variance`` is negative or infinite, ``clusters`` is not a whole number above 0, ``n`` not one of
            at least ``clusters``, or ``icc`` is outside [0, 1].

    """
    check_inside("variance", variance, -math.ulp(0.0), math.inf)
    check_counts(1, clusters=clusters)
    check_counts(clusters, n=n)
    check_within("icc", icc, 0.0, 1.0)
    return variance / n * (1 + (n / clusters - 1) * icc)


def _check_levels(alpha: float, power: float) -> None:
    check_alpha(alpha, "alpha_one_sided")
    check_inside("power", power, math.nextafter(0.5, 0.0), 1.0)  # 0.5 itself is allowed


def _power(noncentrality: float, df: float, alpha: float) -> float:
    missed = float(special.nctdtr(df, min(noncentrality, CERTAIN), upper_t(alpha, df)))
    beyond_its_reach = missed == 1.0 and noncentrality >= CERTAIN
    if math.isnan(missed) or beyond_its_reach:
        raise ValueError(f"no power is known for alpha {alpha:g} with {df:g} degrees of freedom: take more pairs")
    return 1.0 - missed

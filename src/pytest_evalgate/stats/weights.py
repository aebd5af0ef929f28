"""Means and changes of cases with weights: the Hajek mean, its standard error, and Kish's effective number of cases.

A weight is the importance of a case: the number of cases of the population that it stands for, or any number
proportional to it. Only ratios matter. Cases with equal weights have the same estimates as cases without.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import cluster_sums, effective_n
from pytest_evalgate.stats.numeric import ROUNDING, Numbers, as_numbers, check_same_length, upper_t

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

_TAIL: Final = 0.025  # of the quantiles of t whose ratio is the loss by unequal weights


@dataclass(frozen=True, slots=True)
class WeightedMean:
    """A weighted mean with its standard error ``se``, and the degrees of freedom of Student's t.

    ``units`` is the number of independent cases, or of clusters of them, and ``n_eff`` Kish's effective number.
    """

    mean: float
    se: float
    df: float
    units: int
    n_eff: float


def kish_n(weights: Numbers) -> float:
    """Return the number of cases with equal weights whose mean has the same variance: ``(sum w)² / sum w²``.

    It assumes that the variance of a case does not depend on its weight. Shape: (n,). Source: Kish 1965.

    Raises:
        ValueError: no weight, or one that is not positive and finite.
    """
    relative = relative_weights(weights)
    return len(relative) / float(np.mean(relative**2))


def relative_weights(weights: Numbers) -> npt.NDArray[np.float64]:
    """Return the weights divided by their mean, shape (n,).

    Raises:
        ValueError: no weight, or one that is not positive and finite.
    """
    array = as_numbers("weights", weights, math.ulp(0.0), np.finfo(np.float64).max)
    largest = array.max()  # first, so that the mean of huge weights is finite
    relative: npt.NDArray[np.float64] = array / largest
    return relative / float(relative.mean())


def weighted_mean(
    values: npt.NDArray[np.float64], weights: Numbers, clusters: Sequence[Hashable] | None = None
) -> WeightedMean:
    """Estimate the mean of ``values`` with ``weights``: ``sum w y / sum w``, the Hajek estimator.

    ``se² = C/(C-1) sum e_g² / (sum w)²``, where ``e_g`` is the sum of ``w (y - mean)`` in cluster g; without
    ``clusters`` each case is one. The degrees of freedom are Satterthwaite's for units of unequal weight,
    ``(sum W²)² / sum W⁴ - 1``, and at least 1; with equal weights they are C - 1. Shapes: (n,), (n,), (n,).
    Source: Hajek 1971; Särndal, Swensson & Wretman 1992, section 5.7; Satterthwaite 1946.

    Raises:
        ValueError: no case, unequal lengths, a weight that is not positive and finite, or fewer than two units.
    """
    check_same_length(values=values, weights=weights)
    relative = relative_weights(weights)
    mean = float(np.mean(relative * values))
    deviations = relative * (values - mean)
    units = relative
    if clusters is not None:
        deviations, units = cluster_sums(deviations, clusters), cluster_sums(relative, clusters)
    count = len(units)
    if count == 1:
        raise ValueError("at least 2 independent cases or clusters are needed for a standard error, got 1")
    deviations[np.abs(deviations) <= ROUNDING] = 0.0
    se = math.sqrt(count / (count - 1) * float(np.sum(deviations**2))) / len(values)
    squares = units**2
    df = float(np.sum(squares)) ** 2 / float(np.sum(squares**2)) - 1
    return WeightedMean(mean, se, max(1.0, df), count, kish_n(units))


def weighted_n(found: WeightedMean, most: float) -> float:
    """Return the effective number of cases for the binomial bounds of a weighted rate, at most ``most``.

    It is the number at which a rate has the standard error of the weighted one, reduced because unequal weights leave
    fewer degrees of freedom to estimate it: ``mean (1 - mean) / se² * (t(units - 1) / t(df))²``. Kish's number if all
    cases passed or failed. Kish's number alone is right only if weights and results are unrelated: with hard cases
    drawn at a quarter of the rate of others, 95 % intervals covered 90 to 93 %, and 97 % at the fourfold rate; these
    cover 94 to 96 % (benchmarks/weighted_cases.py). Source: Korn & Graubard 1998.
    """
    if found.se == 0:
        return found.n_eff
    ratio = upper_t(_TAIL, found.units - 1) / upper_t(_TAIL, found.df)
    # exactly 1 stands for a single cluster, which has no variance
    return effective_n(found.mean, found.se / ratio, math.nextafter(1.0, 2.0), most)

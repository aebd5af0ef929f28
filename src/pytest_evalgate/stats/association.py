"""Association of two short series by ranks: exact or permutation p, bootstrap interval, and a scan over lags."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.correlation import correlate
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import Numbers, as_finite, check_counts, check_inside, check_same_length

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Places = npt.NDArray[np.intp]

RankCoefficient = Literal["spearman", "kendall"]
Method = Literal["exact", "permutation"]

MIN_ROWS = 4
"""Fewest rows of an interval, and of a lag."""

MOST_EXACT = 8
"""Most rows of which all orders are enumerated: 40,320."""

PERMUTATIONS = 9_999
RESAMPLES = 1_999
_MOST_CELLS = 4_000_000  # of one block of orders: 32 MB
_TOLERANCE = 1e-9
_USABLE = 0.9
"""Smallest share of resamples in which neither column is constant, for an interval."""


@dataclass(frozen=True, slots=True)
class Association:
    """A rank coefficient of n rows, its interval and its two-sided p.

    ``value`` and ``p`` are None if a column is constant. ``interval`` is None as well for fewer than four rows, or if
    a column is nearly constant. ``method``: whether ``p`` is exact, or of random orders.
    """

    n: int
    value: float | None
    interval: Interval | None
    p: float | None
    method: Method


def associate(
    one: Numbers, other: Numbers, coefficient: RankCoefficient, *, confidence: float = 0.95, seed: int = 0
) -> Association:
    """Test and estimate the association of n rows. Shapes: (n,), (n,).

    The interval has the percentiles of 1,999 resamples of the rows. Source: Efron 1979.

    Raises:
        ValueError: as `rank_test`, or ``confidence`` is outside (0, 1).
    """
    check_inside("confidence", confidence, 0.0, 1.0)
    p, method = rank_test(one, other, coefficient, seed=seed)
    x, y = as_finite("one", one), as_finite("other", other)
    interval = None if p is None else _interval(x, y, coefficient, confidence, np.random.default_rng(seed))
    return Association(len(x), correlate(x, y, coefficient), interval, p, method)


def rank_test(
    one: Numbers, other: Numbers, coefficient: RankCoefficient, *, seed: int = 0
) -> tuple[float | None, Method]:
    """Return the two-sided p of n rows, None if a column is constant, and the method. Shapes: (n,), (n,).

    It is twice the smaller tail over all orders of one column with up to eight rows; for Kendall without ties from the
    exact distribution; else over 9,999 random orders, the observed one included. It assumes that the rows are
    independent. Source: Edgington 1969, Phipson & Smyth 2010.

    Raises:
        ValueError: no row, unequal lengths, or a number that is not finite.
    """
    check_same_length(one=one, other=other)
    x, y = as_finite("one", one), as_finite("other", other)
    n = len(x)
    method: Method = "exact" if n <= MOST_EXACT else "permutation"
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, method
    has_ties = len(np.unique(x)) < n or len(np.unique(y)) < n
    if coefficient == "kendall" and not has_ties and n > MOST_EXACT:
        from scipy import stats  # noqa: PLC0415 - the import takes 0.75 s

        return float(stats.kendalltau(x, y, method="exact").pvalue), "exact"
    return _permutation_p(x, y, coefficient, np.random.default_rng(seed)), method


@dataclass(frozen=True, slots=True)
class Lag:
    """The association of each row of one series with the row of the other that is ``lag`` rows later.

    ``p_adjusted`` is Holm's over all lags of the scan.
    """

    lag: int
    n: int
    value: float | None
    p: float | None
    p_adjusted: float | None


def scan_lags(one: Numbers, other: Numbers, *, max_lag: int, seed: int = 0) -> tuple[Lag, ...]:
    """Return Spearman's rho at the lags from 0 to ``max_lag``, of rows in the order of time. Shapes: (n,), (n,).

    Lags with fewer than four rows are left out.

    Raises:
        ValueError: as `associate`, or ``max_lag`` is negative.
    """
    check_counts(max_lag=max_lag)
    check_same_length(one=one, other=other)
    x, y = as_finite("one", one), as_finite("other", other)
    found = [
        (lag, associate(x[: len(x) - lag], y[lag:], "spearman", seed=seed))
        for lag in range(max_lag + 1)
        if len(x) - lag >= MIN_ROWS
    ]
    tested = [one.p for _, one in found if one.p is not None]
    adjusted = iter(holm_adjusted(tested) if tested else ())
    return tuple(Lag(lag, one.n, one.value, one.p, None if one.p is None else next(adjusted)) for lag, one in found)


def _permutation_p(x: Floats, y: Floats, coefficient: RankCoefficient, rng: np.random.Generator) -> float:
    """Return twice the smaller tail of the coefficient over the orders of ``y``.

    The denominator of both coefficients is the same in every order, so numerators are compared.
    """
    n = len(x)
    observed = _numerators(x, y, coefficient, np.arange(n)[np.newaxis])[0]
    if n <= MOST_EXACT:
        orders = np.array(list(itertools.permutations(range(n))), dtype=np.intp)
        extra = 0
    else:
        orders = rng.permuted(np.tile(np.arange(n, dtype=np.intp), (PERMUTATIONS, 1)), axis=1)
        extra = 1
    numerators = _numerators(x, y, coefficient, orders)
    slack = _TOLERANCE * max(1.0, abs(observed))
    below = int(np.count_nonzero(numerators <= observed + slack)) + extra
    above = int(np.count_nonzero(numerators >= observed - slack)) + extra
    return min(1.0, 2 * min(below, above) / (len(orders) + extra))


def _numerators(x: Floats, y: Floats, coefficient: RankCoefficient, orders: Places) -> Floats:
    if coefficient == "spearman":
        from scipy import stats  # noqa: PLC0415 - the import takes 0.75 s

        ranks_x, ranks_y = stats.rankdata(x), stats.rankdata(y)
        found: Floats = (ranks_y - ranks_y.mean())[orders] @ (ranks_x - ranks_x.mean())
        return found
    first, second = np.triu_indices(len(x), 1)
    signs_x, signs_y = np.sign(x[first] - x[second]), np.sign(np.subtract.outer(y, y))
    return np.concatenate(
        [signs_y[block[:, first], block[:, second]] @ signs_x for block in _blocks(orders, len(first))]
    )


def _blocks(orders: Places, cells: int) -> list[Places]:
    """Split rows so that a block has a bounded number of cells."""
    return np.array_split(orders, max(1, math.ceil(len(orders) * cells / _MOST_CELLS)))


def _interval(
    x: Floats, y: Floats, coefficient: RankCoefficient, confidence: float, rng: np.random.Generator
) -> Interval | None:
    n = len(x)
    if n < MIN_ROWS:
        return None
    values = _resampled(x, y, coefficient, rng.integers(n, size=(RESAMPLES, n)))
    known = values[np.isfinite(values)]
    if len(known) < _USABLE * RESAMPLES:
        return None
    tail = (1 - confidence) / 2
    low, high = np.clip(np.quantile(known, [tail, 1 - tail]), -1.0, 1.0)
    return Interval(float(low), float(high))


def _resampled(x: Floats, y: Floats, coefficient: RankCoefficient, rows: Places) -> Floats:
    """Return the coefficient of each resample; NaN if a column of it is constant."""
    if coefficient == "spearman":
        from scipy import stats  # noqa: PLC0415 - the import takes 0.75 s

        ranks = [stats.rankdata(column[rows], axis=1) for column in (x, y)]
        a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
        return _ratio((a * b).sum(axis=1), (a * a).sum(axis=1), (b * b).sum(axis=1))
    first, second = np.triu_indices(len(x), 1)
    signs_x, signs_y = np.sign(np.subtract.outer(x, x)), np.sign(np.subtract.outer(y, y))
    found = []
    for block in _blocks(rows, len(first)):
        places = block[:, first], block[:, second]
        a, b = signs_x[places], signs_y[places]
        found.append(_ratio((a * b).sum(axis=1), np.abs(a).sum(axis=1), np.abs(b).sum(axis=1)))
    return np.concatenate(found)


def _ratio(product: Floats, square_a: Floats, square_b: Floats) -> Floats:
    size = np.sqrt(square_a * square_b)
    return np.divide(product, size, out=np.full_like(product, np.nan), where=size > _TOLERANCE)

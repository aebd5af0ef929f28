"""Correlation of two columns of numbers: Pearson's r, Spearman's rho, Kendall's tau-b, and partial ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import Numbers, as_finite, check_inside, check_same_length, upper_z

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Coefficient = Literal["pearson", "spearman", "kendall"]
COEFFICIENTS: tuple[Coefficient, ...] = get_args(Coefficient)

_LOST = {"pearson": 3, "spearman": 3, "kendall": 4}
"""The number that is subtracted from n in the standard error of the transformed coefficient."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A coefficient from -1 to 1 with its interval. Both are None if it is undefined, as for a constant column.

    There is no interval of too few rows, or of a coefficient of 1 or -1.
    """

    value: float | None
    interval: Interval | None = None


def correlate(one: Numbers, other: Numbers, coefficient: Coefficient) -> float | None:
    """Return a coefficient of correlation of n rows; None if a column is constant. Shapes: (n,), (n,).

    Raises:
        ValueError: no row, unequal lengths, or a number that is NaN or infinite.
    """
    check_same_length(one=one, other=other)
    x, y = as_finite("one", one), as_finite("other", other)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    if coefficient == "kendall":
        from scipy import stats  # noqa: PLC0415 - the import takes 0.75 s

        return float(stats.kendalltau(x, y).statistic)
    if coefficient == "spearman":
        x, y = _ranks(x), _ranks(y)
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(np.dot(x, y) / math.sqrt(float(np.dot(x, x) * np.dot(y, y))), -1.0, 1.0))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1, the mean rank for ties."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes], dtype=np.float64)


def correlation(
    one: Numbers, other: Numbers, coefficient: Coefficient, *, independent: int | None = None, confidence: float = 0.95
) -> Correlation:
    """Return a coefficient of correlation with its interval.

    Fisher's z transformation, with a variance of ``1 / (n - 3)`` (Pearson), ``(1 + r² / 2) / (n - 3)`` (Spearman) or
    ``0.437 / (n - 4)`` (Kendall). ``independent`` is the number of independent rows in place of n, such as that of
    clusters. Shapes: (n,), (n,). Source: Fisher 1921; Bonett & Wright 2000; Fieller, Hartley & Pearson 1957.

    Raises:
        ValueError: as `correlate`, or ``confidence`` is outside (0, 1).
    """
    check_inside("confidence", confidence, 0.0, 1.0)
    value = correlate(one, other, coefficient)
    return _with_interval(value, coefficient, len(one) if independent is None else independent, confidence)


def partial_correlation(
    one: Numbers,
    other: Numbers,
    controlled: Numbers,
    coefficient: Coefficient,
    *,
    independent: int | None = None,
    confidence: float = 0.95,
) -> Correlation:
    """Return the correlation of two columns without the effect of a third, with its interval.

    ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz²)(1 - r_yz²))``, also of Spearman's and Kendall's coefficients. For Pearson
    it is the correlation of the residuals of two regressions. Its interval is that of one row fewer. Shapes: (n,)
    each. Source: Yule 1907; Kendall 1942.

    Raises:
        ValueError: as `correlation`.
    """
    check_inside("confidence", confidence, 0.0, 1.0)
    pairs = (one, other), (one, controlled), (other, controlled)
    direct, left, right = (correlate(x, y, coefficient) for x, y in pairs)
    if direct is None or left is None or right is None:
        return Correlation(None)
    room = (1 - left**2) * (1 - right**2)
    if room <= 0:
        return Correlation(None)
    value = max(-1.0, min(1.0, (direct - left * right) / math.sqrt(room)))
    rows = len(one) if independent is None else independent
    return _with_interval(value, coefficient, rows - 1, confidence)


def _with_interval(value: float | None, coefficient: Coefficient, n: int, confidence: float) -> Correlation:
    left = n - _LOST[coefficient]
    if value is None or left <= 0 or abs(value) >= 1:
        return Correlation(value)
    variance = {"pearson": 1.0, "spearman": 1 + value**2 / 2, "kendall": 0.437}[coefficient] / left
    centre, half = math.atanh(value), upper_z((1 - confidence) / 2) * math.sqrt(variance)
    return Correlation(value, Interval(math.tanh(centre - half), math.tanh(centre + half)))

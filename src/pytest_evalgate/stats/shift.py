"""Shift between two samples: the Kolmogorov-Smirnov test for numbers, the Jensen-Shannon distance for categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.numeric import Numbers, as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class NumberShift:
    """The largest difference of two cumulative distributions, from 0 to 1, its p-value, and both medians."""

    statistic: float
    p: float
    medians: tuple[float, float]


def number_shift(first: Numbers, second: Numbers) -> NumberShift:
    """Compare two samples of numbers by the two-sample Kolmogorov-Smirnov test. Shapes: (n,), (m,).

    Source: scipy.stats.ks_2samp, exact for small samples.

    Raises:
        ValueError: A sample is empty, or contains a value that is not finite.
    """
    from scipy import stats  # noqa: PLC0415 - 0.8 s

    one, other = (as_numbers(name, values, -np.inf, np.inf) for name, values in (("first", first), ("second", second)))
    found = stats.ks_2samp(one, other)
    return NumberShift(float(found.statistic), float(found.pvalue), (float(np.median(one)), float(np.median(other))))


def category_distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the Jensen-Shannon distance of two distributions over names: 0 if they are equal, 1 if disjoint.

    The values are counts or weights of each name. It is the square root of the divergence to base 2.
    Source: scipy.spatial.distance.jensenshannon.

    Raises:
        ValueError: A distribution has no positive value, or a negative one.
    """
    from scipy.spatial import distance  # noqa: PLC0415 - the same

    names = sorted({*first, *second})
    columns = []
    for label, values in (("first", first), ("second", second)):
        column = np.array([values.get(name, 0.0) for name in names], dtype=np.float64)
        if not column.sum() > 0 or column.min() < 0:
            raise ValueError(f"{label} must have positive values, got {dict(values)}")
        columns.append(column)
    return float(distance.jensenshannon(*columns, base=2))

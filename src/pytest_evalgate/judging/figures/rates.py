"""Rates over labelled rows that may come in clusters and stand for unequally many outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, codes_of
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.repeats import effective_n

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of ``hits`` in ``n`` rows, with Wilson's 95 % interval on the ``worth`` of the rows.

    ``worth`` is the number of independent, equally weighted rows that the rate is worth: ``n`` where each row stands
    for itself.
    """

    value: float
    interval: tuple[float, float]
    hits: int
    n: int
    worth: float

    @property
    def figure(self) -> Figure:
        """The rate as any other figure."""
        return Figure(self.value, self.interval)

    @property
    def whole_worth(self) -> tuple[int, int]:
        """The hits and the rows that it is worth, as whole numbers, never more than it is."""
        if self.worth == self.n:
            return self.hits, self.n
        n = max(1, math.floor(self.worth))
        return round(self.value * n), n


def rate_of(
    hits: Sequence[bool], weights: Sequence[float] | None = None, clusters: Sequence[Hashable] | None = None
) -> Rate:
    """Estimate the weighted share of n >= 1 hits.

    ``e_g`` sums ``w (y - p)`` over cluster g, ``se² = C/(C-1) sum e_g² / (sum w)²``, and the rows are worth
    ``p (1 - p) / se²`` independent ones, at most n. Shapes: (n,) each; without weights or clusters they are equal, or
    each row its own. Source: Wilson 1927; Korn & Graubard 1998.
    """
    values = np.array(hits, dtype=np.float64)
    each = np.ones(len(values)) if weights is None else np.array(weights, dtype=np.float64)
    value = float(values @ each / each.sum())
    worth = _worth(values - value, each, value, clusters)
    bounds = wilson_interval(min(value * worth, worth), worth)
    return Rate(value, (bounds.lower, bounds.upper), int(values.sum()), len(values), worth)


def _worth(
    deviations: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    value: float,
    clusters: Sequence[Hashable] | None,
) -> float:
    n = len(weights)
    equal = bool(np.ptp(weights) == 0)
    if clusters is None and equal:
        return float(n)
    codes = codes_of(range(n) if clusters is None else clusters)
    shares = np.bincount(codes, weights=weights)
    alike = float(shares.sum() ** 2 / np.sum(shares**2))  # what the clusters are worth if they all say the same
    if len(shares) == 1:
        return alike
    sums = np.bincount(codes, weights=weights * deviations)
    se = math.sqrt(len(shares) / (len(shares) - 1) * float(np.sum(sums**2))) / float(weights.sum())
    return effective_n(value, se, min(alike, n), n)

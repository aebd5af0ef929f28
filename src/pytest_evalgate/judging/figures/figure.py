"""A figure with its interval, and the bootstrap that most intervals come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    import numpy.typing as npt

_TAILS: Final = (2.5, 97.5)
_MOST_UNDEFINED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate and its 95 % interval; each is None where it is undefined."""

    value: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws of whole clusters with replacement; the same ``seed`` gives the same draws.

    Intervals are those between the 2.5th and the 97.5th percentile. Source: Efron & Tibshirani 1993; Davison &
    Hinkley 1997 for clusters.
    """

    seed: int = 0
    draws: int = 1000

    def tables(self, cells: npt.NDArray[np.float64], clusters: Sequence[Hashable]) -> npt.NDArray[np.float64]:
        """Return the column sums of ``cells`` in each draw; shapes (n, k) and (n,) to (draws, k)."""
        codes = codes_of(clusters)
        sums = np.zeros((int(codes.max()) + 1, cells.shape[1]))
        np.add.at(sums, codes, cells)
        return np.array([taken @ sums for taken in self._taken(len(sums))])

    def samples(self, clusters: Sequence[Hashable]) -> Iterator[npt.NDArray[np.intp]]:
        """Yield the indices of the rows of each draw, (n,) or so many as its clusters have."""
        codes = codes_of(clusters)
        rows = np.arange(len(codes))
        for taken in self._taken(int(codes.max()) + 1):
            yield np.repeat(rows, taken[codes])

    def _taken(self, clusters: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield how often each cluster is taken."""
        random = np.random.default_rng(self.seed)
        for _ in range(self.draws):
            yield np.bincount(random.integers(0, clusters, clusters), minlength=clusters)


def codes_of(clusters: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Number the clusters from 0 in the order of their first appearance, shape (n,)."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)


def figure(value: float | None, drawn: Sequence[float | None] | npt.NDArray[np.float64]) -> Figure:
    """Put a value and its bootstrap draws together, None or NaN for an undefined one.

    There is no interval where more than one draw in twenty is undefined, nor where all draws are alike: they then say
    nothing about chance.
    """
    numbers = np.array(drawn, dtype=np.float64)  # None becomes NaN
    held = numbers[~np.isnan(numbers)]
    if value is None or len(held) < (1 - _MOST_UNDEFINED) * len(numbers) or np.ptp(held) == 0:
        return Figure(value)
    low, high = np.percentile(held, _TAILS).tolist()
    return Figure(value, (low, high))

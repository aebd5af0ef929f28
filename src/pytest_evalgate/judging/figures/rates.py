"""How often a judge is right, over labelled rows that may come in clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure
from pytest_evalgate.stats.clusters import mean_se_df
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.repeats import effective_n

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


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

    @classmethod
    def of(cls, value: float, hits: int, n: int, worth: float) -> Rate:
        """Put the interval to a rate."""
        bounds = wilson_interval(min(value * worth, worth), worth)
        return cls(value, (bounds.lower, bounds.upper), hits, n, worth)

    @property
    def figure(self) -> Figure:
        """The rate as any other figure."""
        return Figure(self.value, self.interval)

    @property
    def whole_worth(self) -> tuple[int, int]:
        """The hits and the rows that it is worth, as whole numbers; never more rows than that.

        Where rows are weighted, the hits are those that make the weighted share.
        """
        n = max(1, math.floor(self.worth))
        return round(self.value * n), n


def rate_of(hits: Sequence[bool], clusters: Sequence[Hashable] | None = None) -> Rate:
    """Estimate the share of n >= 1 hits.

    Clusters make the rows worth ``p (1 - p) / se²`` independent ones with their robust standard error, from the number
    of clusters (also where these do not differ) to n. Shapes: (n,), (n,). Source: Wilson 1927; Korn & Graubard 1998.
    """
    n, found = len(hits), sum(hits)
    if clusters is None:
        return Rate.of(found / n, found, n, n)
    groups = len(set(clusters))
    if groups == 1:
        return Rate.of(found / n, found, n, 1)
    value, se, _ = mean_se_df(np.array(hits, dtype=np.float64), clusters)
    return Rate.of(value, found, n, effective_n(value, se, groups, n))

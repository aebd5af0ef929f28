"""Error rates of a judge compared with human labels, with 95 % intervals.

Rates have Wilson intervals that allow for clusters and weights. `Bootstrap` gives the intervals of statistics without
a closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate.stats.clusters import effective_n, mean_se_df
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    import numpy.typing as npt

_PERCENTILES: Final = (2.5, 97.5)
_MAX_UNDEFINED: Final = 0.05


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic and its 95 % interval. Each is None if it is undefined."""

    value: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Percentile bootstrap over whole clusters. The same ``seed`` gives the same draws.

    Source: Efron & Tibshirani 1993; Davison & Hinkley 1997 for clusters.
    """

    seed: int = 0
    draws: int = 1000

    def tables(self, cells: npt.NDArray[np.float64], clusters: Sequence[Hashable]) -> npt.NDArray[np.float64]:
        """Return the column sums of ``cells`` in each draw. Shapes: (n, k) and (n,) to (draws, k)."""
        codes = cluster_codes(clusters)
        sums = np.zeros((int(codes.max()) + 1, cells.shape[1]))
        np.add.at(sums, codes, cells)
        return np.array([times @ sums for times in self._times(len(sums))])

    def samples(self, clusters: Sequence[Hashable]) -> Iterator[npt.NDArray[np.intp]]:
        """Yield the row indices of each draw. Their number varies if clusters differ in size."""
        codes = cluster_codes(clusters)
        rows = np.arange(len(codes))
        for times in self._times(int(codes.max()) + 1):
            yield np.repeat(rows, times[codes])

    def estimate(self, value: float | None, drawn: Sequence[float | None] | npt.NDArray[np.float64]) -> Statistic:
        """Combine a value with its draws; None and NaN are undefined.

        There is no interval if more than 5 % of the draws are undefined, or if all draws are equal: they then carry no
        information about the sampling error.
        """
        numbers = np.array(drawn, dtype=np.float64)  # None becomes NaN
        defined = numbers[~np.isnan(numbers)]
        if value is None or len(defined) < (1 - _MAX_UNDEFINED) * len(numbers) or np.ptp(defined) == 0:
            return Statistic(value)
        low, high = np.percentile(defined, _PERCENTILES).tolist()
        return Statistic(value, (low, high))

    def _times(self, clusters: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield how many times each cluster is drawn."""
        random = np.random.default_rng(self.seed)
        for _ in range(self.draws):
            yield np.bincount(random.integers(0, clusters, clusters), minlength=clusters)


def cluster_codes(clusters: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Number the clusters from 0 in order of first appearance. Shape: (n,)."""
    numbers: dict[Hashable, int] = {}
    # not np.unique: cluster names are of any hashable type, and need no order
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class JudgeRate:
    """The share of ``hits`` in ``n`` rows, with Wilson's 95 % interval for ``worth`` rows.

    ``worth`` is the effective sample size: the number of independent, equally weighted rows that carry the same
    information. Without clusters and weights it is ``n``.
    """

    value: float
    interval: tuple[float, float]
    hits: int
    n: int
    worth: float

    @classmethod
    def of(cls, value: float, hits: int, n: int, worth: float) -> JudgeRate:
        """Add the interval to a rate."""
        bounds = wilson_interval(min(value * worth, worth), worth)
        return cls(value, (bounds.lower, bounds.upper), hits, n, worth)

    @property
    def statistic(self) -> Statistic:
        """The rate and its interval."""
        return Statistic(self.value, self.interval)

    @property
    def whole_counts(self) -> tuple[int, int]:
        """Hits and rows as whole numbers that give about the same rate; the effective sample size is rounded down."""
        n = max(1, math.floor(self.worth))
        return round(self.value * n), n


def rate_of(hits: Sequence[bool], clusters: Sequence[Hashable] | None = None) -> JudgeRate:
    """Estimate the share of hits among n >= 1 rows.

    With clusters, the effective sample size is ``p (1 - p) / se²`` with the cluster-robust standard error, limited to
    the range from the number of clusters to n. Shapes: (n,), (n,). Source: Wilson 1927; Korn & Graubard 1998.
    """
    n, found = len(hits), sum(hits)
    if clusters is None:
        return JudgeRate.of(found / n, found, n, n)
    groups = len(set(clusters))
    if groups == 1:
        return JudgeRate.of(found / n, found, n, 1)
    value, se, _ = mean_se_df(np.array(hits, dtype=np.float64), clusters)
    return JudgeRate.of(value, found, n, effective_n(value, se, groups, n))


@dataclass(frozen=True, slots=True)
class WeightedRow:
    """The human label and the judge's verdict of one row, the number of outputs it represents, and its cluster."""

    human: bool
    judge: bool
    weight: float
    cluster: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """True pass rate, true fail rate and accuracy of a judge. A rate without labels of its class is None."""

    tpr: JudgeRate | None
    tnr: JudgeRate | None
    accuracy: JudgeRate


def rates_of(rows: Sequence[WeightedRow]) -> Rates:
    """Estimate the rates from n >= 1 rows.

    If weights differ, rows with the same weight and the same verdict form a stratum. The share of human passes in a
    stratum is estimated with Jeffreys' prior, ``(x + 1/2) / (k + 1)``, so that a stratum in which no error was found
    is not taken to be free of errors. A rate is a ratio of sums over strata, with an effective sample size of
    ``p (1 - p) / var`` by the delta method, at most the number of labelled rows. In simulations with samples of 100
    and 200 rows the lower bound was below the true rate in 98 % or more. Clusters reduce the effective sample size as
    in `rate_of`. Source: Begg & Greenes 1983 for samples drawn by verdict.
    """
    passes, fails = ([row for row in rows if row.human is human] for human in (True, False))
    if len({row.weight for row in rows}) == 1:
        return Rates(
            _unweighted_rate(passes) if passes else None,
            _unweighted_rate(fails) if fails else None,
            _unweighted_rate(rows),
        )
    pass_parts, fail_parts = _parts(rows, human=True), _parts(rows, human=False)
    return Rates(
        tpr=_weighted_rate(pass_parts, passes) if passes else None,
        tnr=_weighted_rate(fail_parts, fails) if fails else None,
        accuracy=_weighted_rate([part for pair in zip(pass_parts, fail_parts, strict=True) for part in pair], rows),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The human passes or the human fails of a stratum: their estimated number, and whether the judge is right."""

    right: bool
    outputs: float
    variance: float


def _parts(rows: Sequence[WeightedRow], *, human: bool) -> list[_Part]:
    strata: dict[tuple[float, bool], list[bool]] = {}
    for row in rows:
        strata.setdefault((row.weight, row.judge), []).append(row.human is human)
    parts = []
    for (weight, judge), matches in strata.items():
        labelled = len(matches)
        share, outputs = (sum(matches) + 0.5) / (labelled + 1), weight * labelled
        variance = outputs**2 * share * (1 - share) / (labelled + 2)
        parts.append(_Part(judge is human, outputs * share, variance))
    return parts


def _unweighted_rate(rows: Sequence[WeightedRow]) -> JudgeRate:
    clustered = any(row.cluster is not None for row in rows)
    hits = [row.human is row.judge for row in rows]
    return rate_of(hits, [row.cluster for row in rows] if clustered else None)


def _weighted_rate(parts: Sequence[_Part], rows: Sequence[WeightedRow]) -> JudgeRate:
    """Return the share of the outputs on which the judge is right; ``rows`` are the labelled ones."""
    right, right_variance = _sums(part for part in parts if part.right)
    wrong, wrong_variance = _sums(part for part in parts if not part.right)
    value = right / (right + wrong)
    variance = (wrong**2 * right_variance + right**2 * wrong_variance) / (right + wrong) ** 4
    unweighted = _unweighted_rate(rows)
    worth = min(unweighted.n, value * (1 - value) / variance) * unweighted.worth / unweighted.n
    return JudgeRate.of(value, unweighted.hits, unweighted.n, worth)


def _sums(parts: Iterable[_Part]) -> tuple[float, float]:
    outputs, variance = 0.0, 0.0
    for part in parts:
        outputs += part.outputs
        variance += part.variance
    return outputs, variance

"""Error rates of a judge compared with human labels, with 95 % intervals.

Rates have Wilson intervals that allow for clusters; those of labels that were drawn by stratum have the intervals of
`stats.design`. `Bootstrap` gives the intervals of statistics without a closed form.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import effective_n, mean_se_df
from pytest_evalgate.stats.design import (
    BoundedEstimate,
    LabelDesign,
    LabelStratum,
    SampledValues,
    effective_labels,
    horvitz_thompson,
)
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

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
    """The share of ``hits`` in ``n`` rows, with a 95 % interval.

    ``worth`` is the effective sample size: the number of independent, equally weighted rows that carry the same
    information. It is ``n`` without clusters and strata. Weighted rates differ from ``hits / n``.
    """

    value: float
    interval: tuple[float, float]
    hits: int
    n: int
    worth: float

    @classmethod
    def of(cls, value: float, hits: int, n: int, worth: float) -> JudgeRate:
        """Add Wilson's interval for ``worth`` rows to a rate."""
        bounds = wilson_interval(min(value * worth, worth), worth)
        return cls(value, (bounds.lower, bounds.upper), hits, n, worth)

    @classmethod
    def of_design(cls, estimate: BoundedEstimate, hits: int, n: int) -> JudgeRate:
        """Return a rate with the interval of a sampling design."""
        bounds = estimate.clipped(0.0, 1.0)
        value = min(1.0, max(0.0, estimate.value))
        return cls(value, (bounds.lower, bounds.upper), hits, n, effective_labels(estimate))

    @property
    def statistic(self) -> Statistic:
        """The rate and its interval."""
        return Statistic(self.value, self.interval)

    @property
    def counts(self) -> tuple[float, float]:
        """Hits and rows in effective numbers, which give the rate and its lower bound; whole without clusters."""
        if self.worth == self.n and self.value == self.hits / self.n:
            return self.hits, self.n
        return self.value * self.worth, self.worth


def rate_of(hits: Sequence[bool], clusters: Sequence[Hashable] | None = None) -> JudgeRate:
    """BoundedEstimate the share of hits among n >= 1 rows.

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
    """The human label and the judge's verdict of one row, the number of outputs it represents, and its cluster.

    ``stratum`` is the name of the stratum that the row was drawn from, and its number of outputs; None if the label
    file does not say.
    """

    human: bool
    judge: bool
    weight: float
    cluster: Hashable | None = None
    stratum: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """True pass rate, true fail rate and accuracy of a judge. A rate without labels of its class is None.

    ``design`` are the labels by stratum; None if the rows were not drawn from a run.
    """

    tpr: JudgeRate | None
    tnr: JudgeRate | None
    accuracy: JudgeRate
    design: LabelDesign | None = None


def rates_of(rows: Sequence[WeightedRow]) -> Rates:
    """BoundedEstimate the rates from n >= 1 rows.

    Rows with a stratum, or with different weights, are a stratified sample: see `LabelDesign`. A stratum has as many
    outputs as its rows represent. Without names, rows with the same weight and the same verdict form a stratum.
    Clusters reduce all effective numbers by the factor by which they reduce that of the accuracy. Source: Begg &
    Greenes 1983 for samples drawn by verdict.
    """
    passes, fails = ([row for row in rows if row.human is human] for human in (True, False))
    design = _design(rows)
    if design is None or not design.is_stratified:
        return Rates(
            _unweighted_rate(passes) if passes else None,
            _unweighted_rate(fails) if fails else None,
            _unweighted_rate(rows),
            design,
        )
    return Rates(
        tpr=JudgeRate.of_design(design.tpr(), _hits(passes), len(passes)) if passes else None,
        tnr=JudgeRate.of_design(design.tnr(), _hits(fails), len(fails)) if fails else None,
        accuracy=_accuracy(rows),
        design=design,
    )


def _hits(rows: Sequence[WeightedRow]) -> int:
    return sum(row.human is row.judge for row in rows)


def _unweighted_rate(rows: Sequence[WeightedRow]) -> JudgeRate:
    clustered = any(row.cluster is not None for row in rows)
    hits = [row.human is row.judge for row in rows]
    return rate_of(hits, [row.cluster for row in rows] if clustered else None)


def _by_stratum(rows: Sequence[WeightedRow]) -> dict[Hashable, list[WeightedRow]]:
    """Return the rows of each stratum; none if the rows were not drawn by stratum."""
    if all(row.stratum is None for row in rows) and len({row.weight for row in rows}) == 1:
        return {}
    strata: dict[Hashable, list[WeightedRow]] = {}
    for row in rows:
        strata.setdefault((row.weight, row.judge) if row.stratum is None else row.stratum, []).append(row)
    return strata


def _design(rows: Sequence[WeightedRow]) -> LabelDesign | None:
    strata = _by_stratum(rows)
    if not strata:
        return None
    unweighted = _unweighted_rate(rows)
    factor = unweighted.worth / unweighted.n
    return LabelDesign(tuple(_stratum(members, factor) for members in strata.values()))


def _outputs(rows: Sequence[WeightedRow]) -> float:
    """Return the number of outputs in a stratum. The labelled ones may be fewer than those that were drawn."""
    known = rows[0].stratum
    return max(float(len(rows)), math.fsum(row.weight for row in rows) if known is None else known[1])


def _stratum(rows: Sequence[WeightedRow], factor: float) -> LabelStratum:
    def counted(*, human: bool, judge: bool) -> float:
        return factor * sum(row.human is human and row.judge is judge for row in rows)

    return LabelStratum(
        outputs=factor * _outputs(rows),
        both=counted(human=True, judge=True),
        human=counted(human=True, judge=False),
        judge=counted(human=False, judge=True),
        neither=counted(human=False, judge=False),
    )


def _accuracy(rows: Sequence[WeightedRow]) -> JudgeRate:
    """Return the share of all outputs on which the judge is right, with Wilson's interval on an effective number."""
    unweighted = _unweighted_rate(rows)
    strata = [
        SampledValues(_outputs(members), [float(row.human is row.judge) for row in members])
        for members in _by_stratum(rows).values()
    ]
    found = horvitz_thompson(strata)
    se = found.population_variance**0.5
    worth = effective_n(found.value, se, 1, len(rows)) if se else len(rows)
    return JudgeRate.of(found.value, unweighted.hits, unweighted.n, worth * unweighted.worth / unweighted.n)

"""The figures of a judge held against people, a module a kind; ``measure`` puts them together.

All are numbers in, frozen records out, and know nothing of files.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate.stats.agreement import AgreementGraded, agreement_binary, agreement_graded
from pytest_evalgate.stats.clusters import effective_n, mean_se_df
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

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


def grade_figures(
    human: Sequence[float], judge: Sequence[float], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Compare n grades of a judge with those of people on one scale; every figure of `AgreementGraded`, by name.

    Shapes: (n,) each.
    """
    people, machine = np.array(human, dtype=np.float64), np.array(judge, dtype=np.float64)
    found = agreement_graded(people, machine)
    drawn = [agreement_graded(people[rows], machine[rows]) for rows in bootstrap.samples(clusters)]
    names = [field.name for field in dataclasses.fields(AgreementGraded)]
    return {name: figure(getattr(found, name), [getattr(one, name) for one in drawn]) for name in names}


@dataclass(frozen=True, slots=True)
class JudgeRate:
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
    def of(cls, value: float, hits: int, n: int, worth: float) -> JudgeRate:
        """Put the interval to a rate."""
        bounds = wilson_interval(min(value * worth, worth), worth)
        return cls(value, (bounds.lower, bounds.upper), hits, n, worth)

    @property
    def figure(self) -> Figure:
        """The rate as any other figure."""
        return Figure(self.value, self.interval)

    @property
    def whole_counts(self) -> tuple[int, int]:
        """The hits and the rows that it is worth, as whole numbers; never more rows than that.

        Where rows are weighted, the hits are those that make the weighted share.
        """
        n = max(1, math.floor(self.worth))
        return round(self.value * n), n


def rate_of(hits: Sequence[bool], clusters: Sequence[Hashable] | None = None) -> JudgeRate:
    """Estimate the share of n >= 1 hits.

    Clusters make the rows worth ``p (1 - p) / se²`` independent ones with their robust standard error, from the number
    of clusters (also where these do not differ) to n. Shapes: (n,), (n,). Source: Wilson 1927; Korn & Graubard 1998.
    """
    n, found = len(hits), sum(hits)
    if clusters is None:
        return JudgeRate.of(found / n, found, n, n)
    groups = len(set(clusters))
    if groups == 1:
        return JudgeRate.of(found / n, found, n, 1)
    value, se, _ = mean_se_df(np.array(hits, dtype=np.float64), clusters)
    return JudgeRate.of(value, found, n, effective_n(value, se, groups, n))


VERDICT_FIGURES = ("balanced_accuracy", "kappa", "mcc", "krippendorff_nominal", "f1")


def verdict_figures(
    human: Sequence[bool], judge: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Compare n verdicts of a judge with those of people; every figure of `FIGURES`, by name.

    Shapes: (n,) each.
    """
    found = agreement_binary([float(one) for one in human], [float(one) for one in judge])
    drawn = of_tables(bootstrap.tables(cells_of(human, judge), clusters))
    return {name: figure(getattr(found, name), drawn[name]) for name in VERDICT_FIGURES}


def cells_of(human: Sequence[bool], judge: Sequence[bool]) -> npt.NDArray[np.float64]:
    """Mark which of four each row is: both pass, only people pass, only the judge passes, both fail; shape (n, 4)."""
    people, machine = np.array(human, dtype=bool), np.array(judge, dtype=bool)
    columns = (people & machine, people & ~machine, ~people & machine, ~people & ~machine)
    return np.stack(columns, axis=1).astype(np.float64)


def of_tables(tables: npt.NDArray[np.float64]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return the figures of many tables of the four counts at once, shape (B, 4) to (B,) each; NaN is undefined.

    The same as `pytest_evalgate.stats.agreement_binary` on one of them.
    """
    both, people, machine, neither = tables.T
    n = tables.sum(axis=1)
    human, judge = both + people, both + machine
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (human * judge + (n - human) * (n - judge)) / n**2
        spread = np.sqrt(human * judge * (n - human) * (n - judge))
        mixed = 2 * (human + judge) * (2 * n - human - judge) / (2 * n * (2 * n - 1))
        return {
            "balanced_accuracy": (both / human + neither / (n - human)) / 2,
            "kappa": ((both + neither) / n - chance) / (1 - chance),
            "mcc": np.where(spread > 0, (both * neither - people * machine) / spread, 0.0),
            "krippendorff_nominal": 1 - (people + machine) / n / mixed,
            "f1": 2 * both / (human + judge),
        }


@dataclass(frozen=True, slots=True)
class WeightedRow:
    """A labelled row: what people and the judge say, the outputs that it stands for, and what it belongs to."""

    human: bool
    judge: bool
    weight: float
    cluster: Hashable | None = None

    @property
    def right(self) -> bool:
        """Whether the judge agrees with people."""
        return self.human is self.judge


@dataclass(frozen=True, slots=True)
class Rates:
    """Of human passes the share that the judge passes, of human fails the share that it fails; None without a label.

    ``accuracy`` is the share of outputs on which it agrees with people.
    """

    tpr: JudgeRate | None
    tnr: JudgeRate | None
    accuracy: JudgeRate


def rates_of(rows: Sequence[WeightedRow]) -> Rates:
    """Estimate the rates of n >= 1 rows.

    Where weights differ, rows of one weight and one verdict of the judge are a stratum. The share of human passes in
    each of them is that of Jeffreys' prior, ``(x + 1/2) / (k + 1)``: so a stratum without an error is not taken for
    one that has none. A rate is a quotient of sums over strata, worth ``p (1 - p) / var`` rows by the delta method, at
    most as many as were labelled. In simulated samples of 100 and 200 the lower bound held in 98 % or more. Clusters
    count as in `rate_of`. Source: Begg & Greenes 1983 for samples drawn by a verdict.
    """
    passes, fails = ([row for row in rows if row.human is human] for human in (True, False))
    if len({row.weight for row in rows}) == 1:
        return Rates(_plain(passes) if passes else None, _plain(fails) if fails else None, _plain(rows))
    strata = list(_strata(rows))
    return Rates(
        tpr=_quotient((stratum.of(human=True) for stratum in strata), passes) if passes else None,
        tnr=_quotient((stratum.of(human=False) for stratum in strata), fails) if fails else None,
        accuracy=_quotient((part for stratum in strata for part in stratum.both), rows),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The outputs of a stratum that people pass, or those that they fail: how many, and how surely."""

    right: bool
    outputs: float
    variance: float


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Labelled rows of one weight and one verdict of the judge, of which people pass some."""

    weight: float
    judge: bool
    labelled: int
    passed: int

    def of(self, *, human: bool) -> _Part:
        found = self.passed if human else self.labelled - self.passed
        share, outputs = (found + 0.5) / (self.labelled + 1), self.weight * self.labelled
        variance = outputs**2 * share * (1 - share) / (self.labelled + 2)
        return _Part(self.judge is human, outputs * share, variance)

    @property
    def both(self) -> tuple[_Part, _Part]:
        return self.of(human=True), self.of(human=False)


def _strata(rows: Iterable[WeightedRow]) -> Iterable[_Stratum]:
    found: dict[tuple[float, bool], list[bool]] = {}
    for row in rows:
        found.setdefault((row.weight, row.judge), []).append(row.human)
    for (weight, judge), humans in found.items():
        yield _Stratum(weight, judge, len(humans), sum(humans))


def _plain(rows: Sequence[WeightedRow]) -> JudgeRate:
    clustered = any(row.cluster is not None for row in rows)
    return rate_of([row.right for row in rows], [row.cluster for row in rows] if clustered else None)


def _quotient(parts: Iterable[_Part], rows: Sequence[WeightedRow]) -> JudgeRate:
    """Return the outputs on which the judge is right, of all; ``rows`` are those that were labelled."""
    right, wrong = [0.0, 0.0], [0.0, 0.0]
    for part in parts:
        side = right if part.right else wrong
        side[0] += part.outputs
        side[1] += part.variance
    value = right[0] / (right[0] + wrong[0])
    variance = (wrong[0] ** 2 * right[1] + right[0] ** 2 * wrong[1]) / (right[0] + wrong[0]) ** 4
    plain = _plain(rows)
    worth = min(plain.n, value * (1 - value) / variance) * plain.worth / plain.n
    return JudgeRate.of(value, plain.hits, plain.n, worth)

"""What the gates look at: the counted cases of a suite as columns, under one completion of its missing answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate import stats
from pytest_evalgate.gates.comparison import Pairs
from pytest_evalgate.gates.outcomes import counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.data import CaseResult
    from pytest_evalgate.gates.measure import Completion, Measure
    from pytest_evalgate.gates.pairing import Pairing

    Places = npt.NDArray[np.intp]
    SliceName = tuple[str, str]

CONFIDENCE = 0.95

ONE_CLUSTER = "all cases lie in one cluster, which is a single observation: add clusters, or take cluster out"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate over ``n`` cases that are worth ``n_eff`` independent ones.

    ``interval`` is two-sided at 95 %, ``lower`` the one-sided exact bound at 95 %.
    """

    n: int
    value: float
    interval: tuple[float, float]
    lower: float
    n_eff: float

    @property
    def is_one_cluster(self) -> bool:
        """Tell whether several cases are a single observation, which says nothing about spread."""
        return self.n_eff == 1 < self.n


@dataclass(frozen=True, slots=True)
class Cases:
    """Columns of counted cases: one number in [0, 1] each, the trials behind it, and its cluster.

    ``clusters`` is None where cases stand for themselves.
    """

    values: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    is_mean: bool = True

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.values)

    def take(self, places: Places) -> Cases:
        """Return some of the cases."""
        clusters = None if self.clusters is None else self.clusters[places]
        return Cases(self.values[places], self.trials[places], clusters, self.is_mean)


@dataclass(frozen=True)
class Evidence:
    """One suite under one completion: its planned cases, those of them that count, and their pairs."""

    planned: tuple[CaseResult, ...]
    pairing: Pairing | None
    measure: Measure
    completion: Completion

    @cached_property
    def results(self) -> tuple[CaseResult, ...]:
        """The cases that count: all but those that their golden line skips."""
        return counted(self.planned)

    @cached_property
    def rate(self) -> Rate:
        """The rate of the cases that count, of which there is at least one."""
        return rate_of(self.cases)

    @cached_property
    def scorers(self) -> frozenset[str]:
        """The names of the scorers that graded every answer: those of the suite, not those that some cases bring."""
        graded = (trial.scores for result in self.results for trial in result.trials if trial.scores)
        named = {tuple(score.name for score in scores) for scores in graded}
        return frozenset.intersection(*map(frozenset, named)) if named else frozenset()

    def ungraded(self, scorer: str) -> str | None:
        """Say why ``scorer`` has no mean over these cases, if so."""
        if scorer in self.scorers:
            return None
        known = ", ".join(sorted(self.scorers)) or "none"
        return f"no scorer named {scorer} grades every answer: those that do are {known}"

    @cached_property
    def cases(self) -> Cases:
        """The cases by the suite's own measure."""
        return self.cases_by(self.measure)

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs by the suite's own measure; there is a baseline."""
        return self.pairs_by(self.measure)

    def cases_by(self, measure: Measure) -> Cases:
        """Return the cases by another measure."""
        trials = np.fromiter((len(result.trials) or 1 for result in self.results), np.float64, len(self.results))
        values = measure.of_results(self.results, self.completion)
        clusters = _codes([result.case.cluster for result in self.results])
        return Cases(values, trials, clusters, measure.aggregate == "mean" and measure.scorer is None)

    def pairs_by(self, measure: Measure) -> Pairs:
        """Return the pairs by another measure, whose scorer has graded the baseline."""
        pairs = self.pairing.pairs if self.pairing is not None else ()
        now, before = [pair.now for pair in pairs], [pair.before for pair in pairs]
        single = all(len(case.values) == 1 for case in before) and all(len(result.trials) <= 1 for result in now)
        return Pairs(
            before=measure.of_baseline(before),
            now=measure.of_results(now, self.completion),
            clusters=_codes([result.case.cluster for result in now]),
            single=single and measure.scorer is None,
        )

    @cached_property
    def slices(self) -> Mapping[SliceName, Places]:
        """Which cases lie in which slice, in the order in which slices appear; numbers sort as numbers."""
        return _places([result.case.slices for result in self.results])

    @cached_property
    def slice_pairs(self) -> Mapping[SliceName, Places]:
        """Which pairs lie in which slice."""
        return {} if self.pairing is None else _places([pair.now.case.slices for pair in self.pairing.pairs])


def rate_of(cases: Cases) -> Rate:
    """Estimate the rate of at least one case.

    With one trial a case the counts are binomial. With several trials, or with clusters, the effective number of cases
    takes the place of n, since trials of one case and cases of one cluster are not independent (STATISTICS section 1).
    """
    if cases.clusters is not None:
        return _rate_of_clusters(cases, cases.clusters)
    if (cases.trials == 1).all() and bool(np.isin(cases.values, (0.0, 1.0)).all()):
        passes, n = round(float(cases.values.sum())), len(cases)
        return _rate(n, passes / n, float(n), passes)
    if cases.is_mean:
        found = stats.repeats_effective_n(np.rint(cases.values * cases.trials), cases.trials, CONFIDENCE)
        return _rate(len(cases), found.mean, found.n_eff)
    if len(cases) == 1:
        return _rate(1, float(cases.values[0]), 1.0)
    mean = stats.mean_score_ci(cases.values, confidence=CONFIDENCE)
    return _rate(len(cases), mean.mean, mean.n_eff)


def _rate_of_clusters(cases: Cases, clusters: npt.NDArray[np.int64]) -> Rate:
    if len(np.unique(clusters)) == 1:  # however many cases it has, it is a single observation
        return _rate(len(cases), float(cases.values.mean()), 1.0)
    found = stats.cluster_mean_ci(cases.values, clusters.tolist(), CONFIDENCE)
    return _rate(len(cases), found.mean, found.n_eff)


def _rate(n: int, value: float, n_eff: float, passes: float | None = None) -> Rate:
    passes = value * n_eff if passes is None else passes
    interval = stats.wilson_interval(passes, n_eff, CONFIDENCE)
    lower = stats.clopper_pearson_lower_one_sided(passes, n_eff, CONFIDENCE)
    return Rate(n, value, (interval.lower, interval.upper), lower, n_eff)


def _codes(names: Sequence[Hashable]) -> npt.NDArray[np.int64] | None:
    """Number the clusters; None where the cases have none."""
    if not names or names[0] is None:
        return None
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _places(slices: Sequence[tuple[SliceName, ...]]) -> Mapping[SliceName, Places]:
    members: dict[SliceName, list[int]] = {}
    for place, names in enumerate(slices):
        for name in names:
            members.setdefault(name, []).append(place)
    order = {by: position for position, (by, _) in reversed(list(enumerate(members)))}
    ordered = sorted(members, key=lambda name: (order[name[0]], *_natural(name[1])))
    return {name: np.array(members[name], dtype=np.intp) for name in ordered}


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)

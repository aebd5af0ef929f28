"""What the gates look at: the counted cases of a suite as columns, under one completion of its missing answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.gates.comparison import Pairs
from pytest_evalgate.gates.outcomes import counted
from pytest_evalgate.stats.clusters import cluster_mean_ci
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.repeats import repeats_effective_n
from pytest_evalgate.stats.scores import mean_score_ci

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.data import CaseResult
    from pytest_evalgate.gates.correction import Correction, Judged, Refusals
    from pytest_evalgate.gates.measure import Completion, Measure
    from pytest_evalgate.gates.pairing import Pairing

    Places = npt.NDArray[np.intp]
    SliceName = tuple[str, str]

CONFIDENCE = 0.95

ONE_CLUSTER = "all cases lie in one cluster, which is a single observation: add clusters, or take cluster out"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate over ``n`` cases that are worth ``n_eff`` independent ones.

    ``interval`` is two-sided at 95 %, ``lower`` the one-sided exact bound at 95 %. Where a judge's errors were taken
    out of it (``judged``), both are those of Lee et al.
    """

    n: int
    value: float
    interval: tuple[float, float]
    lower: float
    n_eff: float
    judged: Judged | None = None

    @property
    def is_one_cluster(self) -> bool:
        """Tell whether several cases are a single observation, which says nothing about spread."""
        return self.n_eff == 1 < self.n


@dataclass(frozen=True, slots=True)
class Cases:
    """Columns of counted cases: one number in [0, 1] each, the trials behind it, and its cluster.

    ``clusters`` is None where cases stand for themselves. With ``refusals`` their rate is corrected by them.
    """

    values: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    is_mean: bool = True
    refusals: Refusals | None = None

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.values)

    def take(self, places: Places) -> Cases:
        """Return some of the cases."""
        clusters = None if self.clusters is None else self.clusters[places]
        refusals = None if self.refusals is None else self.refusals.take(places)
        return Cases(self.values[places], self.trials[places], clusters, self.is_mean, refusals)


@dataclass(frozen=True)
class Evidence:
    """One suite under one completion: its planned cases, those of them that count, and their pairs.

    With a ``correction`` the pairs tell of changes behind the judge, and so do the rates of what is ``corrected``.
    """

    planned: tuple[CaseResult, ...]
    pairing: Pairing | None
    measure: Measure
    completion: Completion
    correction: Correction | None = None
    is_corrected: bool = False

    @cached_property
    def results(self) -> tuple[CaseResult, ...]:
        """The cases that count: all but those that their golden line skips."""
        return counted(self.planned)

    @cached_property
    def rate(self) -> Rate:
        """The rate of the cases that count, of which there is at least one."""
        return rate_of(self.cases)

    @cached_property
    def corrected(self) -> Evidence:
        """The same with the judge's errors taken out of its rates; itself where there is nothing to correct."""
        return self if self.correction is None else replace(self, is_corrected=True)

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
        cases = self.cases_by(self.measure)
        if self.correction is None or not self.is_corrected:
            return cases
        return replace(cases, refusals=self.correction.refusals(self.results))

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs by the suite's own measure; there is a baseline."""
        return self.pairs_by(self.measure)

    def cases_by(self, measure: Measure) -> Cases:
        """Return the cases by another measure."""
        trials = np.fromiter((len(result.trials) or 1 for result in self.results), np.float64, len(self.results))
        values = measure.of_results(self.results, self.completion)
        clusters = clusters_of(self.results)
        return Cases(values, trials, clusters, measure.aggregate == "mean" and measure.scorer is None)

    def pairs_by(self, measure: Measure) -> Pairs:
        """Return the pairs by another measure, whose scorer has graded the baseline."""
        pairs = self.pairing.pairs if self.pairing is not None else ()
        now, before = [pair.now for pair in pairs], [pair.before for pair in pairs]
        single = all(len(case.values) == 1 for case in before) and all(len(result.trials) <= 1 for result in now)
        return Pairs(
            before=measure.of_baseline(before),
            now=measure.of_results(now, self.completion),
            clusters=clusters_of(now),
            single=single and measure.scorer is None,
            youden=1.0 if self.correction is None or measure.scorer is not None else self.correction.errors.youden,
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
    It does so too where the errors of a judge are taken out (section 6).
    """
    rate = _rate_as_it_is(cases)
    if cases.refusals is None:
        return rate
    found, judged = cases.refusals.correct(rate.value, rate.n_eff)
    interval = found.interval.lower, found.interval.upper
    return Rate(rate.n, found.value, interval, found.lower, rate.n_eff, judged)


def _rate_as_it_is(cases: Cases) -> Rate:
    if cases.clusters is not None:
        return _rate_of_clusters(cases, cases.clusters)
    if (cases.trials == 1).all() and bool(np.isin(cases.values, (0.0, 1.0)).all()):
        passes, n = round(float(cases.values.sum())), len(cases)
        return _rate(n, passes / n, float(n), passes)
    if cases.is_mean:
        found = repeats_effective_n(np.rint(cases.values * cases.trials), cases.trials, CONFIDENCE)
        return _rate(len(cases), found.mean, found.n_eff)
    if len(cases) == 1:
        return _rate(1, float(cases.values[0]), 1.0)
    mean = mean_score_ci(cases.values, confidence=CONFIDENCE)
    return _rate(len(cases), mean.mean, mean.n_eff)


def _rate_of_clusters(cases: Cases, clusters: npt.NDArray[np.int64]) -> Rate:
    if len(np.unique(clusters)) == 1:  # however many cases it has, it is a single observation
        return _rate(len(cases), float(cases.values.mean()), 1.0)
    found = cluster_mean_ci(cases.values, clusters.tolist(), CONFIDENCE)
    return _rate(len(cases), found.mean, found.n_eff)


def _rate(n: int, value: float, n_eff: float, passes: float | None = None) -> Rate:
    passes = value * n_eff if passes is None else passes
    interval = wilson_interval(passes, n_eff, CONFIDENCE)
    lower = clopper_pearson_lower_one_sided(passes, n_eff, CONFIDENCE)
    return Rate(n, value, (interval.lower, interval.upper), lower, n_eff)


def clusters_of(results: Sequence[CaseResult]) -> npt.NDArray[np.int64] | None:
    """Number the clusters of cases, shape (n,); None where they have none."""
    if not results or results[0].case.cluster is None:
        return None
    numbers: dict[str | None, int] = {}
    named = (result.case.cluster for result in results)
    return np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.int64)


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

"""The pairs of a run and its baseline as columns, and the delta tests on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.gates.pairing import not_skipped
from pytest_evalgate.stats.clusters import cluster_delta, cluster_mean_ci, mean_score_ci, repeats_effective_n
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.stats.paired import Finding, finding, finding_name, finding_of_means, standard_error
from pytest_evalgate.stats.planning import mde_mcnemar, mde_mean, mde_with_flips
from pytest_evalgate.stats.stability import aggregate_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.gates.correction import Correction, CorrectionDetails, JudgeFailures
    from pytest_evalgate.gates.pairing import Pairing
    from pytest_evalgate.records.results import BaselineCase, CaseResult, Trial

    Indices = npt.NDArray[np.intp]
    SliceName = tuple[str, str]

POWER = 0.8
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of pairs: the case's number in the baseline and now, and its cluster (None where there are none).

    ``single_trial`` says that both runs hold one trial a case, passed or failed: then McNemar's test is the right one.
    ``youden`` is the J of the judge that decided them: it sees J times the change (STATISTICS section 6).
    """

    before: npt.NDArray[np.float64]
    now: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    single_trial: bool = True
    youden: float = 1.0

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.before)

    def take(self, indices: npt.NDArray[np.intp]) -> Pairs:
        """Return some of the pairs."""
        clusters = None if self.clusters is None else self.clusters[indices]
        return Pairs(self.before[indices], self.now[indices], clusters, self.single_trial, self.youden)

    @property
    def losses(self) -> int:
        """Pairs that got worse."""
        return int(np.count_nonzero(self.now < self.before - ROUNDING))

    @property
    def gains(self) -> int:
        """Pairs that got better."""
        return int(np.count_nonzero(self.now > self.before + ROUNDING))

    @property
    def are_testable(self) -> bool:
        """Tell whether there are pairs, and more than one cluster of them where they come in clusters."""
        return len(self) > 0 and (self.clusters is None or len(np.unique(self.clusters)) > 1)

    def finding(self, alpha: float, margin: float | None = None) -> Finding:
        """Test testable pairs for a drop at one-sided ``alpha``.

        With one trial in both runs: McNemar's mid-p test and Tango's bounds. Otherwise the per-case numbers, or the
        sums of clusters, enter the sign-flip or the paired t test (STATISTICS section 2). Of what a judge decided, the
        p is that of its verdicts; the change and its bounds are those behind it, and are held against the margin.
        """
        found = self._raw_finding(alpha, margin)
        if self.youden == 1:
            return found
        delta, lower, upper = (max(-1.0, min(1.0, x / self.youden)) for x in (found.delta, found.lower, found.upper))
        name = finding_name(found.p, lower, alpha, margin)
        return replace(found, name=name, delta=delta, lower=lower, upper=upper)

    def _raw_finding(self, alpha: float, margin: float | None) -> Finding:
        if not self._is_table:
            clusters = None if self.clusters is None else self.clusters.tolist()
            return finding_of_means(
                baseline=self.before, candidate=self.now, clusters=clusters, alpha=alpha, margin=margin
            )
        both_pass = int(np.count_nonzero((self.before == 1) & (self.now == 1)))
        both_fail = len(self) - self.losses - self.gains - both_pass
        return finding(
            both_pass=both_pass, losses=self.losses, gains=self.gains, both_fail=both_fail, alpha=alpha, margin=margin
        )

    def p_beyond(self, drop: float) -> float:
        """Return the p that the true drop is larger than ``drop``: the alpha at which the upper bound touches it.

        At most 0.5, which stands for everything above.
        """
        low, high = math.log(1e-12), math.log(0.5)  # bounds of the search, in log alpha

        def is_proven(log_alpha: float) -> bool:
            return self.finding(math.exp(log_alpha)).upper < -drop

        if not is_proven(high - 1e-9):
            return 0.5
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if is_proven(middle) else (middle, high)
        return math.exp(high)

    def detectable_drop(self, alpha: float) -> float | None:
        """Return the smallest drop that these pairs can show with a power of 80 %; None where they can show none."""
        return self._scale_by_youden(self._raw_detectable_drop(alpha))

    def _raw_detectable_drop(self, alpha: float) -> float | None:
        n, differ = len(self), self.losses + self.gains
        if self._is_table:
            found = mde_mcnemar(n, discordance=(differ + 1) / (n + 2), alpha_one_sided=alpha, power=POWER)
            return found.mde if found.reachable else None
        units, se = self._units_and_error()
        if units == 1:
            return None
        se = se or 1 / math.sqrt(units * (units + 2))  # none differs: as if one of two more did
        drop = mde_mean(se, units - 1, alpha, POWER)
        return drop if drop < 1 else None

    def expected_detectable_drop(self, alpha: float) -> float | None:
        """Return the smallest drop that another run like this one could show; None where it could show none."""
        drop = self.detectable_drop(alpha)
        if drop is not None or not self._is_table or len(self) < fewest_losses(alpha):
            return drop
        discordance = (self.losses + self.gains) / (len(self) + 1)
        return self._scale_by_youden(mde_with_flips(len(self), discordance, alpha, POWER))

    def _scale_by_youden(self, drop: float | None) -> float | None:
        return None if drop is None or drop / self.youden > 1 else drop / self.youden

    @property
    def _is_table(self) -> bool:
        return self.single_trial and self.clusters is None and bool(np.isin(self.before, (0.0, 1.0)).all())

    def _units_and_error(self) -> tuple[int, float]:
        """Return the number of cases, or of clusters, and the standard error of the mean change."""
        change = self.now - self.before
        if self.clusters is not None:
            found = cluster_delta(change, self.clusters.tolist())
            return found.df + 1, found.se
        return len(change), standard_error(change)


CONFIDENCE = 0.95

ONE_CLUSTER = "all cases lie in one cluster, which is a single observation: add clusters, or take cluster out"


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """A rate over ``n`` cases that are worth ``n_eff`` independent ones.

    ``interval`` is two-sided at 95 %, ``lower`` the one-sided exact bound at 95 %. Where a judge's errors were taken
    out of it (``judged``), both are those of Lee et al.
    """

    n: int
    value: float
    interval: tuple[float, float]
    lower: float
    n_eff: float
    judged: CorrectionDetails | None = None

    @property
    def is_one_cluster(self) -> bool:
        """Tell whether several cases are a single observation, which says nothing about spread."""
        return self.n_eff == 1 < self.n


@dataclass(frozen=True, slots=True)
class Cases:
    """Columns of counted cases: one number in [0, 1] each, the trials behind it, and its cluster.

    ``clusters`` is None where cases stand for themselves. With ``judge_failures`` their rate is corrected by them.
    """

    values: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    is_mean: bool = True
    judge_failures: JudgeFailures | None = None

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.values)

    def take(self, indices: Indices) -> Cases:
        """Return some of the cases."""
        clusters = None if self.clusters is None else self.clusters[indices]
        judge_failures = None if self.judge_failures is None else self.judge_failures.take(indices)
        return Cases(self.values[indices], self.trials[indices], clusters, self.is_mean, judge_failures)


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
        return not_skipped(self.planned)

    @cached_property
    def rate(self) -> RateEstimate:
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
        return replace(cases, judge_failures=self.correction.judge_failures(self.results))

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
        single_trial = all(len(case.values) == 1 for case in before) and all(len(result.trials) <= 1 for result in now)
        return Pairs(
            before=measure.of_baseline(before),
            now=measure.of_results(now, self.completion),
            clusters=clusters_of(now),
            single_trial=single_trial and measure.scorer is None,
            youden=1.0 if self.correction is None or measure.scorer is not None else self.correction.errors.youden,
        )

    @cached_property
    def slices(self) -> Mapping[SliceName, Indices]:
        """Which cases lie in which slice, in the order in which slices appear; numbers sort as numbers."""
        return _slice_indices([result.case.slices for result in self.results])

    @cached_property
    def slice_pairs(self) -> Mapping[SliceName, Indices]:
        """Which pairs lie in which slice."""
        return {} if self.pairing is None else _slice_indices([pair.now.case.slices for pair in self.pairing.pairs])


def rate_of(cases: Cases) -> RateEstimate:
    """Estimate the rate of at least one case.

    With one trial a case the counts are binomial. With several trials, or with clusters, the effective number of cases
    takes the place of n, since trials of one case and cases of one cluster are not independent (STATISTICS section 1).
    It does so too where the errors of a judge are taken out (section 6).
    """
    rate = _uncorrected_rate(cases)
    if cases.judge_failures is None:
        return rate
    found, judged = cases.judge_failures.correct(rate.value, rate.n_eff)
    interval = found.interval.lower, found.interval.upper
    return RateEstimate(rate.n, found.value, interval, found.lower, rate.n_eff, judged)


def _uncorrected_rate(cases: Cases) -> RateEstimate:
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


def _rate_of_clusters(cases: Cases, clusters: npt.NDArray[np.int64]) -> RateEstimate:
    if len(np.unique(clusters)) == 1:  # however many cases it has, it is a single observation
        return _rate(len(cases), float(cases.values.mean()), 1.0)
    found = cluster_mean_ci(cases.values, clusters.tolist(), CONFIDENCE)
    return _rate(len(cases), found.mean, found.n_eff)


def _rate(n: int, value: float, n_eff: float, passes: float | None = None) -> RateEstimate:
    passes = value * n_eff if passes is None else passes
    interval = wilson_interval(passes, n_eff, CONFIDENCE)
    lower = clopper_pearson_lower_one_sided(passes, n_eff, CONFIDENCE)
    return RateEstimate(n, value, (interval.lower, interval.upper), lower, n_eff)


def clusters_of(results: Sequence[CaseResult]) -> npt.NDArray[np.int64] | None:
    """Number the clusters of cases, shape (n,); None where they have none."""
    if not results or results[0].case.cluster is None:
        return None
    numbers: dict[str | None, int] = {}
    named = (result.case.cluster for result in results)
    return np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.int64)


def _slice_indices(slices: Sequence[tuple[SliceName, ...]]) -> Mapping[SliceName, Indices]:
    members: dict[SliceName, list[int]] = {}
    for place, names in enumerate(slices):
        for name in names:
            members.setdefault(name, []).append(place)
    order = {by: position for position, (by, _) in reversed(list(enumerate(members)))}
    ordered = sorted(members, key=lambda name: (order[name[0]], *_natural_key(name[1])))
    return {name: np.array(members[name], dtype=np.intp) for name in ordered}


def _natural_key(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


Completion = Literal["worst", "best"]
"""How a missing answer is counted: as a miss, or as a pass."""

COMPLETIONS: tuple[Completion, ...] = ("worst", "best")
_FILL: dict[Completion, float] = {"worst": 0.0, "best": 1.0}

_AGGREGATES: dict[str, Literal["pass_at_k", "pass_hat_k"]] = {"pass@": "pass_at_k", "pass^": "pass_hat_k"}


@dataclass(frozen=True, slots=True)
class Measure:
    """The number of a case: of its passes the mean, the majority, pass@k or pass^k; or a scorer's mean score."""

    aggregate: str = "mean"
    scorer: str | None = None

    @property
    def trials(self) -> int:
        """The fewest trials that it can be made of."""
        return int(self.aggregate[5:]) if self.aggregate[:5] in _AGGREGATES else 1

    def trials_problem(self, trials: int) -> str | None:
        """Say why a suite with so many trials of a case has no such number, if so."""
        if trials >= self.trials:
            return None
        return (
            f"{self.aggregate} takes {self.trials} trials of a case, and the suite has {trials}: "
            f"set trials = {self.trials}"
        )

    def of_results(self, results: Sequence[CaseResult], completion: Completion) -> npt.NDArray[np.float64]:
        """Return the numbers of cases, shape (n,), their missing trials counted by ``completion``."""
        fill = _FILL[completion]
        if self.trials == 1 and all(len(result.trials) <= 1 for result in results):  # no list for each case
            single = (self._value(result.trials[0], fill) if result.trials else fill for result in results)
            return np.fromiter(single, np.float64, len(results))
        return self._of([self._values(result, fill) for result in results])

    def of_baseline(self, cases: Sequence[BaselineCase]) -> npt.NDArray[np.float64]:
        """Return the numbers of the same cases in a baseline that the scorer has graded, shape (n,).

        Raises:
            ValueError: a case has fewer trials than the number is made of.

        """
        return self._of([case.scores.get(self.scorer or "", case.values) for case in cases])

    def _values(self, result: CaseResult, fill: float) -> list[float]:
        values = [self._value(trial, fill) for trial in result.trials]
        return values + [fill] * (self.trials - len(values))  # those that it broke off before

    def _value(self, trial: Trial, fill: float) -> float:
        value = trial.value
        if self.scorer is not None and trial.scores:
            value = next((score.value for score in trial.scores if score.name == self.scorer), None)
        return fill if value is None else value

    def _of(self, trials: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
        counts = np.fromiter(map(len, trials), dtype=np.float64, count=len(trials))
        sums = np.fromiter(map(sum, trials), dtype=np.float64, count=len(trials))
        if self.aggregate == "mean" or not trials:
            return sums / counts
        if self.aggregate == "majority":
            return aggregate_values(sums, counts, "majority")
        return aggregate_values(sums, counts, _AGGREGATES[self.aggregate[:5]], self.trials)

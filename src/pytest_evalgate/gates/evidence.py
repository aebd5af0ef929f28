"""Evidence of the gates: the cases of a suite as columns of numbers, their rates, and their pairs with a baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.pairing import not_skipped
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import cluster_delta, cluster_mean_ci, mean_score_ci, repeats_effective_n
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.numeric import ROUNDING, bisect, upper_t
from pytest_evalgate.stats.paired import Finding, finding, finding_name, finding_of_means, standard_error
from pytest_evalgate.stats.planning import mde_mcnemar, mde_mean, mde_with_flips, mean_power
from pytest_evalgate.stats.stability import aggregate_values
from pytest_evalgate.stats.weights import kish_n, relative_weights, weighted_mean, weighted_n
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.gates.correction import Correction, CorrectionDetails, JudgeFailures
    from pytest_evalgate.gates.pairing import Pairing
    from pytest_evalgate.gates.run_labels import LabelledChange
    from pytest_evalgate.records.results import CaseResult, Trial
    from pytest_evalgate.records.verdicts import BaselineCase

    Indices = npt.NDArray[np.intp]
    SliceName = tuple[str, str]  # ("lang", "de")

CONFIDENCE = 0.95

POWER = 0.8

_FAR = 30  # in standard errors: larger drops are always detected, and the noncentral t underflows from about 37 on

_STEPS = 40  # of the bisection over log alpha: to a relative precision of 1e-10

_FEW_CLUSTERS: Final = 10
_FEW_CASES: Final = 50  # simulated coverage of the 95 % bound: .94 to .96 from 50 cases, .88 to .93 at 20
_FEW_FAILURES: Final = 5

ONE_CLUSTER = "all cases are in one cluster, which is a single observation: add clusters, or remove cluster"

Completion = Literal["worst", "best"]
"""Completion of missing results: all counted as misses ("worst") or as passes ("best")."""

COMPLETIONS: tuple[Completion, ...] = ("worst", "best")

_FILL: dict[Completion, float] = {"worst": 0.0, "best": 1.0}

_AGGREGATES: dict[str, Literal["pass_at_k", "pass_hat_k"]] = {"pass@": "pass_at_k", "pass^": "pass_hat_k"}


@dataclass(frozen=True)
class Evidence:
    """One suite under one completion: its planned cases, the cases that count, and their pairs with the baseline.

    With a ``correction``, changes are corrected for the judge's errors, and so are the rates of `corrected`. With a
    ``labelled`` change, that one is the change.
    """

    planned: tuple[CaseResult, ...]
    pairing: Pairing | None
    measure: Measure
    completion: Completion
    correction: Correction | None = None
    is_corrected: bool = False
    labelled: LabelledChange | None = None

    @cached_property
    def results(self) -> tuple[CaseResult, ...]:
        """The cases that count: all but the skipped ones."""
        return not_skipped(self.planned)

    @cached_property
    def rate(self) -> RateEstimate:
        """The rate of the cases that count; there is at least one."""
        passes = self.plain_passes
        if passes is None or (self.is_corrected and self.correction is not None):
            return rate_of(self.cases)
        n = len(self.results)
        return _rate(n, passes / n, float(n), passes)

    @cached_property
    def plain_passes(self) -> int | None:
        """The number of passed cases if each passed or failed in one trial and all are equal; else None.

        They are counted without numpy: a suite of this kind that has no baseline needs no array.
        """
        values: set[float] = set()
        passes, fill = 0, _FILL[self.completion]
        if self.measure.trials > 1 or self.measure.scorer is not None:
            return None
        for result in self.results:
            trials, case = result.trials, result.case
            if len(trials) > 1 or case.weight != 1 or case.cluster is not None:
                return None
            value = trials[0].value if trials else None
            value = fill if value is None else value
            values.add(value)
            passes += value == 1
        return passes if values <= {0.0, 1.0} else None

    def notes(self) -> Iterator[str]:
        """Yield the reasons why the bounds of the rate are rough."""
        if self.plain_passes is not None:
            return
        cases = self.cases
        if cases.clusters is not None:
            clusters = len(np.unique(cases.clusters))
            if clusters < _FEW_CLUSTERS:
                yield f"only {count(clusters, 'cluster')}: bounds are rough with fewer than {_FEW_CLUSTERS}"
        elif cases.is_mean and bool((cases.trials > 1).any()):
            failures = int(np.count_nonzero(cases.values < 1))
            if len(cases) < _FEW_CASES or failures < _FEW_FAILURES:
                yield (
                    f"several trials of {count(len(cases), 'case')}, {failures:,} of them with a failure: the "
                    "coverage of the lower bound of the pass rate is below 95% here; add cases rather than trials"
                )

    @cached_property
    def corrected(self) -> Evidence:
        """The same evidence with rates corrected for the judge's errors; itself without a correction."""
        return self if self.correction is None else replace(self, is_corrected=True)

    @cached_property
    def scorers(self) -> frozenset[str]:
        """The scorers that graded every output: those of the suite, without those of single cases."""
        graded = (trial.scores for result in self.results for trial in result.trials if trial.scores)
        named = {tuple(score.name for score in scores) for scores in graded}
        return frozenset.intersection(*map(frozenset, named)) if named else frozenset()

    def ungraded(self, scorer: str) -> str | None:
        """Return the reason why ``scorer`` has no mean over these cases, if any."""
        if scorer in self.scorers:
            return None
        known = ", ".join(sorted(self.scorers)) or "none"
        return f"no scorer named {scorer} grades every output; scorers that do: {known}"

    @cached_property
    def cases(self) -> Cases:
        """The cases by the suite's measure."""
        cases = self.cases_by(self.measure)
        if self.correction is None or not self.is_corrected:
            return cases
        return replace(cases, judge_failures=self.correction.judge_failures(self.results))

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs by the suite's measure; empty without a baseline."""
        return self.pairs_by(self.measure)

    def cases_by(self, measure: Measure) -> Cases:
        """Return the cases by ``measure``."""
        trials = np.fromiter((len(result.trials) or 1 for result in self.results), np.float64, len(self.results))
        values = measure.of_results(self.results, self.completion)
        graded = measure.scorer is not None and measure.has_grades(self.results)
        is_mean = measure.aggregate == "mean" and not graded
        clusters, weights = clusters_of(self.results), weights_of(self.results)
        return Cases(values, trials, clusters, is_mean, graded, weights=weights)

    def pairs_by(self, measure: Measure) -> Pairs:
        """Return the pairs by ``measure``; its scorer has graded the baseline."""
        pairs = self.pairing.pairs if self.pairing is not None else ()
        now, before = [pair.now for pair in pairs], [pair.before for pair in pairs]
        single_trial = all(len(case.values) == 1 for case in before) and all(len(result.trials) <= 1 for result in now)
        labelled = self.labelled if measure == self.measure else None
        uncorrected = self.correction is None or measure.scorer is not None or labelled is not None
        return Pairs(
            before=measure.of_baseline(before),
            now=measure.of_results(now, self.completion),
            clusters=clusters_of(now),
            weights=weights_of(now),
            single_trial=single_trial and measure.scorer is None,
            youden=1.0 if uncorrected or self.correction is None else self.correction.errors.youden,
            labelled=labelled,
        )

    @cached_property
    def slices(self) -> Mapping[SliceName, Indices]:
        """Indices of the cases in each slice; keys in order of appearance, values sorted, numbers as numbers."""
        return _slice_indices([result.case.slices for result in self.results])

    @cached_property
    def slice_pairs(self) -> Mapping[SliceName, Indices]:
        """Indices of the pairs in each slice."""
        return {} if self.pairing is None else _slice_indices([pair.now.case.slices for pair in self.pairing.pairs])


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


@dataclass(frozen=True, slots=True)
class Measure:
    """The measure that turns a case into one number: mean, majority, pass@k or pass^k of passes, or mean score."""

    aggregate: str = "mean"
    scorer: str | None = None

    @property
    def trials(self) -> int:
        """The fewest trials that the measure needs: the k of pass@k and pass^k, else 1."""
        return int(self.aggregate[5:]) if self.aggregate[:5] in _AGGREGATES else 1

    def trials_problem(self, trials: int) -> str | None:
        """Return the reason why the number cannot be computed from ``trials`` trials of a case, if any."""
        if trials >= self.trials:
            return None
        return (
            f"{self.aggregate} needs {self.trials} trials of a case, but the suite has {trials}: "
            f"set trials = {self.trials}"
        )

    def of_results(self, results: Sequence[CaseResult], completion: Completion) -> npt.NDArray[np.float64]:
        """Return the numbers of cases, shape (n,), with missing trials counted by ``completion``."""
        fill = _FILL[completion]
        # fast path of nearly every suite: no list per case
        if self.trials == 1 and all(len(result.trials) <= 1 for result in results):
            single = (self._value(result.trials[0], fill) if result.trials else fill for result in results)
            return np.fromiter(single, np.float64, len(results))
        trials = [[self._value(trial, fill) for trial in result.trials] for result in results]
        return self._of([values + [fill] * (self.trials - len(values)) for values in trials])  # and trials not run

    def has_grades(self, results: Sequence[CaseResult]) -> bool:
        """Return whether a trial has a number other than 0 and 1."""
        return any(self._value(trial, 0.0) not in {0.0, 1.0} for result in results for trial in result.trials)

    def of_baseline(self, cases: Sequence[BaselineCase]) -> npt.NDArray[np.float64]:
        """Return the numbers of cases of a baseline that the scorer has graded, shape (n,)."""
        return self._of([case.scores.get(self.scorer or "", case.values) for case in cases])

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


@dataclass(frozen=True, slots=True)
class Cases:
    """Columns of counted cases: a number in [0, 1], its number of trials, and its cluster, each of shape (n,).

    ``clusters`` is None if the cases are independent. ``is_mean`` means that a number is the share of passed trials;
    ``is_graded`` that it is a mean of grades, which has Student's bounds. With ``judge_failures`` the rate is
    corrected for judge errors. ``weights`` is None if they are equal.
    """

    values: npt.NDArray[np.float64]
    trials: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    is_mean: bool = True
    is_graded: bool = False
    judge_failures: JudgeFailures | None = None
    weights: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.values)

    def take(self, indices: Indices) -> Cases:
        """Return the cases at ``indices``."""
        return replace(
            self,
            values=self.values[indices],
            trials=self.trials[indices],
            clusters=None if self.clusters is None else self.clusters[indices],
            judge_failures=None if self.judge_failures is None else self.judge_failures.take(indices),
            weights=None if self.weights is None else _unequal(self.weights[indices]),
        )


@dataclass(frozen=True)
class RateEstimate:
    """A rate over ``n`` cases, with the effective number of independent cases ``n_eff``.

    ``interval`` is Wilson's two-sided 95 % interval, ``lower`` the exact (Clopper-Pearson) one-sided 95 % bound. For a
    mean of grades both are Student's. For a rate that was corrected for judge errors (``judged``) both are those of
    Lee et al. The rate of cases with weights is their Hajek mean. ``passes`` are those of the exact bound, which is
    computed when it is used; ``given_lower`` is any other bound.
    """

    n: int
    value: float
    interval: tuple[float, float]
    n_eff: float
    passes: float = 0.0
    given_lower: float | None = None
    judged: CorrectionDetails | None = None

    @cached_property
    def lower(self) -> float:
        """The one-sided 95 % lower bound."""
        if self.given_lower is not None:
            return self.given_lower
        return clopper_pearson_lower_one_sided(self.passes, self.n_eff, CONFIDENCE)

    @property
    def is_one_cluster(self) -> bool:
        """Whether several cases are a single cluster, which has no variance."""
        return self.n_eff == 1 < self.n


def rate_of(cases: Cases) -> RateEstimate:
    """Estimate the rate of at least one case.

    With one trial a case the counts are binomial. With several trials or clusters, the effective number of cases
    replaces n, since trials of one case and cases of one cluster are dependent (Korn & Graubard 1998). The bound of a
    mean of grades is Student's, on the case means or the clusters. The binomial bound assumes the largest
    possible variance and covers 100 % (n = 100, mean .70, sd .05: .616 instead of .692).
    """
    rate = _graded_mean(cases) if cases.is_graded else None
    rate = rate or (_uncorrected_rate(cases) if cases.weights is None else _weighted_rate(cases, cases.weights))
    if cases.judge_failures is None:
        return rate
    found, judged = cases.judge_failures.correct(rate.value, rate.n_eff, cases.weights)
    interval = found.interval.lower, found.interval.upper
    return RateEstimate(rate.n, found.value, interval, rate.n_eff, given_lower=found.lower, judged=judged)


def _graded_mean(cases: Cases) -> RateEstimate | None:
    """Return the mean of grades with Student's bounds; None if all grades are equal: it is then undefined."""
    units = len(cases) if cases.clusters is None else len(np.unique(cases.clusters))
    if units == 1:
        return None
    if cases.weights is not None:
        return _weighted_grades(cases, cases.weights)
    found = mean_score_ci(cases.values, None if cases.clusters is None else cases.clusters.tolist(), CONFIDENCE)
    if found.se == 0:
        return None
    interval = max(0.0, found.ci.lower), min(1.0, found.ci.upper)
    lower = max(0.0, found.mean - upper_t(1 - CONFIDENCE, found.df) * found.se)
    return RateEstimate(len(cases), found.mean, interval, found.n_eff, given_lower=lower)


def _uncorrected_rate(cases: Cases) -> RateEstimate:
    if cases.clusters is not None:
        if len(np.unique(cases.clusters)) == 1:
            return _rate(len(cases), float(cases.values.mean()), 1.0)
        clustered = cluster_mean_ci(cases.values, cases.clusters.tolist(), CONFIDENCE)
        return _rate(len(cases), clustered.mean, clustered.n_eff)
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


def _weighted_grades(cases: Cases, weights: npt.NDArray[np.float64]) -> RateEstimate | None:
    clusters = None if cases.clusters is None else cases.clusters.tolist()
    found = weighted_mean(cases.values, weights, clusters)
    if found.se == 0:
        return None
    half = upper_t((1 - CONFIDENCE) / 2, found.df) * found.se
    lower = max(0.0, found.mean - upper_t(1 - CONFIDENCE, found.df) * found.se)
    interval = max(0.0, found.mean - half), min(1.0, found.mean + half)
    return RateEstimate(len(cases), found.mean, interval, found.n_eff, given_lower=lower)


def _weighted_rate(cases: Cases, weights: npt.NDArray[np.float64]) -> RateEstimate:
    """Return the Hajek mean; the effective number of cases replaces n in the bounds, as with repeats and clusters."""
    n, clusters = len(cases), None if cases.clusters is None else cases.clusters.tolist()
    if clusters is not None and len(set(clusters)) == 1:
        return _rate(n, float(np.mean(relative_weights(weights) * cases.values)), 1.0)
    found = weighted_mean(cases.values, weights, clusters)
    trials = float(cases.trials.mean()) if cases.is_mean and clusters is None else 1.0
    rate = _rate(n, min(1.0, max(0.0, found.mean)), weighted_n(found, n * trials))
    # without a miss nothing is known but Kish's number; a miss of a light case must not raise the bound
    of_all_passes = clopper_pearson_lower_one_sided(found.n_eff, found.n_eff, CONFIDENCE)
    return replace(rate, given_lower=min(rate.lower, of_all_passes))


def _rate(n: int, value: float, n_eff: float, passes: float | None = None) -> RateEstimate:
    passes = value * n_eff if passes is None else passes
    interval = wilson_interval(passes, n_eff, CONFIDENCE)
    return RateEstimate(n, value, (interval.lower, interval.upper), n_eff, passes)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of pairs: the number of a case in the baseline and now, and its cluster, each of shape (n,).

    ``single_trial`` is True if both runs have one trial a case, passed or failed: McNemar's test applies. ``youden``
    is the J of the judge that decides them: with equal error rates in both runs, a judge measures J times the change.
    ``weights``, of this run, apply to both sides; None if they are equal.
    ``labelled`` is the change by people's labels of some of these pairs, which then is the change.
    """

    before: npt.NDArray[np.float64]
    now: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    single_trial: bool = True
    youden: float = 1.0
    weights: npt.NDArray[np.float64] | None = None
    labelled: LabelledChange | None = None

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.before)

    def take(self, indices: npt.NDArray[np.intp]) -> Pairs:
        """Return the pairs at ``indices``."""
        return replace(
            self,
            before=self.before[indices],
            now=self.now[indices],
            clusters=None if self.clusters is None else self.clusters[indices],
            weights=None if self.weights is None else _unequal(self.weights[indices]),
            labelled=None,  # they are labels of the whole
        )

    @property
    def swapped(self) -> Pairs:
        """The pairs with the two runs exchanged. A test of their drop is a test of an improvement."""
        labelled = None if self.labelled is None else self.labelled.reversed
        return replace(self, before=self.now, now=self.before, labelled=labelled)

    @property
    def is_table(self) -> bool:
        """Whether each run of each pair passed or failed as a whole, so that McNemar's test applies."""
        is_plain = self.single_trial and self.clusters is None and self.weights is None and self.labelled is None
        return is_plain and bool(np.isin(self.before, (0.0, 1.0)).all())

    @property
    def baseline_rate(self) -> float:
        """The rate of the baseline over the pairs, with the weights of this run."""
        before = self.before if self.weights is None else relative_weights(self.weights) * self.before
        return float(before.mean())

    @property
    def effective_n(self) -> float:
        """Number of pairs with equal weights whose change has the same variance."""
        return float(len(self)) if self.weights is None else kish_n(self.weights)

    @property
    def units(self) -> int:
        """Number of independent units: pairs, or clusters of them."""
        return len(self) if self.clusters is None else len(np.unique(self.clusters))

    @property
    def losses(self) -> int:
        """Number of pairs that got worse."""
        return int(np.count_nonzero(self.now < self.before - ROUNDING))

    @property
    def gains(self) -> int:
        """Number of pairs that got better."""
        return int(np.count_nonzero(self.now > self.before + ROUNDING))

    @property
    def are_testable(self) -> bool:
        """Whether there are pairs, and if they are clustered, at least two clusters."""
        return len(self) > 0 and (self.clusters is None or len(np.unique(self.clusters)) > 1)

    def finding(self, alpha: float, margin: float | None = None) -> Finding:
        """Test testable pairs for a drop at one-sided ``alpha``.

        With one trial in both runs: mid-p McNemar test and Tango's bounds. Otherwise, and with weights, the sign-flip
        or the paired t test on per-case numbers or cluster sums. For judged cases the p is that of the verdicts, while
        the change and its bounds are divided by J before they are compared with the margin.
        """
        if self.labelled is not None:
            return self.labelled.finding(alpha, margin)
        found = self._raw_finding(alpha, margin)
        if self.youden == 1:
            return found
        delta, lower, upper = (max(-1.0, min(1.0, x / self.youden)) for x in (found.delta, found.lower, found.upper))
        name = finding_name(found.p, lower, alpha, margin)
        return replace(found, name=name, delta=delta, lower=lower, upper=upper)

    def _raw_finding(self, alpha: float, margin: float | None) -> Finding:
        if not self.is_table:
            clusters = None if self.clusters is None else self.clusters.tolist()
            return finding_of_means(
                baseline=self.before,
                candidate=self.now,
                clusters=clusters,
                weights=self.weights,
                alpha=alpha,
                margin=margin,
            )
        both_pass = int(np.count_nonzero((self.before == 1) & (self.now == 1)))
        both_fail = len(self) - self.losses - self.gains - both_pass
        return finding(
            both_pass=both_pass, losses=self.losses, gains=self.gains, both_fail=both_fail, alpha=alpha, margin=margin
        )

    def p_beyond(self, drop: float) -> float:
        """Return the p of a true drop larger than ``drop``: the alpha at which the upper bound equals ``-drop``.

        Values above 0.5 are returned as 0.5.
        """
        low, high = math.log(1e-12), math.log(0.5)  # limits of the search, in log alpha

        def is_proven(log_alpha: float) -> bool:
            return self.finding(math.exp(log_alpha)).upper < -drop

        if not is_proven(high - 1e-9):
            return 0.5
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if is_proven(middle) else (middle, high)
        return math.exp(high)

    def detectable_drop(self, alpha: float) -> float | None:
        """Return the minimum detectable effect of these pairs at a power of 80 %; None if no drop is detectable."""
        if self.labelled is not None:
            return self.labelled.detectable_drop(alpha)
        return self._scale_by_youden(self._raw_detectable_drop(alpha))

    def _raw_detectable_drop(self, alpha: float) -> float | None:
        n, differ = len(self), self.losses + self.gains
        if self.is_table:
            found = mde_mcnemar(n, discordance=(differ + 1) / (n + 2), alpha_one_sided=alpha, power=POWER)
            return found.mde if found.reachable else None
        change = self.now - self.before
        if self.weights is not None and self.units > 1:
            clusters = None if self.clusters is None else self.clusters.tolist()
            weighted = weighted_mean(change, self.weights, clusters)
            units, se = max(2, math.floor(weighted.df) + 1), weighted.se
        elif self.clusters is None:
            units, se = len(change), standard_error(change)
        else:
            clustered = cluster_delta(change, self.clusters.tolist())
            units, se = clustered.df + 1, clustered.se
        if units == 1:
            return None
        se = se or 1 / math.sqrt(units * (units + 2))  # no difference: as if one of two further units differed
        drop = mde_mean(se, units - 1, alpha, POWER)
        return drop if drop < 1 else None

    def expected_detectable_drop(self, alpha: float) -> float | None:
        """Return the minimum detectable effect of another run like this one; None if no drop is detectable."""
        drop = self.detectable_drop(alpha)
        if drop is not None or not self.is_table or len(self) < fewest_losses(alpha):
            return drop
        discordance = (self.losses + self.gains) / (len(self) + 1)
        return self._scale_by_youden(mde_with_flips(len(self), discordance, alpha, POWER))

    def drop_with_trials(self, alpha: float, trials: int) -> float | None:
        """Return the minimum detectable effect if both runs had ``trials`` trials of each case instead of one.

        Trials average out the flips of single trials, and not the variance of the drop between cases: d (1 - d) if a
        few cases break completely, nearly 0 if all get a little worse. Real drops d are between, so half of it is
        assumed. At n = 200, 10 % flips and d = 0.05 the power for three trials is 90 %, simulated 84 to 95 %.
        None if no drop is detectable.
        """
        n, flips = len(self), (self.losses + self.gains + 1) / (len(self) + 2)
        if n < fewest_losses(alpha):
            return None

        def too_small(drop: float) -> bool:
            se = math.sqrt((drop * (1 - drop) / 2 + flips / trials) / n)
            return mean_power(min(drop, _FAR * se), se, n - 1, alpha) < POWER

        largest = 1 - flips
        return None if too_small(largest) else self._scale_by_youden(bisect(too_small, inside=0.0, outside=largest))

    def _scale_by_youden(self, drop: float | None) -> float | None:
        return None if drop is None or drop / self.youden > 1 else drop / self.youden


def weights_of(results: Sequence[CaseResult]) -> npt.NDArray[np.float64] | None:
    """Return the weight of each case, shape (n,); None if all are equal."""
    if all(result.case.weight == 1 for result in results):  # nearly every suite
        return None
    return _unequal(np.fromiter((result.case.weight for result in results), np.float64, len(results)))


def _unequal(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    return None if weights.size == 0 or bool((weights == weights[0]).all()) else weights


def clusters_of(results: Sequence[CaseResult]) -> npt.NDArray[np.int64] | None:
    """Return the cluster of each case as a number, shape (n,); None if the cases have no clusters."""
    if not results or results[0].case.cluster is None:
        return None
    numbers: dict[str | None, int] = {}
    named = (result.case.cluster for result in results)
    return np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.int64)

"""Power plan of a suite: the drops that it can detect, and the cases and trials that a smaller drop needs.

Flow: gather the evidence about a suite (configuration, baseline, newest run); estimate the discordance, the share of
cases that differ between two identical runs; compute power and sample sizes for both kinds of drop.

A drop of five points may come from cases that flip anyway and now fail more often, or from cases that always passed
and now break. The first adds no discordant pairs, the second adds one for each case. Real drops are between the two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, get_args

from pytest_evalgate import golden
from pytest_evalgate.config import NoRegressionGate, PassRateGate, has_part_tests, suite_named
from pytest_evalgate.errors import RunFileError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.gates.power import DEFAULT_DISCORDANCE
from pytest_evalgate.golden.sampling import select_split
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.intervals import passes_needed
from pytest_evalgate.stats.numeric import bisect, upper_z
from pytest_evalgate.stats.planning import (
    mcnemar_power,
    mcnemar_sample_size,
    mde_mcnemar,
    mde_mean,
    mde_with_flips,
    mean_power,
    not_proven_sample_size,
    paired_mean_sample_size,
    variance_clusters,
    variance_trials,
)
from pytest_evalgate.stats.stability import flip_rate
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Gate, Suite
    from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline


DropKind = Literal["flipping", "steady"]
"""The cases that a drop affects: those that flip between identical runs, or those that always passed."""

DROP_KINDS: Final[tuple[DropKind, ...]] = get_args(DropKind)
CLUSTER_ICC: Final = 0.2

_ALPHA: Final = 0.05
_TRIALS: Final = (1, 3, 5)
_COMPARED_TRIALS: Final = ((5, 1), (3, 3))
"""Numbers of trials in the baseline and in the candidate. Simulated power at n = 200, 10 % flips and a drop of 5
points:
60 % with one trial in both, 74 % with a 5-trial baseline (76 % with any number), 83 to 95 % with three trials in
both."""
_MIN_CLUSTERS: Final = 3
_FLOAT_NOISE: Final = 1e-12
_MIN_TRIALS: Final = 2
_MAX_STANDARD_ERRORS: Final = 30  # no larger drop is missed, and scipy's noncentral t underflows from about 37 on
_MAX_STANDARD_DEVIATIONS: Final = 6  # a drop of more standard deviations of single cases needs as few cases as 6


@dataclass(frozen=True, slots=True)
class PowerOptions:
    """Options of the command line; ``drop`` and ``power`` are shares. None means the suite's own value."""

    drop: float
    power: float
    alpha: float | None = None
    cases: int | None = None
    discordance: float | None = None
    trials: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """Figures for a number of trials of each case, in both runs, by kind of drop; None if a drop is impossible."""

    trials: int
    smallest_drop_points: Mapping[DropKind, float | None]
    cases_needed: Mapping[DropKind, int | None]
    cases_not_proven: int


@dataclass(frozen=True, slots=True)
class TrialsPower:
    """Probability in percent of detecting each kind of drop with these trials of each case."""

    baseline_trials: int
    candidate_trials: int
    found_percent: Mapping[DropKind, float | None]


@dataclass(frozen=True, slots=True)
class PassesNeeded:
    """The passes that a pass-rate gate requires; None if the gate fails even when all cases pass."""

    minimum_percent: float
    passes: int | None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of cases by ``key``; ``number`` is None if no stored run contains the clusters.

    ``smallest_drop_points`` assumes a drop of the cases that flip and an intra-cluster correlation of ``CLUSTER_ICC``;
    None if so few clusters detect no drop at all.
    """

    key: str
    number: int | None
    smallest_drop_points: float | None


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """The result for one suite, in percent and percentage points; ``alpha`` and ``discordance`` are shares."""

    suite: str | None
    cases: int
    cases_source: str
    trials: int
    alpha: float
    power_percent: float
    drop_points: float
    discordance: float
    discordance_source: str
    columns: tuple[Column, ...]
    found_percent: Mapping[DropKind, float | None]
    by_trials: tuple[TrialsPower, ...]
    margin_points: float
    fewest_losses: int
    pass_rate_gates: tuple[PassesNeeded, ...]
    clusters: Clusters | None


@dataclass(frozen=True, slots=True)
class _PlanInputs:
    cases: int
    trials: int
    drop: float
    margin: float
    level: AlphaAndPower
    flips: Discordance

    @property
    def drop_models(self) -> tuple[DropModel, ...]:
        return tuple(DropModel(kind, self.flips.share) for kind in DROP_KINDS)


def plans_of(project: Project, name: str | None, options: PowerOptions) -> tuple[PowerPlan, ...]:
    """Return the plan of suite ``name``, else of every known suite, else of ``options.cases`` cases without a suite.

    Raises:
        SettingsError: there is no such suite, or the number of cases is unknown.
        UserError: the newest run, a baseline or a golden set cannot be read.
    """
    return tuple(_plan(project, evidence, options) for evidence in _gather(project, name))


def _plan(project: Project, evidence: SuiteEvidence, options: PowerOptions) -> PowerPlan:
    cases, source = (options.cases, "as given") if options.cases else _count_cases(project, evidence)
    given = Discordance(options.discordance, "as given") if options.discordance else None
    inputs = _PlanInputs(
        cases=cases,
        trials=options.trials or evidence.trials,
        drop=options.drop,
        margin=evidence.margin or options.drop,
        level=AlphaAndPower(options.alpha or evidence.alpha or _ALPHA, options.power),
        flips=given or _estimate(evidence.baseline, evidence.run, evidence.suite),
    )
    return PowerPlan(
        suite=evidence.name,
        cases=cases,
        cases_source=source,
        trials=inputs.trials,
        alpha=inputs.level.alpha,
        power_percent=100 * inputs.level.power,
        drop_points=100 * inputs.drop,
        discordance=inputs.flips.share,
        discordance_source=inputs.flips.source,
        columns=tuple(_column(inputs, trials) for trials in sorted({*_TRIALS, inputs.trials})),
        found_percent={
            model.kind: _times_100(model.power(inputs.drop, inputs.cases, inputs.trials, inputs.level.alpha))
            for model in inputs.drop_models
        },
        by_trials=tuple(_trials_power(inputs, *trials) for trials in _COMPARED_TRIALS),
        margin_points=100 * inputs.margin,
        fewest_losses=fewest_losses(inputs.level.alpha),
        pass_rate_gates=tuple(_passes(gate, cases) for gate in evidence.pass_rates),
        clusters=_clusters(evidence, inputs),
    )


def _trials_power(inputs: _PlanInputs, baseline: int, candidate: int) -> TrialsPower:
    found = {
        model.kind: _times_100(
            model.power_of_means(inputs.drop, inputs.cases, (baseline, candidate), inputs.level.alpha)
        )
        for model in inputs.drop_models
    }
    return TrialsPower(baseline, candidate, found)


def _column(inputs: _PlanInputs, trials: int) -> Column:
    level, models = inputs.level, inputs.drop_models
    return Column(
        trials=trials,
        smallest_drop_points={
            model.kind: _times_100(model.detectable_drop(inputs.cases, trials, level)) for model in models
        },
        cases_needed={model.kind: model.cases_needed(inputs.drop, trials, level) for model in models},
        cases_not_proven=_not_proven(inputs, trials),
    )


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _not_proven(inputs: _PlanInputs, trials: int) -> int:
    level, margin = inputs.level, inputs.margin
    # Even when nothing changes, the lower bound is -z²/(n + z²), regardless of the trials.
    fewest = math.floor(upper_z(level.alpha) ** 2 * (1 - margin) / margin) + 1
    return max(fewest, not_proven_sample_size(inputs.flips.share / trials, margin, level.alpha, level.power))


def _passes(gate: PassRateGate, cases: int) -> PassesNeeded:
    at_once = math.ceil((gate.min - _FLOAT_NOISE) * cases)
    return PassesNeeded(100 * gate.min, at_once if gate.bound == "point" else passes_needed(cases, gate.min))


def _clusters(evidence: SuiteEvidence, inputs: _PlanInputs) -> Clusters | None:
    if evidence.configured is None or evidence.configured.cluster is None:
        return None
    number = evidence.clusters
    if number is None or not _MIN_CLUSTERS <= number <= inputs.cases:
        return Clusters(evidence.configured.cluster, number, None)
    variance = variance_clusters(inputs.flips.share / inputs.trials, inputs.cases, number, CLUSTER_ICC)
    drop = mde_mean(math.sqrt(variance), number - 1, inputs.level.alpha, inputs.level.power)
    return Clusters(evidence.configured.cluster, number, 100 * drop if drop < 1 else None)


@dataclass(frozen=True, slots=True)
class SuiteEvidence:
    """Evidence about one suite; ``run`` is the newest run, if it contains the suite."""

    name: str | None = None
    configured: Suite | None = None
    baseline: Baseline | None = None
    run: Run | None = None
    suite: SuiteRun | None = None

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Configured gates."""
        return () if self.configured is None else self.configured.gates or ()

    @property
    def alpha(self) -> float | None:
        """Level of the test for a drop of the suite: half of the gate's if the slices are tested, too."""
        sliced = any(map(has_part_tests, self.gates))
        return next((test.alpha / 2 if sliced else test.alpha for test in self._tests), None)

    @property
    def margin(self) -> float | None:
        """Largest drop that the suite accepts, as a share."""
        return next((test.margin for test in self._tests if test.margin is not None), None)

    @property
    def _tests(self) -> tuple[NoRegressionGate, ...]:
        return tuple(gate for gate in self.gates if isinstance(gate, NoRegressionGate) and gate.scorer is None)

    @property
    def pass_rates(self) -> tuple[PassRateGate, ...]:
        """Configured gates of the pass rate."""
        return tuple(gate for gate in self.gates if isinstance(gate, PassRateGate))

    @property
    def cases(self) -> tuple[PlannedCase, ...]:
        """Cases of the newest run that the golden set contains and does not skip."""
        planned = () if self.suite is None else self.suite.plan.cases
        return tuple(case for case in planned if case.skip is None and case.side != "base")

    @property
    def trials(self) -> int:
        """Trials of each case as configured; of a suite that is not configured, those of its newest run."""
        if self.configured is not None:
            return self.configured.trials or 1
        return 1 if self.suite is None else self.suite.plan.trials

    @property
    def clusters(self) -> int | None:
        """Number of clusters of the cases of the newest run; None if unknown."""
        return len({case.cluster for case in self.cases if case.cluster is not None}) or None


def _gather(project: Project, name: str | None) -> tuple[SuiteEvidence, ...]:
    """Gather the evidence about suite ``name``, else about every configured suite, else about those of the newest run.

    Raises:
        SettingsError: there is no such suite.
        UserError: the newest run or a baseline cannot be read.
    """
    try:
        newest = run_file.newest(project.state.path)
    except RunFileError:  # no run is stored
        run = None
    else:
        run = run_file.read(newest)
    configured = list(project.settings.suites)
    stored = [] if run is None else [suite.plan.name for suite in run.suites]
    if name is None:
        return tuple(_evidence(project, each, run) for each in configured or stored) or (SuiteEvidence(),)
    if name not in configured + stored:
        known = ", ".join(dict.fromkeys(configured + stored)) or "none"
        raise SettingsError(f"no suite {name!r} is configured or in the newest run (known: {known})")
    return (_evidence(project, name, run),)


def _count_cases(project: Project, evidence: SuiteEvidence) -> tuple[int, str]:
    """Return the number of cases of a suite, and its source: the newest run, the baseline or the golden set.

    Raises:
        SettingsError: there is no source.
        GoldenSetError: the golden set cannot be read.
    """
    if evidence.run is not None and evidence.cases:
        return len(evidence.cases), f"run {evidence.run.id}"
    if evidence.baseline is not None:
        return len(evidence.baseline.cases), "baseline"
    if evidence.configured is not None:
        loaded_sets = golden.load([project.root / name for name in evidence.configured.golden], root=project.root)
        sets = select_split(loaded_sets, evidence.configured.split, place=f"suites.{evidence.name}.split")
        return sum(case.skip is None for loaded in sets for case in loaded), "golden set"
    raise SettingsError("no suite is configured and no run is stored: add the number of cases, --cases 200")


def _evidence(project: Project, name: str, run: Run | None) -> SuiteEvidence:
    configured = suite_named(project.settings, name)
    spec = None if configured is None else configured.baseline
    commit = spec if spec is not None and spec.startswith("git:") else None
    baseline = baselines.find(commit, suite=name, file=project.baseline_file(name), root=project.root)
    suite = None if run is None else next((each for each in run.suites if each.plan.name == name), None)
    return SuiteEvidence(name, configured, baseline, None if suite is None else run, suite)


@dataclass(frozen=True, slots=True)
class Discordance:
    """Share of cases that differ between two identical runs, in (0, 1), and a description of its source."""

    share: float
    source: str


def _estimate(baseline: Baseline | None, run: Run | None, suite: SuiteRun | None) -> Discordance:
    """Estimate the discordance of ``suite``, a suite of ``run``.

    The sources in order: the baseline's own trials, the run compared with the baseline, the run's own trials, and an
    assumption if there is nothing to measure.
    """
    of_baseline = () if baseline is None else (case.values for case in baseline.cases.values())
    answered = () if suite is None else filter(_answered, suite.results)
    run_id = "" if run is None else run.id
    of_run = ([trial.value for trial in result.trials] for result in answered)
    return (
        _of_trials(of_baseline, "the baseline's own trials")
        or _of_comparison(baseline, run, suite)
        or _of_trials(of_run, f"the trials of run {run_id}")
        or Discordance(DEFAULT_DISCORDANCE, "an assumption; to measure it: pytest --eval-gate --eval-trials 3")
    )


def _of_comparison(baseline: Baseline | None, run: Run | None, suite: SuiteRun | None) -> Discordance | None:
    if baseline is None or run is None or suite is None or run.id == baseline.provenance.run_id:
        return None  # a run compared with itself never differs
    pairs = [(found.before.mean, found.now.lowest) for found in pair(suite, baseline).pairs if _answered(found.now)]
    if not pairs:
        return None
    differing = sum(before * (1 - now) + now * (1 - before) for before, now in pairs)
    share = (differing + 1) / (len(pairs) + 2)
    return Discordance(share, f"run {run.id} compared with the baseline, {count(len(pairs), 'pair')}")


def _of_trials(cases: Iterable[Sequence[float | None]], whose: str) -> Discordance | None:
    usable = [values for values in cases if len(values) >= _MIN_TRIALS and set(values) <= {0.0, 1.0}]
    if not usable:
        return None
    trials = [len(values) for values in usable]
    flips = flip_rate([values.count(1.0) for values in usable], trials)
    n = len(usable)
    # rule of succession: no flip in n cases does not prove a rate of 0
    share = min(max(flips.rate, 1 / (n + 2)), (n + 1) / (n + 2))
    least, most = min(trials), max(trials)
    number = f"{least}" if least == most else f"{least} to {most}"
    return Discordance(share, f"{whose}, {number} of each of {count(n, 'case')}")


def _answered(result: CaseResult) -> bool:
    return bool(result.trials) and all(trial.value is not None for trial in result.trials)


@dataclass(frozen=True, slots=True)
class AlphaAndPower:
    """A one-sided level ``alpha``, and the ``power`` to detect a drop."""

    alpha: float
    power: float


@dataclass(frozen=True, slots=True)
class DropModel:
    """Drops of one kind in cases of which the share ``flips``, in (0, 1), differs between two identical runs."""

    kind: DropKind
    flips: float

    @property
    def largest(self) -> float:
        """Largest possible drop of this kind, as a share of the cases."""
        return self.flips if self.kind == "flipping" else 1 - self.flips

    def shares(self, drop: float) -> tuple[float, float]:
        """Return the shares of pairs that are lost and gained if both runs have one trial."""
        gained = (self.flips - drop if self.kind == "flipping" else self.flips) / 2
        return min(gained + drop, 1 - gained), gained

    def variance(self, drop: float, trials: int) -> float:
        """Return the variance of the change of one case's mean over ``trials`` in both runs."""
        between = 0.0 if self.kind == "flipping" else drop * (1 - drop)
        return variance_trials(between, self.flips / 2, k=trials, n=1).var_delta

    def cases_needed(self, drop: float, trials: int, level: AlphaAndPower) -> int | None:
        """Return the number of cases that detect ``drop``, a share, with ``trials`` in both runs; None if impossible.

        One trial: Connor's formula for the paired test (Connor 1987). More: Student's test of the means. The result
        is at least the number of losses that can fail the test at all.
        """
        if not 0 < drop <= self.largest:
            return None
        if trials == 1:
            n = mcnemar_sample_size(*self.shares(drop), level.alpha, level.power).n
        else:
            sd = max(math.sqrt(self.variance(drop, trials)), drop / _MAX_STANDARD_DEVIATIONS)
            n = paired_mean_sample_size(sd, drop, level.alpha, level.power).n
        return max(n, fewest_losses(level.alpha))

    def detectable_drop(self, cases: int, trials: int, level: AlphaAndPower) -> float | None:
        """Return the smallest drop, as a share, that ``cases`` and ``trials`` detect; None if they detect no drop."""
        if trials == 1:
            if cases < fewest_losses(level.alpha):
                return None
            if self.kind == "steady":
                return mde_with_flips(cases, self.flips, level.alpha, level.power)
            found = mde_mcnemar(cases, self.flips, level.alpha, level.power)
            return found.mde if found.reachable else None

        def too_small(drop: float) -> bool:
            power = self.power(drop, cases, trials, level.alpha)
            return power is None or power < level.power

        return None if too_small(self.largest) else bisect(too_small, inside=0.0, outside=self.largest)

    def power(self, drop: float, cases: int, trials: int, alpha: float) -> float | None:
        """Return the probability of detecting ``drop``, a share; None if such a drop is impossible.

        One trial: exact, for McNemar's mid-p test. More: Student's test of the means.
        """
        if not 0 < drop <= self.largest:
            return None
        if trials == 1:
            return mcnemar_power(cases, *self.shares(drop), alpha)
        return self.power_of_means(drop, cases, (trials, trials), alpha)

    def power_of_means(self, drop: float, cases: int, trials: tuple[int, int], alpha: float) -> float | None:
        """Return the power of Student's test for ``trials`` in the baseline and in the candidate; None as `power`."""
        if not 0 < drop <= self.largest:
            return None
        if cases == 1:
            return 0.0
        baseline, candidate = (self.variance(drop, k) for k in trials)  # each has half of the flips of two such runs
        se = math.sqrt((baseline + candidate) / 2 / cases)
        return mean_power(min(drop, _MAX_STANDARD_ERRORS * se), se, cases - 1, alpha)

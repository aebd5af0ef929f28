"""The gates' answers under one completion: evidence of every suite, the family of their tests, a result a gate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.config import (
    DEFAULT_TIER,
    BudgetGate,
    MeanScoreGate,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
)
from pytest_evalgate.gates.budget import decide_budget
from pytest_evalgate.gates.correction import correction_of, uncorrected, unfit
from pytest_evalgate.gates.evidence import COMPLETIONS, Evidence, Measure
from pytest_evalgate.gates.family import GateTest, TestName, adjusted
from pytest_evalgate.gates.judges import judge_verdicts
from pytest_evalgate.gates.pairing import (
    call_records,
    count_outcomes,
    head_results,
    is_missing,
    not_skipped,
    pair,
    score_summaries,
    total_calls,
)
from pytest_evalgate.gates.pass_rate import decide_mean_score, decide_must_pass, decide_pass_rate
from pytest_evalgate.gates.regression import decide_no_regression, delta_of, gate_p, pairing_problem
from pytest_evalgate.gates.slices import (
    SliceTests,
    decide_slice_changes,
    decide_slice_rates,
    slice_results,
    testable_slices,
)
from pytest_evalgate.records.results import Accounting, GateResult, Repeats, SuiteVerdict, Verdict
from pytest_evalgate.stats.clusters import icc_anova
from pytest_evalgate.stats.stability import flip_rate
from pytest_evalgate.text.wording import NO_BASELINE, count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.correction import Correction
    from pytest_evalgate.gates.evidence import Cases, Completion, Pairs, SliceName
    from pytest_evalgate.gates.family import Family
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import (
        Baseline,
        CaseResult,
        Delta,
        GateChange,
        Run,
        Side,
        SliceResult,
        SuitePlan,
        SuiteRun,
        VerdictName,
    )


_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "incomplete", "not_evaluated", "inconclusive", "pass")


def worst(verdicts: Iterable[VerdictName]) -> VerdictName:
    """Return the worst of at least one verdict."""
    return min(verdicts, key=_WORST_FIRST.index)


@dataclass(frozen=True)
class GateInputs:
    """One suite under one completion: what the gates look at, and the tests by which they may fail the build."""

    suite: SuiteRun
    rules: SuiteRules
    completion: Completion

    @cached_property
    def head(self) -> Evidence:
        """The cases of this branch."""
        return self._evidence(without="base")

    @cached_property
    def base(self) -> Evidence | None:
        """The cases as they stand at the base branch; None where this branch left them alone, or there were none."""
        changed = any(case.side != "both" for case in self.suite.plan.cases)
        base = self._evidence(without="head") if changed else None
        return base if base is not None and base.results else None

    @property
    def compared(self) -> Evidence:
        """The evidence whose cases are paired with the baseline: it knows those of the base branch."""
        return self.base or self.head

    @cached_property
    def correction(self) -> Correction | None:
        """What takes the errors of the suite's judge out of its numbers; None where nothing does."""
        return correction_of(self.suite, self.rules)

    @cached_property
    def tests(self) -> tuple[GateTest, ...]:
        """The tests by which the gates may fail the build."""
        return tuple(
            test for index, gate in enumerate(self.rules.effective_gates) for test in self._tests_of(index, gate)
        )

    def pairs(self, gate: NoRegressionGate | SliceGate) -> Pairs:
        """Return the pairs that a gate compares, which it does not refuse."""
        if isinstance(gate, NoRegressionGate) and gate.scorer is not None:
            return self.compared.pairs_by(Measure(scorer=gate.scorer))
        return self.compared.pairs

    def unfit(self, gate: Gate) -> GateResult | None:
        """Return the result of a gate that rests on a judge that cannot carry it; None where it can be judged."""
        told = unfit(gate, self.suite, self.rules)
        return None if told is None else _invalid(gate, told)

    def invalid_result(self, gate: NoRegressionGate | SliceGate) -> GateResult | None:
        """Return the result of a gate that asks for a change where none can be told; None where one can."""
        if (found := self.unfit(gate)) is not None:
            return found
        if self.rules.baseline is None:
            return _without_baseline(gate, self.rules)
        told = self._incomparable(gate, self.rules.baseline)
        return None if told is None else _invalid(gate, told)

    def _incomparable(self, gate: NoRegressionGate | SliceGate, baseline: Baseline) -> str | None:
        """Say why the suite cannot be compared with ``baseline``, if so."""
        pairing, measure = self.compared.pairing, self.compared.measure
        if pairing is None:
            fewest = count(_min_trials(baseline), "trial")
            return (
                f"the baseline holds {fewest} of a case, and {measure.aggregate} takes {measure.trials}: "
                f"promote a run with trials = {measure.trials}"
            )
        scorer = gate.scorer if isinstance(gate, NoRegressionGate) else None
        if scorer is not None and scorer not in baseline.scorers:
            return f"the baseline holds no scores of {scorer}: promote a run that {scorer} has graded"
        if scorer is not None and (ungraded := self.compared.ungraded(scorer)) is not None:
            return ungraded
        return pairing_problem(pairing, self.pairs(gate))

    def _evidence(self, without: Side) -> Evidence:
        planned = tuple(result for result in self.suite.results if result.case.side != without)
        baseline, measure = self.rules.baseline, Measure(self.rules.aggregate)
        enough = baseline is not None and _min_trials(baseline) >= measure.trials
        pairing = pair(self.suite, baseline) if baseline is not None and enough else None
        return Evidence(planned, pairing, measure, self.completion, self.correction)

    def _tests_of(self, index: int, gate: Gate) -> Iterator[GateTest]:
        name = self.suite.plan.name
        if isinstance(gate, NoRegressionGate) and self.invalid_result(gate) is None:
            p = gate_p(gate, self.pairs(gate))
            if p is not None:
                yield GateTest(TestName(name, index), p, gate.alpha)
        elif isinstance(gate, SliceGate) and gate.min is None and self.invalid_result(gate) is None:
            for piece, pairs in testable_slices(self.compared, gate.by):
                yield GateTest(TestName(name, index, piece), pairs.finding(gate.alpha).p, gate.alpha)


@dataclass(frozen=True)
class SuiteDecision:
    """What the gates of one suite say, whose tests are part of ``family``."""

    inputs: GateInputs
    family: Family

    @cached_property
    def gates(self) -> tuple[GateResult, ...]:
        """The result of each gate, in the order of the configuration."""
        return tuple(self._decide(index, gate) for index, gate in enumerate(self.inputs.rules.effective_gates))

    @property
    def verdict(self) -> VerdictName:
        """The worst of them."""
        return worst(gate.result for gate in self.gates)

    def p(self, gate: Gate) -> float | None:
        """Return the adjusted p of the overall test of ``gate``; None where it has none."""
        index = self.inputs.rules.effective_gates.index(gate) if gate in self.inputs.rules.effective_gates else -1
        return self.family.p.get(TestName(self.inputs.suite.plan.name, index))

    @property
    def slices(self) -> Mapping[SliceName, float]:
        """The adjusted p of the slices that are tested: the smallest, where several gates test the same one."""
        found: dict[SliceName, float] = {}
        for index, _ in enumerate(self.inputs.rules.effective_gates):
            for name, p in self.family.slices(self.inputs.suite.plan.name, index).items():
                found[name] = min(p, found.get(name, 1.0))
        return found

    def _decide(self, index: int, gate: Gate) -> GateResult:
        if isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.min is None):
            return self.inputs.invalid_result(gate) or self._compare(index, gate)
        return self.inputs.unfit(gate) or self._on_both_sides(gate)

    def _compare(self, index: int, gate: NoRegressionGate | SliceGate) -> GateResult:
        suite = self.inputs.suite.plan.name
        if isinstance(gate, SliceGate):
            slice_tests = SliceTests(self.family.slices(suite, index), gate.alpha * self.family.slices_share)
            return decide_slice_changes(gate, self.inputs.compared, slice_tests)
        return decide_no_regression(gate, self.inputs.pairs(gate), self.family.p.get(TestName(suite, index)))

    def _on_both_sides(self, gate: Gate) -> GateResult:
        """Judge the cases of this branch, and those of its base where they differ: the worse result stands.

        The base asks nothing by tags and slices that none of its cases has.
        """
        here = _decide_gate(gate, self.inputs.head)
        if self.inputs.base is None:
            return here
        there = _decide_gate(gate, self.inputs.base)
        asks_nothing = there.result == "invalid" and isinstance(gate, MustPassGate | SliceGate)
        if asks_nothing or worst([here.result, there.result]) == here.result:
            return here
        return replace(there, message=f"on the cases of the base branch: {there.message}")


def decide_all(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], completion: Completion
) -> Mapping[str, SuiteDecision]:
    """Judge every suite under ``completion``; the tests of all blocking suites share one alpha."""
    hearings = [GateInputs(suite, rules[suite.plan.name], completion) for suite in suites]
    families: dict[str, list[GateTest]] = defaultdict(list)
    for inputs in hearings:
        families[_family(inputs)] += inputs.tests
    found = {name: adjusted(tests) for name, tests in families.items()}
    return {inputs.suite.plan.name: SuiteDecision(inputs, found[_family(inputs)]) for inputs in hearings}


def _family(inputs: GateInputs) -> str:
    """Name the family of a suite: an advisory one cannot fail the build, a new one must not make it easier to pass."""
    if inputs.rules.advisory:
        return f"advisory {inputs.suite.plan.name}"
    return "new" if inputs.rules.is_new else ""


def _decide_gate(gate: Gate, evidence: Evidence) -> GateResult:
    match gate:
        case PassRateGate():
            return decide_pass_rate(gate, evidence.corrected.rate)
        case MeanScoreGate():
            return decide_mean_score(gate, evidence)
        case MustPassGate():
            return decide_must_pass(gate, evidence.planned, evidence.completion)
        case BudgetGate():
            return decide_budget(gate, evidence.results, evidence.completion)
        case SliceGate():
            return decide_slice_rates(gate, evidence.corrected)
        case NoRegressionGate():
            raise AssertionError("a change is judged against the baseline")


def gate_subject(gate: Gate) -> str:
    """Return what tells a gate apart from others of its kind: what it slices by, or its scorer."""
    match gate:
        case SliceGate():
            return gate.by
        case NoRegressionGate() | MeanScoreGate():
            return gate.scorer or ""
        case _:
            return ""


def _without_baseline(gate: NoRegressionGate | SliceGate, rules: SuiteRules) -> GateResult:
    if rules.record_without_baseline:
        return GateResult(gate.kind, "inconclusive", None, None, None, NO_BASELINE, gate_subject(gate))
    return _invalid(gate, f'{NO_BASELINE}, commit the file, or set on_missing_baseline = "record"')


def _invalid(gate: Gate, message: str) -> GateResult:
    return GateResult(gate.kind, "invalid", None, None, None, message, gate_subject(gate))


def _min_trials(baseline: Baseline) -> int:
    return min((len(case.values) for case in baseline.cases.values()), default=baseline.trials)


_FEW_CLUSTERS = 10
_FEW_CASES = 50
_FEW_FAILURES = 5
_FEW_PAIRS = 200


def notes_of(inputs: GateInputs) -> Iterator[str]:
    """Iterate over the warnings for one suite."""
    cases = inputs.head.cases
    if cases.clusters is not None:
        yield from _of_clusters(len(np.unique(cases.clusters)))
    elif cases.is_mean and bool((cases.trials > 1).any()):
        yield from _of_repeats(cases)
    yield from _of_pairs(inputs)
    yield from _of_judges(inputs)


def _of_clusters(number: int) -> Iterator[str]:
    if number < _FEW_CLUSTERS:
        yield f"only {count(number, 'cluster')}: bounds that rest on so few are rough; {_FEW_CLUSTERS} are a start"


def _of_repeats(cases: Cases) -> Iterator[str]:
    failures = int(np.count_nonzero(cases.values < 1))
    if len(cases) < _FEW_CASES or failures < _FEW_FAILURES:
        yield (
            f"several trials of {count(len(cases), 'case')}, {failures:,} of them with a failure: the lower bound of "
            "the pass rate covers less than 95% here; add cases rather than trials"
        )


def _of_pairs(inputs: GateInputs) -> Iterator[str]:
    compared = inputs.compared
    if inputs.rules.comparison.margin is None or compared.pairing is None or compared.pairs.single_trial:
        return
    if len(compared.pairs) < _FEW_PAIRS:
        yield f"{count(len(compared.pairs), 'pair')} of means: below {_FEW_PAIRS} a margin may be cleared too easily"


def _of_judges(inputs: GateInputs) -> Iterator[str]:
    why = uncorrected(inputs.suite, inputs.rules)
    if why is not None:
        yield f"rates and changes are not corrected for the errors of judges: {why}"
    if inputs.correction is not None:
        yield from _of_correction(inputs, inputs.correction)


def _of_correction(inputs: GateInputs, correction: Correction) -> Iterator[str]:
    errors, judged = correction.errors, inputs.head.corrected.rate.judged
    if judged is not None and not judged.plausible:
        yield (
            f"judge {correction.judge} passed {percent(judged.raw)}, which does not go with its tpr of "
            f"{errors.tpr:.2f} and tnr of {errors.tnr:.2f}: it may err otherwise here than on its labels; label "
            "answers of this suite"
        )
    if inputs.compared.pairing is not None and errors.youden < 1:
        yield (
            f"the change is what judge {correction.judge} sees, divided by its TPR + TNR - 1 of {errors.youden:.2f}: "
            "that assumes the judge errs equally on both"
        )


def self_consistency_of(results: Iterable[CaseResult], n_eff: float) -> Repeats | None:
    """Describe the trials of the cases that have all of theirs; None where none has two."""
    trials = [[trial.value for trial in result.trials] for result in results]
    full = [[value for value in values if value is not None] for values in trials if None not in values]
    several = [values for values in full if len(values) > 1]
    if not several:
        return None
    passes = [round(sum(values)) for values in several]
    counts = [len(values) for values in several]
    flips = flip_rate(passes, counts)
    icc = icc_anova(passes, counts[0]) if len(set(counts)) == 1 else None
    return Repeats(
        flip_rate=flips.rate,
        flaky=flips.flaky,
        icc=None if icc is None else icc.icc,
        design_effect=None if icc is None else icc.design_effect,
        n_eff=n_eff,
    )


EXIT_CODES: Mapping[VerdictName, int] = {
    "pass": 0,
    "fail": 1,
    "invalid": 4,
    "inconclusive": 10,
    "incomplete": 11,
    "not_evaluated": 12,
}
"""Exit code of each verdict; under ``on_inconclusive = "warn"`` an inconclusive run exits 0."""

NO_CASE_RAN = 5
"""Exit code where no case was selected, or all were skipped; pytest's own for no tests."""


def decide(
    run: Run,
    rules: Mapping[str, SuiteRules],
    *,
    warn_inconclusive: bool,
    not_run: Iterable[str] = (),
    changes: Sequence[GateChange] = (),
    tier: str = DEFAULT_TIER,
) -> Verdict:
    """Judge ``run``.

    Args:
        run: All suites of the build: the tests of their gates share one alpha.
        rules: For each suite how it is judged.
        warn_inconclusive: Whether an inconclusive run exits 0.
        not_run: The configured suites that the run does not hold.
        tier: The tier that ran.
        changes: What this branch changed in the gate itself; a weakening that nobody answers for fails the build.

    """
    decided = _decide_suites(run.suites, rules, run.created)
    suites = {suite.plan.name: _with_tier_note(decided[suite.plan.name], suite.plan, tier) for suite in run.suites}
    blocking = [suite.verdict for suite in suites.values() if suite.mode == "blocking"]
    verdict: VerdictName = "invalid" if run.problems or not suites else worst([*blocking, *_weakened(changes), "pass"])
    if run.refused is not None and verdict != "invalid":
        verdict = "not_evaluated"
    accounting = reduce(add, (suite.accounting for suite in suites.values()), Accounting())
    return Verdict(
        verdict=verdict,
        exit_code=_exit_code(verdict, accounting, run, warn_inconclusive=warn_inconclusive),
        run_id=run.id,
        commit=run.commit,
        tier=tier,
        accounting=accounting,
        suites=suites,
        suites_not_run=tuple(not_run),
        calls=total_calls(record for suite in run.suites for record in call_records(suite.results)),
        duration_s=run.duration_s,
        changed_in_gate=tuple(changes),
        problems=run.problems,
        refused=run.refused,
    )


def _exit_code(verdict: VerdictName, accounting: Accounting, run: Run, *, warn_inconclusive: bool) -> int:
    if verdict == "inconclusive" and warn_inconclusive:
        return 0
    nothing_ran = accounting.passed + accounting.missed + accounting.errored == 0
    return NO_CASE_RAN if nothing_ran and not run.problems and not run.refused else EXIT_CODES[verdict]


def _weakened(changes: Iterable[GateChange]) -> list[VerdictName]:
    unanswered = any(change.effect == "weaker" and change.acknowledged is None for change in changes)
    return ["fail"] if unanswered else []


def _decide_suites(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], created: str
) -> dict[str, SuiteVerdict]:
    """Judge what can be judged, on every completion of the missing answers."""
    undecidable = {suite.plan.name: _undecidable(suite, rules[suite.plan.name]) for suite in suites}
    decided = [suite for suite in suites if undecidable[suite.plan.name] is None]
    missing = any(is_missing(result) for suite in decided for result in suite.results)
    completions = COMPLETIONS if missing else COMPLETIONS[:1]
    outcomes = [decide_all(decided, rules, completion) for completion in completions]
    return {
        name: _suite_verdict(
            suite, rules[name], undecidable[name], [outcome[name] for outcome in outcomes if name in outcome], created
        )
        for suite in suites
        for name in [suite.plan.name]
    }


def _undecidable(suite: SuiteRun, rules: SuiteRules) -> tuple[VerdictName, str] | None:
    """Say why no gate can be judged, if so."""
    accounting = count_outcomes(suite.results)
    if accounting.not_run and suite.stopped is None:
        return "not_evaluated", (
            f"{accounting.not_run:,} of {count(accounting.planned, 'planned case')} were not run; "
            "a part of a suite is never judged: run it whole"
        )
    here = head_results(suite.results)
    if not not_skipped(here):
        gone = f"all {len(here):,} are skipped" if here else "all are removed"
        return "invalid", f"no case of suite {suite.plan.name} is left: {gone}"
    if (trials_problem := Measure(rules.aggregate).trials_problem(suite.plan.trials)) is not None:
        return "invalid", trials_problem
    if accounting.errored / accounting.planned > rules.max_error_rate:  # a product would round past the limit
        return "incomplete", (
            f"{accounting.errored:,} of {count(accounting.planned, 'case')} {_have(accounting.errored)} no answer "
            f"(limit: {percent(rules.max_error_rate)} missing); retry the job, not the prompt"
        )
    return None


def _have(cases: int) -> str:
    return "has" if cases == 1 else "have"


def _suite_verdict(
    suite: SuiteRun,
    rules: SuiteRules,
    undecidable: tuple[VerdictName, str] | None,
    outcomes: Sequence[SuiteDecision],
    created: str,
) -> SuiteVerdict:
    """Put a suite's verdict together.

    A part of a suite has no rate and no delta: they would be numbers of a sample that somebody chose. Of a suite that
    was stopped the change is shown as the completion has it that is nearer to no change.
    """
    results = not_skipped(head_results(suite.results))
    accounting = count_outcomes(suite.results)
    gates = _refused(rules, *undecidable) if undecidable else _agreed(outcomes)
    verdict = worst([gate.result for gate in gates])
    whole = not accounting.not_run
    decision = outcomes[-1] if outcomes and not whole and verdict == "fail" else next(iter(outcomes), None)
    if undecidable is not None and undecidable[0] == "incomplete" and whole:
        decision = decide_all([suite], {suite.plan.name: rules}, "worst")[suite.plan.name]
    if decision is not None and not whole:
        gates = tuple(_partial_result(gate, told, decision) for gate, told in zip(gates, decision.gates, strict=True))
    rate = decision.inputs.head.rate if decision is not None and whole else None
    return SuiteVerdict(
        cases=len(results),
        trials=suite.plan.trials,
        passed=count_outcomes(results).passed,
        pass_rate=None if rate is None else rate.value,
        interval=None if rate is None else rate.interval,
        golden_sha256=suite.plan.golden_sha256,
        verdict=verdict,
        mode="advisory" if rules.advisory else "blocking",
        accounting=accounting,
        scores=score_summaries(results),
        delta=None if decision is None else _delta(decision, rules),
        slices=_slices(decision, rules) if decision is not None and whole else (),
        gates=gates,
        judges=tuple(judge_verdicts(results, rules.judges, created, whole=whole)),
        repeats=None if rate is None else self_consistency_of(results, rate.n_eff),
        stopped=suite.stopped,
        notes=() if decision is None or not whole else tuple(notes_of(decision.inputs)),
    )


def _with_tier_note(verdict: SuiteVerdict, plan: SuitePlan, tier: str) -> SuiteVerdict:
    """Say of a sample what it is one of."""
    if plan.drawn_from is None:
        return verdict
    note = f"tier {tier}: {len(plan.cases):,} of {count(plan.drawn_from, 'case')}"
    return replace(verdict, notes=(note, *verdict.notes))


def _refused(rules: SuiteRules, verdict: VerdictName, message: str) -> tuple[GateResult, ...]:
    return tuple(
        GateResult(gate.kind, verdict, None, None, None, message, gate_subject(gate)) for gate in rules.effective_gates
    )


def _agreed(outcomes: Sequence[SuiteDecision]) -> tuple[GateResult, ...]:
    """Take the results on which all completions agree; where they differ, the missing answers are needed."""
    return tuple(_agree(results) for results in zip(*(outcome.gates for outcome in outcomes), strict=True))


def _agree(results: Sequence[GateResult]) -> GateResult:
    first = results[0]
    said = {result.result for result in results}
    if len(said) == 1:
        return first
    if said == {"pass", "inconclusive"}:  # neither fails a build: the missing answers are not worth one
        return next(result for result in results if result.result == "inconclusive")
    words = " or ".join(result.result for result in results)
    return replace(first, result="incomplete", message=f"the missing answers decide between {words}; retry the job")


def _partial_result(agreed: GateResult, told: GateResult, decision: SuiteDecision) -> GateResult:
    """Tell a result of a suite that was stopped by the numbers that are shown, and what they rest on."""
    if agreed.result != told.result:
        return agreed
    left = sum(result.outcome == "not_run" for result in decision.inputs.head.results)
    counted_as = "missed" if decision.inputs.completion == "worst" else "passed"
    return replace(told, message=f"{count(left, 'case')} that did not run counted as {counted_as}: {told.message}")


def _source(rules: SuiteRules) -> str:
    return "" if rules.baseline is None else rules.baseline.source


def _delta(decided: SuiteDecision, rules: SuiteRules) -> Delta | None:
    compared, gate = decided.inputs.compared, rules.comparison
    if compared.pairing is None:
        return None
    p = None if gate.fail_on == "tolerance" else decided.p(gate)
    return delta_of(compared.pairing, compared.pairs, _source(rules), alpha=gate.alpha, margin=gate.margin, p=p)


def _slices(decided: SuiteDecision, rules: SuiteRules) -> tuple[SliceResult, ...]:
    inputs = decided.inputs
    return slice_results(inputs.head, inputs.compared, _source(rules), rules.comparison.alpha, decided.slices)

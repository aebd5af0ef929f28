"""Verdict of a run: evidence, tests, family correction, gate results, suite verdicts, run verdict, in this order.

Missing results are counted once as failures and once as passes (worst and best completion). If that changes a gate
result, the verdict is ``incomplete``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import (
    DEFAULT_TIER,
    BudgetGate,
    InvarianceGate,
    MeanScoreGate,
    MetricGate,
    MustPassGate,
    NoRegressionGate,
    ParityGate,
    PassRateGate,
    SliceGate,
    ViolationRateGate,
    has_gap_tests,
    has_part_tests,
)
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.budget import decide_budget
from pytest_evalgate.gates.candidate_pairs import compare_candidates
from pytest_evalgate.gates.correction import correction_notes, correction_of, gate_problem
from pytest_evalgate.gates.evidence import COMPLETIONS, Evidence, Measure
from pytest_evalgate.gates.family import GateTest, TestName, adjusted
from pytest_evalgate.gates.gaps import decide_gaps, gap_subject, gap_tables, gap_tests, parity_metrics
from pytest_evalgate.gates.judges import judge_verdicts
from pytest_evalgate.gates.metric_gate import change_problem, combine, decide_change, decide_limit, p_of
from pytest_evalgate.gates.metric_measure import SuiteMetrics
from pytest_evalgate.gates.pairing import (
    call_records,
    count_outcomes,
    head_results,
    is_missing,
    not_skipped,
    pair,
    repeats_of,
    score_summaries,
    total_calls,
    weighting_notes,
    weighting_of,
)
from pytest_evalgate.gates.pass_rate import decide_mean_score, decide_must_pass, decide_pass_rate
from pytest_evalgate.gates.power import blindness_of
from pytest_evalgate.gates.regression import decide_no_regression, delta_of, gate_p, pairing_problem
from pytest_evalgate.gates.run_labels import change_by_labels, run_label_notes
from pytest_evalgate.gates.slices import (
    SliceTests,
    decide_slice_changes,
    decide_slice_rates,
    slice_results,
    testable_slices,
)
from pytest_evalgate.gates.violations import decide_invariance, decide_violations
from pytest_evalgate.records.corrected import CorrectedRate
from pytest_evalgate.records.served import other_models, served_notes
from pytest_evalgate.records.verdicts import Accounting, GateResult, SuiteVerdict, Verdict
from pytest_evalgate.text.wording import NO_BASELINE, RETRY, UNSCORED, count, label_command, percent, points

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.correction import Correction
    from pytest_evalgate.gates.evidence import Completion, Pairs, RateEstimate, SliceName
    from pytest_evalgate.gates.family import Family
    from pytest_evalgate.gates.gaps import GapGate, GapTable
    from pytest_evalgate.gates.power import Blindness
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.cases import Side
    from pytest_evalgate.records.measured import MetricResult
    from pytest_evalgate.records.results import CaseResult, Run, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline, Delta, GateChange, SliceResult, VerdictName

EXIT_CODES: Mapping[VerdictName, int] = {
    "pass": 0,
    "fail": 1,
    "invalid": 4,
    "inconclusive": 10,
    "incomplete": 11,
    "not_evaluated": 12,
}
"""Exit code of each verdict; with ``on_inconclusive = "warn"`` an inconclusive run exits with 0."""

NO_CASE_RAN: Final = 5
"""Exit code if no case was selected or all were skipped: pytest's own code for no tests."""

_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "incomplete", "not_evaluated", "inconclusive", "pass")

_FEW_PAIRS: Final = 200  # at 100 pairs of means, a true drop of the margin was ruled out in 6 to 11 % of builds


def worst(verdicts: Iterable[VerdictName]) -> VerdictName:
    """Return the worst of at least one verdict."""
    return min(verdicts, key=_WORST_FIRST.index)


@dataclass(frozen=True)
class GateInputs:
    """One suite under one completion: the evidence of its gates, and the tests by which they can fail the build."""

    suite: SuiteRun
    rules: SuiteRules
    completion: Completion

    @cached_property
    def head(self) -> Evidence:
        """The cases of this branch."""
        return self._evidence(without="base")

    @cached_property
    def base(self) -> Evidence | None:
        """The cases of the base branch; None if it has none, or if this branch did not change them."""
        changed = any(case.side != "both" for case in self.suite.plan.cases)
        base = self._evidence(without="head") if changed else None
        return base if base is not None and base.results else None

    @property
    def compared(self) -> Evidence:
        """The evidence that is paired with the baseline: the cases of the base branch, if they differ from `head`."""
        return self.base or self.head

    @cached_property
    def correction(self) -> Correction | None:
        """The correction for the errors of the suite's judge; None if there is none."""
        return correction_of(self.suite, self.rules)

    @cached_property
    def metrics(self) -> SuiteMetrics:
        """The metrics of the suite."""
        return SuiteMetrics(self.rules.metrics, self.head, self.base, self.compared, self.suite.plan.golden_sha256)

    @cached_property
    def tests(self) -> tuple[GateTest, ...]:
        """The tests by which the gates can fail the build."""
        return tuple(
            test for index, gate in enumerate(self.rules.effective_gates) for test in self._tests_of(index, gate)
        )

    @cached_property
    def gap_tables(self) -> Mapping[int, Mapping[str, GapTable]]:
        """The gaps between groups, by index of the gate, on this branch ("head") and on the base's cases ("base")."""
        decidable = {i: gate for i, gate in enumerate(self.rules.effective_gates) if self.judge_problem(gate) is None}
        return gap_tables(decidable, self.head, self.base, judged=bool(self.rules.deciding_judges))

    def pairs(self, gate: NoRegressionGate | SliceGate | MetricGate) -> Pairs:
        """Return the pairs that ``gate`` compares; the gate must not be invalid."""
        if isinstance(gate, NoRegressionGate) and gate.scorer is not None:
            return self.compared.pairs_by(Measure(scorer=gate.scorer))
        return self.compared.pairs

    def judge_problem(self, gate: Gate) -> GateResult | None:
        """Return the invalid result of a gate with a judge that cannot gate, if any."""
        problem = gate_problem(gate, self.rules, self.suite.results)
        return None if problem is None else _without_evidence(gate, "invalid", problem)

    def invalid_result(self, gate: NoRegressionGate | SliceGate | MetricGate) -> GateResult | None:
        """Return the result of a gate whose change cannot be computed; None for other gates."""
        if (found := self.judge_problem(gate)) is not None:
            return found
        if self.rules.baseline is None and self.rules.record_without_baseline:
            return _without_evidence(gate, "inconclusive", f"{NO_BASELINE}{self.rules.looked_for}")
        if self.rules.baseline is None:
            message = f'{NO_BASELINE}, commit the file, or set on_missing_baseline = "record"{self.rules.looked_for}'
            return _without_evidence(gate, "invalid", message)
        problem = self._baseline_problem(gate, self.rules.baseline)
        return None if problem is None else _without_evidence(gate, "invalid", problem)

    def _baseline_problem(self, gate: NoRegressionGate | SliceGate | MetricGate, baseline: Baseline) -> str | None:
        """Return the reason why the suite cannot be compared with ``baseline``, if any."""
        pairing, measure = self.compared.pairing, self.compared.measure
        if pairing is None:
            return (
                f"the baseline has {count(_min_trials(baseline), 'trial')} of a case, but {measure.aggregate} needs "
                f"{measure.trials}: promote a run with trials = {measure.trials}"
            )
        scorer = gate.scorer if isinstance(gate, NoRegressionGate) else None
        if scorer is not None and scorer not in baseline.scorers:
            return f"the baseline has no scores of {scorer}: promote a run that {scorer} has graded"
        if scorer is not None and (ungraded := self.compared.ungraded(scorer)) is not None:
            return ungraded
        problem = pairing_problem(pairing, self.pairs(gate))
        if problem is None and isinstance(gate, MetricGate):
            return change_problem(gate, self.metrics.of(gate))
        return problem

    def _evidence(self, without: Side) -> Evidence:
        planned = tuple(result for result in self.suite.results if result.case.side != without)
        baseline, measure = self.rules.baseline, Measure(self.rules.aggregate)
        enough = baseline is not None and _min_trials(baseline) >= measure.trials
        pairing = pair(self.suite, baseline) if baseline is not None and enough else None
        labelled = change_by_labels(self.rules.run_labels, baseline, pairing)
        return Evidence(planned, pairing, measure, self.completion, self.correction, labelled=labelled)

    def _tests_of(self, index: int, gate: Gate) -> Iterator[GateTest]:
        name = self.suite.plan.name
        if isinstance(gate, NoRegressionGate) and self.invalid_result(gate) is None:
            p = gate_p(gate, self.pairs(gate))
            if p is not None:
                yield GateTest(TestName(name, index), p, gate.alpha)
        elif has_gap_tests(gate) and index in self.gap_tables:
            yield from gap_tests(name, index, gate, self.gap_tables[index])
        elif isinstance(gate, SliceGate) and gate.compares_baseline and self.invalid_result(gate) is None:
            for piece, pairs in testable_slices(self.compared, gate.by):
                yield GateTest(TestName(name, index, piece), pairs.finding(gate.alpha).p, gate.alpha)
        elif isinstance(gate, MetricGate) and gate.max_drop is not None:
            if any(result.outcome == "not_run" for result in self.suite.results):
                # early stopping of another suite asks: this test will take its share of alpha, for any p
                yield GateTest(TestName(name, index), 1.0, gate.alpha)
            elif self.invalid_result(gate) is None:
                yield GateTest(TestName(name, index), p_of(gate, self.metrics.of(gate)), gate.alpha)


def _min_trials(baseline: Baseline) -> int:
    return min((len(case.values) for case in baseline.cases.values()), default=baseline.trials)


def _without_evidence(gate: Gate, result: VerdictName, message: str) -> GateResult:
    return GateResult(gate.kind, result, None, None, None, message, gate_subject(gate))


def gate_subject(gate: Gate) -> str:
    """Return the slicing key, tags or scorer of a gate, which distinguishes it from others of its kind."""
    if has_gap_tests(gate):
        return gap_subject(gate)
    if isinstance(gate, SliceGate):
        return gate.by
    if isinstance(gate, MustPassGate):
        return ", ".join(gate.tags)
    if isinstance(gate, MetricGate):
        return gate.subject
    return (gate.scorer or "") if isinstance(gate, NoRegressionGate | MeanScoreGate) else ""


def decide_all(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], completion: Completion
) -> Mapping[str, SuiteDecision]:
    """Decide the gates of every suite under ``completion``; the tests of all blocking suites share one alpha."""
    every = [GateInputs(suite, rules[suite.plan.name], completion) for suite in suites]
    families: dict[str, list[GateTest]] = defaultdict(list)
    for inputs in every:
        families[_family_name(inputs)] += inputs.tests
    family_of = {name: adjusted(tests) for name, tests in families.items()}
    return {inputs.suite.plan.name: SuiteDecision(inputs, family_of[_family_name(inputs)]) for inputs in every}


def _family_name(inputs: GateInputs) -> str:
    """Return the family of a suite's tests.

    An advisory suite cannot fail the build, so it takes no alpha from others. A new suite has its own family:
    otherwise adding suites would make the tests of the others less strict.
    """
    if inputs.rules.advisory:
        return f"advisory {inputs.suite.plan.name}"
    return "new" if inputs.rules.is_new else ""


@dataclass(frozen=True)
class SuiteDecision:
    """The gate results of one suite, whose tests are part of ``family``."""

    inputs: GateInputs
    family: Family

    @cached_property
    def gates(self) -> tuple[GateResult, ...]:
        """The result of each gate, in the order of the configuration."""
        return tuple(self._decide(index, gate) for index, gate in enumerate(self.inputs.rules.effective_gates))

    def p(self, gate: Gate) -> float | None:
        """Return the adjusted p of the overall test of ``gate``; None if it has no test."""
        suite, gates = self.inputs.suite.plan.name, self.inputs.rules.effective_gates
        return self.family.p.get(TestName(suite, gates.index(gate))) if gate in gates else None

    @property
    def metrics(self) -> tuple[MetricResult, ...]:
        """The rates of the groups of each parity gate, and their gaps."""
        return tuple(parity_metrics(self.inputs.rules.effective_gates, self.inputs.gap_tables))

    @property
    def slice_results(self) -> tuple[SliceResult, ...]:
        """The result of each slice; a tested one has the smallest adjusted p of the gates that test it."""
        smallest: dict[SliceName, float] = {}
        for test, p in self.family.p.items():
            if test.suite == self.inputs.suite.plan.name and test.slice is not None:
                smallest[test.slice] = min(p, smallest.get(test.slice, 1.0))
        rules = self.inputs.rules
        source = "" if rules.baseline is None else rules.baseline.source
        return slice_results(self.inputs.head, self.inputs.compared, source, rules.comparison.alpha, smallest)

    def _decide(self, index: int, gate: Gate) -> GateResult:
        inputs, suite = self.inputs, self.inputs.suite.plan.name
        if isinstance(gate, NoRegressionGate):
            p = self.family.p.get(TestName(suite, index))
            return inputs.invalid_result(gate) or self._with_change(
                gate, decide_no_regression(gate, inputs.pairs(gate), p), p
            )
        if has_gap_tests(gate):
            return inputs.judge_problem(gate) or self._with_gaps(index, gate)
        if isinstance(gate, SliceGate) and gate.compares_baseline:
            tests = SliceTests(self.family.slices(suite, index), gate.alpha * self.family.slices_share)
            return inputs.invalid_result(gate) or self._with_worst_slice(gate, tests)
        if isinstance(gate, MetricGate):
            return inputs.judge_problem(gate) or self._metric(index, gate)
        return inputs.judge_problem(gate) or self._on_both_sides(gate)

    def _metric(self, index: int, gate: MetricGate) -> GateResult:
        """Decide a metric gate by its limit, on this branch and on the base, and by its change."""
        inputs, parts = self.inputs, list[GateResult]()
        if gate.limit is not None:
            here, *base = (decide_limit(gate, one, inputs.completion) for one in inputs.metrics.sides(gate))
            parts.append(_worse_side(here, *base))
        if gate.max_drop is not None and (invalid := inputs.invalid_result(gate)) is not None:
            parts.append(invalid)
        elif gate.max_drop is not None:
            p = self.family.p[TestName(inputs.suite.plan.name, index)]
            changed = decide_change(gate, inputs.metrics.of(gate), inputs.completion, p)
            parts.append(_blind(replace(changed.result, p=p), changed.blindness))
        return combine(parts)

    def _with_change(self, gate: NoRegressionGate, result: GateResult, p: float | None) -> GateResult:
        """Add the change that a no-regression gate was decided by, and whether a drop could have failed the gate."""
        inputs, pairs = self.inputs, self.inputs.pairs(gate)
        pairing, baseline = inputs.compared.pairing, inputs.rules.baseline
        if pairing is None or baseline is None:
            return result
        of_drop = None if gate.fail_on == "tolerance" else p  # "tolerance" tests a larger drop
        delta = delta_of(pairing, pairs, baseline.source, alpha=gate.alpha, margin=gate.margin, p=of_drop)
        blindness = None
        excluded = gate.margin is not None and delta is not None and delta.lower > -gate.margin
        if result.result == "pass" and gate.fail_on != "not_proven" and not excluded and pairs.labelled is None:
            alpha = gate.alpha / 2 if any(map(has_part_tests, self._gates)) else gate.alpha
            blindness = blindness_of(pairs, alpha, gate.margin, tolerance=gate.fail_on == "tolerance")
        return _blind(replace(result, delta=delta, p=p), blindness)

    def _with_worst_slice(self, gate: SliceGate, tests: SliceTests) -> GateResult:
        """Decide a slice gate. Add the change of its worst slice, and whether a drop could have failed the gate."""
        compared, baseline = self.inputs.compared, self.inputs.rules.baseline
        result = decide_slice_changes(gate, compared, tests)
        slices = dict(testable_slices(compared, gate.by))
        if not slices or compared.pairing is None or baseline is None:
            return result
        worst_slice = min(slices, key=lambda name: tests.p[name])
        p = tests.p[worst_slice]
        pairing = compared.pairing.in_slice(worst_slice)
        delta = delta_of(pairing, slices[worst_slice], baseline.source, alpha=gate.alpha, p=p)
        blindness = None
        if result.result == "pass":
            # the message counts slices that are too small; the gate is blind only if all of them are
            found = [blindness_of(pairs, tests.alpha) for pairs in slices.values()]
            seeing = any(one is None or one.below < 1 for one in found)
            blindness = None if seeing else found[0]
        return _blind(replace(result, delta=delta, p=p), blindness)

    @property
    def _gates(self) -> tuple[Gate, ...]:
        return self.inputs.rules.effective_gates

    def _on_both_sides(self, gate: Gate) -> GateResult:
        """Return the worse result of the cases of this branch and, if they differ, of the base branch.

        Otherwise a branch could pass by deleting or editing the cases that it fails. An invalid result on the base
        branch does not count for gates on tags, slices and variants: this branch may have added them.
        """
        here = _decide_level(gate, self.inputs.head)
        if self.inputs.base is None:
            return here
        there = _decide_level(gate, self.inputs.base)
        if there.result == "invalid" and isinstance(gate, MustPassGate | SliceGate | InvarianceGate):
            return here
        return _worse_side(here, there)

    def _with_gaps(self, index: int, gate: GapGate) -> GateResult:
        """Decide a gate on gaps between groups, on both sides as `_on_both_sides` does."""
        p = self.family.gaps(self.inputs.suite.plan.name, index)
        sides = self.inputs.gap_tables[index].items()
        here, *base = (decide_gaps(gate, table, p, side) for side, table in sides)
        return _worse_side(here, *(there for there in base if there.result != "invalid"))


def _worse_side(here: GateResult, there: GateResult | None = None) -> GateResult:
    """Return the worse of the results on this branch and on the base branch."""
    if there is None or worst([here.result, there.result]) == here.result:
        return here
    return replace(there, message=f"on the cases of the base branch: {there.message}")


def _blind(result: GateResult, blindness: Blindness | None) -> GateResult:
    """Mark the result of a gate that could not have failed, and explain it in its message."""
    if blindness is None:
        return result
    drop, below = points(blindness.drop).lstrip("+"), points(blindness.below).lstrip("+")
    what = f"no drop below {below} could fail this gate" if blindness.below < 1 else "no drop could fail this gate"
    needed = f"about {blindness.cases_to_see:,} cases detect a drop of {drop} (80% power)"
    message = f"{result.message}; blind: {what}, {needed}"
    return replace(result, message=message, blind_below=blindness.below, cases_to_see=blindness.cases_to_see)


def _decide_level(gate: Gate, evidence: Evidence) -> GateResult:  # noqa: PLR0911 - one for each kind
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
        case ViolationRateGate():
            return decide_violations(gate, evidence.corrected.rate)
        case InvarianceGate():
            return decide_invariance(gate, evidence)
        case NoRegressionGate() | ParityGate() | MetricGate():
            raise AssertionError("this gate compares with a baseline, or has its own decision")


def _decide_suites(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], created: str, tier: str
) -> dict[str, SuiteVerdict]:
    """Return the verdict of each suite; those that can be decided are decided under both completions."""
    problems = {suite.plan.name: _suite_problem(suite, rules[suite.plan.name]) for suite in suites}
    decidable = [suite for suite in suites if problems[suite.plan.name] is None]
    missing = any(is_missing(result) for suite in decidable for result in suite.results)
    completions = COMPLETIONS if missing else COMPLETIONS[:1]
    outcomes = [decide_all(decidable, rules, completion) for completion in completions]
    verdicts: dict[str, SuiteVerdict] = {}
    for suite in suites:
        name = suite.plan.name
        decisions = [outcome[name] for outcome in outcomes if name in outcome]
        verdict = _suite_verdict(suite, rules[name], problems[name], decisions, created)
        if suite.plan.drawn_from is not None:  # the suite is a sample
            note = f"tier {tier}: {len(suite.plan.cases):,} of {count(suite.plan.drawn_from, 'case')}"
            verdict = replace(verdict, notes=(note, *verdict.notes))
        verdicts[name] = verdict
    return verdicts


def _suite_problem(suite: SuiteRun, rules: SuiteRules) -> tuple[VerdictName, str] | None:
    """Return the result and the message of all gates if the suite cannot be decided; None if it can."""
    accounting = count_outcomes(suite.results)
    if accounting.not_run and suite.stopped is None:  # a subset could be picked to pass
        were = "was" if accounting.not_run == 1 else "were"
        return "not_evaluated", (
            f"{accounting.not_run:,} of {count(accounting.planned, 'planned case')} {were} not run; "
            "partial runs are never decided: run the whole suite"
        )
    if accounting.unscored:
        return "not_evaluated", f"{UNSCORED}; label some outputs: {label_command(suite.plan.name)}"
    here = head_results(suite.results)
    if not not_skipped(here):
        reason = f"all {len(here):,} are skipped" if here else "all are removed"
        return "invalid", f"no case to decide: {reason}"
    if (trials_problem := Measure(rules.aggregate).trials_problem(suite.plan.fewest_trials)) is not None:
        return "invalid", trials_problem
    if accounting.errored / accounting.planned > rules.max_error_rate:  # a product would round past the limit
        have = "has" if accounting.errored == 1 else "have"
        return "incomplete", (
            f"{accounting.errored:,} of {count(accounting.planned, 'case')} {have} no result "
            f"(limit: {percent(rules.max_error_rate)} missing); {_advice(suite.results, rules.max_error_rate)}"
        )
    return None


def _advice(results: Sequence[CaseResult], max_error_rate: float) -> str:
    """Return the next step for missing results: a retry, if the share of final failures is within the limit."""
    missing = [result for result in results if result.outcome == "errored"]
    final = sum(result.is_final for result in missing)
    if final / len(results) <= max_error_rate:
        return f"{RETRY}, not the prompt"
    which = f"{final:,} of them" if final < len(missing) else "all of them" if final > 1 else "it"
    return f"fix the reasons first: {which} may fail again"


def _suite_verdict(
    suite: SuiteRun,
    rules: SuiteRules,
    problem: tuple[VerdictName, str] | None,
    decisions: Sequence[SuiteDecision],
    created: str,
) -> SuiteVerdict:
    """Assemble the verdict of one suite from its decisions under each completion.

    A partial run has no rate and no slices, because the selection of its cases is unknown. For a suite that stopped
    early, the numbers are those of the more conservative completion.
    """
    results = not_skipped(head_results(suite.results))
    accounting = count_outcomes(suite.results)
    others = other_models(suite.results)
    whole = not accounting.not_run
    if problem is None:
        advice = _advice(suite.results, 0.0)
        gates = tuple(_agreed(each, advice) for each in zip(*(decision.gates for decision in decisions), strict=True))
    else:
        gates = tuple(_without_evidence(gate, *problem) for gate in rules.effective_gates)
    verdict = worst([gate.result for gate in gates])
    shown = decisions[-1] if decisions and not whole and verdict == "fail" else next(iter(decisions), None)
    if problem is not None and problem[0] == "incomplete" and whole:
        shown = decide_all([suite], {suite.plan.name: rules}, "worst")[suite.plan.name]
    if shown is not None and not whole:
        gates = tuple(_of_stopped(gate, own, shown.inputs) for gate, own in zip(gates, shown.gates, strict=True))
    complete = shown if whole else None
    rate = None if complete is None else complete.inputs.head.rate
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
        delta=None if shown is None else _delta(shown),
        slices=() if complete is None else complete.slice_results,
        gates=gates,
        judges=tuple(judge_verdicts(results, rules.judges, created, whole=whole)),
        repeats=None if rate is None else repeats_of(results, rate.n_eff, rules.judges),
        stopped=suite.stopped,
        notes=(*served_notes(others), *(() if complete is None else _notes(complete.inputs))),
        other_models=others,
        corrected=None if complete is None else _corrected(complete.inputs.head.corrected.rate),
        weighting=None if complete is None else weighting_of(results, complete.inputs.compared.pairing),
        metrics=() if complete is None else (*complete.inputs.metrics.results, *complete.metrics),
    )


def _corrected(rate: RateEstimate) -> CorrectedRate | None:
    return None if rate.judged is None else CorrectedRate(rate.value, rate.interval, rate.lower, rate.judged.method)


def _agreed(results: Sequence[GateResult], advice: str) -> GateResult:
    """Return the result on which all completions agree; if they differ, the gate is incomplete, with ``advice``."""
    first, names = results[0], {result.result for result in results}
    if len(names) == 1:
        return first
    if names == {"pass", "inconclusive"}:  # neither fails a build, so the missing results cannot either
        return next(result for result in results if result.result == "inconclusive")
    either = " or ".join(result.result for result in results)
    return replace(first, result="incomplete", message=f"{either}, depending on the missing results; {advice}")


def _of_stopped(agreed: GateResult, shown: GateResult, inputs: GateInputs) -> GateResult:
    """Return a gate result of a suite that stopped early: the numbers of the shown completion, and its assumption."""
    if agreed.result != shown.result:
        return agreed
    left = sum(result.outcome == "not_run" for result in inputs.head.results)
    counted_as = "missed" if inputs.completion == "worst" else "passed"
    return replace(shown, message=f"{count(left, 'case')} that did not run counted as {counted_as}: {shown.message}")


def _delta(decision: SuiteDecision) -> Delta | None:
    compared, rules = decision.inputs.compared, decision.inputs.rules
    if compared.pairing is None or rules.baseline is None:
        return None
    gate = rules.comparison
    p = None if gate.fail_on == "tolerance" else decision.p(gate)  # "tolerance" tests a larger drop
    source = rules.baseline.source
    return delta_of(compared.pairing, compared.pairs, source, alpha=gate.alpha, margin=gate.margin, p=p)


def _notes(inputs: GateInputs) -> Iterator[str]:
    """Iterate over the warnings about the numbers of one suite."""
    compared = inputs.compared
    yield from inputs.head.notes()
    if inputs.rules.comparison.margin is not None and compared.pairing is not None:
        pairs = compared.pairs
        if not pairs.single_trial and len(pairs) < _FEW_PAIRS:
            yield f"only {count(len(pairs), 'pair')} of means: below {_FEW_PAIRS} a margin may be met too easily"
    yield from weighting_notes(weighting_of(inputs.head.results, compared.pairing))
    details = inputs.head.corrected.rate.judged
    compares = compared.pairing is not None and compared.labelled is None
    yield from correction_notes(inputs.suite, inputs.rules, inputs.correction, details, compares=compares)
    yield from run_label_notes(inputs.rules.run_labels, inputs.rules.baseline, compared.pairing, compared.labelled)


def decide(
    run: Run,
    rules: Mapping[str, SuiteRules],
    *,
    warn_inconclusive: bool,
    not_run: Iterable[str] = (),
    changes: Sequence[GateChange] = (),
    tier: str = DEFAULT_TIER,
) -> Verdict:
    """Return the verdict of ``run``, which contains all suites of the build: the tests of their gates share one alpha.

    With ``warn_inconclusive`` an inconclusive run exits with 0. ``not_run`` are the configured suites that are not in
    the run. ``changes`` are those of this branch to the gate itself: a weakening that is not acknowledged fails.
    """
    suites = _decide_suites(run.suites, rules, run.created, tier)
    accounting = reduce(add, (suite.accounting for suite in suites.values()), Accounting())
    verdict = _run_verdict(run, suites.values(), changes)
    exit_code = EXIT_CODES[verdict]
    if verdict == "inconclusive" and warn_inconclusive:
        exit_code = 0
    elif accounting.planned == accounting.skipped + accounting.not_run and not run.problems and not run.refused:
        exit_code = NO_CASE_RAN
    return Verdict(
        verdict=verdict,
        exit_code=exit_code,
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
        side_by_side=compare_candidates(run.suites, rules, suites),
    )


def _run_verdict(run: Run, suites: Collection[SuiteVerdict], changes: Iterable[GateChange]) -> VerdictName:
    if run.problems or not suites:
        return "invalid"
    verdict = worst(["pass", *(suite.verdict for suite in suites if suite.mode == "blocking")])
    if any(change.effect == "weaker" and change.acknowledged is None for change in changes):
        verdict = worst([verdict, "fail"])
    return verdict if run.refused is None or verdict == "invalid" else "not_evaluated"

"""The gates' answers under one completion: evidence of every suite, the family of their tests, a result a gate."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_evalgate.data import GateResult
from pytest_evalgate.gates.budget import judge_budget
from pytest_evalgate.gates.correction import correction_of
from pytest_evalgate.gates.evidence import Evidence
from pytest_evalgate.gates.family import Question, TestName, adjusted
from pytest_evalgate.gates.fitness import unfit
from pytest_evalgate.gates.mean_score import judge_mean_score
from pytest_evalgate.gates.measure import Measure
from pytest_evalgate.gates.must_pass import judge_must_pass
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.gates.pass_rate import judge_pass_rate
from pytest_evalgate.gates.regression import judge_no_regression, p_of, unpaired
from pytest_evalgate.gates.slices import Levels, judge_slice_changes, judge_slice_rates, tested
from pytest_evalgate.settings import (
    BudgetGate,
    MeanScoreGate,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
)
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import Baseline, Side, SuiteRun, VerdictName
    from pytest_evalgate.gates.comparison import Pairs
    from pytest_evalgate.gates.correction import Correction
    from pytest_evalgate.gates.evidence import SliceName
    from pytest_evalgate.gates.family import Family
    from pytest_evalgate.gates.measure import Completion
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.settings import Gate

NO_BASELINE = "no baseline yet: pytest-evalgate baseline promote"

_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "incomplete", "not_evaluated", "inconclusive", "pass")


def worst(verdicts: Iterable[VerdictName]) -> VerdictName:
    """Return the worst of at least one verdict."""
    return min(verdicts, key=_WORST_FIRST.index)


@dataclass(frozen=True)
class Hearing:
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
    def questions(self) -> tuple[Question, ...]:
        """The tests by which the gates may fail the build."""
        return tuple(
            question for index, gate in enumerate(self.rules.effective) for question in self._ask(index, gate)
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

    def refusal(self, gate: NoRegressionGate | SliceGate) -> GateResult | None:
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
            fewest = count(_fewest_trials(baseline), "trial")
            return (
                f"the baseline holds {fewest} of a case, and {measure.aggregate} takes {measure.trials}: "
                f"promote a run with trials = {measure.trials}"
            )
        scorer = gate.scorer if isinstance(gate, NoRegressionGate) else None
        if scorer is not None and scorer not in baseline.scorers:
            return f"the baseline holds no scores of {scorer}: promote a run that {scorer} has graded"
        if scorer is not None and (ungraded := self.compared.ungraded(scorer)) is not None:
            return ungraded
        return unpaired(pairing, self.pairs(gate))

    def _evidence(self, without: Side) -> Evidence:
        planned = tuple(result for result in self.suite.results if result.case.side != without)
        baseline, measure = self.rules.baseline, Measure(self.rules.aggregate)
        enough = baseline is not None and _fewest_trials(baseline) >= measure.trials
        pairing = pair(self.suite, baseline) if baseline is not None and enough else None
        return Evidence(planned, pairing, measure, self.completion, self.correction)

    def _ask(self, index: int, gate: Gate) -> Iterator[Question]:
        name = self.suite.plan.name
        if isinstance(gate, NoRegressionGate) and self.refusal(gate) is None:
            p = p_of(gate, self.pairs(gate))
            if p is not None:
                yield Question(TestName(name, index), p, gate.alpha)
        elif isinstance(gate, SliceGate) and gate.min is None and self.refusal(gate) is None:
            for piece, pairs in tested(self.compared, gate.by):
                yield Question(TestName(name, index, piece), pairs.finding(gate.alpha).p, gate.alpha)


@dataclass(frozen=True)
class Judged:
    """What the gates of one suite say, whose tests are part of ``family``."""

    hearing: Hearing
    family: Family

    @cached_property
    def gates(self) -> tuple[GateResult, ...]:
        """The result of each gate, in the order of the configuration."""
        return tuple(self._answer(index, gate) for index, gate in enumerate(self.hearing.rules.effective))

    @property
    def verdict(self) -> VerdictName:
        """The worst of them."""
        return worst(gate.result for gate in self.gates)

    def p(self, gate: Gate) -> float | None:
        """Return the adjusted p of the overall test of ``gate``; None where it has none."""
        index = self.hearing.rules.effective.index(gate) if gate in self.hearing.rules.effective else -1
        return self.family.p.get(TestName(self.hearing.suite.plan.name, index))

    @property
    def slices(self) -> Mapping[SliceName, float]:
        """The adjusted p of the slices that are tested: the smallest, where several gates test the same one."""
        found: dict[SliceName, float] = {}
        for index, _ in enumerate(self.hearing.rules.effective):
            for name, p in self.family.slices(self.hearing.suite.plan.name, index).items():
                found[name] = min(p, found.get(name, 1.0))
        return found

    def _answer(self, index: int, gate: Gate) -> GateResult:
        if isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.min is None):
            return self.hearing.refusal(gate) or self._compare(index, gate)
        return self.hearing.unfit(gate) or self._on_both_sides(gate)

    def _compare(self, index: int, gate: NoRegressionGate | SliceGate) -> GateResult:
        suite = self.hearing.suite.plan.name
        if isinstance(gate, SliceGate):
            levels = Levels(self.family.slices(suite, index), gate.alpha * self.family.slices_share)
            return judge_slice_changes(gate, self.hearing.compared, levels)
        return judge_no_regression(gate, self.hearing.pairs(gate), self.family.p.get(TestName(suite, index)))

    def _on_both_sides(self, gate: Gate) -> GateResult:
        """Judge the cases of this branch, and those of its base where they differ: the worse result stands.

        The base asks nothing by tags and slices that none of its cases has.
        """
        here = _judge(gate, self.hearing.head)
        if self.hearing.base is None:
            return here
        there = _judge(gate, self.hearing.base)
        asks_nothing = there.result == "invalid" and isinstance(gate, MustPassGate | SliceGate)
        if asks_nothing or worst([here.result, there.result]) == here.result:
            return here
        return replace(there, message=f"on the cases of the base branch: {there.message}")


def judge_all(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], completion: Completion
) -> Mapping[str, Judged]:
    """Judge every suite under ``completion``; the tests of all blocking suites share one alpha."""
    hearings = [Hearing(suite, rules[suite.plan.name], completion) for suite in suites]
    families: dict[str, list[Question]] = defaultdict(list)
    for hearing in hearings:
        families[_family(hearing)] += hearing.questions
    found = {name: adjusted(questions) for name, questions in families.items()}
    return {hearing.suite.plan.name: Judged(hearing, found[_family(hearing)]) for hearing in hearings}


def _family(hearing: Hearing) -> str:
    """Name the family of a suite: an advisory one cannot fail the build, a new one must not make it easier to pass."""
    if hearing.rules.advisory:
        return f"advisory {hearing.suite.plan.name}"
    return "new" if hearing.rules.is_new else ""


def _judge(gate: Gate, evidence: Evidence) -> GateResult:
    match gate:
        case PassRateGate():
            return judge_pass_rate(gate, evidence.corrected.rate)
        case MeanScoreGate():
            return judge_mean_score(gate, evidence)
        case MustPassGate():
            return judge_must_pass(gate, evidence.planned, evidence.completion)
        case BudgetGate():
            return judge_budget(gate, evidence.results, evidence.completion)
        case SliceGate():
            return judge_slice_rates(gate, evidence.corrected)
        case NoRegressionGate():
            raise AssertionError("a change is judged against the baseline")


def name_of(gate: Gate) -> str:
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
        return GateResult(gate.kind, "inconclusive", None, None, None, NO_BASELINE, name_of(gate))
    return _invalid(gate, f'{NO_BASELINE}, commit the file, or set on_missing_baseline = "record"')


def _invalid(gate: Gate, message: str) -> GateResult:
    return GateResult(gate.kind, "invalid", None, None, None, message, name_of(gate))


def _fewest_trials(baseline: Baseline) -> int:
    return min((len(case.values) for case in baseline.cases.values()), default=baseline.trials)

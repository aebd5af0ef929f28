"""(Run, baselines, gates) -> Verdict: the only place where a build is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pytest_evalgate.data import Accounting, GateResult, SuiteVerdict, Verdict
from pytest_evalgate.gates.accounts import add_up, records_of
from pytest_evalgate.gates.budget import judge_budget
from pytest_evalgate.gates.evidence import COMPLETIONS, account, counted, rate_of, score_summaries
from pytest_evalgate.gates.must_pass import judge_must_pass
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.gates.pass_rate import judge_pass_rate
from pytest_evalgate.gates.regression import delta_of, judge_no_regression
from pytest_evalgate.gates.slices import slice_results
from pytest_evalgate.settings import BudgetGate, MustPassGate, NoRegressionGate, PassRateGate
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.data import Baseline, Delta, Run, SuiteRun, VerdictName
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.gates.pairing import Pairing
    from pytest_evalgate.settings import Gate

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

_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "incomplete", "not_evaluated", "inconclusive", "pass")

NO_BASELINE = "no baseline yet: pytest-evalgate baseline promote"


@dataclass(frozen=True, slots=True)
class SuiteRules:
    """How one suite is judged. ``gates`` is None where none are configured."""

    gates: tuple[Gate, ...] | None = None
    baseline: Baseline | None = None
    advisory: bool = False
    record_without_baseline: bool = True
    max_error_rate: float = 0.0


def decide(
    run: Run, rules: Mapping[str, SuiteRules], *, warn_inconclusive: bool, not_run: Iterable[str] = ()
) -> Verdict:
    """Judge ``run``; ``not_run`` names the configured suites that it does not hold."""
    suites = {suite.plan.name: decide_suite(suite, rules[suite.plan.name]) for suite in run.suites}
    blocking = [suite.verdict for suite in suites.values() if suite.mode == "blocking"]
    verdict: VerdictName = "invalid" if run.problems or not suites else worst(blocking or ["pass"])
    if run.refused is not None and verdict != "invalid":
        verdict = "not_evaluated"
    accounting = reduce(add, (suite.accounting for suite in suites.values()), Accounting())
    return Verdict(
        verdict=verdict,
        exit_code=_exit_code(verdict, accounting, run, warn_inconclusive=warn_inconclusive),
        run_id=run.id,
        commit=run.commit,
        tier="default",
        accounting=accounting,
        suites=suites,
        suites_not_run=tuple(not_run),
        calls=add_up(record for suite in run.suites for record in records_of(suite.results)),
        duration_s=run.duration_s,
        problems=run.problems,
        refused=run.refused,
    )


def _exit_code(verdict: VerdictName, accounting: Accounting, run: Run, *, warn_inconclusive: bool) -> int:
    if verdict == "inconclusive" and warn_inconclusive:
        return 0
    nothing_ran = accounting.passed + accounting.missed + accounting.errored == 0
    return NO_CASE_RAN if nothing_ran and not run.problems and not run.refused else EXIT_CODES[verdict]


def worst(verdicts: Iterable[VerdictName]) -> VerdictName:
    """Return the worst of at least one verdict."""
    return min(verdicts, key=_WORST_FIRST.index)


def decide_suite(suite: SuiteRun, rules: SuiteRules) -> SuiteVerdict:
    """Judge one suite: is it whole, is it answered, and what do its gates say.

    A part of a suite has no rate and no delta: they would be numbers of a sample that somebody chose.
    """
    results = counted(suite.results)
    accounting = account(suite.results)
    pairing = None if rules.baseline is None else pair(suite, rules.baseline)
    gates = _gate_results(suite, rules, accounting, pairing)
    whole = not accounting.not_run
    rate = rate_of(results, "worst") if results and whole else None
    source = "" if rules.baseline is None else rules.baseline.source
    alpha = _alpha(rules)
    return SuiteVerdict(
        cases=len(results),
        trials=suite.plan.trials,
        passed=accounting.passed,
        pass_rate=None if rate is None else rate.value,
        interval=None if rate is None else rate.interval,
        golden_sha256=suite.plan.golden_sha256,
        verdict=worst([gate.result for gate in gates]),
        mode="advisory" if rules.advisory else "blocking",
        accounting=accounting,
        scores=score_summaries(results),
        delta=_delta(pairing, source, rules) if whole else None,
        slices=slice_results(results, pairing, source, alpha) if whole else (),
        gates=gates,
    )


def _gate_results(
    suite: SuiteRun, rules: SuiteRules, accounting: Accounting, pairing: Pairing | None
) -> tuple[GateResult, ...]:
    gates = _effective(rules)
    unjudged = _unjudged(suite, rules, accounting)
    if unjudged is not None:
        verdict, message = unjudged
        return tuple(GateResult(gate.kind, verdict, None, None, None, message) for gate in gates)
    completions = COMPLETIONS if accounting.errored else COMPLETIONS[:1]
    return tuple(_agreed(_judge(gate, suite, rules, pairing), completions) for gate in gates)


def _effective(rules: SuiteRules) -> tuple[Gate, ...]:
    return rules.gates or (NoRegressionGate(kind="no-regression"),)


def _unjudged(suite: SuiteRun, rules: SuiteRules, accounting: Accounting) -> tuple[VerdictName, str] | None:
    """Say why no gate can be judged, if so."""
    if accounting.not_run:
        return "not_evaluated", (
            f"{accounting.not_run:,} of {count(accounting.planned, 'planned case')} were not run; "
            "a part of a suite is never judged: run it whole"
        )
    if not counted(suite.results):
        return "invalid", f"no case of suite {suite.plan.name} is left: all {accounting.planned:,} are skipped"
    if accounting.errored / accounting.planned > rules.max_error_rate:  # a product would round past the limit
        return "incomplete", (
            f"{accounting.errored:,} of {count(accounting.planned, 'case')} have no answer "
            f"(limit: {percent(rules.max_error_rate)} missing); retry the job, not the prompt"
        )
    return None


def _judge(
    gate: Gate, suite: SuiteRun, rules: SuiteRules, pairing: Pairing | None
) -> Callable[[Completion], GateResult]:
    match gate:
        case PassRateGate():
            return lambda completion: judge_pass_rate(gate, counted(suite.results), completion)
        case MustPassGate():
            return lambda completion: judge_must_pass(gate, suite.results, completion)
        case BudgetGate():
            return lambda completion: judge_budget(gate, counted(suite.results), completion)
        case NoRegressionGate() if pairing is None:
            return lambda _: _without_baseline(gate, rules)
        case NoRegressionGate():
            return lambda completion: judge_no_regression(gate, pairing, completion)


def _without_baseline(gate: NoRegressionGate, rules: SuiteRules) -> GateResult:
    if rules.record_without_baseline:
        return GateResult(gate.kind, "inconclusive", None, None, None, NO_BASELINE)
    message = f'{NO_BASELINE}, commit the file, or set on_missing_baseline = "record"'
    return GateResult(gate.kind, "invalid", None, None, None, message)


def _agreed(judge: Callable[[Completion], GateResult], completions: Iterable[Completion]) -> GateResult:
    """Judge every completion of the missing answers; where they disagree, the answers are needed."""
    outcomes = [judge(completion) for completion in completions]
    first = outcomes[0]
    if all(outcome.result == first.result for outcome in outcomes):
        return first
    words = " or ".join(outcome.result for outcome in outcomes)
    return replace(first, result="incomplete", message=f"the missing answers decide between {words}; retry the job")


def _alpha(rules: SuiteRules) -> float:
    return next((gate.alpha for gate in _effective(rules) if isinstance(gate, NoRegressionGate)), 0.05)


def _delta(pairing: Pairing | None, source: str, rules: SuiteRules) -> Delta | None:
    if pairing is None:
        return None
    margin = next((gate.margin for gate in _effective(rules) if isinstance(gate, NoRegressionGate)), None)
    return delta_of(pairing, source, alpha=_alpha(rules), margin=margin)

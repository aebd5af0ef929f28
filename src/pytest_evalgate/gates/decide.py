"""(Run, baselines, gates) -> Verdict: the only place where a build is judged."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pytest_evalgate.data import Accounting, GateResult, SuiteVerdict, Verdict
from pytest_evalgate.gates.accounts import add_up, records_of
from pytest_evalgate.gates.answers import judge_all, name_of, worst
from pytest_evalgate.gates.judges import judge_verdicts
from pytest_evalgate.gates.measure import COMPLETIONS, Measure
from pytest_evalgate.gates.notes import notes_of
from pytest_evalgate.gates.outcomes import account, counted, is_missing, of_branch, score_summaries
from pytest_evalgate.gates.regression import delta_of
from pytest_evalgate.gates.repeats import repeats_of
from pytest_evalgate.gates.slices import slice_results
from pytest_evalgate.settings import DEFAULT_TIER
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.data import Delta, GateChange, Run, SliceResult, SuitePlan, SuiteRun, VerdictName
    from pytest_evalgate.gates.answers import Judged
    from pytest_evalgate.gates.rules import SuiteRules

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
    judged = _decide_suites(run.suites, rules, run.created)
    suites = {suite.plan.name: _of_tier(judged[suite.plan.name], suite.plan, tier) for suite in run.suites}
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
        calls=add_up(record for suite in run.suites for record in records_of(suite.results)),
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
    unjudged = {suite.plan.name: _unjudged(suite, rules[suite.plan.name]) for suite in suites}
    judged = [suite for suite in suites if unjudged[suite.plan.name] is None]
    missing = any(is_missing(result) for suite in judged for result in suite.results)
    completions = COMPLETIONS if missing else COMPLETIONS[:1]
    outcomes = [judge_all(judged, rules, completion) for completion in completions]
    return {
        name: _verdict_of(
            suite, rules[name], unjudged[name], [outcome[name] for outcome in outcomes if name in outcome], created
        )
        for suite in suites
        for name in [suite.plan.name]
    }


def _unjudged(suite: SuiteRun, rules: SuiteRules) -> tuple[VerdictName, str] | None:
    """Say why no gate can be judged, if so."""
    accounting = account(suite.results)
    if accounting.not_run and suite.stopped is None:
        return "not_evaluated", (
            f"{accounting.not_run:,} of {count(accounting.planned, 'planned case')} were not run; "
            "a part of a suite is never judged: run it whole"
        )
    here = of_branch(suite.results)
    if not counted(here):
        gone = f"all {len(here):,} are skipped" if here else "all are removed"
        return "invalid", f"no case of suite {suite.plan.name} is left: {gone}"
    if (shortage := Measure(rules.aggregate).shortage(suite.plan.trials)) is not None:
        return "invalid", shortage
    if accounting.errored / accounting.planned > rules.max_error_rate:  # a product would round past the limit
        return "incomplete", (
            f"{accounting.errored:,} of {count(accounting.planned, 'case')} {_have(accounting.errored)} no answer "
            f"(limit: {percent(rules.max_error_rate)} missing); retry the job, not the prompt"
        )
    return None


def _have(cases: int) -> str:
    return "has" if cases == 1 else "have"


def _verdict_of(
    suite: SuiteRun,
    rules: SuiteRules,
    unjudged: tuple[VerdictName, str] | None,
    outcomes: Sequence[Judged],
    created: str,
) -> SuiteVerdict:
    """Put a suite's verdict together.

    A part of a suite has no rate and no delta: they would be numbers of a sample that somebody chose. Of a suite that
    was stopped the change is shown as the completion has it that is nearer to no change.
    """
    results = counted(of_branch(suite.results))
    accounting = account(suite.results)
    gates = _refused(rules, *unjudged) if unjudged else _agreed(outcomes)
    verdict = worst([gate.result for gate in gates])
    whole = not accounting.not_run
    shown = outcomes[-1] if outcomes and not whole and verdict == "fail" else next(iter(outcomes), None)
    if unjudged is not None and unjudged[0] == "incomplete" and whole:
        shown = judge_all([suite], {suite.plan.name: rules}, "worst")[suite.plan.name]
    if shown is not None and not whole:
        gates = tuple(_of_part(gate, told, shown) for gate, told in zip(gates, shown.gates, strict=True))
    rate = shown.hearing.head.rate if shown is not None and whole else None
    return SuiteVerdict(
        cases=len(results),
        trials=suite.plan.trials,
        passed=account(results).passed,
        pass_rate=None if rate is None else rate.value,
        interval=None if rate is None else rate.interval,
        golden_sha256=suite.plan.golden_sha256,
        verdict=verdict,
        mode="advisory" if rules.advisory else "blocking",
        accounting=accounting,
        scores=score_summaries(results),
        delta=None if shown is None else _delta(shown, rules),
        slices=_slices(shown, rules) if shown is not None and whole else (),
        gates=gates,
        judges=tuple(judge_verdicts(results, rules.judges, created, whole=whole)),
        repeats=None if rate is None else repeats_of(results, rate.n_eff),
        stopped=suite.stopped,
        notes=() if shown is None or not whole else tuple(notes_of(shown.hearing)),
    )


def _of_tier(verdict: SuiteVerdict, plan: SuitePlan, tier: str) -> SuiteVerdict:
    """Say of a sample what it is one of."""
    if plan.drawn_from is None:
        return verdict
    note = f"tier {tier}: {len(plan.cases):,} of {count(plan.drawn_from, 'case')}"
    return replace(verdict, notes=(note, *verdict.notes))


def _refused(rules: SuiteRules, verdict: VerdictName, message: str) -> tuple[GateResult, ...]:
    return tuple(GateResult(gate.kind, verdict, None, None, None, message, name_of(gate)) for gate in rules.effective)


def _agreed(outcomes: Sequence[Judged]) -> tuple[GateResult, ...]:
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


def _of_part(agreed: GateResult, told: GateResult, shown: Judged) -> GateResult:
    """Tell a result of a suite that was stopped by the numbers that are shown, and what they rest on."""
    if agreed.result != told.result:
        return agreed
    left = sum(result.outcome == "not_run" for result in shown.hearing.head.results)
    counted_as = "missed" if shown.hearing.completion == "worst" else "passed"
    return replace(told, message=f"{count(left, 'case')} that did not run counted as {counted_as}: {told.message}")


def _source(rules: SuiteRules) -> str:
    return "" if rules.baseline is None else rules.baseline.source


def _delta(judged: Judged, rules: SuiteRules) -> Delta | None:
    compared, gate = judged.hearing.compared, rules.comparison
    if compared.pairing is None:
        return None
    p = None if gate.fail_on == "tolerance" else judged.p(gate)
    return delta_of(compared.pairing, compared.pairs, _source(rules), alpha=gate.alpha, margin=gate.margin, p=p)


def _slices(judged: Judged, rules: SuiteRules) -> tuple[SliceResult, ...]:
    hearing = judged.hearing
    return slice_results(hearing.head, hearing.compared, _source(rules), rules.comparison.alpha, judged.slices)

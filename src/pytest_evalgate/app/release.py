"""Release brief of a decided run: whether to release, who accepted which baseline, and what is not known.

The decision is that of the gates: nothing here makes a failed run releasable. What the gates could not see, or were
told to accept, makes a release one with guardrails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.release_facts import ReleaseRun, requirement_results
from pytest_evalgate.app.release_sources import release_facts
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.brief import Brief, Risk, RunBrief
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.release_sources import ReleaseFacts, SourceFile
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Judge, Settings
    from pytest_evalgate.records.verdicts import GateChange, GateResult, SuiteVerdict, Verdict
    from pytest_evalgate.reports.brief import Decision, RequirementResult
    from pytest_evalgate.reports.view import ReportView, SuiteView

_OLD: Final = 2 / 3
"""Share of a calibration's greatest age from which it is named as a risk."""


def brief_of(view: ReportView, decided: DecidedRun, project: Project) -> Brief:
    """Build the brief of a run. The git history of the project tells who promoted a baseline."""
    return brief_from([(view, decided)], project.settings, release_facts(project, [decided]))


def brief_from(runs: Sequence[tuple[ReportView, DecidedRun]], settings: Settings, facts: ReleaseFacts) -> Brief:
    """Build the brief of runs from facts that are known, such as those of a release pack."""
    briefs = tuple(
        RunBrief(view, one.run.created, facts.baselines.get(one.run.id, ()), tuple(_risks(view, settings.judges)))
        for view, one in runs
    )
    risks = tuple(_release_risks(facts, runs[0][1].run.commit))
    found = [ReleaseRun(one, view.calibrations) for view, one in runs]
    results = tuple(requirement_results(settings, found, facts.goldens))
    every = (*risks, *(risk for one in briefs for risk in one.risks))
    decisions = [_decision(one.view.verdict, every, results) for one in briefs]
    return Brief(min(decisions, key=_WORST_FIRST.index), briefs, results, risks, facts.since)


_WORST_FIRST: Final[tuple[Decision, ...]] = ("hold", "go with guardrails", "go")


def _release_risks(facts: ReleaseFacts, commit: str | None) -> Iterator[Risk]:
    """Yield the files that were not those of the commit, and the weakenings since the last release."""
    unknown = [one for one in facts.sources if one.committed == ""]
    at = "a commit: the run names none" if commit is None else f"commit {commit[:12]}: it is not in this clone"
    if unknown:
        yield Risk("the files", f"{count(len(unknown), 'file')} could not be compared with {at}", guards=False)
    for one in facts.sources:
        if problem := _file_problem(one):
            yield Risk("the files", f"{one.role} {one.path} {problem} of commit {(commit or '')[:12]}")
    for change in () if facts.since is None else facts.since.changes:
        if change.effect == "weaker":
            ref = "" if facts.since is None else facts.since.ref
            yield Risk(f"the gate since {ref}", _weaker(change))


def _file_problem(one: SourceFile) -> str:
    if one.committed == "":
        return ""
    if one.sha256 is None:
        return "was removed or replaced after the run, so it is not compared with that"
    if one.committed is None:
        return "is not committed: it is not in that"
    return "" if one.sha256 == one.committed else "differs from that"


def _weaker(change: GateChange) -> str:
    accepted = "not acknowledged" if change.acknowledged is None else f"acknowledged: {change.acknowledged}"
    return f"{change.what} at {change.where}: {change.before} -> {change.now} ({accepted})"


def _decision(verdict: Verdict, risks: tuple[Risk, ...], results: tuple[RequirementResult, ...]) -> Decision:
    releasable = verdict.verdict in {"pass", "inconclusive"} and verdict.exit_code == 0
    decisions = {one.decision for one in results}
    if not releasable or verdict.base_problem is not None or "hold" in decisions:
        return "hold"
    is_guarded = verdict.verdict == "inconclusive" or any(risk.guards for risk in risks)
    return "go with guardrails" if is_guarded or "go with guardrails" in decisions else "go"


def _risks(view: ReportView, judges: Mapping[str, Judge]) -> Iterator[Risk]:
    verdict = view.verdict
    if verdict.base_problem is not None:
        yield Risk("the run", phrases.base_problem(verdict.base_problem))
    for change in verdict.changed_in_gate or ():
        if change.effect == "weaker":
            yield Risk("the gate", _weaker(change))
    if verdict.suites_not_run:
        yield Risk("the run", f"suites that did not run: {first_few(verdict.suites_not_run)}")
    for suite in view.suites:
        for text, guards in _suite_risks(suite, judges):
            yield Risk(suite.name, text, guards=guards)
    if verdict.calls.unknown_price:
        yield Risk("the cost", f"{count(verdict.calls.unknown_price, 'call')} of unknown price", guards=False)
    if verdict.calls.local:
        yield Risk("the cost", phrases.local_calls(verdict.calls.local), guards=False)
    if verdict.resumed is not None and verdict.resumed.answers:
        answers = count(verdict.resumed.answers, "answer")
        yield Risk("the run", f"{answers} come from the interrupted run {verdict.resumed.run_id}")


def _suite_risks(suite: SuiteView, judges: Mapping[str, Judge]) -> Iterator[tuple[str, bool]]:
    """Yield the risks of a suite, and whether each needs a guardrail."""
    verdict = suite.verdict
    if not phrases.is_blocking(verdict):
        passed = verdict.verdict == "pass"
        result = "" if passed else f", and the suite did not pass: {phrases.word(verdict.verdict)}"
        yield f"advisory: its gates cannot stop a release{result}", not passed
    if verdict.accounting.errored:
        cases = count(verdict.accounting.planned, "case")
        yield f"{verdict.accounting.errored:,} of {cases} have no answer", True
    if verdict.accounting.skipped:
        yield f"{count(verdict.accounting.skipped, 'case')} skipped", False
    if not any(gate.delta is not None for gate in verdict.gates) and verdict.delta is None:
        yield "no baseline: nothing shows whether it got worse", True
    yield from ((text, True) for text in map(_blindness, verdict.gates) if text)
    yield from (
        (f"no case has {field.by} {first_few(field.missing)}, which its coverage wants", True)
        for field in verdict.coverage
        if field.missing
    )
    for piece in verdict.slices:
        if not piece.gated and piece.delta is not None and piece.delta.finding == "regressed":
            yield f"slice {piece.by}={piece.value} dropped, and no gate decides it", True
    if (warning := phrases.trend_warning(verdict)) is not None:
        yield warning, True
    if suite.flaky:
        yield f"{count(len(suite.flaky), 'case')} passed in some trials only", False
    yield from _judge_risks(verdict, judges)
    yield from ((note, False) for note in verdict.notes)


def _blindness(gate: GateResult) -> str:
    """Return which drops a gate could not have failed for; "" if it would have seen one of its margin."""
    if gate.blind_below is None:
        return ""
    blind = f"no drop below {round(100 * gate.blind_below, 1):g} points" if gate.blind_below < 1 else "no drop"
    need = "" if gate.cases_to_see is None else f"; it needs about {gate.cases_to_see:,} cases"
    return f"{phrases.gate_name(gate)} is blind: {blind} could have failed it{need}"


def _judge_risks(verdict: SuiteVerdict, judges: Mapping[str, Judge]) -> Iterator[tuple[str, bool]]:
    for judge in verdict.judges:
        if judge.why_not is not None:
            yield f"judge {judge.name} does not count: {judge.why_not}", True
        elif not judge.calibrated:
            yield f"judge {judge.name} is not calibrated", True
        oldest = judges[judge.name].max_age_days if judge.name in judges else None
        if judge.age_days is not None and oldest is not None and judge.age_days > _OLD * oldest:
            yield f"judge {judge.name}: its calibration is {judge.age_days} of at most {oldest} days old", True
        if judge.unreadable:
            yield f"judge {judge.name}: {count(judge.unreadable, 'verdict')} could not be read", False

"""Release brief of a decided run: whether to release, who accepted which baseline, and what is not known.

The decision is that of the gates: nothing here makes a failed run releasable. What the gates could not see, or were
told to accept, makes a release one with guardrails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.release_facts import golden_facts, requirement_results
from pytest_evalgate.errors import UserError
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.brief import AcceptedBaseline, Brief, Risk
from pytest_evalgate.runs import git
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.release_facts import GoldenFile
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Judge, Settings
    from pytest_evalgate.records.verdicts import GateResult, SuiteVerdict, Verdict
    from pytest_evalgate.reports.brief import Decision, RequirementResult
    from pytest_evalgate.reports.view import ReportView, SuiteView

_OLD: Final = 2 / 3
"""Share of a calibration's greatest age from which it is named as a risk."""


def brief_of(view: ReportView, decided: DecidedRun, project: Project) -> Brief:
    """Build the brief of a run. The git history of the project tells who promoted a baseline."""
    facts = golden_facts(decided.run, project.root)
    return brief_from(view, decided, project.settings, facts, tuple(accepted_baselines(decided, project)))


def brief_from(
    view: ReportView,
    decided: DecidedRun,
    settings: Settings,
    goldens: Mapping[str, tuple[GoldenFile, ...]],
    baselines: tuple[AcceptedBaseline, ...],
) -> Brief:
    """Build the brief of a run from facts that are known, such as those of a release pack."""
    risks = tuple(_risks(view, settings.judges))
    results = tuple(requirement_results(settings, decided, goldens, view.calibrations))
    return Brief(
        decision=_decision(view.verdict, risks, results),
        view=view,
        created=decided.run.created,
        baselines=baselines,
        risks=risks,
        requirements=results,
    )


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
            accepted = "not acknowledged" if change.acknowledged is None else f"acknowledged: {change.acknowledged}"
            yield Risk("the gate", f"{change.what} at {change.where}: {change.before} -> {change.now} ({accepted})")
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


_FORMAT: Final = "--format=%h%x00%an%x00%as"
_FIELDS: Final = 3


def accepted_baselines(decided: DecidedRun, project: Project) -> Iterator[AcceptedBaseline]:
    """Yield the baseline of each suite, and who committed it by the git history of the project."""
    for name, suite in decided.verdict.suites.items():
        baseline = decided.baselines.get(name)
        if baseline is None:
            yield AcceptedBaseline(name)
            continue
        origin = baseline.provenance
        source = baseline.source if suite.delta is None else suite.delta.baseline
        commit, author, date = _promotion(project, name, source, origin.run_id)
        yield AcceptedBaseline(
            suite=name,
            source=source,
            run_id=origin.run_id,
            of_commit=origin.commit,
            promoted=origin.promoted,
            reason=origin.reason,
            author=author,
            committed=date,
            commit=commit,
        )


def _promotion(project: Project, suite: str, source: str, run_id: str) -> tuple[str, str, str]:
    """Return commit, author and date of the commit that added the run's id to a baseline file; "" if unknown."""
    kind, _, where = source.partition(":")
    try:
        ref = git.commit_of(project.root, where if kind == "git" else "HEAD")
        file = where if kind == "file" else files.relative_name(project.baseline_file(suite), project.root)
        found = git.output(project.root, "log", f"-S{run_id}", _FORMAT, ref, "--", file)
    except UserError:
        return "", "", ""
    fields = found.splitlines()[-1].split("\0") if found else []  # the oldest commit: a later one removed the id
    return (fields[0], fields[1], fields[2]) if len(fields) == _FIELDS else ("", "", "")

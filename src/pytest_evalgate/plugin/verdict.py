"""Verdict of one session: decided after the last item, printed, and turned into the exit code."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import StorageError
from pytest_evalgate.plugin.context import PROBLEMS_OUTPUT, width_of_screen
from pytest_evalgate.plugin.failures import printable
from pytest_evalgate.plugin.ledger import WORKER_OUTPUT
from pytest_evalgate.plugin.no_case import why_all_deselected, why_no_case
from pytest_evalgate.runs.state import storage_message
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import STOPPED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pytest_evalgate.app.report import ReportWriter
    from pytest_evalgate.plugin.collection import CaseCollector
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.decider import SessionDecider
    from pytest_evalgate.plugin.launch import Launch
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.reports.terminal_lists import ListLimits
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.text.layout import Line

_NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED
_INTERRUPTING = frozenset({pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR})


class VerdictHooks:
    """Hooks that decide the run; in an xdist worker they only export its plans and problems to the controller."""

    def __init__(
        self,
        context: SessionContext,
        session_decider: SessionDecider,
        collector: CaseCollector,
        launch: Launch,
        report_writer: ReportWriter,
    ) -> None:
        """Start the clock of the session."""
        self._context = context
        self._session_decider = session_decider
        self._collector = collector
        self._launch = launch
        self._report_writer = report_writer
        self._started = time.monotonic()
        self._verdict: Verdict | None = None
        self._not_stored: str | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Decide after the last item; a failed gate fails the session like a failed test."""
        context = self._context
        run_log, started = self._session_decider.run_log, time.monotonic()
        run_log.add_stage("collect", started - self._started)
        try:
            result = yield
        finally:
            run_log.add_stage("run", time.monotonic() - started)
            context.wiring.close()  # deciding takes a second, also after -x and Ctrl-C: send nothing meanwhile
        if not context.is_worker and not context.is_dry:
            self._try_to_decide()
            session.testsfailed += self._verdict is not None and self._verdict.verdict == "fail"
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Decide an interrupted session, set the exit code, write the reports and print the last line."""
        context = self._context
        if context.is_worker:
            output = context.config.workeroutput  # type: ignore[attr-defined]  # xdist's
            output[WORKER_OUTPUT] = context.ledger.export()
            output[PROBLEMS_OUTPUT] = context.problems.export()
            return (yield)
        if context.is_dry:
            if context.is_controller and context.options.estimate and session.exitstatus == _NO_TESTS:
                session.exitstatus = pytest.ExitCode.OK  # the controller of xdist collects nothing itself
            return (yield)
        if self._verdict is None and self._not_stored is None:
            self._try_to_decide(interrupted=session.exitstatus in _INTERRUPTING)
        self._update_lastfailed()
        try:
            return (yield)
        finally:
            self._finish(session)

    def _try_to_decide(self, *, interrupted: bool = False) -> None:
        try:
            self._verdict = self._decide(interrupted=interrupted)
        except StorageError as error:
            self._not_stored = storage_message(error)

    def _finish(self, session: pytest.Session) -> None:
        """Write the verdict and the reports, set the exit code and print the last line.

        If the verdict cannot be stored, the last line has the reason, and the exit code is 4.
        """
        context, verdict = self._context, self._verdict
        try:
            if verdict is not None:
                verdict = self._session_decider.close(verdict, int(session.exitstatus))
        except StorageError as error:
            verdict, self._not_stored = None, storage_message(error)
        if verdict is None:
            if session.exitstatus != pytest.ExitCode.INTERRUPTED:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
            context.print_line(f"evalgate: no verdict: {self._not_stored}")
            return
        session.exitstatus = verdict.exit_code
        for problem in self._session_decider.report(verdict, self._report_writer):
            context.print_line(f"evalgate: {problem}")
        if (not_stored := self._session_decider.store(verdict)) is not None:
            context.print_line(f"evalgate: {self._session_decider.redactor.redact(not_stored)}")
        if context.reporter is not None:
            print_verdict_line(self._session_decider, verdict, self._notes(verdict), context.reporter)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Print the section of the gates."""
        if self._verdict is not None and not self._context.is_silent:
            notes = self._notes(self._verdict, interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
            print_section(self._session_decider, self._verdict, notes, terminalreporter)

    def _decide(self, *, interrupted: bool) -> Verdict:
        context, ledger = self._context, self._context.ledger
        for nodeid in self._collector.failed_files:
            ledger.add_problem(f"{nodeid} could not be collected")
        for problem in context.problems.problems:
            ledger.add_problem(problem)
        if context.is_controller and not ledger.has_workers:  # they were stopped before they exported their plans
            for suite in context.suites:
                ledger.add_plan(suite.plan)
        had_problems = bool(ledger.problems)
        if not ledger.plans and not had_problems:
            ledger.add_problem(printable(why_no_case(context.config, context.assembly, context.selection)))
        verdict = self._session_decider.decide(
            ledger,
            duration_s=time.monotonic() - self._started,
            refused=self._refused_reason,
            notes=self._run_notes(),
        )
        self._launch.finish_journal(interrupted=interrupted or self._ran_out)
        if not ledger.plans and not had_problems:
            return replace(verdict, exit_code=int(_NO_TESTS))
        return verdict

    @property
    def _ran_out(self) -> bool:
        """Whether the run ended before all calls were sent, because of its budget, its deadline or its endpoint."""
        problems = self._context.problems
        refused = None if self._context.options.offline else problems.refused_reason
        stopped = problems.stop_reason is not None and problems.stop_reason not in problems.problems  # a failed canary
        return refused is not None or stopped

    @property
    def _refused_reason(self) -> str | None:
        return self._launch.refused_reason or self._context.problems.refused_reason

    def _update_lastfailed(self) -> None:
        """Let ``--lf`` run missed cases again. The plugin's store is private to pytest, so it may be missing."""
        lastfailed = getattr(self._context.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None)
        if isinstance(lastfailed, dict):
            outcomes = self._context.ledger.not_passed.items()
            lastfailed.update((nodeid, True) for nodeid, outcome in outcomes if outcome not in ("not_run", "unscored"))

    def _notes(self, verdict: Verdict, *, interrupted: bool = False) -> Iterator[str]:
        """Yield the notes below the numbers, with the next step if outputs are missing."""
        yield from self._run_notes()
        if verdict.refused is not None:
            yield f"NOT EVALUATED: {verdict.refused}"
        elif self._launch.has_journal and (verdict.accounting.errored or interrupted):
            first = "" if interrupted or _may_retry(verdict) else "fix the reasons, then "
            resume = " to resume this run" if interrupted or self._ran_out else ""
            yield f"{first}run the same command again{resume}: cached replies are not requested again"

    def _deselected_note(self) -> Iterator[str]:
        """Yield the reason why ``-k`` left no case."""
        ledger, expression = self._context.ledger, self._context.config.getoption("keyword")
        if expression and ledger.plans and not ledger.has_results:
            cases = [case for plan in ledger.plans.values() for case in plan.cases]
            known = {*ledger.plans, *(name for case in cases for name in (case.id, *case.tags))}
            if (reason := why_all_deselected(expression, known, ledger.nodeids)) is not None:
                yield reason

    def _run_notes(self) -> Iterator[str]:
        """Yield warnings about golden sets, the cache, the user's code and withheld keys, and why calls stopped."""
        context = self._context
        if context.last_missed is not None:
            yield context.last_missed.line(context.ledger.plans.values())
        yield from context.warnings
        yield from context.problems.warnings
        yield from context.key_notes
        yield from self._deselected_note()
        if context.lock_note is not None:
            yield context.lock_note
        if context.problems.stop_reason is not None and self._refused_reason is None:
            yield f"{STOPPED}{context.problems.stop_reason}"


def _may_retry(verdict: Verdict) -> bool:
    from pytest_evalgate.reports.phrases import may_retry  # noqa: PLC0415 - at the end of a gated session

    return all(may_retry(suite) for suite in verdict.suites.values() if suite.verdict == "incomplete")


def print_section(
    session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter
) -> None:
    """Print the section of the gates, with ``notes`` at its end."""
    from pytest_evalgate.reports.terminal import render  # noqa: PLC0415 - at the end of a gated session

    width = width_of_screen(reporter)
    view = session_decider.view = _view(session_decider, verdict, notes)
    reporter.write_sep("=", "eval gate", fullwidth=width)
    for line in render(view, width, reporter.config.get_verbosity(), _list_limits(reporter.config)):
        _write(line, session_decider, reporter)


_MOST_LISTED = 100
"""Rows of a list of cases under ``-ra``, which many projects set for every run."""


def _list_limits(config: pytest.Config) -> ListLimits:
    """Return how lists of cases are shown: ``-ra``, ``-rA`` and ``-rm`` list more, ``-rN`` none."""
    from pytest_evalgate.reports.terminal_lists import LISTED, ListLimits  # noqa: PLC0415 - the same

    chars = config.getoption("reportchars")
    listed = _MOST_LISTED if set(chars) & set("aAm") else 0 if chars == "N" else LISTED
    return ListLimits(listed, folds=os.environ.get("GITHUB_ACTIONS") == "true")


def print_verdict_line(
    session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter
) -> None:
    """Print the verdict line, after pytest's own summary line."""
    from pytest_evalgate.reports.terminal import verdict_line  # noqa: PLC0415 - at the end of a gated session

    _write(verdict_line(verdict, notes), session_decider, reporter, bold=True)


def _write(
    line: Line, session_decider: SessionDecider, reporter: pytest.TerminalReporter, *, bold: bool = False
) -> None:
    markup = {line.colour: True} if line.colour else {}
    reporter.write_line(session_decider.redactor.redact(line.text), bold=bold, **markup)


def _view(session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str]) -> ReportView:
    """Build the view of the section, with inputs and outputs only of the worst cases of suites with a failed gate."""
    from pytest_evalgate.app.view import ReportContext, build_view  # noqa: PLC0415 - at the end of a gated session
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same

    assert session_decider.run is not None  # noqa: S101 - only a decided run is printed
    root = session_decider.assembly.root
    return build_view(
        verdict,
        session_decider.run,
        session_decider.decider.baselines,
        run_file=files.relative_name(session_decider.file, root),
        verdict_file=files.relative_name(session_decider.state.verdict, root),
        context=ReportContext(
            facts=tuple(session_decider.origin.facts.items()),
            report_file=session_decider.report_file if session_decider.shard is None else None,
            baseline_outputs={
                name: session_decider.suite_baseline_outputs(name)
                for name, suite in verdict.suites.items()
                if any(gate.result == "fail" for gate in suite.gates)
            },
            notes=tuple(notes),
        ),
        texts=TextPolicy.by(session_decider.assembly.settings.report),
        worst_from=session_decider.file,
    )

"""The judging half of a session: has the run judged after its last item, settles the exit code, has the last word."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.plugin.notices import NOTICES_OUTPUT
from pytest_evalgate.plugin.results import WORKER_OUTPUT
from pytest_evalgate.plugin.screen import last_word, show
from pytest_evalgate.wording import STOPPED

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_evalgate.data import Verdict
    from pytest_evalgate.plugin.session import EvalSession

_NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED


class Judging:
    """Judges one session; in an xdist worker it only hands over what the controller judges."""

    def __init__(self, session: EvalSession) -> None:
        """Judge ``session``."""
        self._session = session
        self._verdict: Verdict | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge after the last item; a failed gate fails the session as a failed test does."""
        ours = self._session
        try:
            result = yield
        finally:
            if not ours.is_controller:
                ours.wiring.close()  # judging takes a second, after -x and Ctrl-C too: nothing is sent meanwhile
        if not ours.is_worker and not ours.is_dry:
            verdict = self._judge()
            session.testsfailed += verdict.verdict == "fail"
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge what an interrupted session left, set the exit code, and have the last word."""
        ours = self._session
        if ours.is_worker:
            output = ours.config.workeroutput  # type: ignore[attr-defined]  # xdist's
            output[WORKER_OUTPUT] = ours.ledger.export()
            output[NOTICES_OUTPUT] = ours.notices.export()
            return (yield)
        if ours.is_dry:
            if ours.is_controller and ours.options.estimate and session.exitstatus == _NO_TESTS:
                session.exitstatus = pytest.ExitCode.OK  # the controller of xdist collects nothing itself
            return (yield)
        verdict = self._verdict or self._judge()
        self._remember_missed()
        try:
            return (yield)
        finally:
            verdict = ours.gatekeeper.close(verdict, int(session.exitstatus))
            session.exitstatus = verdict.exit_code
            for trouble in ours.gatekeeper.report(verdict, ours.reporting):
                ours.print_line(f"evalgate: {trouble}")
            self._last_word(verdict)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Show what the gates say."""
        verdict, ours = self._verdict, self._session
        if verdict is not None and ours.config.get_verbosity() > -2:  # noqa: PLR2004 - -qq shows the last line only
            interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
            show(ours.gatekeeper, verdict, self._notes(verdict, interrupted=interrupted), terminalreporter)

    def _judge(self) -> Verdict:
        ours, ledger = self._session, self._session.ledger
        for nodeid in ours.collection.uncollected:
            ledger.add_problem(f"{nodeid} could not be collected")
        for problem in ours.notices.problems:
            ledger.add_problem(problem)
        if ours.is_controller and not ledger.plans:  # its workers were stopped before they could say
            for suite in ours.suites:
                ledger.add_plan(suite.plan)
        nothing_wrong = not ledger.problems
        if not ledger.plans:
            ledger.add_problem("no case was selected: " + " ".join(ours.config.invocation_params.args))
        verdict = ours.gatekeeper.judge(
            ledger,
            duration_s=time.monotonic() - ours.started,
            refused=ours.launch.refusal or ours.notices.refusal,
            notes=self._said_of_the_run(),
        )
        ours.launch.note_end(whole=ours.gatekeeper.is_whole(verdict))
        if nothing_wrong and not ledger.plans:
            verdict = replace(verdict, exit_code=int(_NO_TESTS))
        self._verdict = verdict
        return verdict

    def _remember_missed(self) -> None:
        """Let ``--lf`` run missed cases again; its store is private to pytest, so do without where it changed."""
        lastfailed = getattr(self._session.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None)
        if isinstance(lastfailed, dict):
            outcomes = self._session.ledger.not_passed.items()
            lastfailed.update((nodeid, True) for nodeid, outcome in outcomes if outcome != "not_run")

    def _notes(self, verdict: Verdict, *, interrupted: bool = False) -> Iterator[str]:
        """Say what belongs below the numbers, and how to go on where answers are missing."""
        yield from self._said_of_the_run()
        if verdict.refused is not None:
            yield f"NOT EVALUATED: {verdict.refused}"
        elif self._session.launch.has_journal and (verdict.accounting.errored or interrupted):
            yield "the same command goes on with this run: what the cache holds is not asked again"

    def _said_of_the_run(self) -> Iterator[str]:
        """Say what is wrong with the cache, what is not known of the base, and why no further call was sent."""
        notices = self._session.notices
        yield from notices.troubles
        if self._session.base.note is not None:
            yield self._session.base.note
        if notices.stop is not None and self._session.launch.refusal is None and notices.refusal is None:
            yield f"{STOPPED}{notices.stop}"

    def _last_word(self, verdict: Verdict) -> None:
        reporter: pytest.TerminalReporter | None = self._session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            last_word(self._session.gatekeeper, verdict, self._notes(verdict), reporter)

"""From the ledger to the exit code: reads the baselines, has the run judged, writes the verdict, shows it."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import NoRegressionGate, key_variables
from pytest_evalgate.errors import BaselineError, SettingsError
from pytest_evalgate.plugin.context import facts_of
from pytest_evalgate.plugin.ledger import WORKER_OUTPUT
from pytest_evalgate.plugin.private import defer_interrupts
from pytest_evalgate.plugin.requested import with_stop_rule
from pytest_evalgate.plugin.xdist import PROBLEMS_OUTPUT
from pytest_evalgate.records.results import Run
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.runs.shard import path_of as shard_path
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import STOPPED, count

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.report import ReportWriter
    from pytest_evalgate.config import Suite
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.failures import BaselineOutcome
    from pytest_evalgate.plugin.ledger import Ledger
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.records.results import Case, GateResult, Json, SuitePlan, SuiteVerdict, Verdict, VerdictName
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.runs.shard import Shard
    from pytest_evalgate.runs.state import StateFolder


def count_not_run(run: Run, shard: Shard) -> int:
    """Count the cases that a shard was to run and did not."""
    return sum(
        result.outcome == "not_run" and result.case.id in mine
        for suite in run.suites
        for mine in [shard.cases_of(suite.plan)]
        for result in suite.results
    )


def refused_reason(run: Run, shard: Shard, file: str) -> str:
    """Say what is to be done instead of judging."""
    left = count_not_run(run, shard)
    if left:
        return f"not run: {count(left, 'case')} of {shard}; run it again, whole"
    command = f"pytest-evalgate merge DIR --expect-shards {shard.count} --gate"
    return f"{shard} is stored in {file}; merge it with the others: {command}"


def without_verdicts(verdict: Verdict, shard: Shard) -> Verdict:
    """Take back what gates say of suites that happen to lie in one shard as a whole."""
    suites = {
        name: _suite_without_verdict(suite, f"{shard}: judged when all are merged")
        for name, suite in verdict.suites.items()
    }
    return replace(verdict, suites=suites)


def _suite_without_verdict(suite: SuiteVerdict, message: str) -> SuiteVerdict:
    return replace(
        suite,
        verdict="not_evaluated",
        pass_rate=None,
        interval=None,
        delta=None,
        slices=(),
        repeats=None,
        notes=(),
        gates=tuple(_gate_without_result(gate, message) for gate in suite.gates),
    )


def _gate_without_result(gate: GateResult, message: str) -> GateResult:
    return replace(gate, result="not_evaluated", value=None, bound=None, required=None, message=message)


_UNKNOWN = RunInfo()
_OK = 0
_INTERRUPTED = 2
_NO_TESTS = 5
_ABORTED_CODES = frozenset({_INTERRUPTED, 3, 4})

_PLENTY = 150
"""With so many cases a usual gate sees drops that matter: to look closer takes 0.2 s before the first call."""


@dataclass
class SessionDecider:
    """Judges one session, on the controller only."""

    assembly: Assembly
    state: StateFolder
    run_id: str
    arguments: Sequence[str] = ()
    report_file: str | None = None
    warnings: list[str] = field(default_factory=list)
    run: Run | None = None
    origin: RunInfo = _UNKNOWN
    _outputs: dict[str, Mapping[str, Json]] = field(default_factory=dict)

    @cached_property
    def decider(self) -> RunDecider:
        """What judges the run."""
        assembly = self.assembly
        against = assembly.options.baseline
        return RunDecider(
            assembly.root, assembly.settings, self.state.path, self._suite_settings, against, assembly.base
        )

    @property
    def shard(self) -> Shard | None:
        """Which part of the run this session is; None for the whole."""
        return self.assembly.options.shard

    @property
    def file(self) -> Path:
        """Where the run is stored."""
        if self.shard is None:
            return run_file.path_of(self.state.path, self.run_id)
        return shard_path(self.state.path, self.shard)

    def remove_shard_file(self) -> None:
        """Remove what an earlier session left of this shard: should this one break off, that must not be merged."""
        if self.shard is not None:
            self.file.unlink(missing_ok=True)

    @cached_property
    def redactor(self) -> Redactor:
        """Takes the keys of this configuration out of whatever is written or shown."""
        return Redactor.of(key_variables(self.assembly.settings), os.environ)

    def _run_info(self, plans: Sequence[SuitePlan], notes: Iterable[str]) -> RunInfo:
        options = self.assembly.options
        known = facts_of(self.assembly, [plan.name for plan in plans], self.arguments)
        facts = {name: self.redactor.redact(text) for name, text in known.items()}
        ours = self.assembly.settings
        said = tuple(map(self.redactor.redact, notes))
        return RunInfo(config_sha256(ours), options.target, options.shard, facts, ours.default_tier, said)

    def check_gates(self, suites: Sequence[ReadySuite]) -> None:
        """Read the baselines and refuse gates that cannot pass.

        Raises:
            SettingsError: everything that is wrong, one a line.

        """
        problems: list[str] = []
        self.decider.check_history()
        for ready in suites:
            name = ready.plan.name
            try:
                self.decider.baseline_of(name)
            except BaselineError as error:
                problems.append(f"suites.{name}.baseline: {error}")
                continue
            problems += [f"suites.{name}.gates: {text}" for text in self._check_power(ready)]
        if problems:
            raise SettingsError("\n".join(problems))

    def header(self, suites: Sequence[ReadySuite]) -> list[str]:
        """Say which suites run, how many cases they have, and what they are compared with."""
        from pytest_evalgate.plugin.context import header_of  # noqa: PLC0415 - wanted once, at the start
        from pytest_evalgate.reports.terminal import header_lines  # noqa: PLC0415 - the same

        heading = header_of(self.assembly, suites, self.decider.baselines)
        return [self.redactor.redact(line) for line in header_lines(heading)]

    def decide(
        self, ledger: Ledger, *, duration_s: float, refused: str | None = None, notes: Iterable[str] = ()
    ) -> Verdict:
        """Judge what the ledger holds and store the run; ``refused`` says why nothing was sent, or not all.

        ``notes`` are what its session has to say of the run; they are kept with it.
        """
        self.assembly.discard_outputs()
        now = datetime.now(UTC)
        ledger.add_unplanned()
        plans = list(ledger.plans.values())
        rules = self.decider.rules([plan.name for plan in plans], ledger.add_problem)
        head = Run(
            id=self.run_id,
            created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            commit=git.commit(self.assembly.root),
            suites=(),
            duration_s=round(duration_s, 3),
            problems=tuple(ledger.problems),
            refused=refused,
        )
        results = map(ledger.results, plans)
        self.origin = self._run_info(plans, notes)
        run = self.run = run_file.write_stream(
            head, plans, results, self.file, stopped=ledger.stopped, info=self.origin, redactor=self.redactor
        )
        if self.shard is None:
            return self.decider.append_history(run, self.decider.decide(run, rules))
        said = refused or refused_reason(run, self.shard, files.relative_name(self.file, self.assembly.root))
        return without_verdicts(self.decider.decide(replace(run, refused=said), rules), self.shard)

    def before(self, suite: ReadySuite, case: Case) -> BaselineOutcome | None:
        """Return what the baseline says of a case, for who looks at it; None where it does not know it so."""
        from pytest_evalgate.plugin.failures import BaselineOutcome  # noqa: PLC0415 - wanted by --eval-fail-cases

        with contextlib.suppress(BaselineError):  # the controller has refused it, where it is needed
            baseline = self.decider.baseline_of(suite.plan.name)
            known = None if baseline is None else baseline.cases.get(case.golden_id)
            if known is not None and known.fingerprint == suite.planned[case.id].fingerprint:
                return BaselineOutcome(known.mean, self.suite_baseline_outputs(suite.plan.name).get(case.golden_id))
        return None

    def suite_baseline_outputs(self, suite: str) -> Mapping[str, Json]:
        """Return what the cases of the baseline of a suite answered, by id; read once."""
        from pytest_evalgate.app.report import baseline_outputs_of  # noqa: PLC0415 - wanted by who looks closer

        if suite not in self._outputs:
            self._outputs[suite] = baseline_outputs_of(self.decider, suite)
        return self._outputs[suite]

    def is_complete(self, verdict: Verdict) -> bool:
        """Tell whether every case that this session was to run has its answer."""
        left = verdict.accounting.not_run
        if self.shard is not None and self.run is not None:
            left = count_not_run(self.run, self.shard)
        return not (left or verdict.accounting.errored)

    def close(self, verdict: Verdict, status: int) -> Verdict:
        """Settle the exit code that pytest's ``status`` and the verdict make together, and write the verdict."""
        if status in _ABORTED_CODES and verdict.exit_code == _OK:
            broken = f"pytest broke off with exit code {status}"
            name: VerdictName = "not_evaluated" if status == _INTERRUPTED else "invalid"
            verdict = replace(verdict, verdict=name, problems=(*verdict.problems, broken))
        ours = status == _OK or (status == _NO_TESTS and verdict.exit_code != _OK)
        verdict = replace(verdict, exit_code=verdict.exit_code if ours else status)
        kept.write(verdict, self.state.verdict, self.redactor)
        return verdict

    def report(self, verdict: Verdict, report_writer: ReportWriter) -> Iterator[str]:
        """Keep what reports are made of, write them, and say what could not be written.

        A part of a run has none: it is merged first.
        """
        if self.shard is None and self.run is not None:
            yield from report_writer.report(verdict, self.decider, (self.run, self.origin), self.redactor)

    def _suite_settings(self, name: str) -> Suite | None:
        """Return the settings of a suite, with the rule by which the command line wants it to stop."""
        suite = self.assembly.suite_settings(name)
        return None if suite is None else with_stop_rule(self.assembly.options.stop, suite)

    def _check_power(self, ready: ReadySuite) -> list[str]:
        """Return why gates cannot pass, and keep the warnings; a large suite with plain gates needs no look ahead."""
        suite = self.assembly.suite_settings(ready.plan.name)
        gates = (suite and suite.gates) or ()
        plain = all(isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven" for gate in gates)
        usual = suite is None or (suite.aggregate == "mean" and suite.cluster is None and not suite.judges)
        if plain and usual and len(ready.plan.cases) > _PLENTY:
            return []
        from pytest_evalgate.gates.correction import judge_problems  # noqa: PLC0415 - scipy
        from pytest_evalgate.gates.power import check_power  # noqa: PLC0415 - the same

        name = ready.plan.name
        rules = self.decider.rules([name], lambda _: None)[name]
        seen = check_power(ready.plan, rules)
        self.warnings += [f"evalgate: {name}: {text}" for text in seen.warnings]
        return [*seen.problems, *judge_problems(rules)]


def load_gates() -> None:
    """Load what the gates are judged with: 0.2 s that are free while answers are awaited."""
    with defer_interrupts():
        import pytest_evalgate.reports.view  # noqa: F401, PLC0415 - brings the gates, and with them scipy


def print_section(
    session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter
) -> None:
    """Print the section, ``notes`` at its end."""
    from pytest_evalgate.reports.terminal import render  # noqa: PLC0415 - wanted once, at the end

    verbosity = reporter.config.get_verbosity()
    view = _view(session_decider, verdict, notes)
    if verbosity > 0:
        view = _with_cases(session_decider, view)
    reporter.section("eval gate", sep="=")
    for line in render(view, reporter._tw.fullwidth, verbosity):  # noqa: SLF001 - pytest's own width
        reporter.write_line(session_decider.redactor.redact(line.text), **({line.colour: True} if line.colour else {}))


def print_verdict_line(
    session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter
) -> None:
    """Print the verdict line, after pytest's own bar."""
    from pytest_evalgate.reports.terminal import verdict_line  # noqa: PLC0415 - wanted once, at the end

    line = verdict_line(_view(session_decider, verdict, notes))
    reporter.write_line(
        session_decider.redactor.redact(line.text), bold=True, **({line.colour: True} if line.colour else {})
    )


def _view(session_decider: SessionDecider, verdict: Verdict, notes: Iterable[str]) -> ReportView:
    from pytest_evalgate.reports.view import (  # noqa: PLC0415 - the same
        ReportContext,
        TextPolicy,
        build_view,
    )

    assert session_decider.run is not None  # noqa: S101 - only a judged run is shown
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
            notes=tuple(notes),
        ),
        texts=TextPolicy.by(session_decider.assembly.settings.report),
    )


def _with_cases(session_decider: SessionDecider, view: ReportView) -> ReportView:
    """Add what the cases were asked and answered, and what their baselines had answered."""
    from pytest_evalgate.reports.view import (  # noqa: PLC0415 - the same
        StoredCases,
        TextPolicy,
        case_changes,
        with_cases,
    )

    assert session_decider.run is not None  # noqa: S101 - only a judged run is shown
    outputs = {suite.name: session_decider.suite_baseline_outputs(suite.name) for suite in view.suites}
    before = case_changes(session_decider.run, session_decider.decider.baselines, outputs)
    return with_cases(
        view, StoredCases(session_decider.file, before, TextPolicy.by(session_decider.assembly.settings.report))
    )


_JUDGING_NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED


class VerdictHooks:
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
            verdict = self._decide()
            session.testsfailed += verdict.verdict == "fail"
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge what an interrupted session left, set the exit code, and have the last word."""
        ours = self._session
        if ours.is_worker:
            output = ours.config.workeroutput  # type: ignore[attr-defined]  # xdist's
            output[WORKER_OUTPUT] = ours.ledger.export()
            output[PROBLEMS_OUTPUT] = ours.session_problems.export()
            return (yield)
        if ours.is_dry:
            if ours.is_controller and ours.options.estimate and session.exitstatus == _JUDGING_NO_TESTS:
                session.exitstatus = pytest.ExitCode.OK  # the controller of xdist collects nothing itself
            return (yield)
        verdict = self._verdict or self._decide()
        self._update_lastfailed()
        try:
            return (yield)
        finally:
            verdict = ours.session_decider.close(verdict, int(session.exitstatus))
            session.exitstatus = verdict.exit_code
            for trouble in ours.session_decider.report(verdict, ours.report_writer):
                ours.print_line(f"evalgate: {trouble}")
            self._print_verdict_line(verdict)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Show what the gates say."""
        verdict, ours = self._verdict, self._session
        if verdict is not None and ours.config.get_verbosity() > -2:  # noqa: PLR2004 - -qq shows the last line only
            interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
            print_section(
                ours.session_decider, verdict, self._notes(verdict, interrupted=interrupted), terminalreporter
            )

    def _decide(self) -> Verdict:
        ours, ledger = self._session, self._session.ledger
        for nodeid in ours.collection.failed_files:
            ledger.add_problem(f"{nodeid} could not be collected")
        for problem in ours.session_problems.problems:
            ledger.add_problem(problem)
        if ours.is_controller and not ledger.plans:  # its workers were stopped before they could say
            for suite in ours.suites:
                ledger.add_plan(suite.plan)
        nothing_wrong = not ledger.problems
        if not ledger.plans:
            ledger.add_problem("no case was selected: " + " ".join(ours.config.invocation_params.args))
        verdict = ours.session_decider.decide(
            ledger,
            duration_s=time.monotonic() - ours.started,
            refused=ours.launch.refused_reason or ours.session_problems.refused_reason,
            notes=self._run_notes(),
        )
        ours.launch.finish_journal(whole=ours.session_decider.is_complete(verdict))
        if nothing_wrong and not ledger.plans:
            verdict = replace(verdict, exit_code=int(_JUDGING_NO_TESTS))
        self._verdict = verdict
        return verdict

    def _update_lastfailed(self) -> None:
        """Let ``--lf`` run missed cases again; its store is private to pytest, so do without where it changed."""
        lastfailed = getattr(self._session.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None)
        if isinstance(lastfailed, dict):
            outcomes = self._session.ledger.not_passed.items()
            lastfailed.update((nodeid, True) for nodeid, outcome in outcomes if outcome != "not_run")

    def _notes(self, verdict: Verdict, *, interrupted: bool = False) -> Iterator[str]:
        """Say what belongs below the numbers, and how to go on where answers are missing."""
        yield from self._run_notes()
        if verdict.refused is not None:
            yield f"NOT EVALUATED: {verdict.refused}"
        elif self._session.launch.has_journal and (verdict.accounting.errored or interrupted):
            yield "the same command goes on with this run: what the cache holds is not asked again"

    def _run_notes(self) -> Iterator[str]:
        """Say what is wrong with the cache, what is not known of the base, and why no further call was sent."""
        session_problems = self._session.session_problems
        yield from session_problems.cache_warnings
        if self._session.base.note is not None:
            yield self._session.base.note
        if (
            session_problems.stop_reason is not None
            and self._session.launch.refused_reason is None
            and session_problems.refused_reason is None
        ):
            yield f"{STOPPED}{session_problems.stop_reason}"

    def _print_verdict_line(self, verdict: Verdict) -> None:
        reporter: pytest.TerminalReporter | None = self._session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            print_verdict_line(self._session.session_decider, verdict, self._notes(verdict), reporter)

"""The working plugin of one ``--eval-gate`` session: plan, run, account, judge, say."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_evalgate import config as config_
from pytest_evalgate.app.report import ReportWriter
from pytest_evalgate.app.wiring import RunContext, Wiring
from pytest_evalgate.errors import UserError
from pytest_evalgate.guard.base_branch import find_base
from pytest_evalgate.plugin import MARKER, marked
from pytest_evalgate.plugin.answers import CaseQueue
from pytest_evalgate.plugin.assembly import Assembly, build_selected, select
from pytest_evalgate.plugin.collection import CaseCollector, PartialRun
from pytest_evalgate.plugin.context import SESSION
from pytest_evalgate.plugin.launch import Launch
from pytest_evalgate.plugin.ledger import Ledger, attach, detach
from pytest_evalgate.plugin.marked import GOLDEN_TEST, PrefetchHooks, Recorder
from pytest_evalgate.plugin.private import defer_interrupts, redact, sigterm_as_interrupt
from pytest_evalgate.plugin.progress import Progress
from pytest_evalgate.plugin.requested import read_options
from pytest_evalgate.plugin.stopper import Stopper
from pytest_evalgate.plugin.together import ConcurrentBodies
from pytest_evalgate.plugin.verdict import SessionDecider, VerdictHooks, load_gates
from pytest_evalgate.plugin.xdist import WORKER_INPUT, SessionProblems, new_run_identity, run_identity_of
from pytest_evalgate.runs.state import STATE_VARIABLE, state_of
from pytest_evalgate.scorers import Context, registry

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator, Iterable, Mapping

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.runs.state import StateFolder

T = TypeVar("T")

_NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED


def register(config: pytest.Config) -> None:
    """Read the configuration, check every selected suite, and start to work.

    Raises:
        pytest.UsageError: anything that the user has to change; nothing has run by then.

    """
    with _usage_errors():
        state = state_of(config.rootpath.resolve(), os.environ.get(STATE_VARIABLE))
        if not hasattr(config, "workerinput"):
            state.prepare()
        session = config.stash[SESSION] = EvalSession(config, state)
        session.open()
    config.pluginmanager.register(session, "evalgate-session")
    config.pluginmanager.register(VerdictHooks(session), "evalgate-judging")
    config.pluginmanager.register(session.collection, "evalgate-collection")
    config.pluginmanager.register(PartialRun(session), "evalgate-partial-run")
    config.pluginmanager.register(session.launch, "evalgate-launch")
    config.pluginmanager.register(PrefetchHooks(session), "evalgate-prefetched")
    config.pluginmanager.register(ConcurrentBodies(session), "evalgate-together")
    if not session.is_worker and (dist := config.getoption("dist", default="no")) != "no":
        if dist == "each":
            raise pytest.UsageError("--dist each runs every case once a worker: a gate wants each case once")
        from pytest_evalgate.plugin.xdist import Distribution  # noqa: PLC0415 - only where tests are distributed

        config.pluginmanager.register(Distribution(session), "evalgate-xdist")


class EvalSession:
    """One session, on the controller or in an xdist worker."""

    def __init__(self, config: pytest.Config, state: StateFolder) -> None:
        """Read settings and options; build nothing yet."""
        self.config = config
        self.state = state
        self.options = read_options(config)
        worker = getattr(config, "workerinput", None)
        self.is_worker = worker is not None
        root = config.rootpath.resolve()
        written = config_.load(root)
        configured = config_.for_tier(written, config_.chosen_tier(written, self.options.tier))
        self.run_identity = (
            new_run_identity(root, state.path, configured, self.options)
            if worker is None
            else run_identity_of(worker[WORKER_INPUT])
        )
        rules = _merged(config.hook.pytest_evalgate_scorers())
        self.wiring = Wiring(
            root,
            configured,
            state,
            RunContext(
                self.run_identity.run,
                self.run_identity.cache_run_id,
                offline=self.options.offline,
                budget_usd=self.options.budget_usd,
                max_concurrency=self.options.max_concurrency,
            ),
            workers=worker["workercount"] if worker is not None and configured.xdist == "spread" else 1,
            shared=worker is not None and worker["workercount"] > 1,
            hooks=_merged(config.hook.pytest_evalgate_targets()),
        )
        self.session_problems = SessionProblems(self.wiring)
        context = Context(rules=registry(rules), roots=(root,), judge=self.wiring.judge)
        self.base = find_base(
            self.options.base_ref, written, root=root, state=state.path, tier=configured.default_tier
        )
        self.assembly = Assembly(root, configured, self.options, context, self.wiring, self.base.branch)
        self.report_writer = ReportWriter(
            root,
            state,
            configured.report,
            self.options.report,
            hook=lambda view: config.hook.pytest_evalgate_report(report=view),
            print_line=self.print_line,
        )
        report_file = self.report_writer.html_file
        self.ledger = Ledger()
        self.session_decider = SessionDecider(
            self.assembly,
            self.state,
            self.run_identity.run,
            arguments=config.invocation_params.args,
            report_file=report_file,
        )
        self.progress = Progress(config, self.wiring.usage_text)
        self.stopper = Stopper(self)
        self.case_queue = CaseQueue(
            lambda: self.wiring.engine,
            self.progress,
            self.options.max_concurrency,
            self.stopper,
            on_first_result=None if self.is_worker else self.preload,
        )
        self.launch = Launch(self)
        self.is_dry = self.options.estimate or any(
            config.getoption(name) for name in ("collectonly", "setuponly", "setupplan")
        )
        self.suites: list[ReadySuite] = []
        self._golden_files: frozenset[str] = frozenset()
        self.collection = CaseCollector(self)
        self.started = time.monotonic()
        self._closing = contextlib.ExitStack()

    @cached_property
    def _bodies(self) -> asyncio.Runner:
        """Runs the async bodies of marked tests, in the thread of their fixtures."""
        import asyncio  # noqa: PLC0415 - 16 ms

        return self._closing.enter_context(asyncio.Runner())

    # -- before anything runs

    def open(self) -> None:
        """Select the suites, and on the controller refuse now what could not be run or judged."""
        self._closing.callback(self.ledger.close)
        self._closing.callback(self.wiring.close)
        self.config.add_cleanup(self._closing.close)
        selected = select(self.config, self.assembly)
        self._golden_files = frozenset(self.assembly.golden_names())
        if not self.is_worker:
            self._closing.enter_context(sigterm_as_interrupt())
            self._closing.enter_context(self.state.locked())
            self.session_decider.remove_shard_file()
            self.report_writer.remove_old_report()
            ready = build_selected(selected, self.config, self.assembly)
            self.session_decider.check_gates(ready)
            self.suites = [suite for suite in ready if suite.target is not None]
        gc.freeze()  # golden sets live as long as the session; looking at them again cost 65 us a case
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)  # the interpreter's last look at all that there is took 0.15 s

    def pytest_report_header(self) -> list[str]:
        """Say what will be run, against what, and which run is gone on with."""
        return [] if self.is_worker else [*self.session_decider.header(self.suites), *self.run_identity.header()]

    def is_golden_item(self, nodeid: str) -> bool:
        """Tell an item of the no-code door by its file."""
        return nodeid.partition("::")[0] in self._golden_files

    @property
    def is_controller(self) -> bool:
        """Tell whether this process hands its tests to xdist workers."""
        return self.config.pluginmanager.hasplugin("dsession")

    # -- running

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Grade what a marked test's body handed over."""
        result = yield
        golden_test = item.stash.get(GOLDEN_TEST, None)
        if golden_test is not None:
            graded = self.case_queue.graded(golden_test.suite, marked.grade(item, golden_test))
            if self.options.fail_cases and graded.outcome != "passed":
                before = self.session_decider.before(golden_test.suite, golden_test.case)
                marked.fail(golden_test, graded, before)
        return result

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an ``async def`` body of a marked test where no other plugin does."""
        body = marked.run_async_body(pyfuncitem)
        if body is None:
            return None
        self._bodies.run(body)
        return True

    @pytest.fixture(name="evalgate")
    def evalgate(self, request: pytest.FixtureRequest) -> Recorder:
        """Records the output of a test that cannot return it: ``evalgate.record(output)``."""
        golden_test = request.node.stash.get(GOLDEN_TEST, None)
        if golden_test is None:
            pytest.fail(f"the evalgate fixture belongs to tests marked {MARKER}", pytrace=False)
        return Recorder(golden_test.bodies)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take keys out of the report, and put the case's result on that of its call."""
        report = yield
        redact(report, self.session_decider.redactor)
        if call.when == "call":
            attach(item, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Account on the controller for every report, its own and those of the workers."""
        if not self.is_worker:
            self.progress.clear()
            self.ledger.record(report)
            detach(report)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Show a missed case as missed: neither a red test nor a silent pass; and one that is not needed as that."""
        if report.when != "call" or report.failed:
            return None
        return _STATUSES.get(self.ledger.not_passed.get(report.nodeid, ""))

    def preload(self) -> None:
        """Load what the run is judged with and shown by, while answers are awaited: 0.3 s."""
        load_gates()
        with defer_interrupts():
            self.report_writer.load()
        gc.freeze()  # nor do items and libraries go before it, and pytest looks at all that there is at its end

    def print_line(self, text: str) -> None:
        """Write a line to the terminal, if there is one."""
        reporter: pytest.TerminalReporter | None = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(text)


_STATUSES: dict[str, tuple[str, str, tuple[str, dict[str, bool]]]] = {
    "missed": ("missed", "m", ("MISSED", {"yellow": True})),
    "errored": ("eval-error", "E", ("EVAL-ERROR", {"red": True})),
    "not_run": ("not needed", "-", ("NOT NEEDED", {})),
}


def _merged(brought: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """Merge what the plugins bring by name."""
    return {name: value for names in brought for name, value in names.items()}


@contextlib.contextmanager
def _usage_errors() -> Generator[None, None, None]:
    try:
        yield
    except UserError as error:
        raise pytest.UsageError(str(error)) from None

"""Session of ``--eval-gate``: its context, its parts, and the registration of their hooks.

The flow: ``collection`` plans the cases, ``launch`` estimates and starts them, ``items`` and ``marked`` take the
results from the ``case_queue``, the ``ledger`` collects them, ``verdict`` decides the run.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_evalgate import config as config_
from pytest_evalgate.app.report import ReportWriter
from pytest_evalgate.app.wiring import RunContext, Wiring
from pytest_evalgate.config.candidates import with_requested
from pytest_evalgate.errors import SettingsError, StorageError, UserError
from pytest_evalgate.guard.base_branch import find_base
from pytest_evalgate.plugin import MARKER, marked
from pytest_evalgate.plugin.assembly import Assembly
from pytest_evalgate.plugin.case_queue import CaseQueue
from pytest_evalgate.plugin.collection import CaseCollector, PartialRun
from pytest_evalgate.plugin.context import (
    SELECTION_INPUT,
    WORKER_INPUT,
    RunIdentity,
    SessionContext,
    SessionProblems,
    new_run_identity,
    print_line,
)
from pytest_evalgate.plugin.decider import SessionDecider, load_gates
from pytest_evalgate.plugin.failures import clean, printable
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.plugin.last_missed import LAST_MISSED_INPUT, LastMissed
from pytest_evalgate.plugin.launch import Launch
from pytest_evalgate.plugin.ledger import Ledger, attach, detach
from pytest_evalgate.plugin.marked import GOLDEN_TEST, PrefetchHooks, Recorder
from pytest_evalgate.plugin.progress import Progress
from pytest_evalgate.plugin.requested import (
    check_options,
    read_options,
    refs_in_addopts,
)
from pytest_evalgate.plugin.selection import Selection, build_selected, fit_warnings, select
from pytest_evalgate.plugin.signals import defer_interrupts, no_silent_exit, sigterm_as_interrupt
from pytest_evalgate.plugin.stopper import Stopper
from pytest_evalgate.plugin.together import ConcurrentBodies
from pytest_evalgate.plugin.undistributed import Undistributed, keep_on_controller
from pytest_evalgate.plugin.verdict import VerdictHooks
from pytest_evalgate.runs.state import STATE_VARIABLE, state_of, storage_message
from pytest_evalgate.scorers import Context, registry
from pytest_evalgate.scorers.suite_sources import ModelSource
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.text.redaction import mask_keys

if TYPE_CHECKING:
    import asyncio
    import warnings
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.protocols import Rule


T = TypeVar("T")

_DRY_OPTIONS = ("collectonly", "setuponly", "setupplan")


def register(config: pytest.Config) -> None:
    """Read the configuration, check every selected suite, and register the hooks of the session.

    Raises:
        pytest.UsageError: the user has to change something. Nothing has run by then.
    """
    closing = contextlib.ExitStack()
    config.add_cleanup(closing.close)
    try:
        session = EvalSession(config, closing)
    except StorageError as error:
        raise pytest.UsageError(storage_message(error)) from None
    except UserError as error:
        message = config_.with_places(str(error), config.rootpath)
        raise pytest.UsageError(printable(mask_keys(message))) from None
    for name, plugin in session.plugins().items():
        config.pluginmanager.register(plugin, f"evalgate-{name}")


class EvalSession:
    """One session, on the controller or in an xdist worker: the only class that uses all of its parts."""

    def __init__(self, config: pytest.Config, closing: contextlib.ExitStack) -> None:
        """Read settings and options, and build the suites.

        Args:
            config: The configuration of pytest.
            closing: Receives the callbacks that close the parts, also if this constructor raises.

        Raises:
            UserError: a suite cannot be run, or its gates cannot decide.
        """
        root = config.rootpath.resolve()
        state = state_of(root, os.environ.get(STATE_VARIABLE))
        worker = getattr(config, "workerinput", None)
        if worker is None:
            state.prepare()
            check_options(config)
        options = read_options(config)
        all_tiers = config_.load(root)
        configured = config_.for_tier(all_tiers, config_.chosen_tier(all_tiers, options.tier))
        settings = with_requested(configured, options.targets)
        run_identity = (
            new_run_identity(root, state.path, settings, options)
            if worker is None
            else RunIdentity.of(worker[WORKER_INPUT])
        )
        rules: dict[str, Rule] = _merged(config.hook.pytest_evalgate_scorers)
        base = find_base(
            options.base_ref,
            all_tiers,
            root=root,
            state=state.path,
            tier=settings.default_tier,
            in_addopts=options.base_ref in refs_in_addopts(config),
        )
        if base.branch is not None:
            closing.callback(base.branch.close)
        wiring = Wiring(
            root,
            settings,
            state,
            RunContext(
                run_identity.run,
                run_identity.cache_run_id,
                offline=options.offline,
                budget_usd=options.budget_usd,
                max_concurrency=options.max_concurrency,
            ),
            workers=worker["workercount"] if worker is not None and settings.xdist == "spread" else 1,
            shared=worker is not None and worker["workercount"] > 1,
            hooks=_merged(config.hook.pytest_evalgate_targets),
            keys=None if base.branch is None else base.branch.keys,
            trace=run_identity.trace,
        )
        scoring = Context(
            rules=registry(rules),
            roots=(root,),
            judge=wiring.judge,
            code=wiring.code,
            models=ModelSource(settings.models, lambda: wiring.client),
            foreign=_foreign_hint,
        )
        assembly = Assembly(root, settings, options, scoring, wiring, base.branch, base.problem, configured)
        ledger = Ledger()
        closing.callback(ledger.close)
        closing.callback(wiring.close)
        self._report_writer = ReportWriter(
            root,
            state,
            settings.report,
            options.report,
            hook=lambda view: config.hook.pytest_evalgate_report(report=view),
            print_line=partial(print_line, config),
        )
        self._session_decider = SessionDecider(
            assembly,
            state,
            run_identity.run,
            run_identity.resumed,
            arguments=config.invocation_params.args,
            report_file=self._report_writer.html_file,
        )
        if worker is None:
            selection = select(config, assembly)
        else:
            selection = Selection.of(worker[SELECTION_INPUT])
            selection.apply(config, assembly)
        ready, lock_note = [], None
        warnings: tuple[str, ...] = ()
        if worker is None:
            closing.enter_context(sigterm_as_interrupt())
            decider = self._session_decider
            closing.enter_context(no_silent_exit(partial(_stop_capture, config), lambda: decider.exit_code))
            lock_note = closing.enter_context(state.locked())
            self._session_decider.remove_shard_file()
            self._report_writer.remove_old_report()
            ready = build_selected(selection, config, assembly)
            self._session_decider.check_gates(ready)
            warnings = tuple(fit_warnings(ready))
            self._session_decider.warnings += (f"evalgate: {warning}" for warning in warnings)
        self._context = SessionContext(
            config=config,
            options=options,
            state=state,
            run_identity=run_identity,
            settings=settings,
            wiring=wiring,
            assembly=assembly,
            selection=selection if worker is not None else keep_on_controller(selection, ready, assembly, config),
            suites=[suite for suite in ready if suite.target is not None],
            ledger=ledger,
            problems=SessionProblems(wiring),
            warnings=warnings,
            last_missed=self._read_last_missed(worker, options, state.path, selection.suites),
            key_notes=() if base.branch is None else base.branch.key_notes,
            lock_note=lock_note,
            is_worker=worker is not None,
            is_dry=options.estimate or any(map(config.getoption, _DRY_OPTIONS)),
        )
        self._closing = closing
        self.progress = Progress(config, wiring.usage_text)
        self._stopper = Stopper(self._context, self._session_decider)
        self._case_queue = CaseQueue(
            lambda: wiring.engine,
            self.progress,
            options.max_concurrency,
            self._stopper,
            meanwhile=None if worker is not None else self._preload,
            opened=lambda: wiring.opened,
        )
        # These objects live as long as the session: traversing the golden sets cost 65 us a case, and the last
        # collection of the interpreter 0.15 s.
        gc.freeze()
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)

    def _read_last_missed(
        self, worker: Mapping[str, Any] | None, options: Options, state: Path, suites: Iterable[str]
    ) -> LastMissed | None:
        """Return the cases that ``--eval-lf`` repeats; a worker gets them from the controller."""
        if not options.last_missed:
            return None
        if worker is not None:
            return LastMissed(**worker[LAST_MISSED_INPUT])
        from pytest_evalgate.app.last_results import last_results  # noqa: PLC0415 - only under --eval-lf

        return LastMissed.of(last_results(state, {*suites}, self._session_decider.decider.baseline_of))

    def plugins(self) -> dict[str, object]:
        """Return the plugins of the session by name, in the order to register them.

        Raises:
            pytest.UsageError: the mode of ``--dist`` runs cases more than once.
        """
        context = self._context
        collector = CaseCollector(context, self._session_decider, self._case_queue)
        launch = Launch(context, self._stopper, self._case_queue)
        plugins = {
            "session": self,
            "verdict": VerdictHooks(context, self._session_decider, collector, launch, self._report_writer),
            "collection": collector,
            "partial-run": PartialRun(context),
            "launch": launch,
            "prefetched": PrefetchHooks(context, self._case_queue),
            "together": ConcurrentBodies(self._case_queue, launch, context.wiring.code),
        }
        dist = context.config.getoption("dist", default="no")
        if context.is_worker or dist == "no":
            return plugins
        if dist == "each":
            raise pytest.UsageError("--dist each runs every case on every worker, but a gate needs each case once")
        from pytest_evalgate.plugin.xdist import Distribution  # noqa: PLC0415 - only if tests are distributed

        undistributed = Undistributed(context, collector)
        distribution = Distribution(context, collector, undistributed, self._preload)
        return {**plugins, "undistributed": undistributed, "xdist": distribution}

    def _preload(self) -> None:
        """Import the gates and the report writers, which takes 0.3 s, while outputs are awaited."""
        with contextlib.suppress(OSError):  # too many open files: imported later, with fewer connections
            load_gates(arrays=self._session_decider.needs_arrays(self._context.suites))
            with defer_interrupts():
                self._report_writer.load()
        gc.freeze()  # items and libraries live as long as the session, and pytest collects garbage at its end

    def pytest_report_header(self) -> list[str]:
        """Return the header: the suites, their baselines, and the run that is resumed."""
        if self._context.is_worker:
            return []
        context = self._context
        lines = [*self._session_decider.header(context.suites), *context.run_identity.header()]
        if context.last_missed is not None and context.suites:
            lines.append(f"evalgate: {context.last_missed.line([suite.plan for suite in context.suites])}")
        return lines

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Keep open the streams with which pytest captures, and capture what threads have written before."""
        streams = self._context.wiring.code.streams
        streams.keep_open()
        streams.deliver()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Grade the outputs of the body of a marked test."""
        result = yield
        golden_test = item.stash.get(GOLDEN_TEST, None)
        if golden_test is not None:
            graded = self._case_queue.grade(golden_test.suite, marked.grade(item, golden_test))
            if self._context.options.fail_cases and graded.outcome not in ("passed", "unscored"):
                before = self._session_decider.before(golden_test.suite, golden_test.case)
                marked.fail(golden_test, graded, before, item.config.getoption("tbstyle"))
        return result

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run the ``async def`` body of a marked test if no other plugin does."""
        body = marked.run_async_body(pyfuncitem)
        if body is None:
            return None
        self._runner.run(body)
        return True

    @cached_property
    def _runner(self) -> asyncio.Runner:
        """The event loop of async bodies, in the thread of their fixtures."""
        import asyncio  # noqa: PLC0415 - 16 ms

        return self._closing.enter_context(asyncio.Runner())

    @pytest.fixture(name="evalgate")
    def evalgate(self, request: pytest.FixtureRequest) -> Recorder:
        """Records the output of a test that cannot return it: ``evalgate.record(output)``."""
        golden_test = request.node.stash.get(GOLDEN_TEST, None)
        if golden_test is None:
            pytest.fail(f"the evalgate fixture is only for tests marked {MARKER}", pytrace=False)
        return Recorder(golden_test.bodies)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Remove API keys and workflow commands from the report, and attach the case's result to it."""
        report = yield
        is_golden = isinstance(item, CaseItem) or GOLDEN_TEST in item.stash
        clean(report, self._session_decider.redactor, is_golden=is_golden)
        if call.when == "call":
            attach(item, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Remove API keys from a warning, before pytest makes its summary or xdist sends it."""
        text = str(warning_message.message)
        if (redacted := self._session_decider.redactor.redact(text)) != text:
            warning_message.message = redacted

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record every report on the controller, including the reports of its workers."""
        if not self._context.is_worker:
            self.progress.clear()
            self._context.ledger.record(report)
            detach(report)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Return the status of a case that did not pass: neither a failed test nor a silent pass."""
        if report.when != "call" or report.failed:
            return None
        return _STATUSES.get(self._context.ledger.not_passed.get(report.nodeid, ""))


_STATUSES: dict[str, tuple[str, str, tuple[str, dict[str, bool]]]] = {
    "missed": ("missed", "m", ("MISSED", {"yellow": True})),
    "errored": ("eval-error", "E", ("EVAL-ERROR", {"red": True})),
    "not_run": ("not needed", "-", ("NOT NEEDED", {})),
    "unscored": ("unscored", "u", ("UNSCORED", {})),
}


def _stop_capture(config: pytest.Config) -> None:
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None:
        manager.suspend_global_capture(in_=True)


def _merged(hook: Any) -> dict[str, T]:
    """Merge the results of a hook.

    Raises:
        SettingsError: the hook called ``sys.exit()``. ``sys.exit(0)`` would end the session as a success.
    """
    try:
        results: Iterable[Mapping[str, T]] = hook()
        return {name: value for result in results for name, value in result.items()}
    except SystemExit as error:
        raise SettingsError(f"the hook {hook.name} called sys.exit(): {describe_error(error)}") from error


def _foreign_hint(name: str) -> str:
    from pytest_evalgate.golden.dialects.equivalents import hint_of  # noqa: PLC0415 - only a message needs it

    return hint_of(name)

"""Recording: send the cases of a suite to its target, through the engine and the cache, and keep the outputs.

The rows are those that ``target = { recorded = ... }`` reads. What the engine, the cache, the limits, the budget and
the redaction of a session do, they do here as well; no scorer runs.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate import config, golden
from pytest_evalgate.app import fit
from pytest_evalgate.app.decide import BASE_VARIABLE
from pytest_evalgate.app.estimating import count_own_calls, estimate_calls
from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.app.wiring import RunContext, Wiring, new_run_id
from pytest_evalgate.config import key_variables
from pytest_evalgate.engine import Grading
from pytest_evalgate.errors import EngineStopped, GoldenSetError, MissingOutput, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.sampling import select_split
from pytest_evalgate.guard.base_branch import find_base
from pytest_evalgate.protocols import CallingTarget
from pytest_evalgate.records.calls import ApplicationFailure, CallFailed
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Suite
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.calls import CallRecord
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output, SuitePlan
    from pytest_evalgate.runs.estimate import Estimate

_INTERRUPTED: Final = "interrupted before the answer came"


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """Options of a recording; None for the settings of the suite and of the project.

    ``target`` is a target spec as of ``--eval-target``.
    """

    suite: str
    trials: int | None = None
    target: str | None = None
    offline: bool = False
    budget_usd: float | None = None
    max_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class UnrecordedTrial:
    """A trial without an output that could be recorded: its case, the 0-based trial, and the reason."""

    case: Case
    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedOutputs:
    """The rows of each trial, in the order of the golden sets, and the missing ones.

    ``sent`` and ``cached`` count the calls of the target; ``cost_usd`` is that of the sent ones, None if unknown.
    """

    rows: tuple[tuple[dict[str, Json], ...], ...]
    missing: tuple[UnrecordedTrial, ...]
    sent: int = 0
    cached: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class SuiteToRecord:
    """A suite without its scorers."""

    plan: SuitePlan
    target: Target | None
    cases: tuple[Case, ...]
    asks_models: bool = False

    def grading_of(self, case: Case) -> Grading:  # noqa: ARG002 - no case has scorers
        """Return the grading of a case: none."""
        return Grading(())


class OutputRecorder:
    """Recorder of one suite. Use it in a ``with`` block, which ends its threads and connections.

    ``key_notes`` lists the API keys that are not sent, because the base branch does not have their endpoints.
    """

    def __init__(self, project: Project, options: RecordingOptions) -> None:
        """Read the golden sets and build the target; nothing is sent.

        Raises:
            UserError: the suite, its golden sets or its target cannot be used.
        """
        suite = suite_to_record(project, options.suite)
        spec = _target_spec(options, suite)
        requested = os.environ.get(BASE_VARIABLE)
        base = find_base(requested, project.settings, root=project.root, state=project.state.path)
        self._base = base.branch
        run = new_run_id()
        self.wiring = Wiring(
            project.root,
            project.settings,
            project.state,
            RunContext(run, run, options.offline, options.budget_usd, options.max_concurrency),
            keys=None if base.branch is None else base.branch.keys,
        )
        self.key_notes = () if base.branch is None else base.branch.key_notes
        self.redactor = Redactor.of(key_variables(project.settings), os.environ)
        self._window = options.max_concurrency or self.wiring.window_of(spec)
        try:
            self.suite = self._build(project, options, suite, spec)
        except BaseException:
            self.close()
            raise

    def _build(self, project: Project, options: RecordingOptions, suite: Suite, spec: config.Target) -> SuiteToRecord:
        name = options.suite
        paths = [resolve_path(project.root, path, f"suites.{name}.golden") for path in suite.golden]
        sets = select_split(golden.load(paths, root=project.root), suite.split, place=f"suites.{name}.split")
        cases = [case for golden_set in sets for case in golden_set]
        if problems := golden.check_unique(sets):
            raise GoldenSetError(problems)
        target = self.wiring.target(name, spec)
        if problems := fit.case_problems(cases, lambda _: (), target, place=f"suites.{name}.target"):
            raise GoldenSetError(problems)
        plan = make_plan(name, sets, scorers=[], trials=options.trials or suite.trials or 1, slices=())
        return SuiteToRecord(plan, target, tuple(case for case in cases if case.skip is None))

    def __enter__(self) -> Self:
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close the recorder."""
        self.close()

    def close(self) -> None:
        """End the calls, the threads and the connections."""
        self.wiring.close()
        if self._base is not None:
            self._base.close()

    @property
    def trials(self) -> int:
        """Largest number of trials of a case: that of the files to write."""
        return max(map(self.suite.plan.trials_of, self.suite.cases), default=self.suite.plan.trials)

    def estimate(self) -> Estimate | None:
        """Estimate the calls; None if the target sends none.

        Raises:
            SettingsError: a prompt does not fit a case.
        """
        return estimate_calls([(self.suite, self.suite.cases)], self.wiring)

    def count_own_calls(self) -> int:
        """Return the number of calls of a function or program whose output is not cached."""
        return count_own_calls([(self.suite, self.suite.cases)], self.wiring)

    def budget_problem(self, estimate: Estimate) -> str | None:
        """Return why nothing may be sent with the budget; None if it may.

        Raises:
            SettingsError: an API key is missing.
        """
        from pytest_evalgate.engine.spend import budget_problem  # noqa: PLC0415 - only if calls are sent

        if estimate.to_send and isinstance(self.suite.target, CallingTarget):
            self.wiring.client.check_key(self.suite.target.route)
        return budget_problem(estimate, self.wiring.budget_usd)

    def record(self, tick: Callable[[int], None] | None = None) -> RecordedOutputs:
        """Send all cases, and return what was answered; ``tick`` is called with the number of answers meanwhile.

        Ctrl-C ends the calls; the answers until then are returned.
        """
        futures = self._submit()
        outcomes: list[_Outcome] = []
        interrupted = False
        for future in futures:
            if interrupted and not future.done():
                outcomes.append(_Outcome(reason=_INTERRUPTED))
                continue
            try:
                outcomes.append(self._outcome(future, partial(_tick, tick, futures)))
            except KeyboardInterrupt:
                interrupted = True
                outcomes.append(_Outcome(reason=_INTERRUPTED))
        return self._collect(outcomes)

    def _submit(self) -> list[Future[Output]]:
        target = self.suite.target
        assert target is not None  # noqa: S101 - `_target_spec` refuses suites without one
        work_queue = self.wiring.engine.work_queue(self.suite.plan.name, self._window)
        return [
            work_queue.submit(partial(target.answer, case, trial))
            for case in self.suite.cases
            for trial in range(self.suite.plan.trials_of(case))
        ]

    def _outcome(self, future: Future[Output], tick: Callable[[], None]) -> _Outcome:
        try:
            output = self.wiring.engine.wait(future, tick)
        except (CallFailed, ApplicationFailure) as failed:
            return _Outcome(reason=str(failed), call=failed.record)
        except (MissingOutput, EngineStopped) as missing:
            return _Outcome(reason=str(missing))
        except Exception as error:  # noqa: BLE001 - of the application
            return _Outcome(reason=describe_error(error))
        if output.value is None:
            return _Outcome(reason="the target returned null", call=output.call)
        return _Outcome(output, call=output.call)

    def _collect(self, outcomes: Sequence[_Outcome]) -> RecordedOutputs:
        keys = [(case, trial) for case in self.suite.cases for trial in range(self.suite.plan.trials_of(case))]
        rows: list[list[dict[str, Json]]] = [[] for _ in range(self.trials)]
        missing: list[UnrecordedTrial] = []
        for (case, trial), outcome in zip(keys, outcomes, strict=True):
            if outcome.output is None:
                missing.append(UnrecordedTrial(case, trial, self.redactor.redact(outcome.reason)))
            else:
                rows[trial].append(self.redactor.redact_json(row_of_output(case.golden_id, outcome.output)))
        calls = [outcome.call for outcome in outcomes if outcome.call is not None]
        sent = [call for call in calls if call.attempts]
        costs = [None if call.is_local else call.cost_usd for call in sent]  # a function may call a paid model
        known = [cost for cost in costs if cost is not None]
        total = sum(known) if len(known) == len(costs) else None
        return RecordedOutputs(tuple(map(tuple, rows)), tuple(missing), len(sent), len(calls) - len(sent), total)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The output of a trial, or the reason why there is none, and its call, if one is known."""

    output: Output | None = None
    reason: str = ""
    call: CallRecord | None = None


def _tick(tick: Callable[[int], None] | None, futures: Sequence[Future[Output]]) -> None:
    if tick is not None:
        tick(sum(future.done() for future in futures))


def row_of_output(case_id: str, output: Output) -> dict[str, Json]:
    """Return the row of a recorded output: id, output, metadata with its measurements, and why it is incomplete."""
    call = output.call
    measured = {
        "latency_s": None if output.latency_s is None else round(output.latency_s, 3),
        "tokens_in": call and call.tokens_in,
        "tokens_out": call and call.tokens_out,
        "cost_usd": None if call is None or call.is_local else call.cost_usd,
        "model": None if call is None or call.tokens_in is None else call.served or call.model,
    }
    metadata = {name: value for name, value in measured.items() if value is not None} | dict(output.metadata)
    row: dict[str, Json] = {"id": case_id, "output": output.value}
    if metadata:
        row["metadata"] = metadata
    if output.finish != "complete":
        row["finish"] = output.finish
    return row


def suite_to_record(project: Project, name: str) -> Suite:
    """Return a configured suite.

    Raises:
        SettingsError: there is none of that name.
    """
    suite = project.settings.suites.get(name)
    if suite is None:
        known = ", ".join(project.settings.suites) or "none"
        raise SettingsError(
            f"no suite is named {name!r}{did_you_mean(name, project.settings.suites)} (configured: {known})"
        )
    return suite


def _target_spec(options: RecordingOptions, suite: Suite) -> config.Target:
    """Return the target to record.

    Raises:
        SettingsError: there is none, or it cannot be recorded.
    """
    name = options.suite
    spec = config.parse_target(options.target, instead_of=suite.target) if options.target else suite.target
    remedy = "name one with --target, such as --target python:pkg.mod:name or --target model:NAME"
    match spec:
        case None:
            raise SettingsError(f"suites.{name}: no target to record: a marked test produces its outputs; {remedy}")
        case config.RecordedTarget() | config.RunTarget():
            raise SettingsError(f"suites.{name}.target: its outputs are recorded already; {remedy}")
        case config.HookTarget():
            raise SettingsError(
                f'suites.{name}.target: kind = "{spec.kind}" is a target of a pytest plugin, which this command does '
                f"not load; {remedy}"
            )
    return spec

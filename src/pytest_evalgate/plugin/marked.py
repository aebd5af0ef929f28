"""Marked tests: a test marked ``golden_set`` runs once for each case, and its return value is graded.

In order: the outputs of bodies, the marker, the item, the output that the engine prefetched, the grading.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import unittest
from dataclasses import field, replace
from itertools import repeat, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
from pydantic import ValidationError

from pytest_evalgate import config, targets
from pytest_evalgate.config import Suite
from pytest_evalgate.engine import combine_trials, grade_output
from pytest_evalgate.errors import EngineStopped, ScorerError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.plugin import MARKER
from pytest_evalgate.plugin.assembly import check_fit
from pytest_evalgate.plugin.failures import describe_miss, printable
from pytest_evalgate.plugin.ledger import error_result, publish
from pytest_evalgate.records.raised import raised_by
from pytest_evalgate.records.results import Trial
from pytest_evalgate.targets import as_output
from pytest_evalgate.text import files
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.text.problems import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.case_queue import CaseQueue
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.failures import BaselineOutcome
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import CaseResult, Output


@dataclass(slots=True)
class BodyOutputs:
    """Results of a test's body, one for each trial: an output, an exception, or None."""

    produced: list[Output | BaseException | None] = field(default_factory=list)
    recorded_values: list[Any] = field(default_factory=list)

    @contextlib.contextmanager
    def trial(self) -> Iterator[None]:
        """Record an exception of one trial, which is a miss; pytest's skip and exit pass through."""
        try:
            yield
        except (*_ENDINGS, pytest.exit.Exception, pytest.skip.Exception):
            raise
        except BaseException as error:
            if _is_cancelled(error):
                raise
            self.produced.append(error)  # any exception of the body is a miss

    def add_returned(self, returned: object) -> None:
        """Add the output of one trial: the value that the body returned, else the value that it recorded."""
        value = self.recorded_values.pop() if returned is None and self.recorded_values else returned
        self.recorded_values.clear()
        self.produced.append(None if value is None else as_output(value))


# these end the session or a closed coroutine
_ENDINGS = (KeyboardInterrupt, SystemExit, GeneratorExit)


def _is_cancelled(error: BaseException) -> bool:
    """Return whether ``error`` cancels the running task, as Ctrl-C does, and was not raised by the body."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs
        return False
    return task is not None and task.cancelling() > 0


class Recorder:
    """The ``evalgate`` fixture, for tests that cannot return their output."""

    def __init__(self, bodies: BodyOutputs) -> None:
        """Record into ``bodies``."""
        self._bodies = bodies

    def record(self, output: object) -> None:
        """Record the output of this trial: a str, a dict or an Output."""
        self._bodies.recorded_values.append(output)


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """One item of a marked test.

    Args:
        suite: Its suite; it has a target if the marker has ``target=``.
        case: Its case.
        body: The function that the user wrote.
        is_concurrent: True if its bodies run on the engine, beside those of other cases.
        bodies: Results of the bodies.
        prefetched: Trials that the engine ran before the bodies, with the target's outputs; empty without a target.
        graded: Trials of bodies that ran on the engine; None for a body without an output.
    """

    suite: ReadySuite
    case: Case
    body: Callable[..., Any]
    is_concurrent: bool = False
    bodies: BodyOutputs = field(default_factory=BodyOutputs)
    prefetched: list[Trial] = field(default_factory=list)
    graded: list[Trial | None] = field(default_factory=list)

    @property
    def trials(self) -> int:
        """Number of trials of its case."""
        return self.suite.plan.trials_of(self.case)

    @property
    def is_prefetched(self) -> bool:
        """True if the engine calls the target before the item, and the bodies run in the item itself."""
        return self.suite.target is not None and not self.is_concurrent

    @property
    def starts_early(self) -> bool:
        """True if its work starts before its item runs."""
        return self.suite.target is not None or self.is_concurrent

    def trial_arguments(self, arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the body's arguments for each trial in which it runs."""
        if not self.prefetched:
            yield from repeat(arguments, self.trials)
        for trial in self.prefetched:
            if not is_complete(trial):
                self.bodies.produced.append(None)
            elif "output" in arguments and len(self.prefetched) > 1:
                yield {**arguments, "output": trial.output}
            else:
                yield arguments


GOLDEN_TEST: pytest.StashKey[GoldenTest] = pytest.StashKey()


def is_complete(trial: Trial) -> bool:
    """Return whether the target returned a complete output, which a body can inspect."""
    return trial.output is not None and trial.output.finish == "complete"


def may_begin(item: pytest.Item) -> bool:
    """Return whether an item will certainly run. An item that may be skipped is not started before its turn."""
    xfail = item.get_closest_marker("xfail")
    never_runs = xfail is not None and not xfail.kwargs.get("run", True)
    return not (never_runs or item.get_closest_marker("skip") or item.get_closest_marker("skipif"))


def is_method_of_unittest(item: pytest.Item) -> bool:
    """Return whether ``item`` is a method of a ``unittest.TestCase``, which cannot have parameters."""
    cls = item.cls if isinstance(item, pytest.Function) else None
    return cls is not None and issubclass(cls, unittest.TestCase)


# -- the marker

_KEYWORDS = ("suite", "scorers", "trials", "target", "concurrent")
_AT = f"@pytest.mark.{MARKER}"


@dataclass(frozen=True, slots=True)
class MarkerOptions:
    """The suite of a marker; ``concurrent`` is True if the bodies of its cases run concurrently."""

    suite: ReadySuite
    concurrent: bool


def read_marker(marker: pytest.Mark, assembly: Assembly, test: Callable[..., Any], folder: Path) -> MarkerOptions:
    """Return the options of a marker; missing ones come from the configured suite of the same name.

    Args:
        marker: The marker.
        assembly: Builds the suite.
        test: The marked function.
        folder: Folder of the test module; the marker's paths are looked up there first.

    Raises:
        UserError: the marker or its golden sets cannot be used.
    """
    _check_shape(marker)
    concurrent = marker.kwargs.get("concurrent", False)
    if concurrent and not inspect.iscoroutinefunction(test):
        raise SettingsError(
            f"{_AT}: concurrent=True needs an async def: make the test one, or have the plugin call its target with "
            'target="pkg.mod:name"'
        )
    paths = [_golden_path(assembly.root, folder, Path(path)) for path in marker.args]
    names = {config.owner_of(name) for path in paths for name in assembly.suites_of(path)}
    if len(names) > 1 and not marker.kwargs.get("suite"):
        known = sorted(names)
        raise SettingsError(f'{_AT}: its golden set is that of the suites {", ".join(known)}: add suite="{known[0]}"')
    name = marker.kwargs.get("suite") or next(iter(names), None)
    configured = assembly.suite_settings(name) if name else None
    if not paths and configured is None:
        raise SettingsError(f"{_AT}: name a golden set, or a configured suite with suite=")
    given: dict[str, Any] = configured.model_dump(exclude_unset=True) if configured else {}
    given |= {"golden": [str(path) for path in paths]} if paths else {}
    name, suite = name or paths[0].stem, _validated(given | _marker_fields(marker.kwargs))
    has_target = marker.kwargs.get("target") is not None
    return MarkerOptions(
        with_target(assembly, name, suite) if has_target else assembly.ready_in_code(name, suite), concurrent
    )


def _check_shape(marker: pytest.Mark) -> None:
    kwargs = marker.kwargs
    wrong = [key for key in sorted(kwargs) if key not in _KEYWORDS]
    wrong += [repr(path) for path in marker.args if not isinstance(path, str | Path)]
    wrong += [f"concurrent={kwargs['concurrent']!r}"] if not isinstance(kwargs.get("concurrent", False), bool) else []
    wrong += [f"target={kwargs['target']!r}"] if not isinstance(kwargs.get("target"), str | dict | None) else []
    if wrong:
        usage = ", ".join(("*paths", *(f"{key}=" for key in _KEYWORDS)))
        raise SettingsError(f"{_AT}: {', '.join(wrong)}: write {MARKER}({usage})")


def _golden_path(root: Path, folder: Path, path: Path) -> Path:
    """Resolve a path of a marker: below the folder of the test, else below the root folder."""
    beside = folder / path
    return files.configured_path(root, beside if beside.exists() else path, _AT)


def _marker_fields(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the suite settings of a marker; a target that is a string names a function."""
    fields = {key: kwargs[key] for key in ("scorers", "trials") if kwargs.get(key) is not None}
    target = kwargs.get("target")
    if target is not None:
        fields["target"] = {"python": target} if isinstance(target, str) else target
    return fields


def _validated(given: Mapping[str, Any]) -> Suite:
    try:
        return Suite.model_validate(given)
    except ValidationError as error:
        raise SettingsError(f"{_AT}: {'; '.join(map(str, explain(error, given)))}") from None


def with_target(assembly: Assembly, name: str, suite: Suite) -> ReadySuite:
    """Return a suite that a marker defines, with its target.

    Raises:
        UserError: it cannot be used.
    """
    spec = assembly.target_settings(suite)
    assert spec is not None  # noqa: S101 - the marker has one
    wiring = assembly.wiring
    # Its outputs are cached for this run only: the digest by which runs are resumed does not cover markers.
    target = wiring.target(name, spec, cache_run_id=wiring.run_context.run)
    if not isinstance(target, targets.RecordedTargetRunner):
        ready = assembly.ready_in_code(name, suite)
        cases = (case for golden_set in ready.sets for case in golden_set)
        check_fit(name, cases, lambda case: (*ready.grading_of(case).scorers, *ready.grading.readers), target)
        return replace(ready, target=target, waits=True)
    if suite.trials is None:
        suite = suite.model_copy(update={"trials": target.trials})
    ready = assembly.ready_in_code(name, suite)
    if ready.plan.most_trials > target.trials:
        raise SettingsError(
            f"suite {name}: {ready.plan.most_trials} trials requested, but {target.trials} recorded: add files"
        )
    return replace(ready, target=target)


# -- the item


def parametrize(metafunc: pytest.Metafunc, suite: ReadySuite) -> None:
    """Run the test once for each case of ``suite``."""
    rows = []
    for case in (case for golden_set in suite.sets for case in golden_set):
        marks = () if case.skip is None else (pytest.mark.skip(reason=printable(case.skip)),)
        rows.append(pytest.param(case, id=case.id, marks=marks))
    metafunc.parametrize("case", rows)


def prepare(item: pytest.Function, suite: ReadySuite, *, is_concurrent: bool) -> GoldenTest:
    """Wrap the body of a marked test so that it records its outputs, whichever plugin runs it."""
    case = cast("Case", item.callspec.params["case"])
    golden_test = item.stash[GOLDEN_TEST] = GoldenTest(suite, case, item.obj, is_concurrent)
    if not is_concurrent:
        item.obj = _record_returned(golden_test)
    return golden_test


def _record_returned(test: GoldenTest) -> Callable[..., Any]:
    """Wrap a body so that it runs once for each trial and records return values and exceptions."""
    body, bodies = test.body, test.bodies
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def run_async(**arguments: Any) -> None:
            for bound in test.trial_arguments(arguments):
                with bodies.trial():
                    bodies.add_returned(await body(**bound))

        return run_async

    @functools.wraps(body)
    def run(**arguments: Any) -> None:
        for bound in test.trial_arguments(arguments):
            with bodies.trial():
                bodies.add_returned(body(**bound))

    return run


def run_async_body(item: pytest.Function) -> Any | None:
    """Return the coroutine of an async body that no other plugin has wrapped; None for any other test."""
    if GOLDEN_TEST not in item.stash or not inspect.iscoroutinefunction(item.obj):
        return None
    names = item._fixtureinfo.argnames  # noqa: SLF001 - the arguments that pytest itself passes
    return item.obj(**{name: item.funcargs[name] for name in names})


def stale_output_fixture(item: pytest.Function) -> str | None:
    """Return the name of a fixture that would pass a body the output of another trial; None if there is none."""
    definitions = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest has no public way to a fixture's arguments
    if len(definitions.get("output", ())) > 1:
        return "output"
    users = (name for name, found in definitions.items() for one in found if "output" in one.argnames)
    return next(users, None)


# -- the prefetched output


class PrefetchHooks:
    """Hooks that pass prefetched outputs to the tests."""

    def __init__(self, context: SessionContext, case_queue: CaseQueue) -> None:
        """Take the outputs from ``case_queue``."""
        self._context = context
        self._case_queue = case_queue

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Wait for the outputs, after pytest has decided not to skip the item and before its fixtures are set up.

        If no trial has a complete output, fixtures and body are skipped: they have nothing to inspect.
        """
        test = item.stash.get(GOLDEN_TEST, None)
        if test is None or not test.is_prefetched or self._context.is_dry:
            return
        try:
            test.prefetched[:] = self._case_queue.result(test.suite, test.case).trials
        except (EngineStopped, ScorerError) as error:
            pytest.fail(str(error), pytrace=False)
        if not any(map(is_complete, test.prefetched)):
            assert isinstance(item, pytest.Function)  # noqa: S101 - nothing else is marked
            item.fixturenames = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Skip a body that has no output to inspect."""
        test = pyfuncitem.stash.get(GOLDEN_TEST, None)
        if test is None or not test.prefetched or any(map(is_complete, test.prefetched)):
            return None
        test.bodies.produced[:] = [None] * len(test.prefetched)
        return True

    @pytest.fixture(name="output")
    def output(self, request: pytest.FixtureRequest) -> Output | None:
        """The Output that the target of a marked test with ``target=`` returned for the case."""
        test = request.node.stash.get(GOLDEN_TEST, None)
        if test is None or test.suite.target is None:
            pytest.fail(f"the output fixture is only for tests marked {MARKER} with target=", pytrace=False)
        if self._context.is_dry:
            pytest.skip("no target is called in a dry run")
        return next((trial.output for trial in test.prefetched if is_complete(trial)), None)


# -- the grading


async def grade(item: pytest.Item, golden_test: GoldenTest) -> CaseResult:
    """Grade the outputs of the bodies and publish the result.

    Raises:
        ScorerError: a scorer failed.
    """
    planned = golden_test.suite.planned[golden_test.case.id]
    try:
        graded = golden_test.graded or await _grade_all(golden_test)
    except ScorerError as error:
        publish(item, golden_test.case, error_result(planned, str(error)))
        raise
    trials = [trial for trial in graded if trial is not None]
    missing = golden_test.trials - len(trials)
    if missing > 0:
        which = f" in {missing} of {golden_test.trials} trials" if golden_test.trials > 1 else ""
        message = f"{item.nodeid} returned no output{which}: return it, or call evalgate.record(output)"
        publish(item, golden_test.case, error_result(planned, message))
        pytest.fail(message, pytrace=False)
    result = combine_trials(planned, trials)
    publish(item, golden_test.case, result)
    return result


async def _grade_all(golden_test: GoldenTest) -> list[Trial | None]:
    pairs = zip_longest(golden_test.bodies.produced, golden_test.prefetched)
    return [
        await grade_trial(golden_test, index, produced, prefetched)
        for index, (produced, prefetched) in enumerate(pairs)
    ]


async def grade_trial(
    golden_test: GoldenTest, index: int, produced: Output | BaseException | None, prefetched: Trial | None
) -> Trial | None:
    """Grade one trial; None if it has no output.

    Args:
        golden_test: The test.
        index: Index of the trial, from 0.
        produced: Output or exception of the body. It replaces the target's output.
        prefetched: The graded trial of the target; None without a target.

    Raises:
        ScorerError: a scorer failed.
    """
    if produced is None:
        return prefetched
    grading = golden_test.suite.grading_of(golden_test.case)
    if isinstance(produced, BaseException):
        raised = raised_by(produced)
        failed = prefetched or grading.with_readings(golden_test.case, Trial(index, 0.0))
        return replace(failed, value=0.0, reason=describe_error(produced), raised=raised)
    if prefetched is None or prefetched.output is None:
        return await grade_output(grading, golden_test.case, index, produced)
    latency_s = prefetched.output.latency_s if produced.latency_s is None else produced.latency_s
    graded = await grade_output(grading, golden_test.case, index, replace(produced, latency_s=latency_s))
    if graded.timing is not None and prefetched.timing is not None:  # the target was called before the body
        graded = replace(graded, timing=replace(graded.timing, started=prefetched.timing.started))
    return replace(graded, calls=(*prefetched.calls, *graded.calls))


def fail(golden_test: GoldenTest, result: CaseResult, before: BaselineOutcome | None, style: str) -> NoReturn:
    """Fail the test of a missed case, with the exception of its body or with a description of the case.

    ``style`` is that of ``--tb``.
    """
    for produced in golden_test.bodies.produced:
        if isinstance(produced, BaseException):
            raise produced
    described = describe_miss(golden_test.case, result, before, style)
    pytest.fail(f"{printable(result.reason)}\n{described}", pytrace=False)

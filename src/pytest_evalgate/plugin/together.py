"""Marked tests with ``concurrent=True``: their ``async def`` bodies run together, on the engine's loop."""

from __future__ import annotations

import contextvars
import inspect
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine import run_trial
from pytest_evalgate.plugin.marked import (
    GOLDEN_TEST,
    BodyOutputs,
    GoldenTest,
    Recorder,
    grade_trial,
    is_complete,
    may_begin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.records.results import Trial

_CASE_FIXTURES = ("output", "evalgate")
"""Fixtures of ours that are made for each case, and that a body on the engine is given without them being set up."""


class NoOutput(Exception):  # noqa: N818 - a finding about a test
    """A body returned nothing and recorded nothing."""


class BodyExit(Exception):  # noqa: N818 - not an error of ours
    """What a body raised to end the process: on the engine's thread it would end the engine."""

    def __init__(self, error: BaseException) -> None:
        """Carry ``error`` to the main thread."""
        super().__init__(repr(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class _Arguments:
    """Which arguments of a body each case has for itself, and those that all cases share."""

    own: tuple[str, ...]
    shared: Mapping[str, Any]


class ConcurrentBodies:
    """Begins with all cases of a test when the first of them runs: only then are its shared fixtures set up."""

    def __init__(self, session: EvalSession) -> None:
        """Run bodies on the engine of ``session``."""
        self._session = session
        self._begun: dict[str, Sequence[Future[Trial]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Wait for the bodies of an item, whichever plugin thinks that it runs them."""
        test = pyfuncitem.stash.get(GOLDEN_TEST, None)
        if test is None or not test.is_concurrent:
            return None
        if pyfuncitem.nodeid not in self._begun:
            self._begin(pyfuncitem)
        for future in self._begun.pop(pyfuncitem.nodeid):
            test.graded.append(self._trial(future))
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which tests do not run together, and why."""
        shown = self._session.config.get_verbosity() > -2  # noqa: PLR2004 - -qq shows the last line only
        for line in self._session.collection.pins.serial if shown else ():
            terminalreporter.write_line(f"evalgate: {line}")

    def _begin(self, first: pytest.Function) -> None:
        """Begin with ``first``, whose fixtures are there, and with the items after it that share them."""
        arguments = _arguments(first)
        context = contextvars.copy_context()
        row = _same_test_items(first) if self._session.launch.works_ahead else (first,)
        for item in (item for item in row if item.nodeid not in self._begun):
            test = item.stash[GOLDEN_TEST]
            self._begun[item.nodeid] = self._session.case_queue.submit(
                test.suite,
                [_trial_task(test, arguments, index, context.copy()) for index in range(test.suite.plan.trials)],
            )

    def _trial(self, future: Future[Trial]) -> Trial | None:
        try:
            return self._session.case_queue.wait(future)
        except NoOutput:
            return None
        except BodyExit as escaped:
            raise escaped.error from None


def serial_reason(item: pytest.Function) -> str | None:
    """Tell why the bodies of a test cannot run together; None where they can."""
    info = item._fixtureinfo  # noqa: SLF001 - pytest tells nobody the scope of what a test asks for
    if "request" in info.argnames:
        return "request is the request of one item"
    for name in item.fixturenames:
        found = info.name2fixturedefs.get(name, ())
        if not found or _is_per_case(name, found):
            continue
        if found[-1].scope == "function":
            return f"fixture {name} is made for each case anew: give it a wider scope"
        if inspect.iscoroutinefunction(found[-1].func) or inspect.isasyncgenfunction(found[-1].func):
            return f"fixture {name} is async, and what it opens belongs to another loop"
    return None


def _same_test_items(first: pytest.Function) -> Iterator[pytest.Item]:
    """Return the items from ``first`` on that run the same test: what they share stays set up until they are done."""
    items = first.session.items
    following = items[items.index(first) + 1 :]
    test = (first.parent, first.originalname)
    row = takewhile(lambda item: (item.parent, getattr(item, "originalname", None)) == test, following)
    return iter([first, *filter(may_begin, row)])


def _arguments(first: pytest.Function) -> _Arguments:
    info = first._fixtureinfo  # noqa: SLF001 - what pytest itself passes
    own = tuple(name for name in info.argnames if _is_per_case(name, info.name2fixturedefs.get(name, ())))
    return _Arguments(own, {name: first.funcargs[name] for name in info.argnames if name not in own})


def _is_per_case(name: str, definitions: Sequence[object]) -> bool:
    """Tell whether each case has its own; of our fixtures, only where nobody has put one in their place."""
    return name == "case" or (name in _CASE_FIXTURES and len(definitions) == 1)


def _trial_task(
    test: GoldenTest, arguments: _Arguments, index: int, context: contextvars.Context
) -> Callable[[], Coroutine[Any, Any, Trial]]:
    """Return the work of one trial, that sees the context variables of the main thread as they are now."""

    async def run() -> Trial:
        from asyncio import get_running_loop  # noqa: PLC0415 - 16 ms, where nothing runs together

        return await get_running_loop().create_task(_run(test, arguments, index), context=context)

    return run


async def _run(test: GoldenTest, arguments: _Arguments, index: int) -> Trial:
    prefetched = None
    if test.suite.target is not None:
        prefetched = await run_trial(test.suite.target, test.suite.grading_of(test.case), test.case, index)
        if not is_complete(prefetched):
            return prefetched
    bodies = BodyOutputs()
    ours = {"case": test.case, "output": prefetched and prefetched.output, "evalgate": Recorder(bodies)}
    own = {name: ours[name] for name in arguments.own}
    try:
        with bodies.trial():
            bodies.add_returned(await test.body(**arguments.shared, **own))
    except (KeyboardInterrupt, SystemExit) as error:
        raise BodyExit(error) from None
    (produced,) = bodies.produced
    test.bodies.produced.append(produced)
    trial = await grade_trial(test, index, produced, prefetched)
    if trial is None:
        raise NoOutput
    return trial

"""Concurrent bodies: ``async def`` tests marked ``concurrent=True`` run on the event loop of the user's code."""

from __future__ import annotations

import contextvars
import inspect
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine import run_trial
from pytest_evalgate.errors import CodeExit
from pytest_evalgate.frozen import dataclass
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

    from pytest_evalgate.plugin.case_queue import CaseQueue
    from pytest_evalgate.plugin.launch import Launch
    from pytest_evalgate.records.results import Trial
    from pytest_evalgate.usercode import UserCode

_CASE_FIXTURES = ("output", "evalgate")
"""Fixtures of this plugin that exist for each case; a body on the engine gets them without a setup."""


class NoOutput(Exception):  # noqa: N818 - a finding about a test
    """A body returned nothing and recorded nothing."""


class ConcurrentBodies:
    """Hooks that start all cases of a test when its first case runs: their shared fixtures are set up only then."""

    def __init__(self, case_queue: CaseQueue, launch: Launch, code: UserCode) -> None:
        """Run bodies in ``code``, as tasks of ``case_queue``; one by one if ``launch`` does not work ahead."""
        self._case_queue = case_queue
        self._launch = launch
        self._code = code
        self._begun: dict[str, Sequence[Future[Trial]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Wait for the bodies of an item; first, so that no other plugin runs them."""
        test = pyfuncitem.stash.get(GOLDEN_TEST, None)
        if test is None or not test.is_concurrent:
            return None
        if pyfuncitem.nodeid not in self._begun:
            self._begin(pyfuncitem)
        for future in self._begun.pop(pyfuncitem.nodeid):
            test.graded.append(self._trial(future))
        return True

    def _begin(self, first: pytest.Function) -> None:
        """Start ``first``, whose fixtures are set up, and the items after it that share them."""
        arguments = _arguments(first)
        context = contextvars.copy_context()
        items = _same_test_items(first) if self._launch.works_ahead else (first,)
        for item in (item for item in items if item.nodeid not in self._begun):
            test = item.stash[GOLDEN_TEST]
            self._begun[item.nodeid] = self._case_queue.submit(
                test.suite,
                [_trial_task(test, arguments, index, self._code, context.copy()) for index in range(test.trials)],
            )

    def _trial(self, future: Future[Trial]) -> Trial | None:
        try:
            return self._case_queue.wait(future)
        except NoOutput:
            return None
        except CodeExit as exit_:  # raise it as if the body had run in this thread
            raise exit_.error from None


@dataclass(frozen=True, slots=True)
class _Arguments:
    """Arguments of a body: the names of the arguments that differ by case, and the values that all cases share."""

    own: tuple[str, ...]
    shared: Mapping[str, Any]


def _arguments(first: pytest.Function) -> _Arguments:
    info = first._fixtureinfo  # noqa: SLF001 - the arguments that pytest itself passes
    own = tuple(name for name in info.argnames if _is_per_case(name, info.name2fixturedefs.get(name, ())))
    return _Arguments(own, {name: first.funcargs[name] for name in info.argnames if name not in own})


def _is_per_case(name: str, definitions: Sequence[object]) -> bool:
    """Return whether each case has its own value; fixtures of this plugin only if no test module overrides them."""
    return name == "case" or (name in _CASE_FIXTURES and len(definitions) == 1)


def _same_test_items(first: pytest.Function) -> Iterator[pytest.Item]:
    """Yield the items from ``first`` on that run the same test: their fixtures stay set up until all are done."""
    items = first.session.items
    following = items[items.index(first) + 1 :]
    test = (first.parent, first.originalname)
    same = takewhile(lambda item: (item.parent, getattr(item, "originalname", None)) == test, following)
    yield from (first, *filter(may_begin, same))


def serial_reason(item: pytest.Function) -> str | None:
    """Return the reason why the bodies of a test cannot run concurrently; None if they can."""
    info = item._fixtureinfo  # noqa: SLF001 - pytest has no public way to the scope of a test's fixtures
    if "request" in info.argnames:
        return "it uses request, which belongs to one item"
    for name in item.fixturenames:
        found = info.name2fixturedefs.get(name, ())
        if not found or _is_per_case(name, found):
            continue
        if found[-1].scope == "function":
            return f"fixture {name} has function scope: give it a wider scope"
        if inspect.iscoroutinefunction(found[-1].func) or inspect.isasyncgenfunction(found[-1].func):
            return f"fixture {name} is async, so its resources belong to another event loop"
    return None


def _trial_task(
    test: GoldenTest, arguments: _Arguments, index: int, code: UserCode, context: contextvars.Context
) -> Callable[[], Coroutine[Any, Any, Trial]]:
    """Return a function that runs one trial in ``context``, a copy of the main thread's context variables."""

    async def run() -> Trial:
        from asyncio import get_running_loop  # noqa: PLC0415 - 16 ms, only if bodies run concurrently

        return await get_running_loop().create_task(_run(test, arguments, index, code), context=context)

    return run


async def _run(test: GoldenTest, arguments: _Arguments, index: int, code: UserCode) -> Trial:
    prefetched = None
    if test.suite.target is not None:
        prefetched = await run_trial(test.suite.target, test.suite.grading_of(test.case), test.case, index)
        if not is_complete(prefetched):
            return prefetched
    bodies = BodyOutputs()
    ours = {"case": test.case, "output": prefetched and prefetched.output, "evalgate": Recorder(bodies)}
    own = {name: ours[name] for name in arguments.own}

    async def run_body() -> None:
        with bodies.trial():
            bodies.add_returned(await test.body(**arguments.shared, **own))

    await code.run(run_body)
    (produced,) = bodies.produced
    test.bodies.produced.append(produced)
    trial = await grade_trial(test, index, produced, prefetched)
    if trial is None:
        raise NoOutput
    return trial

"""Callable as the target: plain functions run in threads, async ones on the event loop of the user's code.

Only `wrap_function` imports asyncio and the threads (16 ms): runs with recorded outputs do not need them.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate import callables
from pytest_evalgate.errors import CallableError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.outputs import as_output
from pytest_evalgate.targets.request import question

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.usercode import UserCode
    from pytest_evalgate.usercode.daemon_threads import DaemonThreads

MAX_CONCURRENCY = 8


def wrap_function(
    function: Callable[..., Any], code: UserCode, *, max_concurrency: int = MAX_CONCURRENCY
) -> PythonTargetRunner:
    """Wrap ``function`` as a target of at most ``max_concurrency`` calls at a time; ``code`` runs its coroutines."""
    from asyncio import Semaphore  # noqa: PLC0415 - see the module docstring

    from pytest_evalgate.usercode.daemon_threads import DaemonThreads  # noqa: PLC0415 - see the module docstring

    try:
        parameters = inspect.signature(function).parameters.keys()
    except ValueError:  # written in C, without a signature
        parameters = {"input": None}.keys()
    return PythonTargetRunner(
        function,
        code,
        wants_input=parameters != {"case"},
        wants_case="case" in parameters,
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__),
        slots=Semaphore(max_concurrency),
        threads=DaemonThreads(max_concurrency),
    )


def check_function(function: Callable[..., Any], place: str) -> None:
    """Check that ``function`` can be called as a target, and that a call returns a value.

    Raises:
        CallableError: It cannot; otherwise every case would miss. The message begins with ``place``.
    """
    if problem := callables.kind_problem(function):
        raise CallableError(f"{place} {problem}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C, without a signature
        return
    names = signature.parameters.keys()
    try:
        signature.bind(*(() if names == {"case"} else ("input",)), **({"case": None} if "case" in names else {}))
    except TypeError as error:
        raise CallableError(
            f"{place} takes {signature!s:.200}: {error}; a target is called with the input of a case, and a parameter "
            "named case receives the whole case: def answer(input)"
        ) from None
    if signature.return_annotation in (None, "None"):
        raise CallableError(f"{place} returns None by its annotation: return the output, a str, a dict or an Output")


@dataclass(frozen=True, slots=True)
class PythonTargetRunner:
    """A target that calls ``function`` with the case's input. A parameter named ``case`` receives the whole case.

    ``slots`` limits the concurrent calls. ``threads`` starts a thread only for the call of a plain function; the owner
    has to call `close`.
    """

    function: Callable[..., Any]
    code: UserCode
    wants_input: bool
    wants_case: bool
    is_async: bool
    slots: asyncio.Semaphore
    threads: DaemonThreads

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - each trial is a new call
        """Return the output of the callable, which may return a str, a dict or an Output."""
        async with self.slots:
            call = functools.partial(self._call, case)
            if not self.is_async:
                run = contextvars.copy_context().run  # as asyncio.to_thread() does
                returned = await self.threads.run(lambda: run(call))
                finished: Output = returned if isinstance(returned, Output) else await self.code.finish(returned)
                return finished
            output: Output = await self.code.run(call)
            return output

    def close(self) -> None:
        """Let the threads end. Running calls continue and are not awaited."""
        self.threads.close()

    def _call(self, case: Case) -> Output | Awaitable[Output]:
        start = time.perf_counter()
        args = (question(case),) if self.wants_input else ()
        returned = self.function(*args, **({"case": case} if self.wants_case else {}))
        return _awaited(returned, start) if inspect.isawaitable(returned) else _timed(returned, start)


async def _awaited(returned: Awaitable[Any], start: float) -> Output:
    return _timed(await returned, start)


def _timed(returned: object, start: float) -> Output:
    output = as_output(returned)
    return output if output.latency_s is not None else replace(output, latency_s=time.perf_counter() - start)

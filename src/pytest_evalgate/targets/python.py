"""A callable as the target: plain functions run in threads, async ones on the loop.

asyncio and the threads are imported where a callable is wrapped: recorded outputs do without the 16 ms.
"""

from __future__ import annotations

import contextvars
import inspect
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.outputs import as_output
from pytest_evalgate.targets.request import question

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from pytest_evalgate.records.results import Case
    from pytest_evalgate.targets.threads import DaemonThreads

MAX_CONCURRENCY = 8


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Calls ``function`` with the case's input; a parameter named ``case`` is given the whole case.

    ``slots`` bounds the calls in flight. ``threads`` starts none before the first plain function is called, and is for
    the owner to end with `close`.
    """

    function: Callable[..., Any]
    wants_input: bool
    wants_case: bool
    is_async: bool
    slots: asyncio.Semaphore
    threads: DaemonThreads

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - each trial is a call of its own
        """Return what the callable returned: a str, a dict or an Output."""
        async with self.slots:
            made = self._call(case) if self.is_async else await self._call_in_thread(case)
            return made if isinstance(made, Output) else await made

    def close(self) -> None:
        """Let the threads end; calls that are running run on, nobody waits for them."""
        self.threads.close()

    async def _call_in_thread(self, case: Case) -> Output | Awaitable[Output]:
        run = contextvars.copy_context().run
        return await self.threads.run(lambda: run(self._call_stoppable, case))

    def _call_stoppable(self, case: Case) -> Output | Awaitable[Output]:
        try:
            return self._call(case)
        except StopIteration as error:  # a future cannot hold it: whoever waits for it would wait for ever
            raise RuntimeError("the target raised StopIteration") from error

    def _call(self, case: Case) -> Output | Awaitable[Output]:
        start = time.perf_counter()
        asked = (question(case),) if self.wants_input else ()
        returned = self.function(*asked, **({"case": case} if self.wants_case else {}))
        return _awaited(returned, start) if inspect.isawaitable(returned) else _timed(returned, start)


def wrap_function(function: Callable[..., Any], *, max_concurrency: int = MAX_CONCURRENCY) -> PythonTarget:
    """Make a target of ``function``; at most ``max_concurrency`` of its calls run at a time."""
    from asyncio import Semaphore  # noqa: PLC0415 - see above

    from pytest_evalgate.targets.threads import DaemonThreads  # noqa: PLC0415 - see above

    try:
        parameters = inspect.signature(function).parameters.keys()
    except ValueError:  # written in C, without a signature to read
        parameters = {"input": None}.keys()
    return PythonTarget(
        function,
        wants_input=parameters != {"case"},
        wants_case="case" in parameters,
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__),
        slots=Semaphore(max_concurrency),
        threads=DaemonThreads(max_concurrency),
    )


async def _awaited(returned: Awaitable[Any], start: float) -> Output:
    return _timed(await returned, start)


def _timed(returned: object, start: float) -> Output:
    output = as_output(returned)
    return output if output.latency_s is not None else replace(output, latency_s=time.perf_counter() - start)

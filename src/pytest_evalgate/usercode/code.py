"""The user's code of a session: its coroutines run on a separate event loop, its plain scorers in one thread.

No code of the user runs on the engine's event loop: code that blocks, stops or patches its loop, or cancels all of its
tasks, would affect the calls of every suite. All coroutines share one loop, since applications share their clients and
locks. asyncio is imported with the first call (16 ms): sessions with recorded outputs need none.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import CodeExit, MissingOutput
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.usercode.outcome import MORE_THREADS, Outcome
from pytest_evalgate.usercode.streams import StandardStreams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_evalgate.usercode.daemon_threads import DaemonThreads
    from pytest_evalgate.usercode.loop_thread import CodeCall, LoopThread

_CLOSE_TIMEOUT_S: Final = 1.0

_PLAIN: Final = "Write code that runs, stops or patches event loops as a plain function: that runs in a thread"

# Maximum number of attempts at a call that other calls cancel.
_MAX_RUNS: Final = 3

_CANCELLED: Final = "the code of another case cancelled it, with all tasks of the event loop: set max_concurrency = 1"

_ENDED: Final = "the thread that runs async code has ended, so there is no result: run again"


class UserCode:
    """Threads for the user's code, started on first use. The owner has to call `close`."""

    def __init__(self) -> None:
        """Start no thread."""
        self._loop_thread: LoopThread | None = None
        self._one_thread: DaemonThreads | None = None
        self._pending: set[CodeCall] = set()
        self.streams = StandardStreams()
        self._is_closed = False

    async def run(self, function: Callable[[], object]) -> Any:
        """Call a function on the event loop of the user's code, and await what it returns if that can be awaited.

        A call that the code of another call cancels is repeated.

        Raises:
            CodeExit: it cancelled itself, or raised an exception that is not an `Exception`; others are unchanged.
            MissingOutput: there is no thread for it, or other calls cancel it again and again.
        """
        for _ in range(_MAX_RUNS):
            outcome = await self._run_once(function)
            if outcome is not None:
                return outcome.result()
        raise MissingOutput(_CANCELLED)

    async def finish(self, work: Awaitable[object]) -> Any:
        """Await what a plain function returned, on the event loop of the user's code; raises like `run`."""
        try:
            outcome = await self._run_once(lambda: work)
        finally:
            if inspect.iscoroutine(work):  # cancelled before it began: closing it avoids a warning
                work.close()
        if outcome is None:  # it cannot be awaited again
            raise MissingOutput(_CANCELLED)
        return outcome.result()

    async def run_plain(self, function: Callable[[], object]) -> Any:
        """Call a function in the one thread for plain functions, so that it may block, or run another event loop.

        If it returns something to await, that is awaited as by `finish`; raises like `run`.
        """
        if self._one_thread is None:
            from pytest_evalgate.usercode.daemon_threads import DaemonThreads  # noqa: PLC0415 - asyncio

            self._one_thread = DaemonThreads(1, "evalgate-scorer")
        returned = await self._one_thread.run(function)
        return await self.finish(returned) if inspect.isawaitable(returned) else returned

    def close(self) -> None:
        """Cancel the coroutines and let the threads end; waits at most a second."""
        self._is_closed = True
        if self._loop_thread is not None:
            self._loop_thread.close(_CLOSE_TIMEOUT_S)
        if self._one_thread is not None:
            self._one_thread.close()
        self.streams.release()

    async def _run_once(self, function: Callable[[], object]) -> Outcome | None:
        """Return the outcome of a call; None if the code of another call cancelled it."""
        loop_thread = self._start_loop_thread()
        from pytest_evalgate.usercode.loop_thread import CodeCall  # noqa: PLC0415 - asyncio

        call = CodeCall(function, loop_thread.loop)
        self._pending.add(call)
        try:
            if self._is_closed or not loop_thread.is_alive:
                raise MissingOutput(_ENDED)
            outcome = await call.outcome()
        finally:
            self._pending.discard(call)
        return None if call.is_cancelled_by_other and isinstance(outcome.error, CodeExit) else outcome

    @property
    def warning(self) -> str | None:
        """Message about code that patched or interrupted the event loop; None if none did."""
        if self._loop_thread is None:
            return None
        found = self._loop_thread.interruptions
        parts = []
        if hasattr(self._loop_thread.loop, "_nest_patched"):
            parts.append("the event loop was patched by nest_asyncio")
        if found:
            times = "once" if len(found) == 1 else f"{len(found):,} times"
            parts.append(f"the event loop was interrupted {times}, and started again ({one_line(found[0])})")
        return f"async code: {'; '.join(parts)}. {_PLAIN}" if parts else None

    def _start_loop_thread(self) -> LoopThread:
        """Return the thread with the loop, which is started with the first call."""
        if self._loop_thread is None:
            from asyncio import new_event_loop  # noqa: PLC0415 - see the module docstring

            from pytest_evalgate.usercode.daemon_threads import DaemonExecutor  # noqa: PLC0415 - the same
            from pytest_evalgate.usercode.loop_thread import LoopThread  # noqa: PLC0415 - the same

            loop = new_event_loop()  # the user's policy may choose its kind
            loop.set_default_executor(DaemonExecutor())
            try:
                self._loop_thread = LoopThread("evalgate-code", loop, self._fail_pending)
            except RuntimeError as error:
                raise MissingOutput(f"no thread for async code: {error}: {MORE_THREADS}") from error
        return self._loop_thread

    def _fail_pending(self) -> None:
        for call in tuple(self._pending):
            call.finish(Outcome(error=MissingOutput(_ENDED)))

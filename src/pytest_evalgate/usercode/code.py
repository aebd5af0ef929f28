"""The user's code of a session: its coroutines run on an event loop of their own, its plain scorers in one thread.

No code of the user runs on the engine's event loop: code that blocks, stops or patches its loop, or cancels all of its
tasks, would do so to the calls of every suite. All coroutines share one loop, since applications share their clients
and locks. asyncio is imported with the first call (16 ms): sessions with recorded outputs need none.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.usercode.outcome import MORE_THREADS, Outcome, carry, restore_limits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_evalgate.usercode.daemon_threads import DaemonThreads
    from pytest_evalgate.usercode.loop_thread import LoopThread

_CLOSE_TIMEOUT_S: Final = 1.0

_PLAIN: Final = "Write code that runs, stops or patches event loops as a plain function: that runs in a thread"

_ENDED: Final = "the thread that runs async code has ended, no result can come: run again"


class UserCode:
    """Threads for the user's code, started on first use. The owner has to call `close`."""

    def __init__(self) -> None:
        """Start no thread."""
        self._loop_thread: LoopThread | None = None
        self._one_thread: DaemonThreads | None = None
        self._pending: set[_Call] = set()
        self._is_closed = False

    async def run(self, call: Callable[[], object]) -> Any:
        """Call a function on the event loop of the user's code, and await what it returns if that can be awaited.

        Raises:
            CodeExit: it raised something that is no Exception, or was cancelled from inside; any Exception is raised
                as it is.
            MissingOutput: there is no thread for it.
        """
        loop_thread = self._start_loop_thread()
        started = _Call(call, loop_thread.loop)
        self._pending.add(started)
        try:
            if self._is_closed or not loop_thread.is_alive:
                raise MissingOutput(_ENDED)
            return (await started.outcome()).result()
        finally:
            self._pending.discard(started)

    async def run_plain(self, function: Callable[[], object]) -> Any:
        """Call a function in the one thread for plain functions, so that it may block, or run a loop of its own.

        If it returns something to await, that is awaited as by `run`; raises like `run`.
        """
        if self._one_thread is None:
            from pytest_evalgate.usercode.daemon_threads import DaemonThreads  # noqa: PLC0415 - asyncio

            self._one_thread = DaemonThreads(1, "evalgate-scorer")
        returned = await self._one_thread.run(function)
        return await self.run(lambda: returned) if inspect.isawaitable(returned) else returned

    def close(self) -> None:
        """Cancel the coroutines and let the threads end; waits at most a second."""
        self._is_closed = True
        if self._loop_thread is not None:
            self._loop_thread.close(_CLOSE_TIMEOUT_S)
        if self._one_thread is not None:
            self._one_thread.close()

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
            parts.append(f"the event loop was interrupted {times}, and started again ({found[0]})")
        return f"async code: {'; '.join(parts)}. {_PLAIN}" if parts else None

    def _start_loop_thread(self) -> LoopThread:
        """Return the thread with the loop, which is started with the first call."""
        if self._loop_thread is None:
            from asyncio import new_event_loop  # noqa: PLC0415 - see the module docstring

            from pytest_evalgate.usercode.loop_thread import LoopThread  # noqa: PLC0415 - the same

            try:  # the user's policy may choose the kind of loop
                self._loop_thread = LoopThread("evalgate-code", new_event_loop(), self._fail_pending)
            except RuntimeError as error:
                raise MissingOutput(f"no thread for async code: {error}: {MORE_THREADS}") from error
        return self._loop_thread

    def _fail_pending(self) -> None:
        for call in tuple(self._pending):
            call.finish(Outcome(error=MissingOutput(_ENDED)))


class _Call:
    """A call on the user's loop; its outcome arrives on the loop of the caller."""

    def __init__(self, call: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
        from asyncio import get_running_loop  # noqa: PLC0415 - see the module docstring

        self._call = call
        self._loop = loop
        self._context = contextvars.copy_context()
        self._caller = get_running_loop()
        self._outcome: asyncio.Future[Outcome] = self._caller.create_future()
        self._task: asyncio.Task[Outcome] | None = None

    async def outcome(self) -> Outcome:
        """Start the call and return its outcome; cancel it if the caller is cancelled."""
        try:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed: `finish` is called
                self._loop.call_soon_threadsafe(self._start)
            return await self._outcome
        except BaseException:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so the call has ended
                self._loop.call_soon_threadsafe(self._cancel)
            raise

    def finish(self, outcome: Outcome) -> None:
        """Pass the outcome to the caller, from any thread."""
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: no one awaits it
            self._caller.call_soon_threadsafe(self._complete, outcome)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run(), context=self._context)
        self._task.add_done_callback(self._finish_task)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> Outcome:
        try:
            returned = self._call()
            return Outcome(await returned if inspect.isawaitable(returned) else returned)
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            return Outcome(error=carry(error))
        finally:
            restore_limits()

    def _finish_task(self, task: asyncio.Task[Outcome]) -> None:
        from asyncio import CancelledError  # noqa: PLC0415 - see the module docstring

        # cancelled: code that cancels its own task and then returns
        self.finish(Outcome(error=carry(CancelledError())) if task.cancelled() else task.result())

    def _complete(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

"""One call of a coroutine of the user's code: it runs on the user's loop, and its outcome arrives on the caller's."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.usercode.outcome import Outcome, carry, restore_limits

if TYPE_CHECKING:
    from collections.abc import Callable

# The call whose code runs: tasks that it creates inherit it.
_RUNNING: Final[contextvars.ContextVar[CodeCall | None]] = contextvars.ContextVar("pytest_evalgate_call", default=None)


class CodeCall:
    """A call of ``function``, whose return value is awaited if it can be."""

    def __init__(self, function: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
        """Prepare a call on ``loop``, for a caller on the running loop."""
        self.is_cancelled_by_other = False
        """True if the code of another call has cancelled this one, for example with all tasks of the loop."""
        self._function = function
        self._loop = loop
        self._context = contextvars.copy_context()
        self._caller = asyncio.get_running_loop()
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
        self._context.run(_RUNNING.set, self)
        self._task = _CallTask(self._run(), self._loop, self._context)
        self._task.add_done_callback(self._finish_task)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> Outcome:
        try:
            returned = self._function()
            return Outcome(await returned if inspect.isawaitable(returned) else returned)
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            return Outcome(error=carry(error))
        finally:
            restore_limits()

    def _finish_task(self, task: asyncio.Task[Outcome]) -> None:
        # cancelled: code that cancels its own task and then returns
        self.finish(Outcome(error=carry(asyncio.CancelledError())) if task.cancelled() else task.result())

    def _complete(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)


class _CallTask(asyncio.Task[Outcome]):
    """Task of a call, which knows whether its own code cancels it."""

    def __init__(self, work: Any, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        self._call = context[_RUNNING]
        super().__init__(work, loop=loop, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        other = _RUNNING.get()
        if self._call is not None and other is not None and other is not self._call:
            self._call.is_cancelled_by_other = True
        return super().cancel(msg)

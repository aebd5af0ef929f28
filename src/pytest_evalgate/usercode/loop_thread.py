"""Thread with an event loop that is started again when code on the loop ends it, and calls on such a loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.usercode.outcome import Outcome, carry, end_forked_child, restore_limits
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

# A loop whose selector is broken ends at once each time.
_MAX_INTERRUPTIONS: Final = 10_000

# The call whose code runs: tasks that it creates inherit it.
_RUNNING: Final[contextvars.ContextVar[CodeCall | None]] = contextvars.ContextVar("pytest_evalgate_call", default=None)


class LoopThread:
    """The thread and its loop.

    A loop ends when code on it calls ``stop()``, when a task raises SystemExit or KeyboardInterrupt, and when a patch
    such as nest_asyncio's runs it inside of itself. It is started again, so that its other tasks continue.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[], None],
        at_exit: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """Start the thread. When it ends, it calls ``on_end``, cancels all tasks, and then runs ``at_exit``.

        Raises:
            RuntimeError: it cannot be started.
        """
        self.loop = loop
        self.interruptions: list[str] = []
        """What has interrupted the loop so far."""
        self._on_end = on_end
        self._is_closing = self._has_ended = False
        self._at_exit = at_exit
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            loop.close()
            raise

    @property
    def is_alive(self) -> bool:
        """False once the loop has ended: a call that is added after ``on_end`` would not run."""
        return not self._has_ended and self._thread.is_alive()

    def close(self, timeout_s: float) -> None:
        """Cancel all tasks and end the thread; wait at most ``timeout_s`` for it: a task may block the loop."""
        self._is_closing = True
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # closed by its own code
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                report_expired(f"the end of the thread {self._thread.name}", timeout_s)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            while not (self._is_closing or self.loop.is_closed() or len(self.interruptions) >= _MAX_INTERRUPTIONS):
                self._run_until_interrupted()
        finally:
            self._has_ended = True
            self._on_end()
            if not self.loop.is_closed():
                self._close_loop()

    def _close_loop(self) -> None:
        with contextlib.suppress(BaseException):  # tasks of the user may raise anything when they are cancelled
            self.loop.run_until_complete(asyncio.sleep(0))  # a late stop() would end the next run of the loop
        for last in (_cancel_all, *self._at_exit, self.loop.shutdown_asyncgens):
            with contextlib.suppress(BaseException):
                self.loop.run_until_complete(last())
        with contextlib.suppress(BaseException):
            self.loop.close()

    def _run_until_interrupted(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - the loop is started again
            self.interruptions.append(describe_error(error))
        else:
            if not self._is_closing:
                self.interruptions.append("it was stopped")


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class CodeCall:
    """A call of ``function`` on the user's loop, whose outcome arrives on the caller's loop.

    The value that the function returns is awaited if it can be.
    """

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
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed, so nothing awaits it
            self._caller.call_soon_threadsafe(self._complete, outcome)

    def _start(self) -> None:
        self._context.run(_RUNNING.set, self)
        self._task = _CallTask(self._run(), self._loop, self._context)
        self._task.add_done_callback(self._finish_task)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> Outcome:
        process = os.getpid()
        try:
            returned = self._function()
            outcome = Outcome(await returned if inspect.isawaitable(returned) else returned)
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            outcome = Outcome(error=carry(error))
        end_forked_child(process, outcome)
        restore_limits()
        return outcome

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

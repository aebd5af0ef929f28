"""Thread with an event loop that runs until it is closed, whatever code on the loop does to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

# A loop whose selector is broken ends at once each time.
_MAX_INTERRUPTIONS: Final = 10_000


class LoopThread:
    """The thread and its loop.

    A loop ends when code on it calls ``stop()``, when a task raises SystemExit or KeyboardInterrupt, and when a patch
    such as nest_asyncio's runs it inside of itself. It is started again, so that its other tasks go on.
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
        """False once the loop has ended: nothing that is given to it after ``on_end`` would run."""
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
            self.loop.run_until_complete(asyncio.sleep(0))  # a stop that came too late would stop the next line
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

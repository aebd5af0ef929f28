"""Stop signal of a run: a cancellation token with a deadline, shared by all clients."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

from pytest_evalgate.records.calls import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable


class StopSignal:
    """Ends all waiting when no further call of the run can succeed, or the budget allows none.

    Example::

        stop_signal = StopSignal(max_duration_s=3600)
        stop_signal.stop("budget of US$2.00 reached")
        stop_signal.check()  # raises RunStopped
    """

    def __init__(self, max_duration_s: float = math.inf) -> None:
        """Set the deadline to ``max_duration_s`` seconds from now."""
        self._max_duration_s = max_duration_s
        self._waiting: set[asyncio.Future[None]] = set()
        self._checks: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.deadline = time.monotonic() + max_duration_s
        """End of the run on the monotonic clock, which asyncio's event loops use as well."""
        self.reason: str | None = None
        """Reason of the stop; None if the run has not stopped."""
        self._is_final = False

    def stop(self, reason: str, *, is_final: bool = False) -> None:
        """Stop the run; callable from any thread. The first reason stays. Requests in flight are still awaited.

        ``is_final``: another run would stop in the same way until something is changed.
        """
        if self.reason is None:
            self._is_final = is_final
            self.reason = reason
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits on it
                    self._loop.call_soon_threadsafe(self._wake_all)

    def add_check(self, check: Callable[[], None]) -> None:
        """Call ``check`` whenever the signal is checked; it may stop the run."""
        self._checks.append(check)

    def check(self) -> None:
        """Raise RunStopped if the run has stopped, is past its deadline, or a check stops it now."""
        if self.reason is None and self.deadline <= time.monotonic():
            self._expire()
        for check in self._checks:
            if self.reason is None:
                check()
        if self.reason is not None:
            raise RunStopped(self.reason, is_final=self._is_final)

    def waiter(self) -> asyncio.Future[None]:
        """Return a future that fails with RunStopped when the run stops; raises it if the run has stopped already."""
        self.check()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first wait on this loop: only now is there a loop for the timer
            self._loop = loop
            if self.deadline < math.inf:
                loop.call_at(self.deadline, self._expire)
        future = loop.create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    async def sleep(self, seconds: float) -> None:
        """Sleep. Raises RunStopped if the run stops before or during the sleep."""
        future = self.waiter()
        timer = asyncio.get_running_loop().call_later(seconds, _complete, future)
        try:
            await future
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.stop(
            f"the run reached max_duration_s = {self._max_duration_s:g} s: raise it, or run again "
            "(replies received so far are cached)"
        )

    def _wake_all(self) -> None:
        for future in tuple(self._waiting):
            if not future.done():
                future.set_exception(RunStopped(self.reason or "", is_final=self._is_final))


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

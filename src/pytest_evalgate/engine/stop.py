"""Whether this run may still send calls: one object for all of its clients."""

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
    """Ends all waiting once no call of the run can succeed, or may be paid, any more.

    Example::

        halt = Halt(max_duration_s=3600)
        halt.stop("budget of US$2.00 reached")
        halt.check()  # raises RunStopped
    """

    def __init__(self, max_duration_s: float = math.inf) -> None:
        """Let the run last ``max_duration_s`` seconds from now on."""
        self._max_duration_s = max_duration_s
        self._waiting: set[asyncio.Future[None]] = set()
        self._checks: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.deadline = time.monotonic() + max_duration_s
        """When the run has to be over, on the monotonic clock, which is that of asyncio's loops too."""
        self.reason: str | None = None
        """Why the run has stopped; None while it goes on."""

    def stop(self, reason: str) -> None:
        """Stop the run, from any thread; the first reason stays. What has been sent is still awaited."""
        if self.reason is None:
            self.reason = reason
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._wake_all)

    def add_check(self, look: Callable[[], None]) -> None:
        """Have ``look`` called at each check of a run that goes on: it stops the run where it sees a reason."""
        self._checks.append(look)

    def check(self) -> None:
        """Go on only while calls may be sent.

        Raises:
            RunStopped: they may not.

        """
        if self.reason is None and self.deadline <= time.monotonic():
            self._expire()
        for look in self._checks:
            if self.reason is None:
                look()
        if self.reason is not None:
            raise RunStopped(self.reason)

    def waiter(self) -> asyncio.Future[None]:
        """Return a future for somebody to wait for; it fails with RunStopped when the run stops.

        Raises:
            RunStopped: it has stopped already.

        """
        self.check()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            if self.deadline < math.inf:
                loop.call_at(self.deadline, self._expire)
        future = loop.create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            RunStopped: the run has stopped, or stopped meanwhile.

        """
        future = self.waiter()
        timer = asyncio.get_running_loop().call_later(seconds, _complete, future)
        try:
            await future
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.stop(
            f"the run has taken max_duration_s = {self._max_duration_s:g} s: raise it, or run again: what is answered "
            "is kept"
        )

    def _wake_all(self) -> None:
        for future in tuple(self._waiting):
            if not future.done():
                future.set_exception(RunStopped(self.reason or ""))


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

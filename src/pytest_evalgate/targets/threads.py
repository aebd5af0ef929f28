"""Daemon threads for the user's functions.

The threads of `concurrent.futures` are joined when the interpreter exits, so a function that never returns would keep
the process alive. Daemon threads do not.
"""

from __future__ import annotations

import contextlib
import threading
from asyncio import Future, get_running_loop
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class DaemonThreads:
    """A pool of up to ``max_threads`` threads, started on demand, that run plain functions for an event loop."""

    def __init__(self, max_threads: int) -> None:
        """Create an empty pool."""
        self._max_threads = max_threads
        self._started = 0
        self._is_closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def run(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread and return its result; raise RuntimeError if the pool is closed."""
        if self._is_closed:
            raise RuntimeError("the threads are closed: no call after the shutdown")
        loop = get_running_loop()
        future: Future[T] = loop.create_future()

        def job() -> None:
            set_outcome = _outcome_of(function)
            with contextlib.suppress(RuntimeError):  # the loop is closed: no one awaits the result
                loop.call_soon_threadsafe(set_outcome, future)

        self._jobs.put(job)
        if self._started < self._max_threads:
            self._started += 1
            threading.Thread(target=self._run, name="evalgate-target", daemon=True).start()
        return await future

    def close(self) -> None:
        """Let idle threads end now and busy ones after their call; waits for none of them."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _outcome_of(function: Callable[[], T]) -> Callable[[Future[T]], None]:
    """Run ``function`` and return a callback that stores its outcome in a future."""
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - the caller that awaits the future handles it
        raised = error
        return lambda future: None if future.done() else future.set_exception(raised)
    return lambda future: None if future.done() else future.set_result(result)

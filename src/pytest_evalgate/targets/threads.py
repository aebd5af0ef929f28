"""Threads that do not keep the interpreter from exiting: a function of the user's may never return."""

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
    """Runs plain functions for a loop, in up to ``max_threads`` threads, which are started as they are needed."""

    def __init__(self, max_threads: int) -> None:
        """Start none yet."""
        self._max_threads = max_threads
        self._started = 0
        self._is_closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def run(self, function: Callable[[], T]) -> T:
        """Return what ``function`` returns, or raise what it raises.

        Raises:
            RuntimeError: the threads were closed.

        """
        if self._is_closed:
            raise RuntimeError("no call after the shutdown of the threads")
        loop = get_running_loop()
        future: Future[T] = loop.create_future()

        def job() -> None:
            set_outcome = _outcome_of(function)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(set_outcome, future)

        self._jobs.put(job)
        if self._started < self._max_threads:
            self._started += 1
            threading.Thread(target=self._run, name="evalgate-target", daemon=True).start()
        return await future

    def close(self) -> None:
        """Let the threads end; nobody waits for those that are busy."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _outcome_of(function: Callable[[], T]) -> Callable[[Future[T]], None]:
    """Run ``function`` and return what hands its outcome over."""
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        raised = error
        return lambda future: None if future.done() else future.set_exception(raised)
    return lambda future: None if future.done() else future.set_result(result)

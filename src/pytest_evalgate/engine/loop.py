"""Event loop of the engine: one thread that runs queued work, started long before its results are needed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_evalgate.errors import EngineStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_STOPPED: Final = "the engine was stopped before the reply came: run again"
_ENDED: Final = "the engine's thread has ended, no reply can come: run again"

# Interval at which `Engine.wait` checks that the thread is alive: without it, a dead loop would block for ever.
_POLL_S: Final = 0.25

# Time to cancel pending work. The thread is a daemon: it cannot outlive the process.
_STOP_TIMEOUT_S: Final = 3.0


class Engine:
    """The thread, its event loop, and one work queue per suite, so that a slow suite does not delay the others."""

    def __init__(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._work_queues: dict[str, WorkQueue] = {}
        self._at_exit: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="evalgate-engine", daemon=True)
        self._thread.start()

    def work_queue(self, name: str, window: int) -> WorkQueue:
        """Return the queue of that name. The first request creates it and sets its ``window``."""
        if name not in self._work_queues:
            self._work_queues[name] = WorkQueue(self._loop, window)
        return self._work_queues[name]

    def wait(self, future: Future[T], tick: Callable[[], None] | None = None) -> T:
        """Return the result of ``future``, or raise its exception; call ``tick`` about four times a second meanwhile.

        Raises:
            EngineStopped: the thread has ended, or was stopped before the work was done.
        """
        while True:
            try:
                return future.result(_POLL_S)
            except NotDone:
                if future.done():  # the work itself raised a TimeoutError
                    return future.result()
            if not self._thread.is_alive():
                raise EngineStopped(_ENDED)
            if tick is not None:
                tick()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` at once, past all queues, and return its result."""
        return self.wait(asyncio.run_coroutine_threadsafe(work, self._loop))

    def at_exit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` on the loop when the engine stops, after all other tasks were cancelled."""
        self._at_exit.append(work)

    def stop(self) -> None:
        """Cancel all work and end the thread; wait at most a few seconds for it."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            with contextlib.suppress(KeyboardInterrupt, SystemExit):  # the main thread gets them from their future
                self._loop.run_forever()
        finally:
            for work_queue in self._work_queues.values():
                work_queue.close()
            self._loop.run_until_complete(_cancel_all())
            for work in self._at_exit:
                with contextlib.suppress(Exception):  # a connection that fails to close is not needed any more
                    self._loop.run_until_complete(work())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class WorkQueue:
    """First-in, first-out queue that runs at most ``window`` coroutines at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, window: int) -> None:
        """Create an empty queue on ``loop``."""
        self._loop = loop
        self._window = window
        self._queue: deque[tuple[Callable[[], Coroutine[Any, Any, Any]], Future[Any]]] = deque()
        self._tasks: dict[asyncio.Task[Any], Future[Any]] = {}
        self._start_is_scheduled = False
        self._closed = False

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Queue ``work`` and return its future; callable from any thread."""
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(EngineStopped(_STOPPED))
            return future
        self._queue.append((work, future))
        if not self._start_is_scheduled:  # waking the loop is a system call: once for many submissions
            self._start_is_scheduled = True
            self._loop.call_soon_threadsafe(self._start_queued)
        return future

    def close(self) -> None:
        """Start no more work, and fail the futures of queued work."""
        self._closed = True
        while self._queue:
            self._queue.popleft()[1].set_exception(EngineStopped(_STOPPED))

    def _start_queued(self) -> None:
        self._start_is_scheduled = False
        while self._queue and len(self._tasks) < self._window and not self._closed:
            work, future = self._queue.popleft()
            task = self._loop.create_task(work())
            self._tasks[task] = future
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[Any]) -> None:
        future = self._tasks.pop(task)
        # KeyboardInterrupt and SystemExit are in `exception` as well; asyncio ends the loop on them by itself
        if task.cancelled():
            future.set_exception(EngineStopped(_STOPPED))
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())
        self._start_queued()

"""The engine: one thread with one event loop, where everything that waits is started long before it is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_evalgate.errors import EngineStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_STOPPED = "the engine was stopped before the answer came; run again"

_POLL_S = 0.25
"""How often a waiting test looks whether the engine still lives: a dead loop would keep it for ever."""

_FAREWELL_S = 3.0
"""How long the engine may take to cancel what is left; its thread does not outlive the process in any case."""


class WorkQueue:
    """Work that is started first come, first served, at most ``window`` pieces at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, window: int) -> None:
        """Open an empty lane on ``loop``."""
        self._loop = loop
        self._window = window
        self._queue: deque[tuple[Callable[[], Coroutine[Any, Any, Any]], Future[Any]]] = deque()
        self._tasks: dict[asyncio.Task[Any], Future[Any]] = {}
        self._start_is_scheduled = False
        self._closed = False

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Queue ``work`` and return its future; from any thread."""
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(EngineStopped(_STOPPED))
            return future
        self._queue.append((work, future))
        if not self._start_is_scheduled:
            self._start_is_scheduled = True
            self._loop.call_soon_threadsafe(self._start_queued)
        return future

    def close(self) -> None:
        """Start nothing more; what is queued is told so."""
        self._closed = True
        while self._queue:
            self._queue.popleft()[1].set_exception(EngineStopped(_STOPPED))

    def _start_queued(self) -> None:
        """Start queued work while there is room for it."""
        self._start_is_scheduled = False
        while self._queue and len(self._tasks) < self._window and not self._closed:
            work, future = self._queue.popleft()
            task = self._loop.create_task(work())
            self._tasks[task] = future
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[Any]) -> None:
        future = self._tasks.pop(task)
        if task.cancelled():
            future.set_exception(EngineStopped(_STOPPED))
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())
        self._start_queued()


class Engine:
    """The thread, its loop, and the lanes on it: one for each suite, so that a slow one does not hold up the rest."""

    def __init__(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._work_queues: dict[str, WorkQueue] = {}
        self._at_exit: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="evalgate-engine", daemon=True)
        self._thread.start()

    def work_queue(self, name: str, window: int) -> WorkQueue:
        """Return the lane of that name, opened when it is first asked for."""
        if name not in self._work_queues:
            self._work_queues[name] = WorkQueue(self._loop, window)
        return self._work_queues[name]

    def wait(self, future: Future[T], tick: Callable[[], None] | None = None) -> T:
        """Return the result of ``future``, or raise what the work raised.

        Args:
            future: From `WorkQueue.submit`.
            tick: Called about four times a second while nothing has come.

        Raises:
            EngineDied: the thread is gone, or was stopped before the work was done.

        """
        while True:
            try:
                return future.result(_POLL_S)
            except NotYet:
                if future.done():  # the work itself raised a TimeoutError
                    return future.result()
            if not self._thread.is_alive():
                raise EngineStopped("the engine's thread has ended: no answer can come any more; run again")
            if tick is not None:
                tick()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` at once, past the queue, and return its result."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return self.wait(future)

    def at_exit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` on the loop when the engine stops, after everything else was cancelled."""
        self._at_exit.append(work)

    def stop(self) -> None:
        """Cancel what is queued and what is running, and end the thread; it is given a few seconds."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_FAREWELL_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            with contextlib.suppress(KeyboardInterrupt, SystemExit):  # they reach the main thread by their future
                self._loop.run_forever()
        finally:
            for work_queue in self._work_queues.values():
                work_queue.close()
            self._loop.run_until_complete(_cancel_all())
            for work in self._at_exit:
                with contextlib.suppress(Exception):  # a connection that does not close well is nobody's loss any more
                    self._loop.run_until_complete(work())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

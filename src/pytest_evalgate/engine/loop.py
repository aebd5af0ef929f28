"""Event loop of the engine: one thread that runs queued work, started long before its results are needed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_evalgate.errors import EngineStopped
from pytest_evalgate.records.calls import RunStopped
from pytest_evalgate.usercode.loop_thread import LoopThread
from pytest_evalgate.usercode.outcome import MORE_THREADS
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pytest_evalgate.engine.stop import StopSignal

T = TypeVar("T")

_STOPPED: Final = "the engine was stopped before the reply came: run again"
_ENDED: Final = "the engine's thread has ended, no reply can come: run again"

_CANCELLED: Final = "the case was cancelled by other code in its process: run again"

# Interval at which `Engine.wait` checks that the thread is alive: without it, a dead loop would block for ever.
_POLL_S: Final = 0.25

# Time to cancel pending work. The thread is a daemon: it cannot outlive the process.
_STOP_TIMEOUT_S: Final = 3.0

# Turns of the loop in which a call that can be sent is sent: it starts, gets a slot, connects, writes.
_TURNS: Final = 20

# Time that work may take beyond the deadline of the run, at which its calls end: replies are still being cached.
_GRACE_S: Final = 10.0


class Engine:
    """The thread, its event loop, and one work queue per suite, so that a slow suite does not delay the others."""

    def __init__(self, stop_signal: StopSignal | None = None) -> None:
        """Start the thread. No wait outlasts the deadline of ``stop_signal`` by more than a few seconds.

        Raises:
            EngineStopped: the thread cannot be started.
        """
        self._stop_signal = stop_signal
        self._work_queues: dict[str, WorkQueue] = {}
        self._at_exit: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._loop = _new_loop()
        try:
            self._loop_thread = LoopThread("evalgate-engine", self._loop, self._close_queues, self._at_exit)
        except RuntimeError as error:
            raise EngineStopped(f"the engine's thread cannot be started: {error}: {MORE_THREADS}") from error

    def work_queue(self, name: str, window: int) -> WorkQueue:
        """Return the queue of that name. The first request creates it and sets its ``window``."""
        if name not in self._work_queues:
            self._work_queues[name] = WorkQueue(self._loop, window)
        return self._work_queues[name]

    def wait(self, future: Future[T], tick: Callable[[], None] | None = None) -> T:
        """Return the result of ``future``, or raise its exception; call ``tick`` about four times a second meanwhile.

        Raises:
            EngineStopped: the thread has ended or was stopped before the work was done, or the work outlasts the run.
        """
        while True:
            try:
                return future.result(_POLL_S)
            except NotDone:
                if future.done():  # the work itself raised a TimeoutError
                    return future.result()
            if not self._loop_thread.is_alive:
                raise EngineStopped(_ENDED)
            self._check_deadline()
            if tick is not None:
                tick()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` at once, past all queues, and return its result."""
        return self.wait(asyncio.run_coroutine_threadsafe(work, self._loop))

    def take_turns(self) -> None:
        """Wait until the loop has run everything that is ready, and what follows from it, a few times."""
        self.run(_take_turns())

    def at_exit(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` on the loop when the engine stops, after all other tasks were cancelled."""
        self._at_exit.append(work)

    def stop(self) -> None:
        """Cancel all work and end the thread; wait at most a few seconds for it."""
        self._loop_thread.close(_STOP_TIMEOUT_S)

    def _close_queues(self) -> None:
        for work_queue in self._work_queues.values():
            work_queue.close()

    def _check_deadline(self) -> None:
        """Raise EngineStopped if the run should have ended: all calls end by themselves at the deadline."""
        if self._stop_signal is None or time.monotonic() < self._stop_signal.deadline + _GRACE_S:
            return
        try:
            self._stop_signal.check()
        except RunStopped as stopped:
            report_expired("a case after the end of the run", _GRACE_S)
            raise EngineStopped(f"{stopped}; this case had not ended: set timeouts in its code") from None


async def _take_turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop if it is installed, else one of the platform; not of the policy, which users may set.

    uvloop is an extra, which saves up to a tenth of the engine's CPU time. Its import takes 5 ms.
    """
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop()
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


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
        if task.cancelled():
            future.set_exception(EngineStopped(_STOPPED if self._closed else _CANCELLED))
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())
        self._start_queued()

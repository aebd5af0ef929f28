"""Daemon threads for the user's functions.

The threads of `concurrent.futures` are joined when the interpreter exits, so a function that never returns would keep
the process alive. Daemon threads do not.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from asyncio import Future, get_running_loop
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.usercode.outcome import MORE_THREADS, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.usercode.outcome import Outcome

T = TypeVar("T")
P = ParamSpec("P")


class DaemonThreads:
    """A pool of up to ``max_threads`` threads, started on demand, that run plain functions for an event loop."""

    def __init__(self, max_threads: int, name: str = "evalgate-target") -> None:
        """Create an empty pool; ``name`` is the prefix of its threads' names."""
        self._max_threads = max_threads
        self._name = name
        self._started = 0
        self._is_closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def run(self, function: Callable[[], T]) -> T:
        """Call ``function`` in a thread and return its result.

        Raises:
            CodeExit: ``function`` raised an exception that is not an `Exception`; any other is raised unchanged.
            MissingOutput: no thread can be started.
            RuntimeError: the pool is closed.
        """
        loop = get_running_loop()
        future: Future[Outcome] = loop.create_future()

        def job() -> None:
            outcome = guarded(function)
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing awaits the result
                loop.call_soon_threadsafe(_complete, future, outcome)

        self.submit(job)
        return cast("T", (await future).result())

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job``, which must not raise; raises like `run`."""
        if self._is_closed:
            raise RuntimeError("the threads are closed: no call after the shutdown")
        self._start_thread()
        self._jobs.put(job)

    def close(self) -> None:
        """Let idle threads end now and busy ones after their call; waits for none of them."""
        self._is_closed = True
        for _ in range(self._started):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        """Start another thread, up to the maximum. If it cannot start, the threads that already run are used."""
        if self._started >= self._max_threads:
            return
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError as error:  # "can't start new thread": a container's limit, or no memory for its stack
            if not self._started:
                raise MissingOutput(f"no thread for the call: {error}: {MORE_THREADS}") from error
            return
        self._started += 1

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class DaemonExecutor(ThreadPoolExecutor):
    """Executor for ``asyncio.to_thread`` in the user's code: its functions do not keep the process alive either.

    An event loop accepts only a ThreadPoolExecutor, but no thread of the base class is started.
    """

    def __init__(self) -> None:
        """Create an executor with as many threads as a loop's default one."""
        super().__init__()
        self._threads_of_code = DaemonThreads(self._max_workers, "evalgate-to-thread")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Call a function in a daemon thread."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        self._threads_of_code.submit(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the base class's
        """Let the threads end; waits for none of them."""
        del wait, cancel_futures
        self._threads_of_code.close()


def _complete(future: Future[Outcome], outcome: Outcome) -> None:
    if not future.done():  # cancelled
        future.set_result(outcome)

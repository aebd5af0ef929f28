"""Writer of the cache: a thread that commits entries, off the event loop.

A run continues without a cache that cannot be written, and no call waits for ever. A write fails if the thread cannot
start, if the thread has ended, and if the commit takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.engine.cache.entries import Entry

# Maximum number of entries in one transaction: other processes wait until it ends.
_MAX_BATCH: Final = 256

# Time to collect a batch: a commit takes 0.4 ms, independent of its size. Calls do not hold a limiter's slot meanwhile.
_BATCH_S: Final = 0.01

_JOIN_TIMEOUT_S: Final = 10.0

# Time to wait for a commit: a locked database takes up to 10 s.
_WRITE_TIMEOUT_S: Final = 30.0

_ENDED: Final = "its writer has ended"


@dataclass(frozen=True, slots=True)
class _PendingWrite:
    key: str
    entry: Entry
    done: asyncio.Future[None]
    deadline: float
    """On the monotonic clock."""


class Writer:
    """Thread that commits entries in batches. It starts with the first entry."""

    def __init__(self, commit: Callable[[Sequence[tuple[str, Entry]]], None], on_exit: Callable[[], None]) -> None:
        """Call ``commit`` for each batch of entries and their keys, and ``on_exit`` at the end of the thread."""
        self._commit = commit
        self._on_exit = on_exit
        self._queue: queue.SimpleQueue[_PendingWrite | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._end_reason: str | None = None

    async def write(self, key: str, entry: Entry) -> None:
        """Return when ``entry`` is committed under ``key``. It is committed even if the caller is cancelled.

        Raises:
            OSError: the thread cannot be started or has ended, or there was no commit in time.
        """
        loop = asyncio.get_running_loop()
        write = _PendingWrite(key, entry, loop.create_future(), time.monotonic() + _WRITE_TIMEOUT_S)
        self._start()
        self._queue.put(write)
        if self._end_reason is not None:  # checked after put(): it may have ended without this entry
            raise OSError(self._end_reason)
        timer = loop.call_later(_WRITE_TIMEOUT_S, _expire, write)
        try:
            await write.done
        finally:
            timer.cancel()

    def close(self) -> None:
        """Commit pending entries and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_JOIN_TIMEOUT_S)
            if self._thread.is_alive():
                report_expired("the end of the cache's writer", _JOIN_TIMEOUT_S)
            self._thread = None

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="evalgate-cache", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the limit of processes is reached
            raise OSError(str(error)) from error
        self._thread = thread

    def _run(self) -> None:
        batch: list[_PendingWrite | None] = []
        failure: BaseException | None = None
        try:
            while None not in batch:
                batch = [self._queue.get()]
                self._complete_batch(batch)
                self._commit_batch([write for write in batch if write is not None])
        except BaseException as error:  # noqa: BLE001 - otherwise the waiting calls would never end
            failure = error
        finally:
            self._end_reason = _ENDED if failure is None else describe_error(failure)
            left = [write for write in (*batch, *self._drained()) if write is not None]
            _notify(left, OSError(self._end_reason))
            self._on_exit()

    def _commit_batch(self, writes: Sequence[_PendingWrite]) -> None:
        failure: OSError | None = None
        try:
            if writes:
                self._commit([(write.key, write.entry) for write in writes])
        except Exception as error:  # noqa: BLE001 - the run continues without the cache
            failure = OSError(describe_error(error))
        _notify(writes, failure)

    def _complete_batch(self, batch: list[_PendingWrite | None]) -> None:
        """Add the queued items to ``batch``, up to the None that ends the thread."""
        if batch[0] is not None:
            with contextlib.suppress(OSError):  # EINVAL of a clock that a test has replaced
                time.sleep(_BATCH_S)
        with contextlib.suppress(queue.Empty):
            while batch[-1] is not None and len(batch) < _MAX_BATCH:
                batch.append(self._queue.get_nowait())

    def _drained(self) -> Iterator[_PendingWrite | None]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()


def _expire(write: _PendingWrite) -> None:
    """Fail a write that is past its deadline."""
    if write.done.done():
        return
    left_s = write.deadline - time.monotonic()
    if left_s > 0:  # the loop's clock may be another one
        write.done.get_loop().call_later(left_s, _expire, write)
        return
    report_expired("a commit of the cache", _WRITE_TIMEOUT_S)
    write.done.set_exception(OSError(f"no commit within {_WRITE_TIMEOUT_S:g} s"))


def _notify(writes: Sequence[_PendingWrite], failure: OSError | None) -> None:
    """Wake the waiting calls, each event loop once for the whole batch: waking it takes a system call."""

    def wake(writes: Sequence[_PendingWrite]) -> None:
        for write in writes:
            if write.done.done():  # cancelled
                continue
            if failure is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(failure)

    for loop, group in groupby(writes, lambda write: write.done.get_loop()):
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits on it
            loop.call_soon_threadsafe(wake, tuple(group))

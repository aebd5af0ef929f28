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
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.engine.cache.entries import Entry

# Time to collect a batch: a commit takes 0.4 ms, independent of its size. Calls hold no slot meanwhile.
_BATCH_S: Final = 0.01

# Maximum number of entries in one batch: other processes wait until its transaction ends.
_MAX_BATCH: Final = 256

_JOIN_TIMEOUT_S: Final = 10.0

# Time to wait for a commit: a locked database takes up to 10 s.
_WRITE_TIMEOUT_S: Final = 30.0

_ENDED: Final = "its writer has ended"


@dataclass(frozen=True, slots=True)
class _PendingWrite:
    key: str
    entry: Entry
    done: asyncio.Future[None]


class Writer:
    """Thread that commits entries in batches. It starts with the first entry."""

    def __init__(self, commit: Callable[[Sequence[tuple[str, Entry]]], None], on_exit: Callable[[], None]) -> None:
        """Call ``commit`` for each batch of entries and their keys, and ``on_exit`` at the end of the thread."""
        self._commit = commit
        self._on_exit = on_exit
        self._batch: _Batch | None = None
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._end_reason: str | None = None

    async def write(self, key: str, entry: Entry) -> None:
        """Return when ``entry`` is committed under ``key``. It is committed even if the caller is cancelled.

        Raises:
            OSError: the thread cannot be started or has ended, or there was no commit in time.
        """
        loop = asyncio.get_running_loop()
        self._start()
        write = _PendingWrite(key, entry, loop.create_future())
        batch = self._batch
        if batch is None or batch.loop is not loop or len(batch.writes) == _MAX_BATCH:
            self._hand_over(batch)
            batch = self._batch = _Batch(loop)
            loop.call_later(_BATCH_S, self._hand_over, batch)
        batch.writes.append(write)
        await write.done

    def close(self) -> None:
        """Commit pending entries and end the thread."""
        if self._thread is not None:
            self._hand_over(self._batch)
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

    def _hand_over(self, batch: _Batch | None) -> None:
        """Pass ``batch`` to the thread, if it is the current one."""
        if batch is None or batch is not self._batch:
            return
        self._batch = None
        self._queue.put(batch)
        if self._end_reason is not None:  # checked after put(): it may have ended without this batch
            batch.notify(OSError(self._end_reason))

    def _run(self) -> None:
        batch: _Batch | None = None
        failure: BaseException | None = None
        try:
            while (batch := self._queue.get()) is not None:
                self._commit_batch(batch)
        except BaseException as error:  # noqa: BLE001 - otherwise the waiting calls would never end
            failure = error
        finally:
            self._end_reason = _ENDED if failure is None else describe_error(failure)
            for left in (batch, *self._drained()):
                if left is not None:
                    left.notify(OSError(self._end_reason))
            self._on_exit()

    def _commit_batch(self, batch: _Batch) -> None:
        failure: OSError | None = None
        try:
            self._commit([(write.key, write.entry) for write in batch.writes])
        except Exception as error:  # noqa: BLE001 - the run continues without the cache
            failure = OSError(describe_error(error))
        batch.notify(failure)

    def _drained(self) -> Iterator[_Batch | None]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()


class _Batch:
    """Writes that an event loop hands over together: waking the thread takes a system call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.writes: list[_PendingWrite] = []
        self._deadline = time.monotonic() + _WRITE_TIMEOUT_S
        self._timer = loop.call_later(_WRITE_TIMEOUT_S, self._expire)

    def notify(self, failure: OSError | None) -> None:
        """Wake the waiting calls, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nothing waits on it
            self.loop.call_soon_threadsafe(self.finish, failure)

    def finish(self, failure: OSError | None) -> None:
        """Complete the writes that are pending, on their loop."""
        self._timer.cancel()
        for write in self.writes:
            if write.done.done():  # cancelled, or past the deadline
                continue
            if failure is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(failure)

    def _expire(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s > 0:  # the loop's clock is another one
            self._timer = self.loop.call_later(left_s, self._expire)
            return
        report_expired("a commit of the cache", _WRITE_TIMEOUT_S)
        self.finish(OSError(f"no commit within {_WRITE_TIMEOUT_S:g} s"))

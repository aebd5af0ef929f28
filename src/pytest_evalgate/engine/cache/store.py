"""The store: replies on disk, and a run that goes on whatever happens to them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import diskcache  # type: ignore[import-untyped]

from pytest_evalgate.engine.cache import database, rows
from pytest_evalgate.engine.cache.database import Damaged, Unavailable
from pytest_evalgate.engine.cache.entries import TIME, Entry, pack, reply_of, unpack
from pytest_evalgate.engine.cache.keys import key_of
from pytest_evalgate.engine.cache.opening import OpenCache, open_cache, put_aside
from pytest_evalgate.engine.cache.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.cache.auth import Seal
    from pytest_evalgate.engine.cache.leases import Leases
    from pytest_evalgate.engine.cache.rows import Row

_TRIES: Final = 5
"""How often a commit waits for other processes, `database.PATIENCE_S` each time."""

_LOST = (sqlite3.Error, OSError, diskcache.Timeout)


class ReplyCache:
    """Remembers replies in a folder. What is wrong with it is kept in ``trouble``, and never raised.

    Used by any number of processes at a time. Of its own process one thread looks replies up, and one of its own
    writes.
    """

    def __init__(self, folder: Path, seal: Seal, *, run: str = "") -> None:
        """Open the cache in ``folder``, which is made.

        Args:
            folder: Where it lies.
            seal: How it knows its own entries again.
            run: The run in which what is put in is made.

        """
        self.path = folder / database.NAME
        self.seal = seal
        self._run = run
        self._opened: OpenCache | None = None
        self._reads = self._writes = False
        self._damaged = False
        self._refused = 0
        self._said: list[str] = []
        self._writer = Writer(self._commit, self.disconnect)
        try:
            self._opened = open_cache(folder)
        except Unavailable as reason:
            self._say(f"no cache in {folder}: {reason}")
        else:
            self._reads = self._writes = True
            self._say(self._opened.note)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the cache, in one line; None where nothing is."""
        refused = f"{self._refused:,} look-ups met an entry that was changed, or made with another key: not used"
        return "; ".join([*self._said, refused] if self._refused else self._said) or None

    @property
    def usable(self) -> bool:
        """Tell whether replies are looked up at all."""
        return self._reads

    @property
    def leases(self) -> Leases | None:
        """Who asks for what, among all processes; None where there is no cache."""
        return self._opened.leases if self._opened else None

    def get(self, call: Call) -> Reply | None:
        """Return the reply that is remembered for ``call``, as one that cost nothing; None where there is none."""
        return self.find(key_of(call))

    def find(self, key: str) -> Reply | None:
        """Return the reply that is remembered under ``key``, as `get` does."""
        if not self._reads:
            return None
        try:
            sealed = self._replies.get(key)
            return None if sealed is None else reply_of(unpack(self.seal.open(key, sealed)))
        except _LOST as error:
            self._stop(error)
        except ValueError:
            self._refused += 1
        return None

    async def put(self, call: Call, reply: Reply) -> None:
        """Remember ``reply``; return when it is committed, so that it outlives this process from then on.

        Raises:
            ValueError: the reply is not a complete answer.

        """
        if reply.finish != "complete":
            raise ValueError(f"{call.label}: an answer that ended by {reply.finish} is not to be remembered")
        if self._writes:
            await self._writer.write(Entry(call, reply, f"{datetime.now(UTC):{TIME}}", self._run))

    def add(self, entries: Iterable[Entry]) -> int:
        """Remember what was made elsewhere, where nothing is remembered yet; return how many entries were added."""
        new = [entry for entry in entries if self.get(entry.call) is None]
        self._commit(new)
        return len(new) if self._writes else 0

    def rows(self) -> Iterator[Row]:
        """Yield every row of the database, those that are never used included; from any thread.

        Raises:
            Damaged: the database is torn.
            Unavailable: it cannot be read now.

        """
        if self._opened is None:
            return
        try:
            yield from rows.read(self.path, self.seal)
        except Damaged:
            self._damaged = True
            raise

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget rows by their number; raises as `rows`."""
        if self._opened is not None:
            rows.remove(self.path, numbers)

    def disconnect(self) -> None:
        """Close the calling thread's connection, for it belongs to the thread; the next look-up makes a new one."""
        with suppress(*_LOST):
            self._replies.close()

    def close(self) -> None:
        """Commit what is left; a database that turned out to be torn is put aside for the next run.

        A thread that looked replies up and is not the one that closes calls `disconnect` before it ends.
        """
        self._writer.close()
        self._reads = self._writes = False
        if self._opened is None:
            return
        self.disconnect()
        if self._damaged and not database.is_whole(self.path):
            with suppress(Unavailable):
                put_aside(self.path, "torn")
        self._opened.leases.close()
        self._opened = None

    def __enter__(self) -> Self:
        """Return the cache itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the cache."""
        self.close()

    @property
    def _replies(self) -> Any:
        if self._opened is None:
            raise OSError("the cache is closed")
        return self._opened.replies

    def _commit(self, entries: Iterable[Entry]) -> None:
        if not self._writes:
            return
        sealed = [self._sealed(entry) for entry in entries]
        try:
            self._write([item for item in sealed if item is not None])
        except _LOST as error:
            self.disconnect()  # nothing is written any more, and a transaction may be open still
            self._stop(error, reads=False)

    def _sealed(self, entry: Entry) -> tuple[str, bytes] | None:
        try:
            key = key_of(entry.call)
            return key, self.seal.close(key, pack(entry))
        except (ValueError, TypeError, RecursionError) as error:
            self._say(f"the answer of {entry.call.label} cannot be remembered: {error}")
            return None

    def _write(self, sealed: Sequence[tuple[str, bytes]]) -> None:
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                with self._replies.transact():
                    for key, value in sealed:
                        self._replies.set(key, value)
            except diskcache.Timeout:
                if last:
                    raise
            else:
                return

    def _stop(self, error: Exception, *, reads: bool = True) -> None:
        """Do without the cache from here on: what failed once would fail, or wait, for each call again."""
        self._writes = False
        self._reads = self._reads and not reads
        self._damaged = self._damaged or type(error) is sqlite3.DatabaseError
        what = "not read any more" if reads else "not written any more"
        reason = "locked by another process" if isinstance(error, diskcache.Timeout) else str(error)
        self._say(f"{self.path.name} is {what}: {reason}")

    def _say(self, message: str) -> None:
        if message and message not in self._said:
            self._said.append(message)

"""The cache's database, looked at before anybody trusts it.

diskcache obeys the settings that it finds in a database, and SQLite the triggers and views: a database that holds
anything but what a new one of ours holds is put aside, not opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import queue
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Self

import diskcache  # type: ignore[import-untyped]

from pytest_evalgate.engine.cache.entries import TIME_FORMAT, Entry, decode, key_of, pack, reply_of, unpack
from pytest_evalgate.engine.cache.leases import Leases
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_evalgate.engine.cache.auth import Signer
    from pytest_evalgate.records.calls import Call, Reply

NAME: Final = "cache.db"
LOCK_TIMEOUT_S: Final = 2.0
"""Seconds for which a locked database is waited for, once; then the run goes on without it."""

SETTINGS: Final[Mapping[str, Any]] = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "none",  # the default throws paid answers away at 1 GiB
    "cull_limit": 0,
    "size_limit": 2**62,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_cell_size_check": 1,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,  # a mapped file that another process cuts short would kill this one
    "sqlite_synchronous": 1,  # what is committed survives the process, not always a power cut
    "sqlite_trusted_schema": 0,
    "disk_min_file_size": 2**31,
    "disk_pickle_protocol": 0,
}
"""What every cache is opened with, and all that its own table of settings may hold."""

_COUNTERS: Final = frozenset({"count", "size", "hits", "misses"})
_SCHEMA_SHA256: Final = "91921ee26f684c33c8e6c083499ba4dc7092cccda47fffe7c5662d8f812dd399"
"""Of the tables, indexes and triggers that diskcache 5.6.3 makes."""


_TRANSIENT_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""What SQLite says of a database that may be in order."""


class CacheDamaged(Exception):  # noqa: N818 - named as what was found
    """A database that is torn, or holds what ours does not: it is to be put aside."""


class CacheUnavailable(Exception):  # noqa: N818 - named as what was found
    """A database that cannot be used now: locked, not readable, not writable."""


def inspect(path: Path) -> None:
    """Look at a database without running anything that stands in it; one that is not there is fine.

    Raises:
        Damaged: it is torn, or holds what ours does not.
        Unavailable: it cannot be used now.

    """
    with translate_errors():
        if not _is_there(path):
            return
        with contextlib.closing(connect(path)) as connection:
            _check_schema(connection)
            _check_settings(connection)
            connection.execute("BEGIN IMMEDIATE")  # diskcache would wait a minute for somebody else's lock
            connection.execute("ROLLBACK")


def connect(path: Path) -> sqlite3.Connection:
    """Open a database that is there, with no trust in its schema."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def is_intact(path: Path) -> bool:
    """Tell whether SQLite finds every page of a database in order; takes a second a gigabyte."""
    try:
        with contextlib.closing(connect(path)) as connection:
            found: list[tuple[str]] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error:
        return False
    return found == [("ok",)]


def quarantine(path: Path, stamp: str) -> Path:
    """Rename a database, with its log, to ``*.corrupt-<stamp>``; return the new path.

    Raises:
        OSError: it cannot be renamed.

    """
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Sort what SQLite and the file system raise: `CacheUnavailable`, or `CacheDamaged`."""
    try:
        yield
    except OSError as error:
        raise CacheUnavailable(error.strerror or str(error)) from error
    except (sqlite3.Error, UnicodeError) as error:
        kind = CacheUnavailable if getattr(error, "sqlite_errorcode", 0) & 0xFF in _TRANSIENT_CODES else CacheDamaged
        raise kind(str(error)) from error


def _is_there(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):  # reading a named pipe would wait for ever
        raise CacheDamaged("it is not a regular file")
    return True


def _check_schema(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    if rows and schema_sha256(rows) != _SCHEMA_SHA256:
        raise CacheDamaged("it holds other tables, indexes, triggers or views than a cache does")


def schema_sha256(rows: list[tuple[Any, ...]]) -> str:
    """SHA-256, in hexadecimal, of the rows of ``sqlite_master``."""
    return hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()


def _check_settings(connection: sqlite3.Connection) -> None:
    """Refuse any setting but ours: diskcache sets an attribute for each, and runs a PRAGMA for some."""
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return
    found = dict(connection.execute("SELECT key, value FROM Settings").fetchall())
    for name, value in found.items():
        if name in _COUNTERS and type(value) is int:
            continue
        if name not in SETTINGS or (type(value), value) != (type(SETTINGS[name]), SETTINGS[name]):
            raise CacheDamaged(f"its own settings hold {jsonl.escape_text(f'{name} = {value!r}')}")


MODE_RAW: Final = 1
"""How diskcache marks a value that stands in its row as it is."""


class InvalidRow(ValueError):  # noqa: N818 - named as what was met
    """A row that this disk did not write."""


class InlineDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys and inline bytes; no pickle, no file, whatever a row says."""

    def put(self, key: str) -> tuple[str, bool]:
        """Return the columns ``key`` and ``raw``."""
        if type(key) is not str:
            raise TypeError(f"a cache key is a text, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str | None:
        """Return the key of a row that was met on iteration; None where the row is not ours."""
        return key if is_key(key, raw) else None

    def store(self, value: bytes, read: bool, key: Any = None) -> tuple[int, int, None, bytes]:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the columns ``size``, ``mode``, ``filename`` and ``value``."""
        if type(value) is not bytes:
            raise TypeError(f"a cache value is bytes, not {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the value of a row.

        Raises:
            ForeignRow: it is not one of ours; it names what is wrong with it.

        """
        return inline_value(mode, filename, value)

    def remove(self, file_path: Any) -> None:
        """Leave the file alone that a row names: this disk has none."""


def is_key(key: Any, raw: Any) -> bool:
    """Tell whether two columns hold a key of ours."""
    return raw == 1 and type(key) is str


def inline_value(mode: Any, filename: Any, value: Any) -> bytes:
    """Return the value that three columns hold; raises as `InlineDisk.fetch`."""
    if mode != MODE_RAW:
        raise InvalidRow(f"mode {mode!r}: its value would have to be read from a file or unpickled")
    if filename is not None:
        raise InvalidRow("it names a file")
    if type(value) is not bytes:
        raise InvalidRow(f"its value is not bytes but {type(value).__name__}")
    return value


_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class OpenCache:
    """An open cache: the replies, the leases, and what the user has to be told about its opening."""

    replies: Any  # diskcache.Cache, which ships no types
    leases: Leases
    note: str = ""


def folder_of(state: Path) -> Path:
    """Return the folder of the cache inside a state folder."""
    return state / "cache"


def open_cache(folder: Path) -> OpenCache:
    """Open the cache in ``folder``, which is made; a damaged one is put aside and a new one begun.

    Raises:
        Unavailable: there is no cache to be had here; says why.

    """
    try:
        with translate_errors():
            folder.mkdir(parents=True, exist_ok=True)
            leases = Leases(folder / "leases")
        try:
            return _open(folder, leases)
        except BaseException:
            leases.close()
            raise
    except CacheDamaged as damage:  # a new database of this diskcache is none that we know
        raise CacheUnavailable(
            f"diskcache {diskcache.__version__} makes a database unlike 5.6.3: {damage}"
        ) from damage


def replace_damaged(path: Path, damage: str) -> str:
    """Rename a damaged database; return what the user is told.

    Raises:
        Unavailable: it cannot be renamed.

    """
    with translate_errors():
        aside = quarantine(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    return f"{path.name} was put aside as {aside.name} ({damage}), and a new cache begun"


def _open(folder: Path, leases: Leases) -> OpenCache:
    with leases.alone(_PATIENCE_S) as alone:
        if not alone:
            raise CacheUnavailable(f"another process has been opening it for {_PATIENCE_S:.0f} s")
        note = _checked(folder / NAME)
        with translate_errors():
            replies = diskcache.Cache(_plain(folder), timeout=LOCK_TIMEOUT_S, disk=InlineDisk, **SETTINGS)
            replies.close()  # a connection belongs to its thread, and this one may never look anything up
        inspect(folder / NAME)
        return OpenCache(replies, leases, note)


def _checked(path: Path) -> str:
    try:
        inspect(path)
    except CacheDamaged as damage:
        return replace_damaged(path, str(damage))
    return ""


def _plain(folder: Path) -> str:
    """Return the name of ``folder`` unless diskcache would read it as another one."""
    name = str(folder.absolute())
    if os.path.expandvars(name) != name:
        raise CacheUnavailable(f"{name} holds the name of an environment variable; choose another folder")
    return name


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, its key, and the entry, or else the problem, that it holds."""

    number: int
    key: str
    entry: Entry | None
    problem: str = ""


def read(path: Path, signer: Signer) -> Iterator[Row]:
    """Yield the rows of the database at ``path`` in the order in which they were written.

    Raises:
        Damaged: the database is torn.
        Unavailable: it cannot be read now.

    """
    columns = "SELECT rowid, key, raw, mode, filename, value FROM Cache ORDER BY rowid"
    with translate_errors(), contextlib.closing(connect(path)) as connection:
        for number, key, raw, *stored in connection.execute(columns):
            yield _row(number, key, raw, stored, signer)


def remove(path: Path, numbers: Iterable[int]) -> None:
    """Delete rows in one transaction; raises as `read`."""
    with translate_errors(), contextlib.closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM Cache WHERE rowid = ?", ((number,) for number in numbers))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _row(number: int, key: Any, raw: Any, stored: list[Any], signer: Signer) -> Row:
    name = jsonl.escape_text(str(key))
    try:
        if not is_key(key, raw):
            raise InvalidRow("its key is not a text: it would have to be unpickled")
        entry = decode(unpack(signer.open(key, inline_value(*stored))))
        if key_of(entry.call) != key:
            raise InvalidRow("it stands under the key of another call")
    except ValueError as error:
        return Row(number, name, None, jsonl.escape_text(str(error), 200))
    return Row(number, name, entry)


_MAX_BATCH: Final = 256
"""Entries of one transaction: other processes wait while it lasts."""

_BATCH_S: Final = 0.005
"""Answers that come together are committed together: a commit costs 0.4 ms, whatever it holds."""

_JOIN_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _PendingWrite:
    entry: Entry
    done: asyncio.Future[None]


class Writer:
    """Hands entries to ``commit`` on a thread of its own, which starts with the first of them."""

    def __init__(self, commit: Callable[[Sequence[Entry]], None], on_exit: Callable[[], None]) -> None:
        """Keep what writes entries in one transaction, and what the thread does last."""
        self._commit = commit
        self._on_exit = on_exit
        self._queue: queue.SimpleQueue[_PendingWrite | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def write(self, entry: Entry) -> None:
        """Return when ``entry`` is committed; it will be, also where nobody waits for it any more."""
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_PendingWrite(entry, done))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="evalgate-cache", daemon=True)
            self._thread.start()
        await done

    def close(self) -> None:
        """Commit what is left and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_JOIN_TIMEOUT_S)
            self._thread = None

    def _run(self) -> None:
        writes: list[_PendingWrite | None] = []
        while None not in writes:
            writes = self._waiting()
            self._commit_all([item for item in writes if item is not None])
        self._on_exit()

    def _waiting(self) -> list[_PendingWrite | None]:
        """Return what is waiting, at least one order, and nothing after the None that ends the thread."""
        found = [self._queue.get()]
        if found[0] is not None:
            time.sleep(_BATCH_S)
        with suppress(queue.Empty):
            while found[-1] is not None and len(found) < _MAX_BATCH:
                found.append(self._queue.get_nowait())
        return found

    def _commit_all(self, writes: Sequence[_PendingWrite]) -> None:
        try:
            if writes:
                self._commit([item.entry for item in writes])
        except BaseException as error:  # noqa: BLE001 - whoever waits would wait for ever
            _notify(writes, error)
        else:
            _notify(writes, None)


def _notify(writes: Sequence[_PendingWrite], error: BaseException | None) -> None:
    """Wake those who wait: each loop once, since that takes a system call."""
    for loop, those in groupby(writes, lambda item: item.done.get_loop()):
        with suppress(RuntimeError):  # closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, tuple(those), error)


def _wake(writes: Sequence[_PendingWrite], error: BaseException | None) -> None:
    for item in writes:
        if item.done.done():  # cancelled: nobody waits for it any more
            continue
        if error is None:
            item.done.set_result(None)
        else:
            item.done.set_exception(error)


_MAX_TRIES: Final = 5
"""How often a commit waits for other processes, `database.LOCK_TIMEOUT_S` each time."""

_STORAGE_ERRORS = (sqlite3.Error, OSError, diskcache.Timeout)


class ReplyCache:
    """Remembers replies in a folder. What is wrong with it is kept in ``problem``, and never raised.

    Used by any number of processes at a time. Of its own process one thread looks replies up, and one of its own
    writes.
    """

    def __init__(self, folder: Path, signer: Signer, *, run: str = "") -> None:
        """Open the cache in ``folder``, which is made.

        Args:
            folder: Where it lies.
            signer: How it knows its own entries again.
            run: The run in which what is put in is made.

        """
        self.path = folder / NAME
        self.signer = signer
        self._run = run
        self._handle: OpenCache | None = None
        self._can_read = self._can_write = False
        self._damaged = False
        self._rejected = 0
        self._problems: list[str] = []
        self._writer = Writer(self._commit, self.disconnect)
        try:
            self._handle = open_cache(folder)
        except CacheUnavailable as reason:
            self._add_problem(f"no cache in {folder}: {reason}")
        else:
            self._can_read = self._can_write = True
            self._add_problem(self._handle.note)

    @property
    def problem(self) -> str | None:
        """What is wrong with the cache, in one line; None where nothing is."""
        refused = f"{self._rejected:,} look-ups met an entry that was changed, or made with another key: not used"
        return "; ".join([*self._problems, refused] if self._rejected else self._problems) or None

    @property
    def usable(self) -> bool:
        """Tell whether replies are looked up at all."""
        return self._can_read

    @property
    def leases(self) -> Leases | None:
        """Who asks for what, among all processes; None where there is no cache."""
        return self._handle.leases if self._handle else None

    def get(self, call: Call) -> Reply | None:
        """Return the reply that is remembered for ``call``, as one that cost nothing; None where there is none."""
        return self.find(key_of(call))

    def find(self, key: str) -> Reply | None:
        """Return the reply that is remembered under ``key``, as `get` does."""
        if not self._can_read:
            return None
        try:
            signed = self._replies.get(key)
            return None if signed is None else reply_of(unpack(self.signer.open(key, signed)))
        except _STORAGE_ERRORS as error:
            self._stop(error)
        except ValueError:
            self._rejected += 1
        return None

    async def put(self, call: Call, reply: Reply) -> None:
        """Remember ``reply``; return when it is committed, so that it outlives this process from then on.

        Raises:
            ValueError: the reply is not a complete answer.

        """
        if reply.finish != "complete":
            raise ValueError(f"{call.label}: an answer that ended by {reply.finish} is not to be remembered")
        if self._can_write:
            await self._writer.write(Entry(call, reply, f"{datetime.now(UTC):{TIME_FORMAT}}", self._run))

    def add(self, entries: Iterable[Entry]) -> int:
        """Remember what was made elsewhere, where nothing is remembered yet; return how many entries were added."""
        new = [entry for entry in entries if self.get(entry.call) is None]
        self._commit(new)
        return len(new) if self._can_write else 0

    def rows(self) -> Iterator[Row]:
        """Yield every row of the database, those that are never used included; from any thread.

        Raises:
            Damaged: the database is torn.
            Unavailable: it cannot be read now.

        """
        if self._handle is None:
            return
        try:
            yield from read(self.path, self.signer)
        except CacheDamaged:
            self._damaged = True
            raise

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget rows by their number; raises as `rows`."""
        if self._handle is not None:
            remove(self.path, numbers)

    def disconnect(self) -> None:
        """Close the calling thread's connection, for it belongs to the thread; the next look-up makes a new one."""
        with suppress(*_STORAGE_ERRORS):
            self._replies.close()

    def close(self) -> None:
        """Commit what is left; a database that turned out to be torn is put aside for the next run.

        A thread that looked replies up and is not the one that closes calls `disconnect` before it ends.
        """
        self._writer.close()
        self._can_read = self._can_write = False
        if self._handle is None:
            return
        self.disconnect()
        if self._damaged and not is_intact(self.path):
            with suppress(CacheUnavailable):
                replace_damaged(self.path, "torn")
        self._handle.leases.close()
        self._handle = None

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
        if self._handle is None:
            raise OSError("the cache is closed")
        return self._handle.replies

    def _commit(self, entries: Iterable[Entry]) -> None:
        if not self._can_write:
            return
        signed = [self._signed_entry(entry) for entry in entries]
        try:
            self._write([item for item in signed if item is not None])
        except _STORAGE_ERRORS as error:
            self.disconnect()  # nothing is written any more, and a transaction may be open still
            self._stop(error, reads=False)

    def _signed_entry(self, entry: Entry) -> tuple[str, bytes] | None:
        try:
            key = key_of(entry.call)
            return key, self.signer.close(key, pack(entry))
        except (ValueError, TypeError, RecursionError) as error:
            self._add_problem(f"the answer of {entry.call.label} cannot be remembered: {error}")
            return None

    def _write(self, signed: Sequence[tuple[str, bytes]]) -> None:
        for last in (False,) * (_MAX_TRIES - 1) + (True,):
            try:
                with self._replies.transact():
                    for key, value in signed:
                        self._replies.set(key, value)
            except diskcache.Timeout:
                if last:
                    raise
            else:
                return

    def _stop(self, error: Exception, *, reads: bool = True) -> None:
        """Do without the cache from here on: what failed once would fail, or wait, for each call again."""
        self._can_write = False
        self._can_read = self._can_read and not reads
        self._damaged = self._damaged or type(error) is sqlite3.DatabaseError
        what = "not read any more" if reads else "not written any more"
        reason = "locked by another process" if isinstance(error, diskcache.Timeout) else str(error)
        self._add_problem(f"{self.path.name} is {what}: {reason}")

    def _add_problem(self, message: str) -> None:
        if message and message not in self._problems:
            self._problems.append(message)

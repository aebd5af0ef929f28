"""Cache database: diskcache, protected against files that an attacker wrote.

diskcache obeys the settings that it finds in a database, unpickles values and keys, and reads and deletes files that
rows name (CVE-2025-69872; there is no fixed release). SQLite runs triggers and views. A cache that was restored in CI
or copied from another machine is untrusted. Therefore a database is inspected before diskcache opens it, and renamed
if it contains more than a new one has; `InlineDisk` reads only rows that it could have written itself. SECURITY.md
describes the details; tests/engine/cache/test_cache_hostile.py attacks each of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import diskcache  # type: ignore[import-untyped]

from pytest_evalgate.engine.cache.entries import TIME_FORMAT, Entry, decode, key_of, pack, reply_of, unpack
from pytest_evalgate.engine.cache.leases import Leases
from pytest_evalgate.engine.cache.writer import Writer
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_evalgate.engine.cache.auth import Signer
    from pytest_evalgate.records.calls import Call, Reply

NAME: Final = "cache.db"
# Time to wait for a locked database. After it, the run continues without the cache.
LOCK_TIMEOUT_S: Final = 2.0

SETTINGS: Final[Mapping[str, Any]] = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "none",  # the default silently deletes paid replies at 1 GiB
    "cull_limit": 0,
    "size_limit": 2**62,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_cell_size_check": 1,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,  # if another process truncates a mapped file, reading it kills this process
    "sqlite_synchronous": 1,  # committed data survive the end of the process, but not always a power failure
    "sqlite_trusted_schema": 0,
    "disk_min_file_size": 2**31,
    "disk_pickle_protocol": 0,
}
"""Settings of every cache. Its table of settings may contain nothing else but the counters."""

_COUNTERS: Final = frozenset({"count", "size", "hits", "misses"})
# Of the tables, indexes and triggers that diskcache 5.6.3 creates.
_SCHEMA_SHA256: Final = "91921ee26f684c33c8e6c083499ba4dc7092cccda47fffe7c5662d8f812dd399"

_OPEN_TIMEOUT_S: Final = 10.0
_MAX_COMMIT_ATTEMPTS: Final = 5
_STORAGE_ERRORS: Final = (sqlite3.Error, OSError, diskcache.Timeout)

# diskcache's mark for a value that is stored in its row.
_MODE_RAW: Final = 1

# Rows of one statement. Every step of a statement releases the GIL and waits to get it back, up to 5 ms while another
# thread computes. diskcache's `get` is one statement a key, and its `set` two, so waves of keys have their own:
# they took 0.32 ms a look-up and half of the writer's time. `InlineDisk` would write and accept the same rows.
_MAX_KEYS: Final = 500
_SELECT: Final = """
    SELECT tag, key, mode, filename, value FROM Cache WHERE raw = 1 AND expire_time IS NULL AND key IN ({})
"""
_UPSERT: Final = """
    INSERT INTO Cache
    (key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, filename, value) VALUES {}
    ON CONFLICT (key, raw) DO UPDATE SET
    store_time = excluded.store_time, expire_time = NULL, access_time = excluded.access_time, access_count = 0,
    tag = NULL, size = 0, mode = 1, filename = NULL, value = excluded.value
"""

# Errors after which the database may still be intact.
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


class CacheDamaged(Exception):  # noqa: N818 - named as what was found
    """A database that is corrupt, or contains unexpected objects or settings."""


class CacheUnavailable(Exception):  # noqa: N818 - named as what was found
    """A database that cannot be used now: locked, not readable, not writable."""


def folder_of(state: Path) -> Path:
    """Return the cache folder in a state folder."""
    return state / "cache"


# --- the cache ------------------------------------------------------------------------------------------------------


class ReplyCache:
    """Cached replies in a folder. Its problems are collected in ``problem`` and never raised: the run continues.

    Usable by any number of processes at a time. In each process one thread looks up replies, and the writer's thread
    writes them.
    """

    def __init__(self, folder: Path, signer: Signer, *, run: str = "") -> None:
        """Open the cache in ``folder``; create both if necessary. ``run`` is the id of the run that adds entries."""
        self.path = folder / NAME
        self.signer = signer
        self._run = run
        self._handle: _OpenCache | None = None
        self._can_read = self._can_write = False
        self._damaged = False
        self._rejected = 0
        self._problems: list[str] = []
        self._writer = Writer(self._commit, self.disconnect)
        try:
            self._handle = _open(folder)
        except CacheUnavailable as reason:
            self._add_problem(f"no cache in {folder}: {reason}")
        else:
            self._can_read = self._can_write = True
            self._add_problem(self._handle.note)

    @property
    def problem(self) -> str | None:
        """The problems of the cache in one line; None if there are none."""
        rejected = (
            f"{self._rejected:,} look-ups found an entry that was changed, or written with another key: not used"
        )
        return "; ".join([*self._problems, rejected] if self._rejected else self._problems) or None

    @property
    def usable(self) -> bool:
        """Whether replies can be looked up."""
        return self._can_read

    @property
    def is_empty(self) -> bool:
        """Whether no look-up can find a reply."""
        try:
            return not self._can_read or not len(self._replies)
        except _STORAGE_ERRORS:
            return False  # the next look-up reports it

    @property
    def leases(self) -> Leases | None:
        """Leases on calls; None if there is no cache."""
        return self._handle.leases if self._handle else None

    def get(self, call: Call) -> Reply | None:
        """Return the cached reply to ``call``; None if there is none."""
        return self.find(key_of(call))

    def find(self, key: str) -> Reply | None:
        """Return the reply cached under ``key``, like `get`."""
        return self.find_all([key]).get(key)

    def find_all(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Return the replies cached under ``keys``, by key, with one statement for 500 keys."""
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), _MAX_KEYS):
            for _, key, *stored in self._select(keys[start : start + _MAX_KEYS]):
                try:
                    found[key] = reply_of(unpack(self.signer.verify(key, _inline_value(*stored))))
                except ValueError:
                    self._rejected += 1
        return found

    async def put(self, call: Call, reply: Reply, *, key: str = "") -> None:
        """Cache ``reply``. Returns after the commit, so that the entry survives the end of this process.

        If the commit fails, the run continues without writing to the cache, and reports it as a problem.
        ``key`` is that of `key_of`, if it is known.

        Raises:
            ValueError: the reply is not complete.
        """
        if reply.finish != "complete":
            raise ValueError(f"{call.label}: a reply that ended by {reply.finish} cannot be cached")
        if not self._can_write:
            return
        try:
            entry = Entry(call, reply, time.strftime(TIME_FORMAT, time.gmtime()), self._run)
            await self._writer.write(key or key_of(call), entry)
        except OSError as error:  # the reply was paid for: it is returned anyway
            self._disable(error, reads=False)

    def add(self, entries: Iterable[Entry]) -> int:
        """Cache imported entries, unless their calls are cached already; return the number of added entries."""
        keyed = [(key_of(entry.call), entry) for entry in entries]
        cached = self.find_all([key for key, _ in keyed])
        new = [(key, entry) for key, entry in keyed if key not in cached]
        self._commit(new)
        return len(new) if self._can_write else 0

    def rows(self) -> Iterator[Row]:
        """Yield every row of the database, invalid ones included; callable from any thread.

        Raises:
            CacheDamaged: the database is corrupt.
            CacheUnavailable: it cannot be read now.
        """
        if self._handle is None:
            return
        try:
            yield from _read_rows(self.path, self.signer)
        except CacheDamaged:
            self._damaged = True
            raise

    def remove(self, numbers: Sequence[int]) -> None:
        """Delete rows by their number, in one transaction; raises like `rows`."""
        if self._handle is None:
            return
        with _translate_errors(), contextlib.closing(_connect(self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM Cache WHERE rowid = ?", ((number,) for number in numbers))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def disconnect(self) -> None:
        """Close the connection of the calling thread; its next look-up opens a new one."""
        with contextlib.suppress(*_STORAGE_ERRORS):
            self._replies.close()

    def close(self) -> None:
        """Commit pending entries, and close. A corrupt database is renamed, so that the next run creates a new one.

        Another thread that looked up replies has to call `disconnect` before it ends.
        """
        self._writer.close()
        self._can_read = self._can_write = False
        if self._handle is None:
            return
        self.disconnect()
        if self._damaged and not _is_intact(self.path):
            with contextlib.suppress(CacheUnavailable):
                _quarantine(self.path, "corrupt")
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

    def _select(self, keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return tag, key, mode, filename and value of the rows with one of ``keys``; all texts must be UTF-8."""
        if not self._can_read:
            return []
        marks = ", ".join("?" * len(keys))
        try:
            rows: list[tuple[Any, ...]] = self._replies._sql(_SELECT.format(marks), keys).fetchall()  # noqa: SLF001 - diskcache's connection of this thread; `get` takes one key
        except _STORAGE_ERRORS as error:
            self._disable(error)
            return []
        return rows

    def _commit(self, entries: Iterable[tuple[str, Entry]]) -> None:
        if not self._can_write:
            return
        signed: list[tuple[str, bytes]] = []
        for key, entry in entries:
            try:
                signed.append((key, self.signer.sign(key, pack(entry))))
            except (ValueError, TypeError, RecursionError) as error:
                self._add_problem(f"the reply to {entry.call.label} cannot be cached: {error}")
        try:
            for start in range(0, len(signed), _MAX_KEYS):
                self._write(signed[start : start + _MAX_KEYS])
        except _STORAGE_ERRORS as error:
            self.disconnect()  # a transaction may still be open
            self._disable(error, reads=False)  # cached replies can still be read

    def _write(self, signed: Sequence[tuple[str, bytes]]) -> None:
        """Insert or replace rows in one transaction, with one statement: see `_SELECT`."""
        now = time.time()
        rows = ", ".join(["(?, 1, ?, NULL, ?, 0, NULL, 0, 1, NULL, ?)"] * len(signed))
        values = [value for key, body in signed for value in (key, now, now, body)]
        for attempt in range(1, _MAX_COMMIT_ATTEMPTS + 1):
            try:
                with self._replies.transact():
                    self._replies._sql(_UPSERT.format(rows), values)  # noqa: SLF001 - as in `_select`
            except diskcache.Timeout:  # another process held the lock for LOCK_TIMEOUT_S
                report_expired("the lock of the cache", LOCK_TIMEOUT_S)
                if attempt == _MAX_COMMIT_ATTEMPTS:
                    raise
            else:
                return

    def _disable(self, error: Exception, *, reads: bool = True) -> None:
        """Stop using the cache, which would otherwise fail, or wait for its timeout, for each call."""
        self._can_write = False
        self._can_read = self._can_read and not reads
        self._damaged = self._damaged or _is_damage(error)
        use = "read" if reads else "written"
        reason = "locked by another process" if isinstance(error, diskcache.Timeout) else str(error)
        self._add_problem(f"{self.path.name} is no longer {use}: {reason}")

    def _add_problem(self, message: str) -> None:
        if message and message not in self._problems:
            self._problems.append(message)


# --- opening and inspection -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _OpenCache:
    replies: Any  # diskcache.Cache: diskcache has no types
    leases: Leases
    note: str
    """Message to the user if a damaged cache was replaced."""


def _open(folder: Path) -> _OpenCache:
    """Open the cache in ``folder``; replace a damaged one.

    Raises:
        CacheUnavailable: no cache can be opened here; names the reason.
    """
    try:
        with _translate_errors():
            folder.mkdir(parents=True, exist_ok=True)
            leases = Leases(folder / "leases")
        try:
            return _open_exclusively(folder, leases)
        except BaseException:
            leases.close()
            raise
    except CacheDamaged as damage:  # the database that this diskcache has just created
        raise CacheUnavailable(
            f"diskcache {diskcache.__version__} creates another database than 5.6.3: {damage}"
        ) from damage


def _open_exclusively(folder: Path, leases: Leases) -> _OpenCache:
    path, note = folder / NAME, ""
    with leases.exclusive(_OPEN_TIMEOUT_S) as acquired:
        if not acquired:
            raise CacheUnavailable(f"another process has been opening it for {_OPEN_TIMEOUT_S:.0f} s")
        try:
            _inspect(path)
        except CacheDamaged as damage:
            note = _quarantine(path, str(damage))
        name = str(folder.absolute())
        if os.path.expandvars(name) != name:  # diskcache would expand it to another folder
            raise CacheUnavailable(f"{name} contains the name of an environment variable; choose another folder")
        with _translate_errors():
            replies = diskcache.Cache(name, timeout=LOCK_TIMEOUT_S, disk=InlineDisk, **SETTINGS)
            replies.close()  # connections belong to a thread, and this one may never look up a reply
        _inspect(path)  # also if it is new: another version of diskcache may create another schema
        return _OpenCache(replies, leases, note)


def _inspect(path: Path) -> None:
    """Check a database without running anything that it contains; a missing one is fine.

    Raises:
        CacheDamaged: it is corrupt, or contains unexpected objects or settings.
        CacheUnavailable: it cannot be used now.
    """
    with _translate_errors():
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):  # reading a named pipe would block for ever
            raise CacheDamaged("it is not a regular file")
        with contextlib.closing(_connect(path)) as connection:
            rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
            if schema := rows.fetchall():
                _check_contents(connection, schema)
            connection.execute("BEGIN IMMEDIATE")  # diskcache would wait a minute for a lock of another process
            connection.execute("ROLLBACK")


def _check_contents(connection: sqlite3.Connection, schema: list[tuple[Any, ...]]) -> None:
    if hashlib.sha256(repr(schema).encode("utf-8", "surrogatepass")).hexdigest() != _SCHEMA_SHA256:
        raise CacheDamaged("its tables, indexes, triggers or views are not those of a cache")
    # diskcache sets an attribute for each setting, and executes a PRAGMA for some
    for name, value in connection.execute("SELECT key, value FROM Settings").fetchall():
        if name in _COUNTERS and type(value) is int:
            continue
        if name not in SETTINGS or (type(value), value) != (type(SETTINGS[name]), SETTINGS[name]):
            raise CacheDamaged(f"its table of settings contains {jsonl.escape_text(f'{name} = {value!r}')}")


def _quarantine(path: Path, damage: str) -> str:
    """Rename a damaged database and its log to ``*.corrupt-<time>``; return the message to the user.

    Raises:
        CacheUnavailable: it cannot be renamed.
    """
    new = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    with _translate_errors():
        path.replace(new)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(new.with_name(new.name + suffix))
    return f"{path.name} was moved to {new.name} ({damage}), and a new cache was created"


# Rows that `InlineDisk` does not write. Their texts are not selected: one that is not UTF-8 cannot be read.
_FOREIGN_ROWS: Final = f"""
    SELECT count(*) FROM Cache WHERE raw IS NOT 1 OR mode IS NOT {_MODE_RAW} OR filename IS NOT NULL OR tag IS NOT NULL
    OR expire_time IS NOT NULL OR typeof(value) <> 'blob' OR typeof(key) <> 'text' OR key GLOB '*[^0-9a-f]*'
"""  # noqa: S608 - a constant of this module


def _is_intact(path: Path) -> bool:
    """Return whether SQLite finds every page intact, and every row is one of a cache; takes a second per gigabyte."""
    try:
        with contextlib.closing(_connect(path)) as connection:
            found: list[tuple[str]] = connection.execute("PRAGMA quick_check(1)").fetchall()
            ((foreign,),) = connection.execute(_FOREIGN_ROWS).fetchall()
    except sqlite3.Error:
        return False
    return found == [("ok",)] and not foreign


def _connect(path: Path) -> sqlite3.Connection:
    """Open an existing database without trusting its schema."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn errors of SQLite and the file system into `CacheUnavailable` or `CacheDamaged`."""
    try:
        yield
    except OSError as error:
        raise CacheUnavailable(error.strerror or str(error)) from error
    except (sqlite3.Error, UnicodeError) as error:
        raise (CacheDamaged if _is_damage(error) else CacheUnavailable)(str(error)) from error


def _is_damage(error: Exception) -> bool:
    """Return whether an error may be due to the content of the database.

    A text that is not UTF-8 is an OperationalError without a code: https://docs.python.org/3/library/sqlite3.html#sqlite3.Error.sqlite_errorcode
    """
    if not isinstance(error, sqlite3.Error | UnicodeError):
        return False
    return getattr(error, "sqlite_errorcode", 0) & 0xFF not in _TRANSIENT_CODES


# --- rows -----------------------------------------------------------------------------------------------------------


class InvalidRow(ValueError):  # noqa: N818 - named as what was found
    """A row that `InlineDisk` did not write."""


class InlineDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Disk for text keys and inline bytes. No row can make it unpickle a value, or open or delete a file."""

    def put(self, key: str) -> tuple[str, bool]:
        """Return the columns ``key`` and ``raw``."""
        if type(key) is not str:
            raise TypeError(f"a cache key is a string, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str | None:
        """Return the key of a row during iteration; None if the row is invalid."""
        return key if raw == 1 and type(key) is str else None

    def store(self, value: bytes, read: bool, key: Any = None) -> tuple[int, int, None, bytes]:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the columns ``size``, ``mode``, ``filename`` and ``value``."""
        if type(value) is not bytes:
            raise TypeError(f"a cache value is bytes, not {type(value).__name__}")
        return 0, _MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the value of a row.

        Raises:
            InvalidRow: `store` did not write it; names the reason.
        """
        return _inline_value(mode, filename, value)

    def remove(self, file_path: Any) -> None:
        """Do nothing: diskcache would delete the file that a row names."""


def _inline_value(mode: Any, filename: Any, value: Any) -> bytes:
    if mode != _MODE_RAW:
        raise InvalidRow(f"mode {mode!r}: its value would have to be read from a file or unpickled")
    if filename is not None:
        raise InvalidRow("it names a file")
    if type(value) is not bytes:
        raise InvalidRow(f"its value is not bytes but {type(value).__name__}")
    return value


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, its key, and its entry or, if it is invalid, its problem."""

    number: int
    key: str
    entry: Entry | None
    problem: str = ""


def _read_rows(path: Path, signer: Signer) -> Iterator[Row]:
    """Yield the rows of a database in the order in which they were written; raises like `_inspect`."""
    columns = "SELECT rowid, key, raw, mode, filename, value FROM Cache ORDER BY rowid"
    with _translate_errors(), contextlib.closing(_connect(path)) as connection:
        for number, key, raw, *stored in connection.execute(columns):
            name = jsonl.escape_text(str(key))
            try:
                if raw != 1 or type(key) is not str:
                    raise InvalidRow("its key is not a string: it would have to be unpickled")
                entry = decode(unpack(signer.verify(key, _inline_value(*stored))))
                if key_of(entry.call) != key:
                    raise InvalidRow("it is stored under the key of another call")
            except ValueError as error:
                yield Row(number, name, None, jsonl.escape_text(str(error), 200))
            else:
                yield Row(number, name, entry)

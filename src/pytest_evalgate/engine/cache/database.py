"""The cache's database, looked at before anybody trusts it.

diskcache obeys the settings that it finds in a database, and SQLite the triggers and views: a database that holds
anything but what a new one of ours holds is put aside, not opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import stat
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME: Final = "cache.db"
PATIENCE_S: Final = 2.0
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


_PASSING: Final = frozenset(
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


class Damaged(Exception):  # noqa: N818 - named as what was found
    """A database that is torn, or holds what ours does not: it is to be put aside."""


class Unavailable(Exception):  # noqa: N818 - named as what was found
    """A database that cannot be used now: locked, not readable, not writable."""


def inspect(path: Path) -> None:
    """Look at a database without running anything that stands in it; one that is not there is fine.

    Raises:
        Damaged: it is torn, or holds what ours does not.
        Unavailable: it cannot be used now.

    """
    with failures():
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
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def is_whole(path: Path) -> bool:
    """Tell whether SQLite finds every page of a database in order; takes a second a gigabyte."""
    try:
        with contextlib.closing(connect(path)) as connection:
            found: list[tuple[str]] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error:
        return False
    return found == [("ok",)]


def put_aside(path: Path, stamp: str) -> Path:
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
def failures() -> Iterator[None]:
    """Sort what SQLite and the file system raise: `Unavailable`, or `Damaged`."""
    try:
        yield
    except OSError as error:
        raise Unavailable(error.strerror or str(error)) from error
    except (sqlite3.Error, UnicodeError) as error:
        kind = Unavailable if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING else Damaged
        raise kind(str(error)) from error


def _is_there(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):  # reading a named pipe would wait for ever
        raise Damaged("it is not a regular file")
    return True


def _check_schema(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    if rows and schema_sha256(rows) != _SCHEMA_SHA256:
        raise Damaged("it holds other tables, indexes, triggers or views than a cache does")


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
            raise Damaged(f"its own settings hold {jsonl.visible(f'{name} = {value!r}')}")

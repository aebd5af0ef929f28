"""The differences between SQLite and PostgreSQL: connecting, placeholders, a lock for writers, and bulk inserts."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_evalgate.errors import UserError
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

SQLITE_WAIT_S: Final = 10.0
"""Longest wait for another process that writes the file."""

CONNECT_WAIT_S: Final = 5
STATEMENT_WAIT_MS: Final = 60_000
"""Longest wait for a connection to PostgreSQL, and for one statement."""

_LOCK: Final = 7_238_041  # any number that no other program locks
PLACEHOLDER: Final = re.compile(r":([a-z_]\w*)")

Row = dict[str, Any]
"""A row of a query, by column."""


class StoreError(UserError):
    """The store cannot be used: away, full, read-only, damaged, or of a newer schema."""


class Driver(Protocol):
    """One open connection, with named parameters and one transaction at a time."""

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run a query and return its rows."""

    def tuples(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a query of many rows and return their values in the order of its columns."""

    def change(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """Run a statement and return the number of rows that it changed."""

    def script(self, sql: str) -> None:
        """Run several statements in the transaction that is open."""

    def insert(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, new_only: bool = False
    ) -> None:
        """Insert many rows; with ``new_only``, leave out those whose key is present."""

    def has_table(self, name: str) -> bool:
        """Return whether the table exists."""

    def damage(self) -> list[str]:
        """Return the problems that the database finds in its own file."""

    def begin(self, *, exclusive: bool = False) -> None:
        """Begin a transaction; with ``exclusive``, no other process writes meanwhile."""

    def end(self, *, keep: bool) -> None:
        """Commit the transaction, or roll it back."""

    def close(self) -> None:
        """Close the connection."""


class SqliteDriver:
    """A SQLite file, by the standard library."""

    errors: Final = (sqlite3.Error,)
    conflicts: Final[tuple[type[Exception], ...]] = ()
    """Errors of a transaction that succeeds when it is begun again."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file; it is created unless ``read_only``."""
        if not read_only:
            files.make_folder(path.parent)
        if path.exists():
            files.require_regular(path)
        mode = "ro" if read_only else "rwc"
        uri = f"{Path(path).absolute().as_uri()}?mode={mode}"
        self._connection = sqlite3.connect(uri, uri=True, timeout=SQLITE_WAIT_S, isolation_level=None)
        self._connection.execute("PRAGMA trusted_schema = OFF")  # a file from elsewhere must not run its functions

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:  # noqa: D102 - as `Driver`
        found = self._connection.execute(sql, parameters)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def tuples(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:  # noqa: D102 - as `Driver`
        return self._connection.execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: Mapping[str, Any]) -> int:  # noqa: D102 - as `Driver`
        return self._connection.execute(sql, parameters).rowcount

    def script(self, sql: str) -> None:  # noqa: D102 - as `Driver`; executescript would commit first
        for statement in statements(sql):
            # rows are stored in their keys' index alone, as they all have text keys: half the size and the time
            clustered = " WITHOUT ROWID" if statement.startswith("CREATE TABLE") else ""
            self._connection.execute(statement + clustered)

    def insert(  # noqa: D102 - as `Driver`
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, new_only: bool = False
    ) -> None:
        conflict = " ON CONFLICT DO NOTHING" if new_only else ""
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){conflict}"  # noqa: S608 - our own names
        self._connection.executemany(sql, rows)

    def has_table(self, name: str) -> bool:  # noqa: D102 - as `Driver`
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name", {"name": name}))

    def damage(self) -> list[str]:  # noqa: D102 - as `Driver`
        found = [row["integrity_check"] for row in self.rows("PRAGMA integrity_check", {})]
        return [] if found == ["ok"] else found

    def begin(self, *, exclusive: bool = False) -> None:  # noqa: ARG002, D102 - as `Driver`; SQLite has one writer
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self, *, keep: bool) -> None:  # noqa: D102 - as `Driver`
        if self._connection.in_transaction:
            self._connection.execute("COMMIT" if keep else "ROLLBACK")

    def close(self) -> None:  # noqa: D102 - as `Driver`
        self._connection.close()


class PostgresDriver:
    """A PostgreSQL database, by psycopg."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreError: psycopg is not installed.
        """
        try:
            import psycopg  # noqa: PLC0415 - the extra postgres
            from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - the same
        except ImportError:
            raise StoreError("a store on PostgreSQL needs psycopg: pip install 'pytest-evalgate[postgres]'") from None
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self.conflicts: tuple[type[Exception], ...] = (
            psycopg.errors.DeadlockDetected,
            psycopg.errors.SerializationFailure,
        )
        given = conninfo_to_dict(url)
        waits = {"connect_timeout": CONNECT_WAIT_S, "tcp_user_timeout": STATEMENT_WAIT_MS}
        extra = {name: value for name, value in waits.items() if name not in given}
        address = make_conninfo(url, **extra)
        self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(address, autocommit=True)
        self._connection.prepare_threshold = None  # each plan is made for its own values
        self._connection.execute(f"SET statement_timeout = {STATEMENT_WAIT_MS}")

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:  # noqa: D102 - as `Driver`
        found = self._connection.execute(_named(sql), parameters)
        names = [column.name for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def tuples(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:  # noqa: D102 - as `Driver`
        return self._connection.execute(_named(sql), parameters).fetchall()

    def change(self, sql: str, parameters: Mapping[str, Any]) -> int:  # noqa: D102 - as `Driver`
        return self._connection.execute(_named(sql), parameters).rowcount

    def script(self, sql: str) -> None:  # noqa: D102 - as `Driver`
        for statement in statements(sql):
            self._connection.execute(statement.encode())

    def insert(  # noqa: D102 - as `Driver`
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, new_only: bool = False
    ) -> None:
        names = ", ".join(columns)
        into = f"incoming_{table}" if new_only else table
        with closing(self._connection.cursor()) as cursor:
            if new_only:
                cursor.execute(f"CREATE TEMP TABLE {into} (LIKE {table}) ON COMMIT DROP".encode())
            with cursor.copy(f"COPY {into} ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            if new_only:  # in the order of the key: two writers never wait for each other in a circle
                found = f"SELECT DISTINCT {names} FROM {into} ORDER BY 1"  # noqa: S608 - our own names
                cursor.execute(f"INSERT INTO {table} ({names}) {found} ON CONFLICT DO NOTHING".encode())
                cursor.execute(f"DROP TABLE {into}".encode())

    def has_table(self, name: str) -> bool:  # noqa: D102 - as `Driver`
        # to_regclass would answer from a cache that does not know what another session has just created
        sql = "SELECT 1 AS found FROM pg_tables WHERE schemaname = current_schema() AND tablename = :name"
        return bool(self.rows(sql, {"name": name}))

    def damage(self) -> list[str]:  # noqa: D102 - as `Driver`; a server checks its own files
        return []

    def begin(self, *, exclusive: bool = False) -> None:  # noqa: D102 - as `Driver`
        self._connection.execute("BEGIN")
        shared = "" if exclusive else "_shared"
        self._connection.execute(f"SELECT pg_advisory_xact_lock{shared}({_LOCK})".encode())

    def end(self, *, keep: bool) -> None:  # noqa: D102 - as `Driver`
        self._connection.execute("COMMIT" if keep else "ROLLBACK")

    def close(self) -> None:  # noqa: D102 - as `Driver`
        self._connection.close()


def statements(sql: str) -> list[str]:
    """Return the statements of a file, without its comments. Our files have no text with ``--`` or ``;``."""
    plain = re.sub(r"--[^\n]*", "", sql)
    return [statement.strip() for statement in plain.split(";") if statement.strip()]


def _named(sql: str) -> bytes:
    """Return the query with the placeholders of psycopg: ``:name`` becomes ``%(name)s``."""
    return PLACEHOLDER.sub(r"%(\1)s", sql.replace("%", "%%")).encode()

"""Open store: migrations, transactions, and the queries of ``queries/*.sql`` by name."""

from __future__ import annotations

import contextlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store.drivers import PLACEHOLDER, PostgresDriver, SqliteDriver, StoreError, statements
from pytest_evalgate.text.escape import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.places import StorePlace

_VERSIONS: Final = "CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, file TEXT NOT NULL)"
_EMPTY: Final = "no run is stored there; store runs with: pytest-evalgate store push .evalgate/runs"
_NEXT_STEPS: Final = (
    ("disk is full", "free some space"),
    ("No space left", "free some space on the database server"),
    ("readonly", "give this user the permission to write there"),
    ("read-only", "connect to a server that accepts writes"),
    ("locked", "wait for the other process that writes it"),
    ("not a database", "move the file away: the next run creates a new one"),
    ("malformed", "move the file away: the next run creates a new one"),
    ("timeout", "check the network and the load of the server"),
    ("statement timeout", "check the load of the server"),
)


@dataclass(frozen=True, slots=True)
class Database:
    """A connection to a store of this version's schema."""

    place: StorePlace
    driver: SqliteDriver | PostgresDriver

    @classmethod
    @contextlib.contextmanager
    def open(cls, place: StorePlace) -> Iterator[Self]:
        """Open a store to write to it; create or migrate its schema.

        Raises:
            StoreError: It cannot be used, or its schema is newer.
        """
        with cls._connected(place, read_only=False) as database:
            database.migrate()
            yield database

    @classmethod
    @contextlib.contextmanager
    def reading(cls, place: StorePlace) -> Iterator[Self]:
        """Open a store to query it; raises as `open`, and if it is empty."""
        if place.file is not None and not place.file.exists():
            raise StoreError(f"{place.name}: {_EMPTY}")
        with cls._connected(place, read_only=True) as database:
            version = database.version
            if not version:
                raise StoreError(f"{place.name}: {_EMPTY}")
            database.check_version(version)
            if version < len(migrations()):
                raise StoreError(
                    f"{place.name}: schema {version} is old; migrate it with: pytest-evalgate store check"
                )
            yield database

    @classmethod
    @contextlib.contextmanager
    def _connected(cls, place: StorePlace, *, read_only: bool) -> Iterator[Self]:
        try:
            driver = PostgresDriver(place.url) if place.file is None else SqliteDriver(place.file, read_only=read_only)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - of either driver; psycopg is not imported for SQLite
            raise StoreError(_message(place, error)) from None
        try:
            yield cls(place, driver)
        except driver.errors as error:
            raise StoreError(_message(place, error)) from None
        finally:
            with contextlib.suppress(*driver.errors):
                driver.close()

    @property
    def version(self) -> int:
        """The version of the schema; 0 if there is none."""
        if not self.driver.has_table("schema_versions"):
            return 0
        return int(self.driver.rows("SELECT max(version) AS version FROM schema_versions", {})[0]["version"] or 0)

    def query(self, name: str, **parameters: Any) -> list[Row]:
        """Run the query ``queries/NAME.sql``. Values reach the database as parameters only."""
        sql = query_text(name)
        return self.driver.rows(sql, _used(sql, parameters))

    def tuples(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Run the query ``queries/NAME.sql``, and return the values of its rows in the order of its columns."""
        sql = query_text(name)
        return self.driver.tuples(sql, _used(sql, parameters))

    def change(self, name: str, **parameters: Any) -> int:
        """Run the statements of ``queries/NAME.sql``, and return the number of rows that the last one changed."""
        changed = 0
        for sql in statements(query_text(name)):
            changed = self.driver.change(sql, _used(sql, parameters))
        return changed

    def insert(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, new_only: bool = False
    ) -> None:
        """Insert many rows; with ``new_only``, leave out those whose key is present."""
        self.driver.insert(table, columns, rows, new_only=new_only)

    @contextlib.contextmanager
    def transaction(self, *, exclusive: bool = False) -> Iterator[None]:
        """Run a block in one transaction; on any exception nothing of it is stored."""
        self.driver.begin(exclusive=exclusive)
        try:
            yield
        except BaseException:
            with contextlib.suppress(*self.driver.errors):  # the connection may be gone, which ends it as well
                self.driver.end(keep=False)
            raise
        self.driver.end(keep=True)

    def migrate(self) -> None:
        """Bring the schema to this version; raises as `check_version`."""
        if self.version == len(migrations()):
            return
        with self.transaction(exclusive=True):
            version = self.version  # another process may have migrated it meanwhile
            self.check_version(version)
            if not version and not self.driver.has_table("schema_versions"):
                self.driver.script(_VERSIONS)
            for number, name in enumerate(migrations()[version:], version + 1):
                self.driver.script(resources.files(__package__).joinpath("schema", name).read_text("utf-8"))
                self.insert("schema_versions", ("version", "file"), [(number, name)])

    def check_version(self, version: int) -> None:
        """Raise StoreError if a schema is newer than this version knows."""
        known = len(migrations())
        if version > known:
            raise StoreError(
                f"{self.place.name}: schema {version} is newer than {known}: upgrade pytest-evalgate to use this store"
            )


@cache
def migrations() -> tuple[str, ...]:
    """Return the files of the schema in their order. Each is applied once, and never edited after a release."""
    found = resources.files(__package__).joinpath("schema").iterdir()
    return tuple(sorted(file.name for file in found if file.name.endswith(".sql")))


@cache
def query_text(name: str) -> str:
    """Return the text of a query."""
    return resources.files(__package__).joinpath("queries", f"{name}.sql").read_text("utf-8")


def _used(sql: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in PLACEHOLDER.findall(sql)}


def _message(place: StorePlace, error: BaseException) -> str:
    text = one_line(place.hide(str(error))).strip() or type(error).__name__
    step = next(
        (step for part, step in _NEXT_STEPS if part in text), "check the address, the server and its permissions"
    )
    return f"{place.name}: {text}: {step}"

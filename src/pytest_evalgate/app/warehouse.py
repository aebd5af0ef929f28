"""Export of stored runs to the files of a warehouse: one folder for each table, one below it for each day.

``runs/day=2026-11-30/20261130T021500Z-4c15.parquet`` contains the runs of that day that an export found new, and is
named after the newest of them; ``results/day=2026-11-30/`` has a file of the same name. Days are those of the runs'
start in UTC. An exported file is never changed: a later export adds files with the runs that came meanwhile.

The file of ``runs`` is written after those of the other tables. A file of another table without it is the rest of an
export that was interrupted; the next export removes it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.errors import SettingsError, StorageError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.session_lock import SessionLock
from pytest_evalgate.store import StoreError
from pytest_evalgate.store.tables import OF_RUN, PROMOTIONS, RUNS, tables
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import escape_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_evalgate.store import Database
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter
    from pytest_evalgate.store.tables import StoreTable
    from pytest_evalgate.text.redaction import Redactor

FileFormat = Literal["parquet", "csv", "jsonl"]
MOST_RUNS: Final = 1_000_000
_LOCK_FILE: Final = ".evalgate-export.lock"
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_PLAIN: Final = re.compile(r"[\w-]{1,80}", re.ASCII)
_DAY_COLUMNS: Final = len("2026-11-30")
_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 28
_TYPES: Final = {"TEXT": "VARCHAR", "INTEGER": "INTEGER", "BIGINT": "BIGINT", "DOUBLE PRECISION": "DOUBLE"}
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Exported:
    """An export: the runs that it wrote, the runs that the folder had already, and the files that it wrote."""

    runs: tuple[str, ...]
    known: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A folder of exported files of one format."""

    folder: Path
    format: FileFormat
    redactor: Redactor

    def add(self, database: Database, chosen: RunFilter) -> Exported:
        """Write the runs that match and that no file contains yet, with their promotions.

        Raises:
            SettingsError: Another export writes to the folder, or DuckDB is not installed.
            StorageError: A file cannot be written.
        """
        write = self._writer()
        files.make_folder(self.folder)
        lock = SessionLock(self.folder / _LOCK_FILE)
        try:
            lock.acquire()
        except StorageError:
            raise
        except UserError:
            raise SettingsError(f"{self.folder}: another export writes there: wait for it") from None
        try:
            self._remove_rests()
            matching = [row for row in _runs(database, chosen) if row["source"] == "run"]
            known = self._known()
            new = [row for row in matching if row["run_id"] not in known]
            written: list[Path] = []
            for day, of_day in groupby(new, lambda row: _day_of(row["created"])):
                ids = [row["run_id"] for row in of_day]
                for name in OF_RUN:
                    table = tables()[name]
                    rows = (row for run_id in ids for row in table.rows(database, run_id))
                    written += write(table, self._file(name, day, ids[-1]), rows)
            promotions = self._promotions(database, {row["run_id"] for row in matching}, chosen.project)
            for path, of_time in promotions:
                written += write(tables()[PROMOTIONS], path, of_time)
        finally:
            lock.release()
        names = tuple(files.relative_name(path, self.folder) for path in written)
        return Exported(tuple(row["run_id"] for row in new), len(matching) - len(new), names)

    def _file(self, table: str, day: str, name: str) -> Path:
        safe = name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]
        return self.folder / table / f"day={day}" / f"{safe}.{self.format}"

    def _remove_rests(self) -> None:
        for table in OF_RUN:
            for path in self.folder.glob(f"{table}/day=*/*.{self.format}"):
                if not (self.folder / RUNS / path.parent.name / path.name).exists():
                    files.remove(path)

    def _known(self) -> set[str]:
        """Return the ids of the runs in the files."""
        found = sorted(self.folder.glob(f"{RUNS}/day=*/*.{self.format}"))
        if not found:
            return set()
        if self.format == "parquet":
            sql = "SELECT run_id FROM read_parquet(?)"
            return {row[0] for row in _duckdb().execute(sql, [list(map(str, found))]).fetchall()}
        ids: set[str] = set()
        for path in found:
            text = files.read_bytes(path).decode("utf-8")
            if self.format == "csv":
                ids.update(row["run_id"] for row in csv.DictReader(io.StringIO(text, newline="")))
            else:
                ids.update(jsonl.loads(line.encode())["run_id"] for line in text.split("\n") if line)
        return ids

    def _promotions(self, database: Database, runs: set[str], project: str) -> Iterator[tuple[Path, Sequence[Row]]]:
        """Yield a file for the promotions at one time of one run, unless it is there."""
        table = tables()[PROMOTIONS]
        columns = ", ".join(table.columns)
        sql = f"SELECT {columns} FROM {PROMOTIONS} WHERE project = :project ORDER BY promoted, run_id, suite"  # noqa: S608 - names of our schema
        rows = [row for row in database.driver.rows(sql, {"project": project}) if row["run_id"] in runs]
        for (promoted, run_id), of_time in groupby(rows, lambda row: (row["promoted"], row["run_id"])):
            path = self._file(PROMOTIONS, _day_of(promoted), f"{re.sub(r'[^0-9A-Z]', '', promoted)}-{run_id}")
            if not path.exists():
                yield path, list(of_time)

    def _writer(self) -> Callable[[StoreTable, Path, Iterable[Row]], list[Path]]:
        """Return the function that writes the rows of a table to a file; it returns the file unless there are none."""
        if self.format == "parquet":
            connection = _duckdb()
            return lambda table, path, rows: self._write_parquet(connection, table, path, rows)
        lines = _csv_lines if self.format == "csv" else _json_lines
        return lambda table, path, rows: _write(path, lines(table, self._redacted(rows)))

    def _redacted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            text = _encode(row)
            safe = self.redactor.redact(text)
            yield row if safe == text else jsonl.loads(safe.encode("utf-8", "replace"))

    def _write_parquet(self, connection: Any, table: StoreTable, path: Path, rows: Iterable[Row]) -> list[Path]:
        columns = {name: _TYPES[kind] for name, kind in table.columns.items()}
        with tempfile.TemporaryDirectory(prefix="evalgate-") as folder:
            lines, made = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
            if not _write(lines, _json_lines(table, self._redacted(rows))):
                return []
            source = (
                f"read_json(?, format = 'newline_delimited', columns = {columns!r}, maximum_object_size = {1 << 28})"
            )
            sql = f"COPY (SELECT * FROM {source}) TO '{made}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608 - names of our schema and of a temporary folder
            connection.execute(sql, [str(lines)])
            return _write(path, _blocks(made))


def _duckdb() -> Any:
    """Return a connection to an empty database in memory.

    Raises:
        SettingsError: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - the extra warehouse
    except ImportError:
        raise SettingsError(
            "--format parquet needs duckdb: pip install 'pytest-evalgate[warehouse]'; csv and jsonl do not"
        ) from None
    # an export downloads nothing: readers of JSON and Parquet are in the package
    return duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})


def _runs(database: Database, chosen: RunFilter) -> list[Row]:
    """Return the runs that match, oldest first."""
    return database.query("runs", **{**chosen.parameters(), "limit": MOST_RUNS})[::-1]


def _day_of(time: str) -> str:
    day = time[:_DAY_COLUMNS]
    if not _DAY.fullmatch(day):
        raise StoreError(f"the time {jsonl.quote_text(time)} of a stored run has no day: remove the run")
    return day


def _write(path: Path, blocks: Iterator[bytes]) -> list[Path]:
    first = next(blocks, None)
    if first is None:
        return []

    def whole() -> Iterator[bytes]:
        yield first
        yield from blocks

    files.write_atomically(path, whole())
    return [path]


def _json_lines(table: StoreTable, rows: Iterable[Row]) -> Iterator[bytes]:
    for row in rows:
        yield _encode({name: row[name] for name in table.columns}).encode("utf-8", "backslashreplace") + b"\n"


def _csv_lines(table: StoreTable, rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the header, if there is a row, and the rows. A cell that a spreadsheet would compute has an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, row in enumerate(rows):
        if not number:
            writer.writerow(table.columns)
        writer.writerow(
            [escape_cell(row[name]) if isinstance(row[name], str) else row[name] for name in table.columns]
        )
        yield text.getvalue().encode("utf-8", "backslashreplace")
        text.seek(0)
        text.truncate()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block

"""Logs of an application: JSON Lines, CSV, Parquet and exports of tracing tools, read as a stream of rows.

A row is a JSON object. A file is read from top to bottom without keeping anything; single rows are read again later by
their place. Parquet is read by duckdb (extra `warehouse`); JSON documents and YAML are read whole, as imports are.
"""

from __future__ import annotations

import csv
import datetime as dt
import importlib
from collections import deque
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path  # noqa: TC003 - the type of a field
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_evalgate.curation import otel_spans, trace_exports
from pytest_evalgate.curation.row_fields import Row  # noqa: TC001 - a type of the protocol
from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.column_plan import is_known_name
from pytest_evalgate.importing.delimited import choose_dialect, decode
from pytest_evalgate.importing.documents import read_json
from pytest_evalgate.importing.sheets import LIMITS, plain_name, read_source
from pytest_evalgate.text import files, foreign, jsonl
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Place of a row: the line or the number of its record, its byte offset, and its index among those of the record.

    A record of a trace export contains several rows.
    """

    number: int
    offset: int
    item: int = 0


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A format: its name, whether an object is in it, and the rows of an object. ``columns`` is its column map."""

    name: str
    matches: Callable[[Mapping[str, Json]], bool]
    rows: Callable[[Mapping[str, Json]], Iterator[Row]] | None
    columns: tuple[tuple[str, str], ...] = ()


FORMATS: Final = (
    LogFormat("otel", otel_spans.is_export, otel_spans.rows_of, otel_spans.COLUMNS),
    LogFormat("phoenix", trace_exports.is_phoenix, trace_exports.phoenix_rows, trace_exports.PHOENIX_COLUMNS),
    LogFormat("langfuse", trace_exports.is_langfuse, trace_exports.langfuse_rows, trace_exports.LANGFUSE_COLUMNS),
    LogFormat("rows", lambda _: True, None),
)
"""Formats of records, the most specific first. ``rows`` is everything else: each record is a row."""

_LOOKED_AT: Final = 20


class _Records(Protocol):
    """Reader of the records of a file: (number, offset, object or problem), and again those at the given places."""

    def first(self, number: int) -> list[Row]:
        """Return those of the first records that can be read."""
        ...

    def stream(self, fields: Sequence[str] | None = None) -> Iterator[tuple[int, int, Row | LineProblem]]:
        """Yield every record, whole or at least with the values at the dotted paths ``fields``."""
        ...

    def fetch(self, places: Iterable[RowPlace]) -> Iterator[tuple[int, Row]]:
        """Yield (number, record) of the records at ``places``, in the order of the file."""
        ...


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a log. ``is_table``: its values are cells, in which lists are written as text."""

    path: Path
    name: str
    container: str
    format: LogFormat
    records: _Records
    is_table: bool = False

    def rows(self, fields: Sequence[str] | None = None) -> Iterator[tuple[int, int, int, Row | LineProblem]]:
        """Yield (number, offset, item, row or problem) of every row; see `RowPlace`.

        With ``fields``, a row has at least the values at these dotted paths: columns of Parquet are read one by one.
        """
        expand = self.format.rows
        for number, offset, record in self.records.stream(fields if expand is None else None):
            if number == 1 and isinstance(record, dict) and record.keys() == {"_meta"}:  # the log is a golden set
                continue
            if expand is None or isinstance(record, LineProblem):
                yield number, offset, 0, record
                continue
            try:
                rows = list(expand(record))
            except (AttributeError, TypeError, ValueError, KeyError):  # a member of another type than documented
                message = f"not a record of {self.format.name} in its documented form"
                yield number, offset, 0, LineProblem(self.name, number, "", message)
                continue
            for item, row in enumerate(rows):
                yield number, offset, item, row

    def first_rows(self) -> list[Row]:
        """Return the rows of the first records that can be read."""
        head = self.records.first(_LOOKED_AT)
        return head if self.format.rows is None else [row for one in head for row in self.format.rows(one)]

    def fetch(self, places: Iterable[RowPlace]) -> dict[RowPlace, Row]:
        """Return the rows at ``places``."""
        wanted: dict[int, list[RowPlace]] = {}
        for place in places:
            wanted.setdefault(place.number, []).append(place)
        found: dict[RowPlace, Row] = {}
        by_number = [wanted[number][0] for number in sorted(wanted)]
        for number, record in self.records.fetch(by_number):
            rows = [record] if self.format.rows is None else list(self.format.rows(record))
            found.update((place, rows[place.item]) for place in wanted[number] if place.item < len(rows))
        return found


def open_log(path: Path, name: str, form: str | None = None) -> LogFile:
    """Recognise a log by its content; ``form`` is the name of one of `FORMATS`, if the user has named it.

    Raises:
        SettingsError: The file cannot be read, or is not a log.
        ImportingError: It is a document with problems.
    """
    container, records, is_table = _records(path, name)
    if form is not None:
        chosen = next((one for one in FORMATS if one.name == form), None)
        if chosen is None:
            near = did_you_mean(form, [one.name for one in FORMATS])
            raise SettingsError(
                f"--format {form}: no such format{near}; there are {', '.join(f.name for f in FORMATS)}"
            )
        return LogFile(path, name, container, chosen, records, is_table)
    head = records.first(_LOOKED_AT)
    chosen = next(one for one in FORMATS if (head and all(map(one.matches, head))) or one.rows is None)
    return LogFile(path, name, container, chosen, records, is_table and chosen.rows is None)


_PARQUET: Final = b"PAR1"


def _records(path: Path, name: str) -> tuple[str, _Records, bool]:
    """Return the container of a file (``jsonl``, ``csv``, ``parquet``), its reader, and whether it is a table."""
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            head = file.read(foreign.HEAD)
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror or error}") from None
    if not head.strip():
        raise SettingsError(f"{name}: the file is empty")
    if head.startswith(_PARQUET):
        return "parquet", ParquetRecords(path, name), False
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return suffix[1:], CsvRecords.of(path, name, head), True
    if start.startswith(b"[") or (start.startswith(b"{") and start[1:].lstrip(b" \t\r").startswith(b"\n")):
        return "json", DocumentRecords.of(path, name), False
    if (message := foreign.name_foreign(head)) is not None:
        raise SettingsError(f"{name}: {message}")
    if not start.startswith((b"{", b"//")):
        looks = foreign.name_other_rows(head[: head.rfind(b"\n") + 1] or head)
        if looks is not None and "SV" in looks:
            looks = f"{looks}, or let its name end in .csv"
        raise SettingsError(f"{name}: {looks or 'is not a log: name JSON Lines, a JSON list, CSV, TSV or Parquet'}")
    return "jsonl", JsonLines(path, name), False


def _first(records: _Records, number: int) -> list[Row]:
    return [record for _, _, record in islice(records.stream(), number) if not isinstance(record, LineProblem)]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Records of a JSON Lines file, each of which is read again by its offset."""

    path: Path
    name: str

    def first(self, number: int) -> list[Row]:
        """Return those of the first records that can be read."""
        return _first(self, number)

    def stream(self, fields: Sequence[str] | None = None) -> Iterator[tuple[int, int, Row | LineProblem]]:  # noqa: ARG002 - lines are whole
        """Yield every record."""
        with self.path.open("rb") as file:
            yield from jsonl.stream(file, name=self.name)

    def fetch(self, places: Iterable[RowPlace]) -> Iterator[tuple[int, Row]]:
        """Yield the records at ``places``."""
        with self.path.open("rb") as file:
            for place in places:
                _, _, record = next(jsonl.stream(file, name=self.name, start=place.offset), (0, 0, None))
                if isinstance(record, dict):
                    yield place.number, record


@dataclass(frozen=True, slots=True)
class _ReadTwice:
    """Records that are numbered from 1, and read from the start once more to fetch some of them."""

    def _all(self) -> Iterator[tuple[int, Row | LineProblem]]:
        raise NotImplementedError

    def first(self, number: int) -> list[Row]:
        """Return those of the first records that can be read."""
        return _first(self, number)

    def stream(self, fields: Sequence[str] | None = None) -> Iterator[tuple[int, int, Row | LineProblem]]:  # noqa: ARG002 - as above
        """Yield every record."""
        return ((number, 0, record) for number, record in self._all())

    def fetch(self, places: Iterable[RowPlace]) -> Iterator[tuple[int, Row]]:
        """Yield the records at ``places``."""
        wanted = {place.number for place in places}
        for number, record in self._all():
            if number in wanted and isinstance(record, dict):
                wanted.discard(number)
                yield number, record
            if not wanted:
                return


@dataclass(frozen=True, slots=True)
class CsvRecords(_ReadTwice):
    """Records of a CSV or TSV file in UTF-8. The first row has the names; the number of a record is its line."""

    path: Path
    name: str
    dialect: Any

    @classmethod
    def of(cls, path: Path, name: str, head: bytes) -> CsvRecords:
        """Choose the dialect by the start of the file."""
        text, _ = decode(head[: head.rfind(b"\n") + 1] or head, name)
        dialect = choose_dialect(text, partial(is_known_name, columns={}), "\t" if path.suffix == ".tsv" else None)
        return cls(path, name, dialect)

    def _all(self) -> Iterator[tuple[int, Row | LineProblem]]:
        limit = csv.field_size_limit(LIMITS.cell)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield from self._named(self.dialect.lines(file))
        except UnicodeDecodeError as error:
            place = f"{self.name}:{_undecodable_line(self.path)}"
            raise SettingsError(f"{place}: not UTF-8 ({error.reason}): save the file as UTF-8") from None
        finally:
            csv.field_size_limit(limit)

    def _named(self, records: Iterator[tuple[int, list[str] | str]]) -> Iterator[tuple[int, Row | LineProblem]]:
        number, header = next(records, (1, "the file has no row"))
        if isinstance(header, str):
            yield number, LineProblem(self.name, number, "", header)
            return
        names = [plain_name(cell) for cell in header]
        for number, cells in records:
            if isinstance(cells, str):
                yield number, LineProblem(self.name, number, "", cells)
            elif len(cells) > len(names):
                message = f"{len(cells)} cells, but the header has {len(names)}: quote cells with a delimiter in them"
                yield number, LineProblem(self.name, number, "", message)
            else:
                yield number, {name: cell or None for name, cell in zip(names, cells, strict=False) if name}


def _undecodable_line(path: Path) -> int:
    """Return the number of the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


@dataclass(frozen=True, slots=True)
class DocumentRecords(_ReadTwice):
    """Records of a JSON document, which is read whole."""

    items: tuple[Row, ...]

    @classmethod
    def of(cls, path: Path, name: str) -> DocumentRecords:
        """Read the document.

        Raises:
            ImportingError: It is not a list of objects, or is too large.
        """
        text, _ = decode(read_source(path, name), name)
        return cls(tuple(dict(row.values) for row in read_json(text, path, name).rows))

    def _all(self) -> Iterator[tuple[int, Row | LineProblem]]:
        yield from enumerate(self.items, start=1)


@dataclass(frozen=True, slots=True)
class ParquetRecords:
    """Records of a Parquet file. Values that JSON does not have are texts, times in ISO 8601.

    Memory depends on the pages of a file, not on its size. duckdb holds a page of each column that is read, and its
    own files have one page for 122,880 rows: 120 MB for texts of 1 kB. So a pass reads the columns that it needs, and
    single rows are fetched column by column. A condition on row numbers would make duckdb keep whole columns.
    """

    path: Path
    name: str

    def first(self, number: int) -> list[Row]:
        """Return the first records."""
        return [row for _, row in self.fetch(RowPlace(one, 0) for one in range(1, number + 1))]

    def stream(self, fields: Sequence[str] | None = None) -> Iterator[tuple[int, int, Row | LineProblem]]:
        """Yield every record, with all columns or with those that contain the values at the paths ``fields``."""
        with self._connection() as connection:
            every = _columns_of(connection, self.path)
            names = every if fields is None else [name for name in every if _may_hold(name, fields, every)]
            rows = chain.from_iterable(_batches(connection, self.path, names))
            for number, values in enumerate(rows, start=1):
                yield number, 0, {name: _json_value(one) for name, one in zip(names, values, strict=False)}

    def fetch(self, places: Iterable[RowPlace]) -> Iterator[tuple[int, Row]]:
        """Yield the records at ``places``."""
        wanted = sorted({place.number for place in places})
        found: dict[int, Row] = {}
        with self._connection() as connection:
            for name in _columns_of(connection, self.path) if wanted else ():
                left, first = deque(wanted), 1
                for batch in _batches(connection, self.path, [name]):
                    while left and left[0] < first + len(batch):
                        number = left.popleft()
                        found.setdefault(number, {})[name] = _json_value(batch[number - first][0])
                    first += len(batch)
                    if not left:
                        break
        yield from found.items()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """Yield a connection of duckdb.

        Raises:
            SettingsError: duckdb is not installed, or cannot read the file.
        """
        try:
            duckdb = importlib.import_module("duckdb")
        except ImportError:
            raise SettingsError(
                f"{self.name}: Parquet needs duckdb: pip install 'pytest-evalgate[warehouse]'"
            ) from None
        with duckdb.connect(config=_DUCKDB) as connection:
            try:
                connection.execute(f"{_LESS_MEMORY}; {_NO_PROGRESS}")
                yield connection
            except duckdb.OutOfMemoryException:
                raise SettingsError(
                    f"{self.name}: its pages need more than {_DUCKDB['memory_limit']} of memory: write smaller "
                    "row groups, with duckdb by COPY (FROM 'log.parquet') TO 'small.parquet' (ROW_GROUP_SIZE 10000)"
                ) from None
            except duckdb.Error as error:
                message = str(error).partition("\n")[0]
                raise SettingsError(f"{self.name}: not a Parquet file that can be read: {message}") from None


_DUCKDB: Final = {
    "threads": "1",
    "memory_limit": "2GB",
    "autoinstall_known_extensions": "false",  # nothing is downloaded
    "autoload_known_extensions": "false",
}
# duckdb would read whole row groups: 980 MB of a file by pyarrow, whose row groups have a million rows
_LESS_MEMORY: Final = "SET disable_parquet_prefetching = true; SET streaming_buffer_size = '1MB'"
_NO_PROGRESS: Final = "SET enable_progress_bar = false"

_BATCH: Final = 2048


def _columns_of(connection: Any, path: Path) -> list[str]:
    return [column[0] for column in connection.execute("FROM read_parquet(?) LIMIT 0", [str(path)]).description]


def _batches(connection: Any, path: Path, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the values of columns in batches of rows, without a column one NULL for each row."""
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names) or "NULL"
    found = connection.execute(f"SELECT {quoted} FROM read_parquet(?)", [str(path)])  # noqa: S608 - quoted names
    yield from iter(lambda: found.fetchmany(_BATCH), [])


def _may_hold(name: str, fields: Sequence[str], every: Sequence[str]) -> bool:
    """Return whether a column may contain a value that `field_reader` reads at one of the paths."""
    return any(
        name == path or (path not in every and (name == "metadata" or path.startswith(f"{name}."))) for path in fields
    )


def _json_value(value: Any) -> Json:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    return value.isoformat() if isinstance(value, dt.datetime | dt.date | dt.time) else str(value)

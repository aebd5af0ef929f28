"""CSV and TSV files in any dialect: encoding, delimiter, quotes and escapes are found out and reported.

A dialect is chosen by the header: the reading in which most column names are known is taken, then the one with the
fewest rows whose width differs from the header's.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import MOST_LISTED, ImportingError
from pytest_evalgate.importing.sheets import LIMITS, Sheet, SheetRow, check_shape, plain_name
from pytest_evalgate.text import foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The characters that separate and quote cells; without ``escape``, a quote in a cell is doubled."""

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    skips_space: bool = False

    def __str__(self) -> str:
        """Describe the dialect: ``semicolon-separated``."""
        parts = [f"{_NAMES.get(self.delimiter, repr(self.delimiter))}-separated"]
        parts += ["single quotes"] if self.quote == "'" else []
        parts += ["backslash escapes"] if self.escape else []
        return ", ".join(parts)

    def reader(self, text: str) -> Iterator[tuple[int, list[str] | str]]:
        """Yield (number of the first line, cells) of each record; the message instead of cells for a malformed one."""
        return self.lines(io.StringIO(text, newline=""))  # ends lines at LF, CRLF and CR, and keeps these in cells

    def lines(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str] | str]]:
        """Yield the records of lines, as `reader` does."""
        rows = csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.skips_space,
            strict=True,
        )
        while True:
            start = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield start, _explain(str(error))
                continue
            if cells:
                yield start, cells


def _explain(message: str) -> str:
    if "unexpected end of data" in message:
        return "a quote that opens a cell here is never closed: close it, or double the quotes inside of cells"
    if "field larger" in message:
        return f"a cell has more than {LIMITS.cell:,} characters: is a quote not closed?"
    return "text after the closing quote of a cell: double the quotes inside of cells"


def read_delimited(content: bytes, file: str, is_known: Callable[[str], bool], delimiter: str | None = None) -> Sheet:
    """Read a table.

    Args:
        content: The file.
        file: Its name in messages.
        is_known: Whether the name of a column is one that an import reads.
        delimiter: The delimiter, if it is known.

    Raises:
        ImportingError: The file is not a text table; lists every malformed record.
    """
    text, notes = decode(content, file)
    limit = csv.field_size_limit(LIMITS.cell)  # a setting of the whole process; the default is 128 KiB
    try:
        offset, text, named = _separator_line(text)
        dialect = choose_dialect(text, is_known, delimiter or named)
        records = list(islice(dialect.reader(text), LIMITS.rows + 1))
    finally:
        csv.field_size_limit(limit)
    if problems := [(f"{file}:{number + offset}", cells) for number, cells in records if isinstance(cells, str)]:
        raise ImportingError(problems[: MOST_LISTED + 1])
    rows = tuple(SheetRow(number + offset, tuple(cells)) for number, cells in records)
    check_shape(file, rows)
    return Sheet(file, rows, dialect=str(dialect), notes=notes)


_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\r?(?:\n|\Z)")


def _separator_line(text: str) -> tuple[int, str, str | None]:
    """Return the lines to skip, the rest and the delimiter: Excel writes ``sep=;`` into the first line."""
    found = _SEPARATOR_LINE.match(text)
    return (0, text, None) if found is None else (1, text[found.end() :], found[1])


_BOMS: Final = {  # UTF-32 first: its mark starts with that of UTF-16
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_FEWEST: Final = 4


def decode(content: bytes, file: str) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and notes about its encoding.

    The byte order mark decides, then the pattern of NUL bytes of UTF-16, then UTF-8; Windows-1252 is the last resort.

    Raises:
        ImportingError: It is not text.
    """
    mark = next((mark for mark in _BOMS if content.startswith(mark)), b"")
    encoding = _BOMS.get(mark) or _wide_encoding(content[:256]) or "utf-8"
    notes: tuple[str, ...] = ()
    if encoding == "utf-8" and (message := foreign.name_foreign(content[: foreign.HEAD], free_text=True)) is not None:
        raise ImportingError([(file, message)])
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        if encoding != "utf-8" or mark:
            raise ImportingError([(f"{file}:{line}", f"not {encoding.upper()}: save it as UTF-8")]) from None
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            bad = f"byte {content[error.start]:02x}"
            raise ImportingError(
                [(f"{file}:{line}", f"neither UTF-8 nor Windows-1252 ({bad}): save it as UTF-8")]
            ) from None
        notes = (f"not UTF-8 (line {line}), read as Windows-1252: if letters look wrong, save the file as UTF-8",)
    if encoding.startswith(("utf-16", "utf-32")):
        notes = (f"encoded as {encoding[:6].upper()}",)
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise ImportingError([(f"{file}:{line}", "contains a NUL character: it is not a text table")])
    return text, notes


def _wide_encoding(head: bytes) -> str | None:
    """Return the encoding of UTF-16 text without a mark, whose ASCII characters have a NUL byte each."""
    if len(head) < _FEWEST or len(head) % 2:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    least = max(2, len(head) // 8)  # a quarter of the characters are ASCII, such as delimiters and line ends
    if max(even, odd) < least or min(even, odd) * 4 > max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


_SAMPLE: Final = 1 << 18
_RECORDS: Final = 400
_TITLE_ROWS: Final = 20


def choose_dialect(text: str, is_known: Callable[[str], bool], delimiter: str | None = None) -> CsvDialect:
    """Return the dialect in which a text is best read as a table. Equal readings: comma and double quotes first."""
    sample = text[:_SAMPLE]
    candidates = list(_candidates(sample, delimiter))
    return max(candidates, key=lambda one: (*_fitness(one, sample, is_known, len(text)), -candidates.index(one)))


def _candidates(sample: str, delimiter: str | None) -> Iterator[CsvDialect]:
    delimiters = [delimiter] if delimiter else [one for one in _NAMES if one in sample] or [","]
    for one in delimiters:
        yield CsvDialect(one)
        if "'" in sample:
            yield CsvDialect(one, quote="'")
        if '\\"' in sample:
            yield CsvDialect(one, escape="\\")
        if f'{one} "' in sample:
            yield CsvDialect(one, skips_space=True)


def _fitness(
    dialect: CsvDialect, sample: str, is_known: Callable[[str], bool], size: int
) -> tuple[int, bool, int, bool]:
    """Return how well a dialect fits: known names, several columns, misfits (negative), use of its quotes."""
    records = [cells for _, cells in islice(dialect.reader(sample), _RECORDS)]
    if len(sample) < size and len(records) < _RECORDS:
        records = records[:-1]  # the sample ends within it
    names = [_known_names(cells, is_known) for cells in records[:_TITLE_ROWS]]
    best = max(names, default=0)
    header = names.index(best) if best else 0
    rows = records[header:]
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 1
    misfits = sum(1 for cells in rows if isinstance(cells, str) or len(cells) != width)
    return best, width > 1, -misfits, _uses_quotes(dialect, sample)


def _known_names(cells: Sequence[str] | str, is_known: Callable[[str], bool]) -> int:
    return 0 if isinstance(cells, str) else len({name for name in map(plain_name, cells) if is_known(name)})


def _uses_quotes(dialect: CsvDialect, sample: str) -> bool:
    """Return whether quotes enclose a cell that needs them: with a delimiter, a quote or a line end."""
    quote, mark = re.escape(dialect.quote), re.escape(dialect.delimiter)
    start, end = rf"(?:\A|[\n\r]|{mark})", rf"(?=[\n\r]|{mark}|\Z)"
    cell = rf"{start}{quote}((?:[^{quote}]|{quote}{quote})*+){quote}{end}"
    return any(_needs_quotes(found[1], dialect) for found in re.finditer(cell, sample))


def _needs_quotes(content: str, dialect: CsvDialect) -> bool:
    return any(mark in content for mark in (dialect.delimiter, dialect.quote, "\n", "\r"))

"""Tables of cells with their places, in a CSV file or a sheet of a workbook, and the bounds of a source."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Cell = str | bool | int | float
"""A value of a table. Empty cells are empty texts; dates and times are ISO 8601 texts."""


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Bounds of one source: bytes of the file, and rows, columns and cells of a table, and characters of a cell."""

    size: int = 128 << 20
    rows: int = 200_000
    columns: int = 1_000
    cells: int = 5_000_000
    cell: int = 1 << 20


LIMITS: Final = SourceLimits()


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row: its number (the line of a file, or the row of a sheet) and its cells."""

    number: int
    cells: tuple[Cell, ...]

    @property
    def is_blank(self) -> bool:
        """Whether no cell has a value."""
        return all(is_empty(cell) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, with the name of its file, and of its sheet in a workbook.

    ``dialect`` describes how the cells are separated. ``notes`` are decisions of the reader that a user should know.
    """

    file: str
    rows: tuple[SheetRow, ...]
    name: str | None = None
    dialect: str = ""
    notes: tuple[str, ...] = ()

    def place(self, row: SheetRow, column: int = 0) -> str:
        """Return the place of a cell: ``faq.csv:12``, or ``faq.xlsx: Sheet1!C12``."""
        if self.name is None:
            return f"{self.file}:{row.number}"
        return f"{self.file}: {self.name}!{column_letters(column)}{row.number}"

    def column(self, index: int) -> str:
        """Return the name of a column for a message: its letters in a workbook, else its number."""
        return f"column {index + 1}" if self.name is None else f"column {column_letters(index)}"


def is_empty(cell: Cell) -> bool:
    """Return whether a cell has no value."""
    return isinstance(cell, str) and not cell.strip()


def column_letters(index: int) -> str:
    """Return the letters of a column by its index: 0 is ``A``, 26 is ``AA``."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def cell_text(cell: Cell) -> str:
    """Return a cell as text: a number without a trailing ``.0``, a boolean as ``true`` or ``false``."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(cell, ".15g")  # as a spreadsheet shows it
    return str(cell)


def plain_name(cell: Cell) -> str:
    """Return the name of a column: NFC text on one line, without white space at its ends."""
    return " ".join(unicodedata.normalize("NFC", cell_text(cell)).split())


def check_shape(file: str, rows: Sequence[SheetRow]) -> None:
    """Check the numbers of rows, columns and cells.

    Raises:
        ImportingError: One of them is larger than allowed.
    """
    widest = max((len(row.cells) for row in rows), default=0)
    cells = sum(len(row.cells) for row in rows)
    for number, most, noun in (
        (len(rows), LIMITS.rows, "rows"),
        (widest, LIMITS.columns, "columns"),
        (cells, LIMITS.cells, "cells"),
    ):
        if number > most:
            raise ImportingError([(file, f"{number:,} {noun}, at most {most:,}: split the file")])


def read_source(path: Path, name: str) -> bytes:
    """Return the content of a file.

    Raises:
        ImportingError: It is missing, not a regular file, too large or cannot be read.
    """
    try:
        files.require_regular(path)
        size = path.stat().st_size
        if size > LIMITS.size:
            message = f"{size >> 20:,} MiB, at most {LIMITS.size >> 20:,} MiB: split the file, or draw a sample of it"
            raise ImportingError([(name, message)])
        with path.open("rb") as file:
            content = file.read(LIMITS.size + 1)
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        raise ImportingError([(name, f"cannot be read: {getattr(error, 'strerror', None) or error}")]) from None
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise ImportingError([(name, "the file is empty")])
    return content

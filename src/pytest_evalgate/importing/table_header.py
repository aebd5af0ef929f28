"""Header of a table: the row that names the columns, and the rows below it as named values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.columns import field_of, normal_name
from pytest_evalgate.importing.column_plan import is_known_name
from pytest_evalgate.importing.imported import ImportingError, LeftOut
from pytest_evalgate.importing.sheets import cell_text, is_empty, plain_name
from pytest_evalgate.importing.source_rows import SourceRow
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.importing.sheets import Sheet, SheetRow

_TITLE_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class NamedTable:
    """The rows of a table as named values, what is not part of them, and notes."""

    rows: tuple[SourceRow, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def name_rows(sheet: Sheet, columns: Mapping[str, str]) -> NamedTable:
    """Return the rows below the header as named values. ``columns`` are the names that the user has mapped.

    Raises:
        ImportingError: The table has no row below its header, or a mapped column occurs twice.
    """
    filled = [row for row in sheet.rows if not row.is_blank]
    if not filled:
        raise ImportingError([(sheet.file, "the table is empty")])
    header = filled[_header_index(filled, columns)]
    below = [row for row in filled if row.number > header.number]
    if not below:
        raise ImportingError([(sheet.place(header), "there is no row below the names of the columns")])
    left_out = [
        LeftOut(sheet.place(row), f"the row {_shown(row)}", "it is above the names of the columns")
        for row in filled
        if row.number < header.number
    ]
    names, unnamed = _names(sheet, header, below, columns)
    left_out += unnamed
    _check_width(sheet, header, below)
    rows = tuple(
        SourceRow(
            sheet.place(row),
            {name: _value(row, index) for name, index in names.items()},
            partial(_locate, sheet, row, names),
        )
        for row in below
    )
    return NamedTable(rows, tuple(left_out), _ragged(sheet, below, max(names.values(), default=-1) + 1))


def _locate(sheet: Sheet, row: SheetRow, names: Mapping[str, int], name: str) -> str:
    return sheet.place(row, names[name])


def _value(row: SheetRow, index: int) -> str | bool | int | float | None:
    cell = row.cells[index] if index < len(row.cells) else ""
    return None if is_empty(cell) else cell


def _header_index(filled: Sequence[SheetRow], columns: Mapping[str, str]) -> int:
    """Return the index of the header: the first row, or one below titles of few cells."""
    mapped = {normal_name(name) for name in columns.values()}
    for index, row in enumerate(filled[:_TITLE_ROWS]):
        names = [plain_name(cell) for cell in row.cells if not is_empty(cell)]
        is_header = (
            not mapped.isdisjoint(map(normal_name, names))
            or any((field_of(name) or ("", 0))[0] == "input" for name in names)
            or sum(is_known_name(name, columns) for name in names) > 1
        )
        if is_header and all(_width(other) <= max(1, len(names) // 2) for other in filled[:index]):
            return index
        if is_header:
            break
    return 0


def _width(row: SheetRow) -> int:
    return sum(not is_empty(cell) for cell in row.cells)


def _names(
    sheet: Sheet, header: SheetRow, below: Sequence[SheetRow], columns: Mapping[str, str]
) -> tuple[dict[str, int], list[LeftOut]]:
    """Return the index of each named column, and the columns without a name of their own.

    Raises:
        ImportingError: A column that is read occurs twice, with different cells.
    """
    found: dict[str, int] = {}
    left_out: list[LeftOut] = []
    problems: list[tuple[str, str]] = []
    for index, cell in enumerate(header.cells):
        name = plain_name(cell)
        values = [_value(row, index) for row in below]
        if not name:
            if examples := [cell_text(value) for value in values if value is not None]:
                shown = first_few([jsonl.quote_text(text, 20) for text in examples])
                left_out.append(
                    LeftOut(sheet.place(header, index), f"{sheet.column(index)} ({shown})", "it has no name")
                )
            continue
        if name not in found:
            found[name] = index
        elif values != [_value(row, found[name]) for row in below]:
            if is_known_name(name, columns):
                first = sheet.column(found[name])
                message = f"{sheet.column(index)} is named {jsonl.quote_text(name)}, as {first} is: rename one of them"
                problems.append((sheet.place(header, index), message))
            else:
                what = f"{sheet.column(index)} {jsonl.quote_text(name)}"
                left_out.append(LeftOut(sheet.place(header, index), what, f"{sheet.column(found[name])} has its name"))
    if problems:
        raise ImportingError(problems)
    return found, left_out


def _check_width(sheet: Sheet, header: SheetRow, below: Sequence[SheetRow]) -> None:
    """Refuse rows with cells beyond the header: usually a cell that contains the delimiter is not quoted.

    Raises:
        ImportingError: Lists all such rows.
    """
    if sheet.name is not None:
        return  # the columns of a workbook are certain; those without a name are listed
    width = len(header.cells)
    problems = [
        (sheet.place(row), f"{len(row.cells)} cells, but the header has {width}: quote cells with a delimiter in them")
        for row in below
        if any(not is_empty(cell) for cell in row.cells[width:])
    ]
    if problems:
        raise ImportingError(problems)


def _ragged(sheet: Sheet, below: Sequence[SheetRow], width: int) -> tuple[str, ...]:
    short = [row.number for row in below if len(row.cells) < width]
    if not short or sheet.name is not None:
        return ()
    return (f"{count(len(short), 'row')} shorter than the header (first: line {short[0]}): the other cells are empty",)


def _shown(row: SheetRow) -> str:
    return jsonl.quote_text(next((cell_text(cell) for cell in row.cells if not is_empty(cell)), ""), 40)

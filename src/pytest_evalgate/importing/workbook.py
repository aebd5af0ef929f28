"""Sheets of XLSX workbooks, read by the extra ``excel`` (python-calamine).

A workbook is an archive that can hide much in few bytes: its parts are inflated under a bound and written into a new
archive, and the extent of a sheet is checked, before calamine allocates one value for each cell of it.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET  # expat since 2.4.1 bounds the expansion of entities

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.sheets import LIMITS, Cell, Sheet, SheetRow, check_shape, column_letters
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from python_calamine import CalamineSheet, CalamineWorkbook

_INFLATED: Final = 256 << 20
_MEMBERS: Final = 10_000
_INSTALL: Final = "XLSX files need python-calamine: pip install 'pytest-evalgate[excel]', or save the sheet as CSV"
_OTHERS: Final = {
    ".xls": "an Excel 97 workbook",
    ".xlsb": "a binary workbook",
    ".ods": "an OpenDocument spreadsheet",
    ".numbers": "a Numbers spreadsheet",
}


def other_kind(suffix: str) -> str | None:
    """Return what a file is if its suffix is that of a spreadsheet other than XLSX."""
    return _OTHERS.get(suffix.lower())


def read_workbook(content: bytes, file: str, wanted: str | None) -> Sheet:
    """Read one sheet: the named one, else the only visible one that has cells.

    Raises:
        ImportingError: calamine is not installed, the workbook is damaged or too large, it has several sheets and none
            is named, or a cell has an error or a formula without a stored value; lists all such cells.
    """
    try:
        import python_calamine  # noqa: PLC0415 - an extra
    except ImportError:
        raise ImportingError([(file, _INSTALL)]) from None
    parts = _inflate(content, file)
    try:
        paths = _sheet_paths(parts)
    except (ET.ParseError, KeyError) as error:
        raise ImportingError([(file, f"a damaged workbook: {jsonl.escape_text(str(error))}")]) from None
    sheets = {name: _SheetXml(parts.get(path, b"")) for name, path in paths.items()}
    for name, xml in sheets.items():
        xml.check_extent(f"{file}: {name}")
    try:
        with python_calamine.load_workbook(_archive(parts)) as book:
            name = _choose(book, sheets, wanted, file)
            sheet = book.get_sheet_by_name(name)
            rows = _rows(sheet)
    except (python_calamine.CalamineError, ValueError) as error:
        raise ImportingError([(file, f"a damaged workbook: {jsonl.escape_text(str(error))}")]) from None
    if problems := [(f"{file}: {name}!{cell}", message) for cell, message in sheets[name].problems()]:
        raise ImportingError(problems)
    filled = _fill_merged(rows, _checked_ranges(sheet, f"{file}: {name}"))
    notes = (f"{count(filled, 'merged range')}: each of its cells has the value of the range",) if filled else ()
    made = tuple(SheetRow(number, tuple(cells)) for number, cells in rows.items())
    check_shape(file, made)
    return Sheet(file, made, name, f"sheet {jsonl.quote_text(name)}", notes)


def _inflate(content: bytes, file: str) -> dict[str, bytes]:
    """Return the XML parts of a workbook; their sizes are counted, because those in an archive can lie."""
    if content.startswith(b"\xd0\xcf\x11\xe0"):  # an OLE file: Excel 97, or an encrypted workbook
        raise ImportingError([(file, "an encrypted or an Excel 97 workbook: save it as .xlsx without a password")])
    parts: dict[str, bytes] = {}
    left = _INFLATED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS:
                raise ImportingError([(file, f"{len(members):,} files in the workbook, at most {_MEMBERS:,}")])
            for member in members:
                if not member.filename.endswith((".xml", ".rels")) or member.filename in parts:
                    continue
                with archive.open(member) as part:  # reads at most the declared size, and checks the CRC
                    parts[member.filename] = part.read(left + 1)
                left -= len(parts[member.filename])
                if left < 0:
                    message = f"more than {_INFLATED >> 20} MiB when inflated: save the sheet as CSV, or split it"
                    raise ImportingError([(file, message)])
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ImportingError([(file, f"not an XLSX workbook: {jsonl.escape_text(str(error))}")]) from None
    if "xl/workbook.xml" not in parts:
        raise ImportingError([(file, "not an XLSX workbook: save it as .xlsx, or as CSV")])
    return parts


def _archive(parts: Mapping[str, bytes]) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    target.seek(0)
    return target


_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION: Final = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


def _sheet_paths(parts: Mapping[str, bytes]) -> dict[str, str]:
    """Return the part of each sheet by the name of the sheet."""
    relations = ET.fromstring(parts["xl/_rels/workbook.xml.rels"])  # noqa: S314 - see the import
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    book = ET.fromstring(parts["xl/workbook.xml"])  # noqa: S314
    found = {}
    for node in book.iter():
        if node.tag.endswith("}sheet"):
            target = targets.get(node.get(_RELATION) or node.get(_STRICT_RELATION), "") or ""
            found[node.get("name", "")] = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    return found


_REFERENCE: Final = re.compile(rb"""\br\s*=\s*["']\$?([A-Za-z]{1,3})\$?([0-9]{1,7})["']""")
_ROW: Final = re.compile(rb"""<(?:\w+:)?row\b[^>]*?\br\s*=\s*["']([0-9]{1,7})["']""")
_CELL: Final = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c\s*>)", re.DOTALL)
_ERROR: Final = re.compile(rb"""\bt\s*=\s*["']e["']""")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
_VALUE: Final = re.compile(rb"<(?:\w+:)?v\b[^>/]*>([^<]+)|<(?:\w+:)?is\b")
_TEXT: Final = re.compile(rb"""\bt\s*=\s*["']str["']""")


@dataclass(frozen=True, slots=True)
class _SheetXml:
    """The XML of a sheet, searched for what calamine does not report."""

    data: bytes

    @property
    def has_cells(self) -> bool:
        return _CELL.search(self.data) is not None

    def check_extent(self, place: str) -> None:
        """Refuse a sheet whose cells lie far apart: calamine allocates 32 bytes for each cell between them."""
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise ImportingError([(place, "XML in UTF-16: save the workbook again")])
        columns = {found[1].upper() for found in _REFERENCE.finditer(self.data)}
        width = max(map(_column_index, columns), default=0) + 1
        last = max((int(found[2]) for found in _REFERENCE.finditer(self.data)), default=0)
        height = max([last, *(int(found[1]) for found in _ROW.finditer(self.data))])
        if width * height > LIMITS.cells or height > LIMITS.rows:
            message = (
                f"the sheet extends to here: {width:,} columns and {height:,} rows, at most {LIMITS.rows:,} rows and "
                f"{LIMITS.cells:,} cells: delete what lies beyond the table, or save it as CSV"
            )
            raise ImportingError([(f"{place}!{column_letters(width - 1)}{height}", message)])

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (cell, message) for errors such as ``#N/A`` and for formulas without a stored value."""
        for found in _CELL.finditer(self.data):
            attributes, content = found[1], found[2] or b""
            reference = _REFERENCE.search(attributes)
            cell = "?" if reference is None else (reference[1] + reference[2]).decode().upper()
            value = _VALUE.search(content)
            if _ERROR.search(attributes):
                text = "" if value is None or value[1] is None else value[1].decode("ascii", "replace")
                yield cell, f"the error {jsonl.escape_text(text, 20) or '?'}: correct the formula"
            elif value is None and _FORMULA.search(content) and not _TEXT.search(attributes):
                yield cell, "a formula without a stored value: open the workbook in a spreadsheet and save it"


def _column_index(letters: bytes) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + letter - ord("A") + 1
    return index - 1


def _choose(book: CalamineWorkbook, sheets: Mapping[str, _SheetXml], wanted: str | None, file: str) -> str:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415 - an extra

    tables = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet and one.name in sheets]
    names = [one.name for one in tables]
    if wanted is not None:
        if wanted not in names:
            known = ", ".join(map(jsonl.quote_text, names))
            same = next((name for name in names if name.casefold() == wanted.casefold()), wanted)
            message = f"no sheet {jsonl.quote_text(wanted)}{did_you_mean(same, names)}; the sheets are {known}"
            raise ImportingError([(file, message)])
        return wanted
    filled = [
        one.name for one in tables if one.visible == SheetVisibleEnum.Visible and sheets[one.name].has_cells
    ] or [name for name in names if sheets[name].has_cells]
    if not filled:
        raise ImportingError([(file, "no sheet has a cell")])
    if len(filled) > 1:
        options = ", ".join(f"--sheet {_quoted(name)}" for name in filled[:10])
        raise ImportingError([(file, f"{len(filled):,} sheets have cells: choose one with {options}")])
    return filled[0]


def _quoted(name: str) -> str:
    import shlex  # noqa: PLC0415 - only a message needs it

    return shlex.quote(jsonl.escape_text(name))


def _rows(sheet: CalamineSheet) -> dict[int, list[Cell]]:
    """Return the cells of each row by its number, from column A on. Rows above the first cell are left out."""
    start_row, start_column = sheet.start or (0, 0)
    lead: list[Cell] = [""] * start_column
    found: dict[int, list[Cell]] = {}
    # with skip_empty_area, the area starts at the first cell instead of A1
    for offset, cells in enumerate(sheet.to_python(skip_empty_area=True)):
        found[start_row + offset + 1] = [*lead, *map(_cell, cells)]
    return found


def _cell(value: Any) -> Cell:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)  # a duration: "1 day, 2:00:00"


_Range = tuple[tuple[int, int], tuple[int, int]]


def _checked_ranges(sheet: CalamineSheet, place: str) -> list[_Range]:
    """Return the merged ranges. They cannot overlap, so together they are not larger than the sheet."""
    ranges = list(sheet.merged_cell_ranges or ())
    bottom, right = sheet.end or (0, 0)
    area = sum((min(end[0], bottom) - start[0] + 1) * (min(end[1], right) - start[1] + 1) for start, end in ranges)
    if area > LIMITS.cells:
        raise ImportingError([(place, "merged ranges that overlap: save the workbook again, or as CSV")])
    return ranges


def _fill_merged(rows: dict[int, list[Cell]], ranges: Iterable[_Range]) -> int:
    """Copy the value of each merged range into its cells within the table; return the number of ranges with one."""
    filled = 0
    for (top, left), (bottom, right) in ranges:
        source = rows.get(top + 1, [])
        if left >= len(source) or source[left] == "":
            continue
        filled += 1
        for number in range(top + 1, min(bottom + 1, max(rows)) + 1):
            cells = rows.get(number, [])
            for column in range(left, min(right + 1, len(cells))):
                if cells[column] == "":
                    cells[column] = source[left]
    return filled

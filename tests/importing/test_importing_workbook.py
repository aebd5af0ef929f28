"""Sheets of workbooks: types, places, merged cells, several sheets, and archives that are made to exhaust memory."""

from __future__ import annotations

import datetime as dt
import io
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from pytest_evalgate.importing import workbook
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.workbook import read_workbook

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet


def _sheet(book: Workbook, title: str, cells: dict[str, Any]) -> Worksheet:
    sheet: Worksheet = book.create_sheet(title)
    for place, value in cells.items():
        sheet[place] = value
    return sheet


def _saved(book: Workbook) -> bytes:
    if len(book.sheetnames) > 1:
        del book["Sheet"]
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


_FAQ = {"B3": "Question", "C3": "Expected", "B4": "q1", "C4": 14, "B5": "q2", "C5": True, "B6": "q3", "C6": 0.1 + 0.2}


def _faq() -> bytes:
    book = openpyxl.Workbook()
    _sheet(book, "FAQ", _FAQ)
    return _saved(book)


def test_cells_keep_their_places_and_types() -> None:
    sheet = read_workbook(_faq(), "faq.xlsx", None)
    assert [row.cells for row in sheet.rows] == [
        ("", "Question", "Expected"),
        ("", "q1", 14),
        ("", "q2", True),
        ("", "q3", 0.3),
    ]
    assert sheet.place(sheet.rows[1], 2) == "faq.xlsx: FAQ!C4"


def test_dates_and_times_are_iso_8601() -> None:
    book = openpyxl.Workbook()
    when = {
        "A1": dt.date(2026, 11, 21),
        "B1": dt.datetime(2026, 11, 21, 10, 15, tzinfo=dt.UTC).replace(tzinfo=None),
        "C1": dt.time(9, 30),
    }
    _sheet(book, "T", {**when, "D1": dt.timedelta(hours=2)})
    [row] = read_workbook(_saved(book), "t.xlsx", None).rows
    assert row.cells == ("2026-11-21", "2026-11-21 10:15:00", "09:30:00", "2:00:00")


def test_merged_cells_all_have_the_value() -> None:
    book = openpyxl.Workbook()
    sheet = _sheet(book, "T", {"A1": "topic", "B1": "question", "A2": "returns", "B2": "q1", "B3": "q2", "B4": "q3"})
    sheet.merge_cells("A2:A3")
    read = read_workbook(_saved(book), "t.xlsx", None)
    assert [row.cells[0] for row in read.rows] == ["topic", "returns", "returns", ""]
    assert read.notes == ("1 merged range: each of its cells has the value of the range",)


def test_errors_and_formulas_without_a_value_are_all_listed() -> None:
    book = openpyxl.Workbook()
    sheet = _sheet(book, "FAQ", {**_FAQ, "C7": "=1+1", "C8": "#N/A"})
    sheet["C8"].data_type = "e"
    with pytest.raises(ImportingError) as caught:
        read_workbook(_saved(book), "faq.xlsx", None)
    assert str(caught.value).splitlines() == [
        "faq.xlsx: FAQ!C7: a formula without a stored value: open the workbook in a spreadsheet and save it",
        "faq.xlsx: FAQ!C8: the error #N/A: correct the formula",
    ]


def test_one_of_several_sheets_is_chosen_by_name() -> None:
    book = openpyxl.Workbook()
    _sheet(book, "FAQ", _FAQ)
    _sheet(book, "More questions", {"A1": "question"})
    _sheet(book, "Empty", {})
    hidden = _sheet(book, "Hidden", {"A1": "x"})
    hidden.sheet_state = "hidden"
    content = _saved(book)
    with pytest.raises(ImportingError, match=r"2 sheets have cells: choose one with --sheet FAQ, --sheet 'More quest"):
        read_workbook(content, "faq.xlsx", None)
    with pytest.raises(ImportingError, match=r'no sheet "faq"; did you mean "FAQ"\?; the sheets are "FAQ", "More'):
        read_workbook(content, "faq.xlsx", "faq")
    assert read_workbook(content, "faq.xlsx", "Hidden").rows[0].cells == ("x",)
    assert read_workbook(_faq(), "faq.xlsx", None).name == "FAQ"


def test_a_cell_far_away_is_refused_before_the_sheet_is_read() -> None:
    book = openpyxl.Workbook()
    _sheet(book, "FAQ", {**_FAQ, "XFD1048576": "x"})
    with pytest.raises(ImportingError, match=r"faq\.xlsx: FAQ!XFD1048576: the sheet extends to here: 16,384 columns"):
        read_workbook(_saved(book), "faq.xlsx", None)


def _repacked(content: bytes, changes: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
    return target.getvalue()


def test_an_archive_that_inflates_to_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_INFLATED", 1 << 20)
    bomb = _repacked(_faq(), {"xl/worksheets/sheet1.xml": b" " * (2 << 20)})
    assert len(bomb) < 50_000
    with pytest.raises(ImportingError, match=r"more than 1 MiB when inflated"):
        read_workbook(bomb, "faq.xlsx", None)


def test_many_references_to_cells_without_a_row_are_bounded_too() -> None:
    xml = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="9999999"/>'
    content = _repacked(_faq(), {"xl/worksheets/sheet1.xml": xml + b"</sheetData></worksheet>"})
    with pytest.raises(ImportingError, match="the sheet extends to here"):
        read_workbook(content, "faq.xlsx", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04junk", "faq.xlsx: not an XLSX workbook: "),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "faq.xlsx: an encrypted or an Excel 97 workbook: save it as .xlsx without"),
        (_repacked(_faq(), {"xl/workbook.xml": b"<broken"}), "faq.xlsx: a damaged workbook: "),
        (_repacked(_faq(), {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row"}), "faq.xlsx: "),
    ],
)
def test_a_damaged_workbook_is_one_problem(content: bytes, message: str) -> None:
    with pytest.raises(ImportingError) as caught:
        read_workbook(content, "faq.xlsx", None)
    assert str(caught.value).startswith(message)


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ImportingError, match=r"pip install 'pytest-evalgate\[excel\]', or save the sheet as CSV"):
        read_workbook(_faq(), "faq.xlsx", None)

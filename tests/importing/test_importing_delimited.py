"""CSV files: every dialect that ``csv.writer`` writes reads back, every encoding, and every malformed record."""

from __future__ import annotations

import contextlib
import csv
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_evalgate.importing.column_plan import is_known_name
from pytest_evalgate.importing.delimited import decode, read_delimited
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.sheets import LIMITS, Sheet


def _read(content: bytes | str, delimiter: str | None = None) -> Sheet:
    raw = content.encode() if isinstance(content, str) else content
    return read_delimited(raw, "t.csv", lambda name: is_known_name(name, {}), delimiter)


def _cells(sheet: Sheet) -> list[tuple[Any, ...]]:
    return [row.cells for row in sheet.rows]


_HEADER = ["question", "expected answer", "topic"]
# surrogates and NUL cannot be written; a quote of the other kind at the start of a cell reads like a quoted cell
_CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[list[str]], dict[str, Any]]:
    quote = draw(st.sampled_from("\"'"))
    other = {'"': "'", "'": '"'}[quote]
    rows = draw(st.lists(st.lists(_CELL, min_size=3, max_size=3), min_size=1, max_size=6))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    dialect = {
        "delimiter": draw(st.sampled_from([",", ";", "\t", "|"])),
        "quotechar": quote,
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "lineterminator": end,
    }
    if dialect["quoting"] == csv.QUOTE_MINIMAL:  # the writer leaves a lone CR unquoted if lines end with LF
        unquoted = "".join({"\n", "\r"} - set(end))
        rows = [[cell.translate(dict.fromkeys(map(ord, unquoted))) for cell in row] for row in rows]
    return [[cell.lstrip(other) for cell in row] for row in rows], dialect


@given(_tables(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]))
@example(([["a,b;c", "it's", "x\ny"]], {"delimiter": ";", "quotechar": "'", "lineterminator": "\n"}), "utf-8")
@example(([["\\", '"', '\\"']], {"delimiter": ",", "quotechar": '"', "lineterminator": "\r\n"}), "utf-8-sig")
def test_every_table_reads_back(table: tuple[list[list[str]], dict[str, Any]], encoding: str) -> None:
    rows, dialect = table
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([_HEADER, *rows])
    assert _cells(_read(text.getvalue().encode(encoding))) == [tuple(row) for row in [_HEADER, *rows]]


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    with contextlib.suppress(ImportingError):
        assert all(isinstance(cell, str) for row in _read(content).rows for cell in row.cells)


@pytest.mark.parametrize(
    ("text", "dialect", "cells"),
    [
        ("question,expected\nCats, dogs;a\n", "comma-separated", ("Cats", " dogs;a")),
        ("Frage;Antwort\nHunde, Katzen;ja\nVögel;nein, nie\n", "semicolon-separated", ("Hunde, Katzen", "ja")),
        ("question|expected\na, b|c; d\n", "pipe-separated", ("a, b", "c; d")),
        ("question\nWhat, again?\n", "comma-separated", ("What", " again?")),
        ('question,expected\n"say \\"hi\\", ok",b\n', "comma-separated, backslash escapes", ('say "hi", ok', "b")),
        ('question, expected\n"a", "b, c"\n', "comma-separated", ("a", "b, c")),
        ("sep=|\nquestion|expected\na|b\n", "pipe-separated", ("a", "b")),
        ('question,expected\n=1+1,"=HYPERLINK(""x"")"\n', "comma-separated", ("=1+1", '=HYPERLINK("x")')),
        ("question,expected\n'tis so,'yes'\n", "comma-separated", ("'tis so", "'yes'")),
    ],
)
def test_the_dialect_is_found_out(text: str, dialect: str, cells: tuple[str, ...]) -> None:
    sheet = _read(text)
    assert sheet.dialect == dialect
    assert sheet.rows[1].cells == cells


def test_a_given_delimiter_is_used() -> None:
    assert _cells(_read("a:b,c\n1:2,3\n", ":")) == [("a", "b,c"), ("1", "2,3")]


def test_the_line_of_a_record_is_the_one_where_it_starts() -> None:
    sheet = _read('question,expected\r\n"two\r\nlines",a\r\n\r\nthird,b\r\n')
    assert [sheet.place(row) for row in sheet.rows] == ["t.csv:1", "t.csv:2", "t.csv:5"]


def test_another_encoding_than_utf_8_is_reported() -> None:
    sheet = _read("question,expected\nCafé?,100 €\n".encode("cp1252"))
    assert sheet.rows[1].cells == ("Café?", "100 €")
    assert sheet.notes == ("not UTF-8 (line 2), read as Windows-1252: if letters look wrong, save the file as UTF-8",)
    for encoding in ("utf-16-le", "utf-16-be"):  # without a byte order mark
        sheet = _read("question\tĀ\n".encode(encoding))
        assert (sheet.rows[0].cells, sheet.notes) == (("question", "Ā"), ("encoded as UTF-16",))
    assert _read(b"q,e\n").rows[0].cells == ("q", "e")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n\x81,c\n", "t.csv:2: neither UTF-8 nor Windows-1252 (byte 81): save it as UTF-8"),
        (b"a,b\nc\0d,e\n", "t.csv:2: contains a NUL character: it is not a text table"),
        ("\ufeffa,b\n".encode("utf-16")[:-1], "t.csv:1: not UTF-16-LE: save it as UTF-8"),
        (b"\x1f\x8b\x08\0", "t.csv: a gzip archive, not text: unpack it with gunzip"),
        (b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n", "t.csv: an unresolved merge conflict: keep one side, "),
    ],
)
def test_what_is_not_a_table_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ImportingError) as caught:
        decode(content, "t.csv")
    assert str(caught.value).startswith(message)


def test_all_malformed_records_are_listed() -> None:
    with pytest.raises(ImportingError) as caught:
        _read('question,expected\n"a"x,b\nc,d\n"e"y,f\n"open,g\n')
    assert str(caught.value).splitlines() == [
        "t.csv:2: text after the closing quote of a cell: double the quotes inside of cells",
        "t.csv:4: text after the closing quote of a cell: double the quotes inside of cells",
        "t.csv:5: a quote that opens a cell here is never closed: close it, or double the quotes inside of cells",
    ]


def test_long_cells_are_read_up_to_a_bound_and_the_setting_of_the_process_is_kept() -> None:
    before = csv.field_size_limit()
    assert len(str(_read(f"question,expected\n{'x' * 200_000},b\n").rows[1].cells[0])) == 200_000
    with pytest.raises(ImportingError, match=r"t\.csv:2: a cell has more than 1,048,576 characters"):
        _read(f"question,expected\n{'x' * (LIMITS.cell + 1)},b\n")
    assert csv.field_size_limit() == before


def test_wide_tables_are_refused() -> None:
    with pytest.raises(ImportingError, match=r"1,001 columns, at most 1,000: split the file"):
        _read(",".join(["question"] * 1001) + "\n")

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.label_rows import LabelRow, at, cell_of, digest_of, label_problems, read_rows
from pytest_evalgate.records.cases import Place

if TYPE_CHECKING:
    from pathlib import Path


def _read(folder: Path, name: str, text: str) -> tuple[list[LabelRow], list[str]]:
    (folder / name).write_text(text, "utf-8", newline="")
    rows, problems = read_rows(folder / name, name=name)
    return rows, list(map(str, problems))


def _values(folder: Path, text: str) -> list[Any]:
    rows, problems = _read(folder, "l.csv", text)
    assert problems == []
    return [dict(row.values) for row in rows]


def test_csv_cells_may_be_numbers_and_booleans(tmp_path: Path) -> None:
    text = "id,label,weight,judge.a\n7,TRUE,1.5,0.25\n8, pass ,2,\n"
    assert _values(tmp_path, text) == [
        {"id": "7", "label": True, "weight": 1.5, "judge.a": 0.25},
        {"id": "8", "label": "pass", "weight": 2, "judge.a": None},
    ]


def test_csv_text_columns_stay_text(tmp_path: Path) -> None:
    [row] = _values(tmp_path, 'id,input,expected,context,output,cluster,label\n1,2,3,4,"5\n6",7,8\n')
    assert row == {
        "id": "1",
        "input": "2",
        "expected": "3",
        "context": "4",
        "output": "5\n6",
        "cluster": "7",
        "label": 8,
    }


def test_the_place_of_a_csv_row_is_its_first_line(tmp_path: Path) -> None:
    rows, _ = _read(tmp_path, "l.csv", '\ufeffid,output,label\r\na,"one\r\ntwo",1\r\nb,three,0\r\n')
    assert [row.place for row in rows] == [Place("l.csv", 2), Place("l.csv", 4)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "l.csv:1: empty file; the first line must name the columns, such as id,output,label"),
        ("id,label,id\n1,2,3\n", "l.csv:1: id: duplicate column"),
        ("id,label\n1,pass\n2\n", "l.csv:3: 1 cells, but the header has 2 columns"),
        (
            'id,label\n1,"pass\n',
            "l.csv:2: not CSV in UTF-8: unexpected end of data; save it as UTF-8, or as JSONL",
        ),
    ],
)
def test_problems_of_a_csv_file_are_reported(tmp_path: Path, text: str, problem: str) -> None:
    assert _read(tmp_path, "l.csv", text)[1] == [problem]


def test_a_csv_file_in_another_encoding_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes("id,label\n1,größer\n".encode("latin-1"))
    [problem] = read_rows(tmp_path / "l.csv", name="l.csv")[1]
    assert "not CSV in UTF-8" in problem.message


@pytest.mark.parametrize("name", ["gone.csv", "gone.jsonl"])
def test_a_missing_file_is_one_problem(tmp_path: Path, name: str) -> None:
    [problem] = read_rows(tmp_path / name, name=name)[1]
    assert str(problem) == f"{name}: cannot be read: No such file or directory"


def test_jsonl_skips_metadata_and_comments(tmp_path: Path) -> None:
    rows, _ = _read(tmp_path, "l.jsonl", '{"_meta": {"who": "x"}}\n\n// a note\n{"id": "a", "label": 1}\n')
    assert [(row.place.line, row.values["id"]) for row in rows] == [(4, "a")]


def test_a_path_may_be_a_column_or_lead_into_an_object() -> None:
    assert at({"judge.a": 1, "judge": {"a": 2, "b": {"c": 3}}}, "judge.a") == 1
    assert at({"judge": {"a": 2, "b": {"c": 3}}}, "judge.b.c") == 3
    assert at({"judge": {"a": 2}}, "judge.a.b") is None
    assert at({"judge": {"a.b": 2}}, "judge.a.b") == 2


def _rows(*values: dict[str, Any]) -> list[LabelRow]:
    return [LabelRow(Place("l", number), value) for number, value in enumerate(values, start=1)]


def test_a_misspelt_field_of_a_rater_is_the_only_problem() -> None:
    rows = [LabelRow(Place("l.jsonl", n), {"id": str(n), "metadata": {"anna": "pass"}}) for n in (1, 2)]
    assert [str(one) for one in label_problems(rows, ["metadata.anna"])] == []
    assert [str(one) for one in label_problems(rows, ["metadata.ana", "metadata.anna", "x"])] == [
        'l.jsonl: no row has the field "metadata.ana" of --rater; did you mean "metadata.anna"?',
        'l.jsonl: no row has the field "x" of --rater',
    ]
    assert "no row has a label" in str(next(label_problems(rows, [])))


def test_the_digest_depends_on_labels_and_not_on_order_or_on_judges() -> None:
    one, two = {"id": "a", "label": 1, "output": "x"}, {"id": "b", "labels": {"ann": 1}}
    same: list[dict[str, Any]] = [{"output": "x", "label": 1, "id": "a", "judge": {"a": 1}, "metadata": {}}, two]
    assert digest_of(_rows(one, two)) == digest_of(_rows(*same)) == digest_of(_rows(two, one))
    for changed in ({**one, "label": 0}, {**one, "output": "y"}, {**one, "weight": 2}, {**one, "labels.ann": 1}):
        assert digest_of(_rows(changed, two)) != digest_of(_rows(one, two))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'=x", "''+"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell_of(text) == f"'{text}"


def test_other_cells_are_as_they_are() -> None:
    assert [cell_of(value) for value in ("it's = 1", "'tis", "'", 1.5, None, [1, {"a": 2}])] == [
        "it's = 1", "'tis", "'", "1.5", "", '[1,{"a":2}]'
    ]  # fmt: skip


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_texts_come_back_from_a_csv_file(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows([["id", "output"], *((number, cell_of(text)) for number, text in enumerate(texts))])
    rows, problems = _read(tmp_path_factory.mktemp("csv"), "l.csv", written.getvalue())
    assert (problems, [row.values["output"] for row in rows]) == ([], [text or None for text in texts])

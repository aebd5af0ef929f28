"""``pytest-evalgate label adjudicate``: the list of disputed outputs, the sheet, and its way back."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.judges.labels import Columns, load

if TYPE_CHECKING:
    from pathlib import Path

_ROWS: list[dict[str, Any]] = [
    {"id": "agreed", "output": "x", "labels": {"a": "pass", "b": "pass", "c": "pass"}},
    {"id": "majority", "output": "x", "weight": 9, "labels": {"a": "pass", "b": "fail", "c": "fail"}},
    {"id": "tie", "output": "x, y", "weight": 2, "labels": {"a": "pass", "b": "fail"}, "context": ["one", "two"]},
    {"id": "heavy", "output": "=x", "weight": 4, "labels": {"a": "fail", "b": "pass"}},
    {"id": "settled", "output": "x", "label": "pass", "labels": {"a": "fail", "b": "pass"}},
    {"id": "planted", "output": "x", "gold": "pass", "labels": {"a": "fail", "b": "pass"}},
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "l.jsonl", _ROWS)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["label", "adjudicate", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def _fill(path: Path, labels: dict[str, str]) -> None:
    rows = _csv(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "adjudicated": labels.get(row["id"], "")} for row in rows)


def test_undecided_outputs_come_first_and_then_those_that_represent_most(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _call(capsys, "l.jsonl")
    assert code == 0
    assert out.splitlines() == [
        "l.jsonl: raters disagree on 3 of 5 outputs, 2 of them undecided",
        "  output    use  labels",
        "  heavy     4    fail, pass",
        "  tie       2    pass, fail",
        "  majority  6    pass, fail, fail",
        "write them as a sheet to fill in: --out SHEET.csv",
    ]
    code, out, _ = _call(capsys, "l.jsonl", "--json")
    assert json.loads(out)["disputed"][2] == {
        "id": "majority", "undecided": False, "use": 6.0, "labels": {"a": "pass", "b": "fail", "c": "fail"}
    }  # fmt: skip


def test_a_sheet_is_a_label_file_that_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _call(capsys, "l.jsonl", "--out", "sheet.csv")
    assert (code, out.splitlines()[-1].partition(":")[0]) == (0, "wrote sheet.csv")
    sheet = _csv(tmp_path / "sheet.csv")
    assert [row["id"] for row in sheet] == ["heavy", "tie", "majority"]
    assert sheet[1] == {
        "id": "tie", "context": "one\n\ntwo", "output": "x, y", "labels.a": "pass", "labels.b": "fail",
        "labels.c": "", "adjudicated": "",
    }  # fmt: skip
    assert {one.case.id for one in load(tmp_path / "sheet.csv", Columns(), root=tmp_path).rows} == {
        "heavy", "tie", "majority"
    }  # fmt: skip
    _fill(tmp_path / "sheet.csv", {"tie": "fail", "majority": "pass"})
    before = (tmp_path / "l.jsonl").read_text("utf-8").splitlines()
    code, out, _ = _call(capsys, "l.jsonl", "--from", "sheet.csv")
    assert (code, out.splitlines()[0]) == (0, "settled 2 outputs in l.jsonl; 1 left on which raters disagree")
    after = (tmp_path / "l.jsonl").read_text("utf-8").splitlines()
    assert [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new] == [1, 2]
    assert json.loads(after[1]) == {**_ROWS[1], "adjudicated": "pass"}
    found = {one.case.id: one for one in load(tmp_path / "l.jsonl", Columns(), root=tmp_path).rows}
    assert (found["majority"].passed, found["majority"].decided, found["tie"].passed) == (True, True, False)
    assert dict(found["majority"].raters) == {"a": 1.0, "b": 0.0, "c": 0.0}
    code, out, _ = _call(capsys, "l.jsonl", "--json")
    assert [one["id"] for one in json.loads(out)["disputed"]] == ["heavy"]


def test_a_csv_file_with_a_row_for_each_rater_is_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "l.csv").write_text("id,output,rater,label\n1,x,a,pass\n1,,b,fail\n2,y,a,pass\n2,,b,pass\n", "utf-8")
    assert _call(capsys, "l.csv", "--out", "sheet.jsonl")[0] == 0
    [row] = [json.loads(line) for line in (tmp_path / "sheet.jsonl").read_text("utf-8").splitlines()]
    assert row == {"id": "1", "output": "x", "labels": {"a": "pass", "b": "fail"}, "adjudicated": None}
    _write(tmp_path / "sheet.jsonl", [{**row, "adjudicated": "pass"}])
    code, out, _ = _call(capsys, "l.csv", "--from", "sheet.jsonl", "--json")
    assert (code, json.loads(out)) == (0, {"settled": 1, "left": 0})
    assert (tmp_path / "l.csv").read_text("utf-8") == (
        "id,output,rater,label,adjudicated\n1,x,a,pass,pass\n1,,b,fail,pass\n2,y,a,pass,\n2,,b,pass,\n"
    )
    assert _call(capsys, "l.csv")[1] == "l.csv: nothing to adjudicate in 2 outputs\n"


def test_what_cannot_be_settled_is_an_error_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "l.jsonl").read_bytes()
    _write(tmp_path / "s.jsonl", [{"id": "gone", "adjudicated": "pass"}, {"id": "tie", "adjudicated": "hm"}])
    code, _, err = _call(capsys, "l.jsonl", "--from", "s.jsonl")
    assert code == 4
    assert 's.jsonl:1: id: no row of the label file has the id "gone"' in err
    assert 's.jsonl:2: adjudicated: unknown label "hm": use one that the raters used' in err
    _write(tmp_path / "s.jsonl", [{"id": "tie", "adjudicated": None}])
    assert 's.jsonl: no label yet: fill in "adjudicated"' in _call(capsys, "l.jsonl", "--from", "s.jsonl")[2]
    _write(tmp_path / "s.jsonl", [{"id": "tie"}])
    assert (
        "no row has this field: use a sheet of label adjudicate --out"
        in _call(capsys, "l.jsonl", "--from", "s.jsonl")[2]
    )
    _write(tmp_path / "claims.jsonl", [{"id": "c", "claims": [{"claim": "x", "label": "pass"}]}])
    _write(tmp_path / "s.jsonl", [{"id": "c", "adjudicated": "pass"}])
    assert "rows with claims: settle the label of each claim" in _call(capsys, "claims.jsonl", "--from", "s.jsonl")[2]
    assert (tmp_path / "l.jsonl").read_bytes() == before
    code, _, err = _call(capsys, "l.jsonl", "--out", "s.jsonl")
    assert (code, "s.jsonl exists and may contain labels: choose another file" in err) == (4, True)


@pytest.mark.parametrize("name", ["l.jsonl", "l.csv"])
def test_the_byte_order_mark_and_the_line_ends_of_a_file_stay(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ['{"id": "é", "labels": {"a": "pass", "b": "fail"}}', ""]
    expected = ['{"id": "é", "labels": {"a": "pass", "b": "fail"}, "adjudicated": "pass"}', ""]
    if name.endswith("csv"):
        lines, expected = (
            ["id,labels.a,labels.b", "é,pass,fail", ""],
            [
                "id,labels.a,labels.b,adjudicated",
                "é,pass,fail,pass",
                "",
            ],
        )
    (tmp_path / name).write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    _write(tmp_path / "s.jsonl", [{"id": "é", "adjudicated": "pass"}])
    assert _call(capsys, name, "--from", "s.jsonl")[0] == 0
    assert (tmp_path / name).read_bytes() == "\r\n".join(expected).encode("utf-8-sig")


def test_long_lists_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path / "l.jsonl", [{"id": at, "labels": {"a": "pass", "b": "fail"}} for at in range(13)])
    lines = _call(capsys, "l.jsonl")[1].splitlines()
    assert (len(lines), lines[-2]) == (14, "  and 3 more")

from __future__ import annotations

import codecs
import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.judges.label_rows import read_rows
from pytest_evalgate.judges.label_saving import (
    LabelRefused,
    NewLabel,
    check_rater,
    choices_of,
    is_open,
    label_by,
    read_sheet,
    save_label,
)
from pytest_evalgate.judges.labels import Columns, LabelsError, load
from pytest_evalgate.judges.ratings import load_ratings

if TYPE_CHECKING:
    from pathlib import Path

BINARY = choices_of("binary")
_JSONL: list[dict[str, Any]] = [
    {"id": "a", "input": "x\u2028y", "output": "yes", "label": None, "weight": 1.5},
    {"id": "b", "output": "no", "label": "fail"},
    {"id": "c", "output": "maybe", "label": None, "labels": {"ben": "pass"}},
    {"id": "d", "output": "sure", "label": None, "gold": "pass"},
]


def _jsonl(folder: Path) -> Path:
    path = folder / "faq.jsonl"
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in _JSONL), "utf-8")
    return path


def _csv(folder: Path) -> Path:
    path = folder / "faq.csv"
    text = 'id,output,label,weight\na,"two\r\nlines",,1.5\nb,no,fail,1\n\nc,"say ""hi""",,1\n'
    path.write_bytes(codecs.BOM_UTF8 + text.encode())
    return path


def _save(path: Path, row: str, label: str, rater: str = "anna", choices: tuple[str, ...] = BINARY) -> None:
    save_label(path, path.name, NewLabel(row, rater, label), choices, path.parent / "state" / "labels.lock")


def test_a_label_is_saved_by_rater_and_all_other_lines_keep_their_bytes(tmp_path: Path) -> None:
    path = _jsonl(tmp_path)
    before = path.read_bytes().split(b"\n")
    _save(path, "a", "pass")
    after = path.read_bytes().split(b"\n")
    assert json.loads(after[0]) == {**_JSONL[0], "labels": {"anna": "pass"}}
    assert after[1:] == before[1:]
    _save(path, "c", "fail")
    assert json.loads(path.read_bytes().split(b"\n")[2])["labels"] == {"ben": "pass", "anna": "fail"}


def test_a_label_in_csv_is_a_column_of_its_rater(tmp_path: Path) -> None:
    path = _csv(tmp_path)
    _save(path, "c", "pass")
    _save(path, "a", "fail", rater="Ben O.")
    rows = {row.values["id"]: row.values for row in read_rows(path, name="f")[0]}
    assert path.read_bytes().startswith(codecs.BOM_UTF8)
    assert rows["a"] == {
        "id": "a", "output": "two\r\nlines", "label": None, "weight": 1.5, "labels.anna": None, "labels.Ben O.": "fail"
    }  # fmt: skip
    assert (rows["c"]["output"], rows["c"]["labels.anna"]) == ('say "hi"', "pass")
    assert rows["b"]["label"] == "fail"


@pytest.mark.parametrize("make", [_jsonl, _csv])
def test_calibrate_and_check_read_what_was_saved(tmp_path: Path, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    for rater in ("anna", "ben"):
        _save(path, "a", "pass", rater)
    labelled = {row.case.id: row for row in load(path, Columns(), root=tmp_path).rows}
    assert labelled["a"].raters == {"anna": 1.0, "ben": 1.0}
    assert labelled["a"].passed is True
    assert load_ratings(path, "f", (), ())


@pytest.mark.parametrize(
    ("row", "label", "rater", "message"),
    [
        ("a", "maybe", "anna", "maybe is not a label of this sheet: choose pass, fail"),
        ("a", "", "anna", "no label is not a label"),
        ("a", "PASS", "anna", "choose pass, fail"),
        ("a", "pass", "", "must begin with a letter"),
        ("a", "pass", "../../etc", "must begin with a letter"),
        ("a", "pass", "=cmd", "must begin with a letter"),
        ("a", "pass", "x" * 41, "at most 40"),
        ("a", "pass", "a\nb", "at most 40"),
        ("nobody", "pass", "anna", 'has no row "nobody"'),
        ("b", "pass", "anna", "has a label already"),
        ("c", "fail", "ben", 'ben labelled "c" pass already: to change it, edit faq.jsonl:3'),
    ],
)
def test_a_wrong_label_is_refused_with_its_reason(
    tmp_path: Path, row: str, label: str, rater: str, message: str
) -> None:
    path = _jsonl(tmp_path)
    before = path.read_bytes()
    with pytest.raises(LabelRefused, match=message):
        _save(path, row, label, rater)
    assert path.read_bytes() == before


def test_the_same_label_again_changes_nothing(tmp_path: Path) -> None:
    path = _jsonl(tmp_path)
    _save(path, "a", "pass")
    before = path.stat().st_ino
    _save(path, "a", "pass")
    assert path.stat().st_ino == before


def test_a_judge_of_grades_has_numbers(tmp_path: Path) -> None:
    path = _jsonl(tmp_path)
    path.write_text('{"id": "a", "output": "x", "label": null}\n', "utf-8")
    assert choices_of("1-5") == ("1", "2", "3", "4", "5")
    _save(path, "a", "4", choices=choices_of("1-5"))
    assert json.loads(path.read_text("utf-8"))["labels"] == {"anna": 4}
    assert label_by(read_sheet(path, "f")[0], "anna") == "4"


def test_gold_rows_are_open_and_labelled_ones_are_not(tmp_path: Path) -> None:
    assert [is_open(row) for row in read_sheet(_jsonl(tmp_path), "f")] == [True, False, True, True]


def test_a_damaged_sheet_is_reported_by_line(tmp_path: Path) -> None:
    path = _jsonl(tmp_path)
    path.write_text('{"id": "a"}\n{"id": \n', "utf-8")
    with pytest.raises(LabelsError, match="f:2"):
        read_sheet(path, "f")


def test_a_name_of_a_rater_loses_white_space_around_it() -> None:
    assert check_rater("  Ana María ") == "Ana María"


def _save_many(path: Path, rater: str, number: int) -> None:
    for at in range(number):
        _save(path, f"c{at}", "pass" if at % 2 else "fail", rater)


def test_savers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Three threads here, and one other process, label the same rows of one file."""
    number, path = 12, tmp_path / "faq.jsonl"
    path.write_text("".join(f'{{"id": "c{at}", "output": "x", "label": null}}\n' for at in range(number)), "utf-8")
    other = multiprocessing.get_context("spawn").Process(target=_save_many, args=(path, "dora", number))
    other.start()
    with ThreadPoolExecutor(3) as threads:
        for saved in [threads.submit(_save_many, path, name, number) for name in ("anna", "ben", "cid")]:
            saved.result()
    other.join()
    other.close()
    for row in read_sheet(path, "f"):
        assert sorted(row.values["labels"]) == ["anna", "ben", "cid", "dora"]

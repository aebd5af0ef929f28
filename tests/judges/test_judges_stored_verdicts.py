"""The verdicts that a judge's anchors are held against: written whole, read back, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.judges.drift import StoredVerdicts, StoredVerdictsError, of_scores
from pytest_evalgate.judges.drift import read_verdicts as read
from pytest_evalgate.judges.drift import verdicts_file as file_of
from pytest_evalgate.judges.drift import write_verdicts as write
from pytest_evalgate.records.results import Score
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

_STORED = StoredVerdicts(
    judge="faq",
    created="2026-11-01T08:00:00Z",
    parts={"rubric": "r" * 64},
    anchors_sha256="a" * 64,
    passed={"b": (True, True, False), "a": (False, False, False)},
    values={"b": (1.0, 0.75, 0.25), "a": (0.0, 0.0, 0.0)},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "anchors.faq.verdicts.json"
    write(_STORED, found)
    return found


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text("ascii"))
    change(value)
    path.write_text(json.dumps(value), "utf-8")


def _edit_rows(path: Path, **row: object) -> None:
    def change(value: dict[str, Any]) -> None:
        value["verdicts"]["a"] = row
        value["verdicts_sha256"] = jsonl.digest(value["verdicts"])

    _edit(path, change)


def test_what_is_written_is_read_back(path: Path) -> None:
    assert read(path, name="v.json") == _STORED


def test_a_review_shows_one_line_an_anchor_in_the_order_of_ids(path: Path) -> None:
    lines = path.read_text("ascii").splitlines()
    assert lines[-4:-2] == [
        '  "a": {"passed":[false,false,false]},',
        '  "b": {"passed":[true,true,false],"values":[1.0,0.75,0.25]}',
    ]


def test_the_same_verdicts_are_the_same_bytes(path: Path) -> None:
    before = path.read_bytes()
    write(replace(_STORED, passed=dict(sorted(_STORED.passed.items()))), path)
    assert path.read_bytes() == before


def test_each_judge_has_a_file_beside_the_anchors() -> None:
    assert file_of(Path("labels/anchors.jsonl"), "faq") == Path("labels/anchors.faq.verdicts.json")


def test_an_anchor_without_all_of_its_verdicts_is_left_out() -> None:
    good, bad, none = Score("faq", 0.75, passed=True), Score("faq", 0.25, passed=False), Score("faq", None, None)
    passed, values = of_scores({"a": [good, bad, good], "b": [good, none, good]})
    assert passed == {"a": (True, False, True)}
    assert values == {"a": (0.75, 0.25, 0.75)}


def test_nothing_stored_yet_says_how_it_is_done(tmp_path: Path) -> None:
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: no verdicts are stored yet: record them with --record$"):
        read(tmp_path / "none.json", name="v.json")


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: cannot be read: Is a directory"):
        read(tmp_path, name="v.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"kind": "other", "schema": 1}', '{"kind": "evalgate-anchors"}']
)
def test_another_file_is_refused(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: .*; restore it from git, or record the verdicts again"):
        read(path, name="v.json")


def test_an_edited_verdict_is_noticed(path: Path) -> None:
    _edit(path, lambda value: value["verdicts"]["a"].update(passed=[True] * 3))
    with pytest.raises(StoredVerdictsError, match="does not match its digest: it was edited or cut"):
        read(path, name="v.json")


def test_a_newer_schema_is_refused_by_name(path: Path) -> None:
    _edit(path, lambda value: value.update(schema=2))
    with pytest.raises(StoredVerdictsError, match="schema 2 is newer than 1: upgrade pytest-evalgate"):
        read(path, name="v.json")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"passed": [True]}, "anchor a: passed must have at least 2 verdicts"),
        ({"passed": [1, 0, 1]}, "verdicts.a.passed.0: Input should be a valid boolean"),
        ({"passed": [True, True], "values": [1.0]}, r"anchor a: values must be one in \[0, 1\] a verdict"),
        ({"passed": [True, True], "values": [1.0, 1.5]}, r"anchor a: values must be one in \[0, 1\] a verdict"),
        ({"passed": [True, True], "values": [1.0, "x"]}, "verdicts.a.values.1: Input should be a valid number"),
        ({"values": [1.0]}, "verdicts.a.passed: Field required"),
        ({"passed": None}, "verdicts.a.passed: Input should be a valid array"),
    ],
)
def test_rows_that_are_none_are_refused(path: Path, row: dict[str, object], problem: str) -> None:
    _edit_rows(path, **row)
    with pytest.raises(StoredVerdictsError, match=problem):
        read(path, name="v.json")


@pytest.mark.parametrize("missing", ["judge", "created", "parts", "anchors_sha256"])
def test_every_part_of_the_head_is_needed(path: Path, missing: str) -> None:
    _edit(path, lambda value: value.pop(missing))
    with pytest.raises(StoredVerdictsError, match=f"v.json: {missing}: Field required"):
        read(path, name="v.json")

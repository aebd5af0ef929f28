"""Exports of Label Studio and Argilla in their published forms, as labels of raters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.curation.label_exports import label_lines, read_labels
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.judges.ratings import load_ratings

_FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize(
    ("name", "tool", "question", "ratings"),
    [
        (
            "label_studio.json",
            "Label Studio",
            "verdict",
            [("faq-1", "rater-4", 1), ("faq-1", "rater-5", 0), ("12", "rater-4", 1)],
        ),
        ("label_studio_min.json", "Label Studio", "quality", [("11", "rater-4", 0.75), ("11", "rater-5", 0.25)]),
        ("argilla.json", "Argilla", "verdict", [("r-1", "6f1c", 1), ("r-1", "77aa", 0)]),
        ("argilla_flat.json", "Argilla", "rating", [("r-1", "6f1c", 0.75), ("r-1", "77aa", 1)]),
    ],
)
def test_each_export_is_a_label_file(
    name: str, tool: str, question: str, ratings: list[tuple[str, str, float]], tmp_path: Path
) -> None:
    found = read_labels(_FILES / name, name)
    assert (found.tool, found.question, found.raters) == (tool, question, 2)
    assert found.rows[0]["input"] == "Where is order 7?"
    assert found.rows[0]["output"] == "On its way."
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b"".join(label_lines(found)))
    loaded = load_ratings(path, "labels.jsonl")
    assert [(one.output, one.rater, one.value) for one in loaded.rows] == ratings


def test_seconds_days_and_gold_labels_are_kept_and_addresses_are_not() -> None:
    first, second, third = read_labels(_FILES / "label_studio.json", "x").rows
    assert (first["seconds"], first["batch"], first.get("gold")) == (12.5, "2026-10-02", None)
    assert (second["seconds"], second["batch"], second["gold"]) == (8, "2026-10-03", "fail")
    assert third["id"] == "12"
    assert "example.org" not in json.dumps([first, second, third])


def _write(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(list(records)), "utf-8")
    return path


def _task(*results: dict[str, Any]) -> dict[str, Any]:
    return {"id": 1, "data": {"text": "x"}, "annotations": [{"completed_by": 1, "result": list(results)}]}


def test_one_of_several_questions_is_named(tmp_path: Path) -> None:
    task = _task(
        {"from_name": "a", "value": {"choices": ["x"]}},
        {"from_name": "b", "value": {"rating": 3}},
        {"from_name": "c", "value": {"text": ["why"]}},
    )
    path = _write(tmp_path, task)
    with pytest.raises(SettingsError, match="has the questions a, b: name one with --question"):
        read_labels(path, "export.json")
    assert read_labels(path, "export.json", "b").rows[0]["label"] == 3
    with pytest.raises(SettingsError, match=r"no question 'c' \(answered: a, b\)"):
        read_labels(path, "export.json", "c")


def test_answers_that_are_no_labels_are_listed(tmp_path: Path) -> None:
    path = _write(tmp_path, _task({"from_name": "a", "value": {"choices": ["x", "y"]}}))
    with pytest.raises(GoldenSetError, match=r"export\.json:1: a: the answer is not a single text or number"):
        read_labels(path, "export.json")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"input": "x", "label": "pass"}, "no export of Label Studio"),
        (_task(), "nobody has answered a question yet"),
        ({"annotations": [3], "data": {}}, "not an export of Label Studio in its documented form"),
        ({"responses": {"a": 3}, "fields": {}}, "not an export of Argilla in its documented form"),
    ],
)
def test_what_is_no_export_is_refused(record: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        read_labels(_write(tmp_path, record), "export.json")

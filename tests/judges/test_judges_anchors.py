"""Anchors: enough labelled outputs of both kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.judges.drift import AnchorsError, load
from pytest_evalgate.judges.labels import LabelsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _write(root: Path, passes: int, fails: int, *more: Mapping[str, object]) -> Path:
    labels = ["pass"] * passes + ["fail"] * fails
    rows = [{"id": f"a{at}", "input": "q", "output": f"o{at}", "label": label} for at, label in enumerate(labels)]
    path = root / "anchors.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (*rows, *more)), "utf-8")
    return path


def test_a_file_of_labels_makes_anchors(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 100, 120), root=tmp_path)
    assert (anchors.name, len(anchors.rows)) == ("anchors.jsonl", 220)
    assert [row.passed for row in anchors.rows] == [True] * 100 + [False] * 120


@pytest.mark.parametrize(("passes", "fails", "said"), [(99, 200, "99 .* passed"), (200, 99, "99 .* failed")])
def test_too_few_of_one_kind_are_refused(tmp_path: Path, passes: int, fails: int, said: str) -> None:
    path = _write(tmp_path, passes, fails)
    with pytest.raises(AnchorsError, match=rf"^anchors\.jsonl: {said}: anchors need 100 or more of each kind"):
        load(path, root=tmp_path)


def test_outputs_on_which_the_raters_part_are_no_anchors(tmp_path: Path) -> None:
    torn = {"id": "torn", "output": "o", "labels": {"ann": "pass", "bob": "fail"}}
    anchors = load(_write(tmp_path, 100, 100, torn), root=tmp_path)
    assert "torn" not in {row.case.id for row in anchors.rows}
    assert len(anchors.rows) == 200


def test_a_malformed_file_lists_its_problems(tmp_path: Path) -> None:
    path = _write(tmp_path, 100, 100, {"id": "a0", "output": "again", "label": "pass"})
    with pytest.raises(LabelsError, match=r"anchors\.jsonl:201: .*a0"):
        load(path, root=tmp_path)


def test_each_time_is_a_question_of_its_own(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 100, 100), root=tmp_path)
    [(case, output), *_] = anchors.asked("2026-11-21")
    assert (case.id, case.input, output.value) == ("a0#2026-11-21", "q", "o0")
    assert anchors.asked("2026-11-21") == anchors.asked("2026-11-21") != anchors.asked("2026-11-22")


def test_what_is_left_out_has_to_leave_enough(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 101, 100), root=tmp_path)
    ids = [row.case.id for row in anchors.rows]
    assert len(anchors.only(ids[1:]).rows) == 200
    with pytest.raises(AnchorsError, match="99 usable outputs that people passed"):
        anchors.only(ids[2:])

"""Drift: anchors, the check, stored verdicts and the record."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_evalgate.judges.drift import (
    AnchorsError,
    DriftRecord,
    DriftRecordError,
    Label,
    Rejudged,
    StoredVerdicts,
    StoredVerdictsError,
    drift,
    drift_file,
    load,
    majority,
    of_scores,
    power_to_detect,
    read_drift,
    read_verdicts,
    shift,
    verdicts_file,
    write_drift,
    write_verdicts,
)
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.records.results import Score
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _write(root: Path, passes: int, fails: int, *more: Mapping[str, object]) -> Path:
    labels = ["pass"] * passes + ["fail"] * fails
    rows = [{"id": f"a{at}", "input": "q", "output": f"o{at}", "label": label} for at, label in enumerate(labels)]
    path = root / "anchors.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (*rows, *more)), "utf-8")
    return path


def test_a_label_file_can_be_used_as_anchors(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 100, 120), root=tmp_path)
    assert (anchors.name, len(anchors.rows)) == ("anchors.jsonl", 220)
    assert [row.passed for row in anchors.rows] == [True] * 100 + [False] * 120


@pytest.mark.parametrize(("passes", "fails", "message"), [(99, 200, "99 .* passed"), (200, 99, "99 .* failed")])
def test_too_few_anchors_of_one_label_are_rejected(tmp_path: Path, passes: int, fails: int, message: str) -> None:
    path = _write(tmp_path, passes, fails)
    with pytest.raises(AnchorsError, match=rf"^anchors\.jsonl: {message}: anchors need 100 or more of each kind"):
        load(path, root=tmp_path)


def test_outputs_with_evenly_divided_raters_are_not_anchors(tmp_path: Path) -> None:
    torn = {"id": "torn", "output": "o", "labels": {"ann": "pass", "bob": "fail"}}
    anchors = load(_write(tmp_path, 100, 100, torn), root=tmp_path)
    assert "torn" not in {row.case.id for row in anchors.rows}
    assert len(anchors.rows) == 200


def test_a_malformed_file_lists_its_problems(tmp_path: Path) -> None:
    path = _write(tmp_path, 100, 100, {"id": "a0", "output": "again", "label": "pass"})
    with pytest.raises(LabelsError, match=r"anchors\.jsonl:201: .*a0"):
        load(path, root=tmp_path)


def test_each_check_uses_new_case_ids(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 100, 100), root=tmp_path)
    [(case, output), *_] = anchors.asked("2026-11-21")
    assert (case.id, case.input, output.value) == ("a0#2026-11-21", "q", "o0")
    assert anchors.asked("2026-11-21") == anchors.asked("2026-11-21") != anchors.asked("2026-11-22")


def test_too_few_remaining_anchors_are_rejected(tmp_path: Path) -> None:
    anchors = load(_write(tmp_path, 101, 100), root=tmp_path)
    ids = [row.case.id for row in anchors.rows]
    assert len(anchors.only(ids[1:]).rows) == 200
    with pytest.raises(AnchorsError, match="99 usable outputs that people passed"):
        anchors.only(ids[2:])


holds = settings(deadline=None, database=None)
verdicts = st.lists(st.booleans(), min_size=3, max_size=3).map(tuple)


def _anchors(label: Label, *, steady: int, flipped: int, unanswered: int = 0) -> list[Rejudged]:
    """Return anchors whose stored verdicts are all right."""
    stored = (label == "pass",) * 3
    now = [label == "pass"] * steady + [label != "pass"] * flipped + [None] * unanswered
    return [Rejudged(label, stored, verdict) for verdict in now]


def test_an_unchanged_judge_is_steady() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=100, flipped=0)])
    assert found.finding == "steady"
    assert [(each.label, each.anchors, each.flips, each.p) for each in found.classes] == [
        ("pass", 100, 0, 1.0),
        ("fail", 100, 0, 1.0),
    ]


def test_a_more_lenient_judge_has_drifted() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=90, flipped=10)])
    assert found.finding == "drifted"
    passes, fails = found.classes
    assert (passes.flips, fails.flips, fails.to_pass) == (0, 10, 10)
    assert fails.p == pytest.approx(2 * binom.sf(9, 100, 0.01))  # Holm: twice the smaller of two
    assert passes.p == 1.0


def test_few_flips_are_within_the_minimum_flip_rate() -> None:
    found = drift([*_anchors("pass", steady=97, flipped=3), *_anchors("fail", steady=97, flipped=3)])
    assert found.finding == "steady"
    assert found.classes[0].p == pytest.approx(2 * binom.sf(2, 100, 0.01))


def test_the_flip_rate_of_stored_verdicts_is_allowed_for() -> None:
    """Ten of 100 anchors have contradictory stored verdicts: a flip rate of 6.7 %."""
    torn = [Rejudged("fail", (False, False, True), now=True)] * 10
    calm = _anchors("pass", steady=100, flipped=0)
    assert drift([*calm, *_anchors("fail", steady=90, flipped=0), *torn]).finding == "steady"
    assert drift([*calm, *_anchors("fail", steady=90, flipped=10)]).finding == "drifted"


def test_holm_takes_both_classes_together() -> None:
    """Four flips of 100 have p = 0.018 alone; five have 0.0034, or 0.0069 adjusted for two tests."""
    four, five = (
        drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=100 - flips, flipped=flips)])
        for flips in (4, 5)
    )
    assert (four.finding, five.finding) == ("steady", "drifted")


def test_missing_decisive_verdicts_make_it_incomplete() -> None:
    fails = _anchors("fail", steady=95, flipped=2, unanswered=3)
    found = drift([*_anchors("pass", steady=100, flipped=0), *fails])
    assert found.finding == "incomplete"
    assert found.classes[1].unanswered == 3
    assert found.classes[1].p > 0.01 > found.classes[1].p_worst


def test_missing_verdicts_without_effect_are_ignored() -> None:
    fails = _anchors("fail", steady=98, flipped=0, unanswered=2)
    assert drift([*_anchors("pass", steady=100, flipped=0), *fails]).finding == "steady"
    fails = _anchors("fail", steady=78, flipped=20, unanswered=2)
    assert drift([*_anchors("pass", steady=100, flipped=0), *fails]).finding == "drifted"


@holds
@given(st.lists(st.tuples(verdicts, st.none() | st.booleans()), min_size=1, max_size=30))
def test_flips_are_counted_against_the_majority(rows: list[tuple[tuple[bool, ...], bool | None]]) -> None:
    anchors = [Rejudged(label, stored, now) for label in ("pass", "fail") for stored, now in rows]
    for each in drift(anchors).classes:
        assert each.flips == sum(now is not None and now != (sum(stored) >= 2) for stored, now in rows)
        assert each.to_pass <= each.flips
        assert each.p <= 1
        assert each.p_worst <= each.p
        assert each.unanswered == sum(now is None for _, now in rows)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([Rejudged("pass", (True, True), now=True)], "verdicts must contain at least one item"),
        ([Rejudged(label, (True,), now=True) for label in ("pass", "fail")], "a list of 2 or more"),
    ],
)
def test_untestable_anchors_are_rejected(anchors: list[Rejudged], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drift(anchors)


@pytest.mark.parametrize(("flip_rate", "anchors"), [(0.0, 100), (0.02, 100), (0.05, 250), (0.3, 100)])
def test_power_is_the_tail_beyond_the_critical_number_of_flips(flip_rate: float, anchors: int) -> None:
    needed = next(flips for flips in range(anchors + 1) if binom.sf(flips - 1, anchors, max(flip_rate, 0.01)) <= 0.005)
    for share in (0.05, 0.2):
        turned = share * (1 - flip_rate) + (1 - share) * flip_rate
        assert power_to_detect(share, anchors, flip_rate) == pytest.approx(binom.sf(needed - 1, anchors, turned))


def test_power_with_the_smallest_number_of_anchors() -> None:
    assert power_to_detect(0.1, 100, 0.02) == pytest.approx(0.95, abs=0.005)
    assert power_to_detect(0.1, 50, 0.02) == pytest.approx(0.70, abs=0.005)


def test_too_few_anchors_find_nothing() -> None:
    assert power_to_detect(1.0, 1, 0.0) == 0.0


def test_power_is_part_of_the_result() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=200, flipped=0)])
    for each in found.classes:
        assert [one.share for one in each.detections] == [0.05, 0.1, 0.2]
        assert [one.chance for one in each.detections] == [
            power_to_detect(one.share, each.anchors, 0.0) for one in each.detections
        ]


@pytest.mark.parametrize("stored", [3, 5])
def test_false_alarms_are_rare(stored: int) -> None:
    """400 seeded checks at the level of 1 %, with the worst noise: a tenth of the anchors contradictory."""
    draw = random.Random(stored)  # noqa: S311 - a seeded simulation
    alarms = 0
    for _ in range(400):
        anchors = [
            Rejudged(label, tuple(draw.random() < chance for _ in range(stored)), draw.random() < chance)
            for label in ("pass", "fail")
            for chance in [0.3] * 10 + [0.01] * 90
        ]
        alarms += drift(anchors).finding == "drifted"
    assert alarms <= 8


@pytest.mark.parametrize(("verdicts", "expected"), [((True, True, False), True), ((True, False), False), ((), False)])
def test_a_tie_fails(verdicts: tuple[bool, ...], expected: bool) -> None:  # noqa: FBT001 - a table
    assert majority(verdicts) is expected


def test_grades_that_moved_are_described() -> None:
    same = shift([0.0, 0.25, 0.5, 0.75, 1.0] * 20, [0.0, 0.25, 0.5, 0.75, 1.0] * 20)
    assert (same.ks, same.js_bits, same.p) == (0.0, 0.0, 1.0)
    apart = shift([0.0, 0.25] * 50, [0.75, 1.0] * 50)
    assert apart.ks == 1.0
    assert apart.js_bits == pytest.approx(1.0)
    assert apart.p < 1e-9


def test_neighbouring_grades_fall_into_different_bins() -> None:
    assert shift([0.25] * 20, [0.5] * 20).js_bits == pytest.approx(1.0)


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
    write_verdicts(_STORED, found)
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


def test_stored_verdicts_round_trip(path: Path) -> None:
    assert read_verdicts(path, name="v.json") == _STORED


def test_stored_verdicts_have_one_line_per_anchor_sorted_by_id(path: Path) -> None:
    lines = path.read_text("ascii").splitlines()
    assert lines[-4:-2] == [
        '  "a": {"passed":[false,false,false]},',
        '  "b": {"passed":[true,true,false],"values":[1.0,0.75,0.25]}',
    ]


def test_the_same_verdicts_are_the_same_bytes(path: Path) -> None:
    before = path.read_bytes()
    write_verdicts(replace(_STORED, passed=dict(sorted(_STORED.passed.items()))), path)
    assert path.read_bytes() == before


def test_each_judge_has_a_file_beside_the_anchors() -> None:
    assert verdicts_file(Path("labels/anchors.jsonl"), "faq") == Path("labels/anchors.faq.verdicts.json")


def test_an_anchor_with_a_missing_verdict_is_left_out() -> None:
    good, bad, none = Score("faq", 0.75, passed=True), Score("faq", 0.25, passed=False), Score("faq", None, None)
    passed, values = of_scores({"a": [good, bad, good], "b": [good, none, good]})
    assert passed == {"a": (True, False, True)}
    assert values == {"a": (0.75, 0.25, 0.75)}


def test_missing_stored_verdicts_name_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: no verdicts are stored yet: record them with --record$"):
        read_verdicts(tmp_path / "none.json", name="v.json")


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: cannot be read: Is a directory"):
        read_verdicts(tmp_path, name="v.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"kind": "other", "schema": 1}', '{"kind": "evalgate-anchors"}']
)
def test_another_file_is_not_stored_verdicts(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    with pytest.raises(StoredVerdictsError, match=r"^v\.json: .*; restore it from git, or record the verdicts again"):
        read_verdicts(path, name="v.json")


def test_an_edited_verdict_is_rejected(path: Path) -> None:
    _edit(path, lambda value: value["verdicts"]["a"].update(passed=[True] * 3))
    with pytest.raises(StoredVerdictsError, match="does not match its digest: it was edited or cut"):
        read_verdicts(path, name="v.json")


def test_a_newer_schema_is_rejected(path: Path) -> None:
    _edit(path, lambda value: value.update(schema=2))
    with pytest.raises(StoredVerdictsError, match="schema 2 is newer than 1: upgrade pytest-evalgate"):
        read_verdicts(path, name="v.json")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"passed": [True]}, "anchor a: passed must have at least 2 verdicts"),
        ({"passed": [1, 0, 1]}, "verdicts.a.passed\\[0\\]: must be true or false"),
        ({"passed": [True, True], "values": [1.0]}, r"anchor a: values must be in \[0, 1\], one per verdict"),
        ({"passed": [True, True], "values": [1.0, 1.5]}, r"anchor a: values must be in \[0, 1\], one per verdict"),
        ({"passed": [True, True], "values": [1.0, "x"]}, "verdicts.a.values\\[1\\]: must be a number"),
        ({"values": [1.0]}, "verdicts.a.passed: this key is missing"),
        ({"passed": None}, "verdicts.a.passed: must be a list"),
    ],
)
def test_malformed_rows_are_rejected(path: Path, row: dict[str, object], problem: str) -> None:
    _edit_rows(path, **row)
    with pytest.raises(StoredVerdictsError, match=problem):
        read_verdicts(path, name="v.json")


@pytest.mark.parametrize("missing", ["judge", "created", "parts", "anchors_sha256"])
def test_every_field_of_the_head_is_required(path: Path, missing: str) -> None:
    _edit(path, lambda value: value.pop(missing))
    with pytest.raises(StoredVerdictsError, match=f"v.json: {missing}: this key is missing"):
        read_verdicts(path, name="v.json")


_RECORD = DriftRecord("faq", "2026-11-20T10:00:00Z", "anchors.jsonl", "drifted")


def test_a_drift_record_round_trips(tmp_path: Path) -> None:
    path = drift_file(tmp_path / "calibration" / "faq.json")
    assert path == tmp_path / "calibration" / "faq.drift.json"
    assert read_drift(path) is None
    write_drift(_RECORD, path)
    assert read_drift(path) == _RECORD


@pytest.mark.parametrize(
    "text", ["{}", "[]", "x", '{"kind": "evalgate-drift", "schema": 1}', '{"kind": "other", "schema": 1}']
)
def test_another_file_is_not_a_drift_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faq.drift.json"
    path.write_text(text)
    with pytest.raises(DriftRecordError, match=r"faq\.drift\.json: .*check again with: pytest-evalgate drift"):
        read_drift(path)

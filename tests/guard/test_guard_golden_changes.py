"""Changes of golden sets: every edit is listed, and the cases of the base branch still run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Suite
from pytest_evalgate.golden import fingerprint
from pytest_evalgate.guard.golden_changes import GoldenChanges, golden_changes
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.runs.plan import slice_values

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUITE = Suite.model_validate(
    {
        "golden": "g.jsonl",
        "slices": ["lang", "metadata.type"],
        "cluster": "metadata.document",
        "gates": [
            {"kind": "must-pass", "tags": ["safety"]},
            {"kind": "slice", "by": "lang"},
            {"kind": "slice", "by": "metadata.type", "min": 0.8},
        ],
    }
)


def _case(name: str, line: int = 1, **fields: Any) -> Case:
    case = Case(name, **{"input": f"question {name}", "expected": "yes", **fields})
    return replace(case, place=Place("g.jsonl", line), fingerprint=fingerprint(case))


def _set(cases: Sequence[Case], path: str = "g.jsonl") -> GoldenSet:
    return GoldenSet(path, tuple(cases), "0" * 64)


def _compare(base: Sequence[Case], head: Sequence[Case], suite: Suite = _SUITE) -> GoldenChanges:
    return golden_changes([_set(base)], [_set(head)], suite=suite, read=slice_values)


_HARD = _case(
    "hard",
    2,
    tags=("safety", "lang:de", "new"),
    metadata={"type": "law", "document": "d1", "note": "x"},
    trials=3,
    weight=2.0,
    split="held-out",
    asserts=({"kind": "contains", "value": "yes"},),
    rubric="says yes",
)
_EASY = _case("easy", 1)


def _edited(**fields: Any) -> Case:
    case = replace(_HARD, place=Place("g.jsonl", 7), **fields)
    return replace(case, fingerprint=fingerprint(case))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"input": "an easier question"}, "case edited"),
        ({"expected": "anything"}, "case edited"),
        ({"expected_any": ("yes", "no")}, "case edited"),
        ({"rubric": "says anything"}, "case edited"),
        ({"asserts": ()}, "case edited"),
        ({"context": ("the answer is yes",)}, "case edited"),
        ({"skip": "flaky"}, "case skipped"),
        ({"tags": ("lang:de",)}, "must-pass tags changed"),
        ({"tags": ("safety", "lang:en")}, "slices changed"),
        ({"metadata": {"type": "chat", "document": "d1"}}, "slices changed"),
        ({"metadata": {"type": "law", "document": "d2"}}, "cluster changed"),
        ({"trials": 1}, "trials changed"),
        ({"trials": None}, "trials changed"),
        ({"weight": 0.1}, "weight changed"),
        ({"split": "train"}, "split changed"),
        ({"id": "hard-2"}, "case renamed"),
    ],
)
def test_every_edit_is_listed_and_the_old_case_still_runs(fields: dict[str, Any], what: str) -> None:
    now = _edited(**fields)
    found = _compare([_EASY, _HARD], [_EASY, now])
    [change] = found.changes
    assert (change.what, change.where, change.effect) == (what, f"g.jsonl:7 {now.id}", "neutral")
    assert change.before != change.now
    assert (found.changed, found.base_cases) == (frozenset({now.id}), (_HARD,))


def test_a_removed_case_is_listed_with_its_old_place_and_still_runs() -> None:
    found = _compare([_EASY, _HARD], [_EASY])
    assert found.changes == (GateChange("case removed", "g.jsonl:2 hard", "question hard", "none", "neutral"),)
    assert (found.changed, found.base_cases) == (frozenset(), (_HARD,))


def test_an_added_case_is_listed_and_nothing_more_runs() -> None:
    found = _compare([_EASY], [_EASY, _HARD])
    assert found.changes == (GateChange("case added", "g.jsonl:2 hard", "none", "question hard", "neutral"),)
    assert (found.changed, found.base_cases) == (frozenset({"hard"}), ())


def test_an_edit_shows_the_fields_that_differ() -> None:
    [change] = _compare([_HARD], [_edited(expected="no", rubric=None)]).changes
    assert (change.before, change.now) == (
        '{"expected":"yes","rubric":"says yes"}',
        '{"expected":"no","rubric":null}',
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ("new", "lang:de", "safety")},
        {"tags": ("safety", "lang:de", "of no gate")},
        {"metadata": {"type": "law", "document": "d1", "note": "another"}},
        {"place": Place("moved.jsonl", 3)},
        {},
    ],
)
def test_what_no_gate_looks_at_is_not_listed(fields: dict[str, Any]) -> None:
    assert _compare([_HARD], [replace(_HARD, **fields)]) == GoldenChanges((), frozenset(), ())


@pytest.mark.parametrize(
    ("scorers", "asserts"),
    [
        (["canary"], ()),
        ([{"kind": "canary", "name": "leak"}], ()),
        ([{"python": "graders:polite"}], ()),
        (["exact"], ({"kind": "canary"},)),
    ],
)
def test_the_metadata_that_a_scorer_reads_are_listed(scorers: list[Any], asserts: tuple[Any, ...]) -> None:
    case = _case("leak", metadata={"canary": "CANARY-7F3A9C21"}, asserts=asserts)
    suite = _SUITE.model_copy(update={"scorers": tuple(scorers), "cluster": None, "gates": None})
    now = replace(case, metadata={"canary": "CANARY-00000000"})
    found = golden_changes([_set([case])], [_set([now])], suite=suite, read=slice_values)
    assert [change.what for change in found.changes] == ["metadata changed"]
    assert found.base_cases == (case,)


def test_a_case_may_move_to_another_file_of_the_suite() -> None:
    moved = golden_changes(
        [_set([_EASY, _HARD])], [_set([_EASY]), _set([_HARD], "h.jsonl")], suite=_SUITE, read=slice_values
    )
    assert moved == GoldenChanges((), frozenset(), ())


def test_a_case_that_is_no_longer_skipped_is_run() -> None:
    found = _compare([replace(_HARD, skip="flaky")], [_edited(input="other")])
    assert [(change.what, change.effect) for change in found.changes] == [
        ("case edited", "neutral"),
        ("case no longer skipped", "stricter"),
    ]
    assert (found.changed, found.base_cases) == (frozenset({"hard"}), ())


def test_another_reason_to_skip_is_no_change() -> None:
    assert _compare([replace(_HARD, skip="flaky")], [replace(_HARD, skip="slow")]).changes == ()


def test_a_label_that_changes_is_weaker_since_no_run_measures_it_again() -> None:
    found = _compare([replace(_HARD, human_label=0)], [replace(_HARD, human_label=1)])
    assert [(change.what, change.before, change.now, change.effect) for change in found.changes] == [
        ("label changed", "0", "1", "weaker")
    ]
    assert (found.changed, found.base_cases) == (frozenset(), ())


def test_a_renamed_case_that_is_also_skipped_is_listed_for_both() -> None:
    found = _compare([_HARD], [_edited(id="other", skip="flaky")])
    assert [change.what for change in found.changes] == ["case renamed", "case skipped"]
    assert found.base_cases == (_HARD,)


def test_twins_are_renamed_one_by_one() -> None:
    twins = [_case(name, 1, input="same") for name in ("a", "b", "c")]
    found = _compare(twins, [_case(name, 1, input="same") for name in ("x", "y")])
    assert [change.what for change in found.changes] == ["case renamed", "case renamed", "case removed"]
    assert [change.now for change in found.changes[:2]] == ["x", "y"]


def test_a_copy_of_a_case_that_is_still_there_is_added_not_renamed() -> None:
    copy = replace(_HARD, id="copy")
    assert [change.what for change in _compare([_EASY, _HARD], [_HARD, copy]).changes] == [
        "case removed",
        "case added",
    ]


def test_what_a_case_is_a_variant_of_matters_if_a_gate_compares_variants() -> None:
    original, variant = _case("a"), _case("a~typo", 2, metadata={"variant_of": "a"})
    moved = replace(variant, metadata={"variant_of": "b"})
    suite = Suite.model_validate({"golden": "g.jsonl", "gates": [{"kind": "invariance", "max_flip": 0.1}]})
    [change] = _compare([original, variant], [original, moved], suite).changes
    assert (change.what, change.before, change.now, change.effect) == ("variant_of changed", "a", "b", "neutral")
    assert _compare([original, variant], [original, moved]).changes == ()


def test_groups_and_classes_of_a_parity_gate_matter() -> None:
    gate = {"kind": "parity", "by": "lang", "of": "tpr", "label": "class", "positive": "a", "max_gap": 0.1}
    suite = Suite.model_validate({"golden": "g.jsonl", "slices": ["lang", "class"], "gates": [gate]})
    before = _case("a", tags=("lang:de", "class:a"))
    [change] = _compare([before], [replace(before, tags=("lang:de", "class:b"))], suite).changes
    assert (change.what, change.effect) == ("slices changed", "neutral")


def test_without_gates_tags_and_slices_do_not_matter() -> None:
    suite = Suite(golden=("g.jsonl",))
    assert _compare([_HARD], [_edited(tags=(), metadata={})], suite).changes == ()


def test_what_is_shown_stays_on_one_line_of_bounded_length() -> None:
    [change] = _compare([_case("a", input="x\n" * 1000)], []).changes
    assert "\n" not in change.before
    assert len(change.before) < 500


def test_a_case_of_messages_is_shown_by_them() -> None:
    messages = ({"role": "user", "content": "Hi"},)
    [change] = _compare([_case("a", input=None, messages=messages)], []).changes
    assert change.before == '[{"content":"Hi","role":"user"}]'


def test_a_label_of_a_metric_outside_of_the_content_is_compared() -> None:
    metrics = [{"kind": "classification", "label": "metadata.note"}, {"kind": "spans"}]
    suite = Suite.model_validate({"golden": "g.jsonl", "metrics": metrics})
    now = _edited(metadata={**_HARD.metadata, "note": "y"})
    [change] = _compare([_HARD], [now], suite).changes
    assert (change.what, change.before, change.now) == ("metric labels changed", '["x",null]', '["y",null]')
    assert _compare([_HARD], [_edited(metadata={**_HARD.metadata, "other": "y"})], suite).changes == ()


def test_the_tools_of_a_case_count_if_a_scorer_validates_calls() -> None:
    case = _case("a", metadata={"tools": [{"name": "book"}]})
    now = replace(case, metadata={"tools": [{"name": "book"}, {"name": "wait"}]})
    assert _compare([case], [now]).changes == ()
    suite = _SUITE.model_copy(update={"scorers": ({"kind": "steps", "schema": True},)})
    [change] = _compare([case], [now], suite).changes
    assert (change.what, change.before) == ("tools changed", '[{"name":"book"}]')
    asserts = ({"kind": "tool-calls", "schema": True},)
    [change] = _compare([replace(case, asserts=asserts)], [replace(now, asserts=asserts)]).changes
    assert change.what == "tools changed"


@pytest.mark.parametrize("scorer", ["same-as", {"kind": "not-same-as"}])
def test_another_original_is_listed_if_a_scorer_compares_with_it(scorer: Any) -> None:
    suite = Suite.model_validate({"golden": "g.jsonl", "scorers": [scorer]})
    case = _case("variant", metadata={"variant_of": "easy"})
    now = replace(case, metadata={"variant_of": "hard"})
    [change] = _compare([case], [now], suite).changes
    assert (change.what, change.before, change.now) == ("variant_of changed", "easy", "hard")
    assert _compare([case], [now], Suite.model_validate({"golden": "g.jsonl", "scorers": ["exact"]})).changes == ()

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.importing.promptfoo.assert_table import DIFFERENT, TABLE, Row

from pytest_evalgate.importing.promptfoo.assertions import ReadAsserts, Reader
from pytest_evalgate.importing.promptfoo.source import ConfigSource, placed
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, case_scorers, grade, passes

PLACE = Place("promptfooconfig.yaml", 7)


def _read(
    *entries: dict[str, Any], threshold: float | None = None, **variables: Any
) -> tuple[ReadAsserts, ConfigSource]:
    source = ConfigSource(Path.cwd(), Path.cwd())
    reader = Reader(source, variables, (), has_tools=False, threshold=threshold)
    return reader.read([(placed(entry, PLACE), PLACE) for entry in entries]), source


def _passes(grading: ReadAsserts, output: str) -> bool | None:
    case = Case("c", asserts=tuple(grading.specs), expected=grading.expected, place=PLACE)
    scores = asyncio.run(grade(case, Output(output, latency_s=0.1), case_scorers(case, context=Context())))
    return passes(scores, grading.threshold, mean=grading.threshold is not None)


@pytest.mark.parametrize("row", [*TABLE, *DIFFERENT], ids=lambda row: f"{row.entry['type']} {row.output[:20]!r}")
def test_an_assert_passes_what_its_documentation_says(row: Row) -> None:
    grading, source = _read(row.entry, **row.variables)
    assert source.left_out == []
    assert _passes(grading, row.output) is row.passes


LEFT_OUT = [
    ({"type": "similar:dot", "value": "x"}, "is not the cosine: use similar"),
    ({"type": "meteor", "value": "x"}, "needs a dictionary of synonyms"),
    ({"type": "is-json", "value": {"type": "unheard"}}, '"unheard" is not'),
    ({"type": "is-sql", "value": {"databaseType": "Oracle"}}, '"Oracle" is not one of'),
    ({"type": "levenshtein", "value": "x", "threshold": 1.5}, "must be a whole number"),
    ({"type": "unheard-of"}, '"unheard-of" has no equivalent scorer'),
    ({"value": "x"}, 'has no "type"'),
    ({"type": "contains"}, "must be a non-empty string"),
    ({"type": "contains", "value": ""}, "must be a non-empty string"),
    ({"type": "contains", "value": "{{ x | truncate(3) }}"}, 'the filter "truncate", which has no equivalent'),
    ({"type": "contains", "value": "file://check.js"}, "file://check.js is code, which is not run"),
    ({"type": "regex", "value": "(?i)x"}, "a group that JavaScript does not have"),
    ({"type": "regex", "value": "(x"}, "missing )"),
    ({"type": "latency"}, "needs a number"),
    ({"type": "javascript", "value": "Math.max(1, 2) > output.length"}, "its code is not run"),
    ({"type": "javascript", "value": "output.split(' ').length > 3"}, "its code is not run"),
    ({"type": "python", "value": "__import__('os').system('true')"}, "its code is not run"),
    ({"type": "python", "value": "file://grade.py:check"}, "file://grade.py:check is not run"),
    ({"type": "equals", "value": "x", "transform": "output.split(',')[0]"}, "which is code"),
    ({"type": "starts-with", "value": "x", "transform": "output.trim()"}, "which changes this check"),
    ({"type": "llm-rubric"}, 'has no "value"'),
    ({"type": "select-best", "value": "x"}, "compares outputs of several providers"),
    ({"type": "assert-set", "assert": []}, "it has no asserts"),
    ({"type": "contains-any", "value": '"x'}, "a quoted member without an end"),
]


@pytest.mark.parametrize(("entry", "why"), LEFT_OUT, ids=[why[:40] for _, why in LEFT_OUT])
def test_what_has_no_equivalent_is_left_out_with_its_line(entry: dict[str, Any], why: str) -> None:
    grading, source = _read(entry, {"type": "contains", "value": "kept"})
    assert [spec["value"] for spec in grading.specs] == ["kept"]
    [left] = source.left_out
    assert left.place == "promptfooconfig.yaml:7"
    assert why in left.why


def test_a_set_with_a_threshold_is_a_mean_if_it_is_alone() -> None:
    entry = {"type": "assert-set", "threshold": 0.5, "assert": [{"type": "contains", "value": one} for one in "ab"]}
    alone, source = _read(entry)
    assert (_passes(alone, "a"), _passes(alone, "x")) == (True, False)
    beside, source = _read(entry, {"type": "contains", "value": "c"})
    assert source.left_out == []
    assert (_passes(beside, "ac"), _passes(beside, "a"), _passes(beside, "c")) == (True, False, False)


def test_a_set_that_a_judge_grades_is_no_rule() -> None:
    inner = [{"type": "llm-rubric", "value": "is polite"}, {"type": "contains", "value": "b"}]
    found, source = _read(
        {"type": "assert-set", "threshold": 0.5, "assert": inner}, {"type": "contains", "value": "c"}
    )
    assert [left.what for left in source.left_out] == ["assert-set"]
    assert len(found.specs) == 1


def test_the_weight_zero_decides_nothing() -> None:
    found, source = _read({"type": "contains", "value": "x", "weight": 0})
    assert found.specs == [{"kind": "contains", "value": "x", "severity": "warn"}]
    assert source.left_out == []


def test_models_that_rules_ask_are_named() -> None:
    found, source = _read(
        {"type": "similar", "value": "x", "provider": "openai:embedding:text-embedding-3-small"},
        {"type": "moderation", "value": ["hate"]},
    )
    assert source.left_out == []
    assert [spec["kind"] for spec in found.specs] == ["similar", "moderation"]
    assert {api: provider for api, (provider, _) in found.asked.items()} == {
        "embeddings": "openai:embedding:text-embedding-3-small",
        "moderations": None,
    }


def test_weights_count_only_in_a_mean() -> None:
    entries = ({"type": "contains", "value": "a", "weight": 3}, {"type": "contains", "value": "b"})
    every, _ = _read(*entries)
    assert all("weight" not in spec for spec in every.specs)
    assert _passes(every, "a") is False
    mean, _ = _read(*entries, threshold=0.75)
    assert (_passes(mean, "a"), _passes(mean, "b")) == (True, False)


def test_a_set_counts_as_one_member_of_a_mean() -> None:
    inner = [{"type": "contains", "value": one} for one in "ab"]
    entries = ({"type": "assert-set", "weight": 2, "assert": inner}, {"type": "contains", "value": "c"})
    grading, _ = _read(*entries, threshold=0.65)  # a and b: 2 * 1 + 0 of 3
    assert (_passes(grading, "ab"), _passes(grading, "ac")) == (True, True)
    assert _passes(grading, "a") is False


def test_what_a_model_grades_becomes_notes() -> None:
    grading, source = _read(
        {"type": "llm-rubric", "value": "is polite to {{name}}"},
        {"type": "g-eval", "value": ["is short", "is true"], "threshold": 0.8},
        {"type": "factuality", "value": "Fuji is 3776 m high"},
        {"type": "not-llm-rubric", "value": "apologises"},
        {"type": "context-faithfulness", "threshold": 0.9},
        {"type": "grade", "value": "is a haiku", "provider": "openai:gpt-4.1"},
        name="Ada",
    )
    assert source.left_out == []
    assert grading.specs == []
    assert grading.notes == [
        "The output meets this: is polite to Ada",
        "The output meets this: is short",
        "The output meets this: is true",
        "The output does not contradict this reference: Fuji is 3776 m high",
        "This must NOT be the case: The output meets this: apologises",
        "Every statement of the output is supported by the context of the case.",
        "The output meets this: is a haiku",
    ]
    assert grading.grader == ("openai:gpt-4.1", PLACE)


def test_the_only_equals_is_the_expected_value_of_the_case() -> None:
    one, _ = _read({"type": "equals", "value": "a"}, {"type": "contains", "value": "b"})
    assert one.expected == "a"
    assert one.specs[0] == {"kind": "exact", "strip": False}
    two, _ = _read({"type": "equals", "value": "a"}, {"type": "equals", "value": "b"})
    assert two.expected is None

"""One row: its fields, its defaults, and what is wrong with it in the reader's own words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.golden import fingerprint, parse_row
from pytest_evalgate.records.results import Case, Place

_PLACE = Place("golden/set.jsonl", 7)
_FULL: dict[str, Any] = {
    "id": "full",
    "input": {"question": "Why?"},
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "assistant", "tool_calls": []}],
    "vars": {"lang": "de"},
    "expected": ["a", {"b": 1}],
    "expected_any": ["yes", 1, None],
    "rubric": "Is it polite?",
    "context": ["one", "two"],
    "reference_context": ["gold"],
    "output": {"answer": "x"},
    "trajectory": [{"tool": "search"}],
    "expected_tools": [{"name": "search"}, "book"],
    "asserts": [{"type": "contains", "value": "x"}],
    "tags": ["safety", "lang:de"],
    "slice": {"lang": "de"},
    "metadata": {"source": "web"},
    "split": "test",
    "weight": 2.5,
    "trials": 3,
    "skip": "flaky upstream",
    "human_label": 0,
}


def _case(**row: Any) -> Case:
    parsed = parse_row(row, _PLACE)
    assert parsed.problems == ()
    assert parsed.case is not None
    assert parsed.case.id == parsed.id
    return parsed.case


def _faults(**row: Any) -> list[tuple[str, str]]:
    parsed = parse_row(row, _PLACE)
    assert parsed.case is None
    assert all((problem.file, problem.line) == ("golden/set.jsonl", 7) for problem in parsed.problems)
    return [(problem.field, problem.message) for problem in parsed.problems]


def test_every_field_arrives() -> None:
    case = _case(**_FULL)
    arrived = {name: getattr(case, name) for name in _FULL}
    assert arrived == {
        name: tuple(value) if isinstance(value, list) and name != "expected" else value
        for name, value in _FULL.items()
    }
    assert case.place == _PLACE
    assert case.fingerprint == fingerprint(case)


def test_absent_and_null_are_the_defaults() -> None:
    absent = _case(id="a", input="x")
    null = _case(**{**dict.fromkeys(_FULL), "id": "a", "input": "x"})
    assert absent == null
    assert absent == Case("a", "x", place=_PLACE, fingerprint=absent.fingerprint)


@pytest.mark.parametrize("field", ["context", "reference_context"])
def test_a_single_context_is_a_list_of_one(field: str) -> None:
    assert _case(input="x", **{field: "only"}) == _case(input="x", **{field: ["only"]})


@pytest.mark.parametrize(
    ("given", "reason"),
    [(True, "skipped in the golden set"), (False, None), (None, None), ("too slow", "too slow")],
)
def test_skip_is_a_reason_or_none(given: object, reason: str | None) -> None:
    assert _case(input="x", skip=given).skip == reason


def test_unknown_fields_are_kept_as_metadata() -> None:
    case = _case(input="x", category="refund", label=None, metadata={"source": "web"})
    assert case.metadata == {"source": "web", "category": "refund", "label": None}
    assert _case(input="x", question_type="why").metadata == {"question_type": "why"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("wieght", "weight"),
        ("tag", "tags"),
        ("expcted", "expected"),
        ("Input", "input"),
        ("ID", "id"),
        ("contexts", "context"),
        ("metdata", "metadata"),
        ("messsages", "messages"),
        ("trial", "trials"),
        ("expected_tool", "expected_tools"),
        ("human_labels", "human_label"),
    ],
)
def test_a_near_miss_of_a_field_is_an_error(name: str, meant: str) -> None:
    message = f'unknown field; did you mean "{meant}"? If not, move it into metadata'
    assert _faults(input="x", **{name: "y"}) == [(name, message)]


@pytest.mark.parametrize("name", ["text", "note", "category", "label", "meta", "source_file", "question", "x" * 5000])
def test_a_name_of_its_own_is_none(name: str) -> None:
    assert _case(input="x", **{name: 1}).metadata == {name: 1}


def test_an_unknown_field_must_not_clash_with_metadata() -> None:
    assert _faults(input="x", source=1, metadata={"source": 1}) == [
        ("source", "stands in the row and in its metadata; keep one")
    ]


@pytest.mark.parametrize(
    ("field", "value", "place", "message"),
    [
        ("messages", "Hi", "messages", 'must be a list, not "Hi"'),
        ("messages", ["Hi"], "messages[0]", 'must be an object, not "Hi"'),
        ("messages", [{"role": "user"}, {}], "messages[1]", 'needs a "role" that is a string, such as "user"'),
        ("vars", ["a"], "vars", 'must be an object, not ["a"]'),
        ("expected_any", "a", "expected_any", 'must be a list, not "a"'),
        ("rubric", 3, "rubric", "must be a string, not 3"),
        ("context", 3, "context", "must be a list, not 3"),
        ("context", ["a", None], "context[1]", "must be a string, not null"),
        ("trajectory", {}, "trajectory", "must be a list, not {}"),
        ("asserts", ["equals"], "asserts[0]", 'must be an object, not "equals"'),
        ("tags", "safety", "tags", 'must be a list, not "safety"'),
        ("tags", ["a", 1], "tags[1]", "must be a string, not 1"),
        ("slice", {"lang": 1}, "slice.lang", "must be a string, not 1"),
        ("slice", {"\x1b": 1}, "slice.\\x1b", "must be a string, not 1"),
        ("metadata", "x", "metadata", 'must be an object, not "x"'),
        ("split", True, "split", "must be a string, not true"),
        ("weight", 0, "weight", "must be greater than 0.0, not 0"),
        ("weight", -1.5, "weight", "must be greater than 0.0, not -1.5"),
        ("weight", "1", "weight", 'must be a number, not "1"'),
        ("weight", True, "weight", "must be a number, not true"),
        ("weight", 10**400, "weight", "must be a number, not 1" + "0" * 59),
        ("trials", 0, "trials", "must be at least 1, not 0"),
        ("trials", 1001, "trials", "must be at most 1000, not 1001"),
        ("trials", 2.0, "trials", "must be a whole number, not 2.0"),
        ("trials", True, "trials", "must be a whole number, not true"),
        ("skip", 1, "skip", "must be true, false or the reason as a string"),
        ("skip", " ", "skip", "must be true, false or the reason as a string"),
        ("expected_tools", "search", "expected_tools", 'must be a list, not "search"'),
    ],
)
def test_a_wrong_value_names_field_and_value(field: str, value: Any, place: str, message: str) -> None:
    assert _faults(input="x", **{field: value}) == [(place, message)]


def test_a_long_value_is_cut_in_the_message() -> None:
    [(_, message)] = _faults(input="x", tags="y" * 10_000)
    assert len(message) < 100


def test_every_fault_of_a_row_is_listed_and_a_good_id_is_kept() -> None:
    parsed = parse_row({"id": "good", "tag": 1, "weight": 0, "tags": [1, 2]}, _PLACE)
    assert [problem.field for problem in parsed.problems] == ["tag", "", "tags[0]", "tags[1]", "weight"]
    assert parsed.id == "good"


@pytest.mark.parametrize(
    "row",
    [{"input": None}, {"input": ""}, {"messages": [{"role": "user"}]}, {"vars": {"a": 1}}, {"output": "recorded"}],
)
def test_something_must_be_asked_or_recorded(row: dict[str, Any]) -> None:
    assert _case(**row).weight == 1.0


@pytest.mark.parametrize("row", [{}, {"id": "a"}, {"expected": 1}, {"messages": []}, {"vars": {}}, {"metadata": {}}])
def test_a_row_that_asks_nothing_is_an_error(row: dict[str, Any]) -> None:
    [(field, message)] = _faults(**row)
    assert (field, message.partition(":")[0]) == ("", "asks nothing")


def test_a_whole_weight_is_a_float() -> None:
    case = _case(input="x", weight=2)
    assert isinstance(case.weight, float)

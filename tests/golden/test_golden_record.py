"""Canonical rows: fields, problems, ids and fingerprints."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_evalgate.golden import fingerprint, load, parse_row
from pytest_evalgate.golden.record import duplicate_ids, normalise
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pathlib import Path


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
def test_an_unknown_name_that_resembles_no_field_is_metadata(name: str) -> None:
    assert _case(input="x", **{name: 1}).metadata == {name: 1}


def test_an_unknown_field_must_not_clash_with_metadata() -> None:
    assert _faults(input="x", source=1, metadata={"source": 1}) == [
        ("source", "is both in the row and in its metadata; keep one")
    ]


@pytest.mark.parametrize(
    ("field", "value", "place", "message"),
    [
        (
            "messages",
            "Hi",
            "messages",
            'must be a list of objects, such as [{"role": "user", "content": "..."}] (got "Hi")',
        ),
        ("messages", ["Hi"], "messages[0]", 'must be an object, not "Hi", as in [{"role": "user", "content": "..."}]'),
        ("messages", [{"role": "user"}, {}], "messages[1]", 'needs a "role" that is a string, such as "user"'),
        ("vars", ["a"], "vars", "must be an object, not a list"),
        ("expected_any", "a", "expected_any", 'must be a list, not "a": write ["a"]'),
        ("rubric", 3, "rubric", "must be a string or a list, not 3"),
        ("context", 3, "context", "must be a list, not 3"),
        ("context", ["a", None], "context[1]", "must be a string, not null"),
        ("trajectory", {}, "trajectory", "must be a list, not an empty object"),
        (
            "asserts",
            ["equals"],
            "asserts[0]",
            'must be an object, not "equals", as in [{"kind": "contains", "value": "30 days"}]',
        ),
        ("tags", "safety", "tags", 'must be a list, not "safety": write ["safety"]'),
        ("tags", ["a", 1], "tags[1]", "must be a string, not 1"),
        ("slice", {"lang": 1}, "slice.lang", "must be a string, not 1"),
        ("slice", {"\x1b": 1}, "slice.\\x1b", "must be a string, not 1"),
        ("metadata", "x", "metadata", 'must be an object, not "x"'),
        ("split", True, "split", "must be a string, not true"),
        ("weight", 0, "weight", "must be greater than 0, not 0"),
        ("weight", -1.5, "weight", "must be greater than 0, not -1.5"),
        ("weight", "1", "weight", 'must be a number, not "1": write 1'),
        ("weight", True, "weight", "must be a number, not true"),
        ("weight", 10**400, "weight", "must be a number, not a very large number"),
        ("trials", 0, "trials", "must be at least 1, not 0"),
        ("trials", 1001, "trials", "must be at most 1000, not 1001"),
        ("trials", 2.0, "trials", "must be a whole number, not 2.0"),
        ("trials", True, "trials", "must be a whole number, not true"),
        ("skip", 1, "skip", "must be true, false or the reason as a string (got 1)"),
        ("skip", " ", "skip", 'must be true, false or the reason as a string (got " ")'),
        ("expected_tools", "search", "expected_tools", 'must be a list, not "search": write ["search"]'),
    ],
)
def test_a_wrong_value_names_field_and_value(field: str, value: Any, place: str, message: str) -> None:
    assert _faults(input="x", **{field: value}) == [(place, message)]


def test_a_long_value_is_cut_in_the_message() -> None:
    [(_, message)] = _faults(input="x", tags="y" * 10_000)
    assert len(message) < 110


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
    assert (field, message.partition(":")[0]) == ("", "has no input")


def test_a_whole_weight_is_a_float() -> None:
    case = _case(input="x", weight=2)
    assert isinstance(case.weight, float)


def _id(row: dict[str, Any]) -> str | None:
    parsed = parse_row(row, Place("set.jsonl", 1))
    assert parsed.problems == ()
    return parsed.id


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("refund-3", "refund-3"),
        (17, "17"),
        (0, "0"),
        ("a b/c[1]:d", "a b/c[1]:d"),
        ("日本語", "日本語"),
        ("cafe\u0301", "caf\u00e9"),
        ("x" * 200, "x" * 200),
        ("e\u0301" * 200, "\u00e9" * 200),
    ],
)
def test_good_ids_are_kept_in_nfc(given_id: object, kept: str) -> None:
    assert _id({"id": given_id, "input": "x"}) == kept


@pytest.mark.parametrize(
    ("given_id", "message"),
    [
        ("", '"" is empty'),
        (" a", "starts or ends with white space"),
        ("a\u00a0", "starts or ends with white space"),
        ("x" * 201, "is 201 characters long, at most 200"),
        ("a::b", 'contains "::"'),
        ("a\tb", '"a\\tb" contains the invisible character U+0009'),
        ("a\x1b[31m", "contains the invisible character U+001B"),
        ("a\x85b", "contains the invisible character U+0085"),
        ("a\u202eb", '"a\\u202eb" contains the invisible character U+202E'),
        ("a\u2066b", "contains the invisible character U+2066"),
        ("a\u200bb", "contains the invisible character U+200B"),
        ("a\u200db", "contains the invisible character U+200D"),
        ("a\ufeffb", "contains the invisible character U+FEFF"),
        ("a\U000e0041b", "contains the invisible character U+E0041"),
        ("a\u2028b", "contains the invisible character U+2028"),
        (True, "must be a string or a whole number, not true"),
        (1.0, "must be a string or a whole number, not 1.0"),
        (["a"], 'must be a string or a whole number, not ["a"]'),
        ({}, "must be a string or a whole number, not {}"),
    ],
)
def test_bad_ids_say_why(given_id: object, message: str) -> None:
    parsed = parse_row({"id": given_id, "input": "x"}, Place("set.jsonl", 4))
    assert (parsed.id, parsed.case) == (None, None)
    [problem] = parsed.problems
    assert (problem.file, problem.line, problem.field) == ("set.jsonl", 4, "id")
    assert message in problem.message


def test_an_absent_id_is_generated_from_input_and_expected_value() -> None:
    row = {"input": "x", "expected": 1}
    made = _id(row)
    assert made == jsonl.digest({"expected": 1, "input": "x"})[:12]
    assert _id({**row, "id": None, "tags": ["a"], "vars": {}, "messages": None, "weight": 2}) == made
    assert _id({**row, "expected": 2}) != made
    assert _id({**row, "vars": {"a": 1}}) != made
    assert _id({**row, "messages": [{"role": "user"}]}) != made


def test_repeated_ids_name_the_first_line() -> None:
    named = [(name, Place("set.jsonl", line)) for line, name in enumerate(["a", "b", "a", "a"], start=4)]
    assert list(map(str, duplicate_ids(named))) == [
        'set.jsonl:6: duplicate id "a" (first at line 4)',
        'set.jsonl:7: duplicate id "a" (first at line 4)',
    ]


@given(text=st.text(max_size=220))
def test_an_accepted_id_is_nfc_visible_and_stable(text: str) -> None:
    try:
        kept = normalise(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way out is right
        return
    assert kept == unicodedata.normalize("NFC", text) == normalise(kept)
    assert not {unicodedata.category(character) for character in kept} & {"Cc", "Cf", "Zl", "Zp"}
    assert normalise(unicodedata.normalize("NFD", text)) == kept


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_SCALAR = st.none() | st.booleans() | st.integers() | _TEXT
_JSON = _SCALAR | st.lists(_SCALAR, max_size=3) | st.dictionaries(_TEXT, _SCALAR, max_size=3)
_ROW = st.fixed_dictionaries(
    {"input": _JSON},
    optional={
        "expected": _JSON,
        "vars": st.dictionaries(_TEXT, _JSON, max_size=3),
        "context": st.lists(_TEXT, max_size=3),
        "tags": st.lists(_TEXT, max_size=3),
        "metadata": st.dictionaries(_TEXT, _JSON, max_size=3),
    },
)
_ROWS = st.lists(_ROW, min_size=1, max_size=5).map(lambda rows: [{"id": n, **row} for n, row in enumerate(rows)])
_IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _fingerprint(**row: Any) -> str:
    parsed = parse_row({"id": "a", "input": "x", **row}, Place("set.jsonl", 1))
    assert parsed.case is not None
    return parsed.case.fingerprint


def _load_bytes(folder: Path, content: bytes) -> GoldenSet:
    path = folder / "set.jsonl"
    path.write_bytes(content)
    [golden] = load([path], root=folder)
    return golden


def test_the_fingerprint_is_pinned() -> None:
    expected = jsonl.digest({"context": ["c"], "expected": 1, "input": "x"})
    assert _fingerprint(expected=1, context="c", tags=["t"], weight=3) == expected
    assert fingerprint(Case("other id", "x", expected=1, context=("c",))) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"input": "y"},
        {"input": None},
        {"messages": [{"role": "user"}]},
        {"vars": {"a": 1}},
        {"expected": ""},
        {"expected": False},
        {"expected": []},
        {"expected_any": ["a"]},
        {"rubric": "r"},
        {"context": "c"},
        {"reference_context": "c"},
        {"expected_tools": ["t"]},
        {"asserts": [{"type": "equals"}]},
    ],
    ids=str,
)
def test_input_and_expected_values_change_the_fingerprint(change: dict[str, Any]) -> None:
    assert _fingerprint(**change) != _fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"tags": ["t"]},
        {"slice": {"lang": "de"}},
        {"metadata": {"a": 1}},
        {"split": "test"},
        {"weight": 2},
        {"trials": 2},
        {"skip": True},
        {"output": "o"},
        {"trajectory": ["t"]},
        {"human_label": 1},
        {"expected": None, "vars": {}, "messages": [], "context": [], "asserts": [], "rubric": None},
    ],
    ids=str,
)
def test_other_fields_do_not_change_the_fingerprint(change: dict[str, Any]) -> None:
    assert _fingerprint(**change) == _fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ["t"]},
        {"metadata": {"a": 1}},
        {"weight": 2},
        {"trials": 2},
        {"skip": "slow"},
        {"output": "o"},
        {"id": "b"},
        {"human_label": 0},
    ],
    ids=str,
)
def test_the_set_digest_covers_the_whole_row(tmp_path: Path, change: dict[str, Any]) -> None:
    row = {"id": "a", "input": "x"}
    before = _load_bytes(tmp_path, json.dumps(row).encode())
    assert _load_bytes(tmp_path, json.dumps({**row, **change}).encode()).sha256 != before.sha256


def test_the_set_digest_is_pinned(tmp_path: Path) -> None:
    golden = _load_bytes(tmp_path, b'{"id": "b", "input": 2}\n{"id": "a", "input": 1, "tags": ["t"], "weight": 1}\n')
    rows = {"a": {"id": "a", "input": 1, "tags": ["t"]}, "b": {"id": "b", "input": 2}}
    assert golden.sha256 == jsonl.digest([[name, jsonl.digest(row)] for name, row in rows.items()])


@given(
    rows=_ROWS, data=st.data(), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), ending=st.sampled_from(["\n", "\r\n\n"])
)
@_IN_ONE_FOLDER
def test_order_and_encoding_change_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], data: st.DataObject, mark: bytes, ending: str
) -> None:
    before = _load_bytes(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    shuffled = [dict(data.draw(st.permutations(list(row.items())))) for row in data.draw(st.permutations(rows))]
    lines = [json.dumps(row, ensure_ascii=data.draw(st.booleans()), indent=None) + ending for row in shuffled]
    after = _load_bytes(tmp_path, mark + "".join(lines).encode())
    assert after.sha256 == before.sha256
    assert {case.id: case.fingerprint for case in after} == {case.id: case.fingerprint for case in before}


@given(rows=_ROWS)
@_IN_ONE_FOLDER
def test_loading_keeps_all_values(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    golden = _load_bytes(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    for case, row in zip(golden, rows, strict=True):
        assert (case.input, case.expected, case.metadata) == (
            row["input"],
            row.get("expected"),
            row.get("metadata", {}),
        )
        assert case.tags == tuple(row.get("tags", ()))

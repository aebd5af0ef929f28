"""Rows of other tools: each dialect is recognised and translated, and ambiguous rows are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_evalgate.golden import ReadFile, load, read_file
from pytest_evalgate.golden.dialects import DIALECTS, recognise
from pytest_evalgate.records.cases import Case
from pytest_evalgate.text.jsonl import JsonLine

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

_ROWS: dict[str, tuple[Row, Row]] = {
    "promptfoo": (
        {
            "description": "d",
            "vars": {"question": "Why?", "context": "C."},
            "assert": [{"type": "equals", "value": "a"}],
            "metadata": {"k": 1},
        },
        {
            "id": "d",
            "vars": {"question": "Why?", "context": "C."},
            "context": ("C.",),
            "expected": "a",
            "asserts": ({"kind": "exact", "value": "a", "strip": False},),
            "metadata": {"k": 1},
        },
    ),
    "promptfoo columns": (
        {"q": "Why?", "__expected": "icontains: a", "__description": "d", "__metadata:k": "v", "__metric": "m"},
        {
            "id": "d",
            "input": "Why?",
            "vars": {"q": "Why?"},
            "asserts": ({"kind": "icontains", "value": "a", "name": "m"},),
            "metadata": {"k": "v"},
        },
    ),
    "deepeval": (
        {
            "name": "n",
            "input": "Why?",
            "expected_output": "a",
            "actual_output": "o",
            "context": ["gold"],
            "retrieval_context": ["found"],
            "expected_tools": [{"name": "search"}],
            "tools_called": [{"name": "book"}],
            "additional_metadata": {"k": 1},
            "comments": "c",
            "source_file": None,
        },
        {
            "id": "n",
            "input": "Why?",
            "expected": "a",
            "output": "o",
            "reference_context": ("gold",),
            "context": ("found",),
            "expected_tools": ({"name": "search"},),
            "trajectory": ({"name": "book"},),
            "metadata": {"k": 1, "comments": "c"},
        },
    ),
    "deepeval conversation": (
        {
            "scenario": "S.",
            "turns": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "o"}],
            "expected_outcome": "R.",
            "context": ["gold"],
            "name": "n",
            "user_description": "u",
        },
        {
            "id": "n",
            "messages": ({"role": "user", "content": "Why?"},),
            "output": "o",
            "rubric": "R.",
            "reference_context": ("gold",),
            "metadata": {"scenario": "S.", "user_description": "u"},
        },
    ),
    "ragas 0.1": (
        {"question": "Why?", "answer": "o", "contexts": ["c"], "ground_truth": "a", "evolution_type": "simple"},
        {"input": "Why?", "expected": "a", "output": "o", "context": ("c",), "metadata": {"evolution_type": "simple"}},
    ),
    "inspect": (
        {
            "id": 3,
            "input": [{"role": "user", "content": "Why?"}],
            "target": ["a", "b"],
            "choices": ["a", "c"],
            "metadata": {"k": 1},
            "sandbox": "docker",
        },
        {
            "id": "3",
            "messages": ({"role": "user", "content": "Why?"},),
            "expected_any": ("a", "b"),
            "vars": {"choices": ["a", "c"]},
            "metadata": {"k": 1, "sandbox": "docker"},
        },
    ),
    "openai/evals": (
        {"input": [{"role": "user", "content": "Why?"}], "ideal": "a"},
        {"messages": ({"role": "user", "content": "Why?"},), "expected": "a"},
    ),
    "openai evals api": (
        {"item": {"question": "Why?", "lang": "de", "ground_truth": "a"}, "sample": {"output_text": "o"}},
        {"vars": {"question": "Why?", "lang": "de"}, "expected": "a", "output": "o"},
    ),
    "langsmith": (
        {"id": "e", "inputs": {"question": "Why?"}, "outputs": {"why": "b", "answer": "a"}, "split": ["test"]},
        {"id": "e", "input": "Why?", "vars": {"question": "Why?"}, "expected": "a", "split": "test"},
    ),
    "braintrust": (
        {"id": "b", "input": {"q": "Why?"}, "expected": "a", "tags": ["t"], "trial_count": 3},
        {"id": "b", "input": {"q": "Why?"}, "expected": "a", "tags": ("t",), "trials": 3},
    ),
    "pydantic-evals": (
        {"name": "n", "inputs": "Why?", "expected_output": "a", "evaluators": ["EqualsExpected", {"Contains": "x"}]},
        {
            "id": "n",
            "input": "Why?",
            "expected": "a",
            "asserts": ({"kind": "exact"}, {"kind": "contains", "value": "x"}),
        },
    ),
    "ragas": (
        {
            "user_input": [{"content": "Why?", "type": "human"}],
            "reference": "a",
            "response": "o",
            "retrieved_contexts": ["found"],
            "reference_contexts": ["gold"],
            "reference_tool_calls": [{"name": "search"}],
            "rubrics": {"score1": "bad"},
        },
        {
            "messages": ({"role": "user", "content": "Why?"},),
            "expected": "a",
            "output": "o",
            "context": ("found",),
            "reference_context": ("gold",),
            "expected_tools": ({"name": "search"},),
            "metadata": {"rubrics": {"score1": "bad"}},
        },
    ),
    "mlflow": (
        {
            "dataset_record_id": "r",
            "inputs": {"messages": [{"role": "user", "content": "Why?"}], "lang": "de"},
            "outputs": "o",
            "expectations": {
                "expected_response": "a",
                "guidelines": ["Be kind.", "Be brief."],
                "expected_retrieved_context": [{"doc_uri": "u", "content": "gold"}, {"doc_uri": "v"}],
                "expected_facts": ["f"],
            },
            "tags": {"topic": "x"},
        },
        {
            "id": "r",
            "messages": ({"role": "user", "content": "Why?"},),
            "vars": {"lang": "de"},
            "output": "o",
            "expected": "a",
            "rubric": "Be kind.\nBe brief.",
            "reference_context": ("gold", "v"),
            "tags": ("topic:x",),
            "metadata": {"expected_facts": ["f"]},
        },
    ),
    "opik": (
        {"id": "o", "input": {"a": 1, "b": 2}, "expected_output": "a", "context": ["found"], "metadata": {"k": 1}},
        {"id": "o", "vars": {"a": 1, "b": 2}, "expected": "a", "context": ("found",), "metadata": {"k": 1}},
    ),
    "langfuse": (
        {"id": "l", "input": "Why?", "expectedOutput": {"a": 1}, "metadata": None, "status": "ACTIVE"},
        {"id": "l", "input": "Why?", "expected": {"a": 1}, "metadata": {"status": "ACTIVE"}},
    ),
    "phoenix": (
        {"external_id": "p", "inputs": {"q": "Why?"}, "outputs": {"text": "a"}, "metadata": {"k": 1}},
        {"id": "p", "input": "Why?", "vars": {"q": "Why?"}, "expected": "a", "metadata": {"k": 1}},
    ),
    "azure": (
        {"query": "Why?", "ground_truth": "a", "response": "o", "context": "found"},
        {"input": "Why?", "expected": "a", "output": "o", "context": ("found",)},
    ),
    "question and answer": (
        {"case_id": 7, "question": "Why?", "answer": ["a", "b"], "documents": ["found"], "level": 2},
        {"id": "7", "input": "Why?", "expected_any": ("a", "b"), "context": ("found",), "metadata": {"level": 2}},
    ),
}
_DEFAULTS = Case("")
_COMPARED = ("input", "messages", "vars", "expected", "expected_any", "rubric", "context", "reference_context")
_ALSO = ("output", "trajectory", "expected_tools", "asserts", "tags", "metadata", "split", "trials")


def _read(folder: Path, *rows: Row) -> ReadFile:
    path = folder / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return read_file(path, "set.jsonl")


def _problems(folder: Path, *rows: Row) -> list[str]:
    return list(map(str, _read(folder, *rows).problems))


def _case(folder: Path, row: Row) -> Case:
    read = _read(folder, row)
    assert read.problems == ()
    [case] = read.golden
    return case


def _said(case: Case) -> Row:
    held = {name: getattr(case, name) for name in (*_COMPARED, *_ALSO)}
    return {name: value for name, value in held.items() if value != getattr(_DEFAULTS, name)}


@pytest.mark.parametrize("dialect", _ROWS)
def test_a_row_of_each_tool_loads_unedited(tmp_path: Path, dialect: str) -> None:
    row, expected = _ROWS[dialect]
    expected = dict(expected)
    read = _read(tmp_path, row)
    assert (read.problems, read.dialect) == ((), dialect)
    [case] = read.golden
    assert case.id == expected.pop("id", case.id)
    if dialect == "promptfoo":
        expected["vars"] = row["vars"]
    assert _said(case) == expected


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([{"role": "assistant", "content": "hi"}], "set.jsonl:1: turns: has no turn of the user"),
        ([{"role": "user"}], 'set.jsonl:1: turns: must be a list of turns, such as {"role": "user", '),
        ("hi", "set.jsonl:1: turns: must be a list of turns"),
    ],
)
def test_turns_that_cannot_be_continued_are_refused(tmp_path: Path, turns: Any, message: str) -> None:
    [problem] = _read(tmp_path, {"scenario": "S.", "turns": turns, "expected_outcome": "R."}).problems
    assert str(problem).startswith(message)


def test_a_scenario_without_turns_is_the_input_and_details_of_turns_are_kept(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?", "retrieval_context": ["c"]}]
    rows: list[Row] = [{"scenario": "S.", "turns": None, "expected_outcome": "R."}, {"scenario": "T.", "turns": turns}]
    read = _read(tmp_path, *({**row, "user_description": None} for row in rows))
    assert [case.input for case in read.golden] == ["S.", None]
    assert read.golden.cases[1].metadata == {"turns": turns, "scenario": "T."}


def test_the_sources_of_retrieved_texts_become_metadata(tmp_path: Path) -> None:
    texts = ["plain", "deepeval_source=terms.md,deepeval_context=14 days, no more"]
    [case] = _read(tmp_path, {"input": "x", "expected_output": "y", "retrieval_context": texts}).golden
    assert case.context == ("plain", "14 days, no more")
    assert case.metadata == {"retrieval_sources": ["terms.md"]}


def test_every_dialect_is_tried_here() -> None:
    assert {dialect.name for dialect in DIALECTS} == set(_ROWS)


def test_the_mapping_lists_renamed_fields(tmp_path: Path) -> None:
    read = _read(tmp_path, {"name": "n", "input": "x"}, {"input": "y", "expected_output": "a", "comments": "c"})
    assert (read.dialect, read.mapping) == (
        "deepeval",
        (("name", "id"), ("expected_output", "expected"), ("comments", "metadata")),
    )


def test_a_canonical_file_has_no_mapping(tmp_path: Path) -> None:
    read = _read(tmp_path, {"input": "x", "expected": "y", "target": "de", "question": "z"})
    assert (read.dialect, read.mapping, read.problems) == ("", (), ())
    assert read.golden.cases[0].metadata == {"target": "de", "question": "z"}


@pytest.mark.parametrize(
    "row",
    [
        {"input": "x", "expected": "a", "expected_output": "b"},
        {"input": "x", "expected_any": ["a"], "target": "b"},
        {"input": "x", "asserts": [{"kind": "exact", "value": "a"}], "ideal": "b"},
        {"messages": [{"role": "user", "content": "x"}], "target": "b"},
        {"output": "o", "question": "x", "answer": "y"},
        {"id": "a", "input": "x", "output": "o", "external_id": "7"},
        {"input": "x", "expected": "a", "inputs_seen": 3, "source_file": "f"},
    ],
    ids=json.dumps,
)
def test_canonical_rows_with_foreign_names_stay_canonical(tmp_path: Path, row: Row) -> None:
    assert _read(tmp_path, row).dialect == ""
    assert _problems(tmp_path, row) == []


def test_a_slip_in_a_canonical_row_is_still_called_one(tmp_path: Path) -> None:
    [unknown, nothing] = _problems(tmp_path, {"input": "x", "expected": "a"}, {"inputs": "y", "expected": "b"})
    assert unknown == 'set.jsonl:2: inputs: unknown field; did you mean "input"? If not, move it into metadata'
    assert nothing.startswith("set.jsonl:2: has no input")


def test_an_unknown_name_in_a_dialect_is_compared_with_the_canonical_names(tmp_path: Path) -> None:
    [problem] = _problems(tmp_path, {"input": "x", "target": "a", "tag": "b"})
    assert problem == 'set.jsonl:1: tag: unknown field; did you mean "tags"? If not, move it into metadata'


def test_rows_of_two_dialects_are_refused_with_both_lines(tmp_path: Path) -> None:
    plain, first, second = {"input": "x"}, {"input": "y", "target": "a"}, {"input": "z", "expected_output": "b"}
    [problem] = _problems(tmp_path, plain, first, second)
    assert problem == (
        'set.jsonl:3: the dialect is deepeval ("expected_output"), but that of line 2 is inspect ("target"): '
        "split the file, or use the canonical names"
    )
    assert _read(tmp_path, plain, first, second).golden.cases == ()


def test_a_canonical_row_among_others_is_refused(tmp_path: Path) -> None:
    [problem] = _problems(tmp_path, {"input": "y", "target": "a"}, {"input": "x", "expected": "b"})
    assert problem.startswith(
        'set.jsonl:2: the dialect is canonical ("expected"), but that of line 1 is inspect ("target")'
    )


def test_a_row_with_few_fields_has_the_dialect_of_the_others(tmp_path: Path) -> None:
    read = _read(
        tmp_path, {"input": "x"}, {"id": "b", "input": "y", "expected_output": "a"}, {"input": "z", "name": "n"}
    )
    assert read.dialect == "opik"
    assert (
        _read(
            tmp_path, {"input": "x", "expected_output": "a"}, {"id": "b", "input": "y", "expected_output": "a"}
        ).dialect
        == "deepeval"
    )


@pytest.mark.parametrize(
    ("row", "readings"),
    [
        ({"input": "x", "target": "a", "ideal": "b"}, ['inspect ("target")', 'openai/evals ("ideal")']),
        (
            {"inputs": "x", "outputs": {"a": 1}, "expected_output": "b"},
            ['pydantic-evals ("expected_output")', 'langsmith ("inputs")'],
        ),
        (
            {"inputs": {"q": "x"}, "outputs": "a"},
            ["the expected value (langsmith, phoenix", "a recorded output (mlflow)"],
        ),
        ({"external_id": "p", "input": "x", "output": "a"}, ["the expected value (phoenix)", "a recorded output"]),
    ],
    ids=json.dumps,
)
def test_an_ambiguous_row_is_an_error_that_names_both_readings(tmp_path: Path, row: Row, readings: list[str]) -> None:
    [problem] = _problems(tmp_path, row)
    assert problem.startswith("set.jsonl:1: ")
    assert [reading for reading in readings if reading not in problem] == []


def test_outputs_are_recorded_outputs_if_there_are_expectations(tmp_path: Path) -> None:
    inputs = {"inputs": {"q": "x"}, "outputs": {"a": "b"}}
    assert _case(tmp_path, inputs).expected == "b"
    case = _case(tmp_path, {**inputs, "expectations": {"expected_response": "c"}})
    assert (case.expected, case.output) == ("c", {"a": "b"})
    [problem] = _problems(tmp_path, inputs, {**inputs, "expectations": {"expected_response": "c"}})
    assert 'the dialect is mlflow ("expectations"), but that of line 1 is langsmith ("inputs")' in problem


@pytest.mark.parametrize(
    ("outputs", "expected", "expected_any"),
    [
        ({"anything": "a"}, "a", ()),
        ({"anything": ["a", "b"]}, None, ("a", "b")),
        ({"output": "a", "x": 1}, "a", ()),
        ({"x": 1, "y": 2}, {"x": 1, "y": 2}, ()),
        (None, None, ()),
    ],
)
def test_reference_outputs_are_unwrapped(tmp_path: Path, outputs: Any, expected: Any, expected_any: Any) -> None:
    case = _case(tmp_path, {"inputs": {"q": "x"}, "outputs": outputs})
    assert (case.expected, case.expected_any) == (expected, expected_any)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"input": "x", "expected_output": "a", "retrieval_context": 3}, "retrieval_context: must be a list, not 3"),
        (
            {"input": "x", "target": "a", "sandbox": "b", "metadata": {"sandbox": 1}},
            'sandbox: means the same as "metadata": keep one',
        ),
        ({"user_input": "x", "reference_contexts": ["a", 1]}, "reference_contexts[1]: must be a string, not 1"),
        ({"inputs": "x", "expectations": []}, "expectations: must be an object, not []"),
        ({"inputs": "x", "expectations": {"guidelines": 3}}, "expectations: must be a string or a list, not 3"),
        ({"inputs": "x", "expectations": {}, "tags": {"a": 1}}, "tags.a: must be a string, not 1"),
        ({"item": "x"}, 'item: must be an object, not "x"'),
        ({"inputs": "x", "evaluators": ["LLMJudge"]}, 'evaluators[0].LLMJudge: needs "rubric"'),
        ({"inputs": "x", "evaluators": ["IsPolite"]}, 'evaluators[0]: "IsPolite" has no equivalent scorer'),
        ({"inputs": "x", "evaluators": {}}, "evaluators: must be a list, not {}"),
        ({"name": "a::b", "input": "x", "expected_output": "a"}, 'name: "a::b" contains "::"'),
        ({"question": "x", "answer": "a", "trials": 0}, "trials: must be at least 1, not 0"),
    ],
    ids=json.dumps,
)
def test_problems_use_the_names_of_the_row(tmp_path: Path, row: Row, problem: str) -> None:
    [found] = _problems(tmp_path, row)
    assert found.startswith(f"set.jsonl:1: {problem}")


def test_a_repeated_name_is_a_repeated_id(tmp_path: Path) -> None:
    rows = [{"name": "n", "input": "x", "expected_output": "a"}, {"name": "n", "input": "y", "expected_output": "b"}]
    assert _problems(tmp_path, *rows) == ['set.jsonl:2: duplicate id "n" (first at line 1)']


def test_null_is_the_same_as_absent(tmp_path: Path) -> None:
    row = {"name": None, "input": "x", "expected_output": "a", "context": None, "comments": None}
    case = _case(tmp_path, row)
    assert (case.expected, case.reference_context, case.metadata) == ("a", (), {})


def test_the_fingerprint_is_that_of_the_canonical_row(tmp_path: Path) -> None:
    foreign = _case(tmp_path, {"input": "x", "target": "a"})
    assert foreign.fingerprint == _case(tmp_path, {"input": "x", "expected": "a"}).fingerprint


def test_a_set_loads_with_its_first_line_about_the_file(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"_meta": {"target": "x"}}\n{"input": "x", "target": "a"}\n', "utf-8")
    [golden] = load([path], root=tmp_path)
    assert [case.expected for case in golden] == ["a"]


_NAMES = sorted(
    {name for dialect in DIALECTS for rule in dialect.rules for name in rule.names} | {"expected", "asserts"}
)
_TEXT = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=5)
_KEYS = st.sampled_from([*_NAMES, "role", "content", "type", "value"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda held: st.lists(held, max_size=3) | st.dictionaries(_KEYS, held, max_size=3),
    max_leaves=8,
)


@given(rows=st.lists(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6), min_size=1, max_size=3))
@example(rows=[{"assert": [{"type": "not-"}], "vars": {}}])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_row_becomes_a_case_or_a_problem_with_its_line(tmp_path: Path, rows: list[Row]) -> None:
    read = _read(tmp_path, *rows)
    assert len(read.golden) + len({problem.line for problem in read.problems}) >= min(len(rows), 1)
    assert all(problem.message.isprintable() for problem in read.problems)


@given(names=st.sets(st.sampled_from(_NAMES), max_size=6))
def test_one_row_is_never_refused_for_disagreeing_with_itself(names: set[str]) -> None:
    row = JsonLine(1, dict.fromkeys(names, "x"))
    _, alone = recognise([row], "set.jsonl")
    _, twice = recognise([row, row], "set.jsonl")
    assert alone == twice
    assert all("can be read as" in problem.message for problem in alone)

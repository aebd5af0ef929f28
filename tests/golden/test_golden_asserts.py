"""Asserts of promptfoo: each becomes an equivalent scorer, or an error that names it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.golden import load, read_file
from pytest_evalgate.scorers import RULES, Context, check_asserts

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.cases import Case

Row = dict[str, Any]
BLEU = {"tokenize": "none", "ignore_case": True, "strict": True}


def _write(folder: Path, row: Row) -> Path:
    path = folder / "set.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    return path


def _case(folder: Path, row: Row) -> Case:
    [[case]] = load([_write(folder, row)], root=folder)
    return case


def _test(*asserts: Row, **row: Any) -> Row:
    return {"vars": {"q": "Why?", "city": "Bonn", "n": 5.0, "yes": True}, "assert": list(asserts), **row}


def _problem(folder: Path, row: Row) -> str:
    [problem] = read_file(_write(folder, row), "set.jsonl").problems
    return str(problem)


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        ({"type": "equals", "value": {"a": 1}}, {"kind": "exact", "value": {"a": 1}}),
        ({"type": "not-equals", "value": "a"}, {"kind": "not-exact", "value": "a", "strip": False}),
        ({"type": "equals", "value": 42}, {"kind": "exact", "value": "42", "strip": False}),
        ({"type": "equals", "value": 0}, {"kind": "exact", "value": "0", "strip": False}),
        ({"type": "equals", "value": True}, {"kind": "exact", "value": "true", "strip": False}),
        ({"type": "equals", "value": [1, 2]}, {"kind": "exact", "value": [1, 2]}),
        ({"type": "equals", "value": "{{n}}"}, {"kind": "exact", "value": "5", "strip": False}),
        ({"type": "equals", "value": "{{yes}}"}, {"kind": "exact", "value": "true", "strip": False}),
        ({"type": "contains", "value": 1.0}, {"kind": "contains", "value": "1"}),
        ({"type": "contains-any", "value": "a\nb"}, {"kind": "contains-any", "values": ["a\nb"]}),
        ({"type": "contains-any", "value": ",a,, b ,"}, {"kind": "contains-any", "values": ["a", "b"]}),
        (
            {"type": "contains-any", "value": '"a, ""b""", "c\\"d"'},
            {"kind": "contains-any", "values": ['a, "b"', 'c"d']},
        ),
        ({"type": "contains-any", "value": [True, 2.0]}, {"kind": "contains-any", "values": ["true", "2"]}),
        ({"type": "regex", "value": "^\\d+$"}, {"kind": "regex", "pattern": "\\A[0-9]+\\Z"}),
        ({"type": "contains", "value": 7}, {"kind": "contains", "value": "7"}),
        ({"type": "icontains", "value": "{{ city }}"}, {"kind": "icontains", "value": "Bonn"}),
        ({"type": "contains-any", "value": ["a", "{{city}}"]}, {"kind": "contains-any", "values": ["a", "Bonn"]}),
        ({"type": "not-icontains-all", "value": 'a, "b, c"'}, {"kind": "not-icontains-all", "values": ["a", "b, c"]}),
        ({"type": "starts-with", "value": "a"}, {"kind": "starts-with", "value": "a"}),
        ({"type": "regex", "value": "a+"}, {"kind": "regex", "pattern": "a+"}),
        ({"type": "is-json"}, {"kind": "json-valid"}),
        ({"type": "latency", "threshold": 1500}, {"kind": "latency", "max": 1.5}),
        ({"type": "not-cost", "threshold": 0.01}, {"kind": "not-cost", "max": 0.01}),
        ({"type": "word-count", "value": 3}, {"kind": "word-count", "min": 3, "max": 3}),
        ({"type": "word-count", "value": {"max": 9}}, {"kind": "word-count", "max": 9}),
        (
            {"type": "bleu", "value": "a b", "threshold": 0.3},
            {"kind": "bleu", "value": "a b", **BLEU, "threshold": 0.3},
        ),
        (
            {"type": "contains", "value": "a", "weight": 2, "metric": "m"},
            {"kind": "contains", "value": "a", "weight": 2, "name": "m"},
        ),
        ({"type": "contains", "value": "a", "weight": 1, "provider": None}, {"kind": "contains", "value": "a"}),
    ],
    ids=json.dumps,
)
def test_an_assert_is_a_scorer_that_there_is(tmp_path: Path, given: Row, spec: Row) -> None:
    case = _case(tmp_path, _test(given))
    assert case.asserts == (spec,)
    assert spec["kind"] in RULES
    assert check_asserts([case], context=Context()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "llm-rubric", "value": "nice"}, 'assert[0].type: "llm-rubric" needs a model'),
        ({"type": "python", "value": "x"}, 'assert[0].type: "python" is code, which a golden set cannot run'),
        ({"type": "latency"}, "assert[0].threshold: needs a number"),
        ({"type": "levenshtein", "value": "a"}, 'assert[0].type: "levenshtein" has no equivalent scorer'),
        ({"type": "contians", "value": "a"}, 'assert[0].type: "contians" has no equivalent scorer'),
        ({"type": "not-bleu", "value": "a"}, 'assert[0].type: "not-bleu" has no equivalent scorer'),
        ({"type": "is-json", "value": {"type": "object"}}, "assert[0].value: no scorer checks a schema"),
        ({"type": "equals"}, "assert[0].value: must be a non-empty string or a number, not null"),
        ({"type": "contains", "value": ""}, 'assert[0].value: must be a non-empty string or a number, not ""'),
        ({"type": "contains-any", "value": [[]]}, "assert[0].value: must be a non-empty string or a number, not []"),
        ({"type": "contains-all", "value": ""}, 'assert[0].value: must be a non-empty string or a number, not ""'),
        ({"type": "equals", "value": {"a": "{{ other }}"}}, 'assert[0].value: "{{ other }}" is a template'),
        ({"type": "word-count", "value": "few"}, "assert[0].value: must be a whole number"),
        ({"type": "word-count", "value": "9" * 5000}, "assert[0].value: must be a whole number"),
        ({"type": "contains", "value": "{{ other }}"}, 'assert[0].value: "{{ other }}" is a template'),
        ({"type": "contains", "value": "{% if x %}"}, 'assert[0].value: "{% if x %}" is a template'),
        ({"type": "equals", "value": "file://a.txt"}, "assert[0].value: refers to a file"),
        ({"type": "equals", "value": "a", "threshold": 0.5}, 'assert[0].threshold: "equals" is not graded'),
        ({"type": "equals", "value": "a", "transform": "x"}, "assert[0].transform: is not supported here"),
        ({"type": "contains-any", "value": '"a'}, "assert[0].value: has a quoted member without an end"),
        ({"type": "equals", "value": 2**60}, "assert[0].value: is a number that JavaScript rounds"),
        (
            {"type": "regex", "value": "(?i)a"},
            "assert[0].value: the pattern has a group that JavaScript does not have",
        ),
        ({"type": "regex", "value": "[]"}, "assert[0].value: the empty class []"),
        ({"value": "a"}, 'assert[0]: needs a "type" that is a string'),
    ],
    ids=json.dumps,
)
def test_an_assert_without_an_equivalent_is_an_error_with_its_line(tmp_path: Path, given: Row, message: str) -> None:
    assert _problem(tmp_path, _test(given)).startswith(f"set.jsonl:1: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"threshold": "half"}, 'threshold: must be a number from 0 to 1, not "half"'),
        ({"threshold": 1.5}, "threshold: must be at most 1"),
        ({"assertScoringFunction": "file://x"}, "assertScoringFunction: "),
        ({"options": {"transform": "output.trim()"}}, "options.transform: changes the prompt or the graded text"),
        ({"vars": {"q": ["a", "b"]}}, "vars.q: is a list, which promptfoo expands to one case for each member"),
        ({"vars": {"q": "file://q.txt"}}, "vars.q: refers to a file"),
        ({"vars": "q.csv"}, 'vars: must be an object, not "q.csv"'),
        ({"assert": {"type": "equals"}}, "assert: must be a list"),
    ],
    ids=json.dumps,
)
def test_a_field_that_would_change_the_meaning_of_a_row_is_an_error(tmp_path: Path, more: Row, message: str) -> None:
    assert _problem(tmp_path, _test({"type": "equals", "value": "a"}, **more)).startswith(f"set.jsonl:1: {message}")


def test_the_threshold_of_a_row_is_kept(tmp_path: Path) -> None:
    assert _case(tmp_path, _test({"type": "equals", "value": "a"}, threshold=0.5)).threshold == 0.5
    assert _case(tmp_path, {"q": "Why?", "__expected": "a", "__threshold": "0.5"}).threshold == 0.5


def test_options_that_change_nothing_are_kept(tmp_path: Path) -> None:
    case = _case(tmp_path, _test({"type": "equals", "value": "a"}, options={"provider": "x"}, metadata={"k": 1}))
    assert case.metadata == {"options": {"provider": "x"}, "k": 1}


def test_the_only_value_to_equal_is_the_expected_one(tmp_path: Path) -> None:
    one, two = {"type": "equals", "value": "a"}, {"type": "equals", "value": "b"}
    assert _case(tmp_path, _test(one, {"type": "contains", "value": "c"})).expected == "a"
    assert _case(tmp_path, _test(one, two)).expected is None
    assert _case(tmp_path, _test({**one, "type": "not-equals"})).expected is None


@pytest.mark.parametrize(
    ("cell", "spec"),
    [
        ("Berlin", {"kind": "exact", "value": "Berlin", "strip": False}),
        ("note: Berlin", {"kind": "exact", "value": "note: Berlin", "strip": False}),
        ("contains", {"kind": "exact", "value": "contains", "strip": False}),
        ("contains-any: a, b", {"kind": "contains-any", "values": ["a", "b"]}),
        ("not-contains: a: b", {"kind": "not-contains", "value": "a: b"}),
        ("is-json", {"kind": "json-valid"}),
        ("bleu(1.2.3): a", {"kind": "exact", "value": "bleu(1.2.3): a", "strip": False}),
        ("regex", {"kind": "exact", "value": "regex", "strip": False}),
        ("word-count: 3", {"kind": "word-count", "min": 3, "max": 3}),
        ("bleu(0.3): a b", {"kind": "bleu", "value": "a b", **BLEU, "threshold": 0.3}),
    ],
)
def test_a_cell_is_an_assert(tmp_path: Path, cell: str, spec: Row) -> None:
    assert _case(tmp_path, {"q": "Why?", "__expected": cell}).asserts == (spec,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"__expected": "grade: is it nice?"}, 'assert[0].type: "grade" needs a model'),
        ({"__expected": "a", "__expected2": "similar(0.8): a"}, 'assert[1].type: "similar" has no equivalent scorer'),
        ({"__expected": "a", "__prefix": "Say: "}, "options.prefix: changes the prompt"),
        ({"__expected": "a", "__config:__expected:threshold": 1}, "threshold: "),
    ],
    ids=json.dumps,
)
def test_a_column_that_cannot_be_kept_is_an_error(tmp_path: Path, row: Row, message: str) -> None:
    assert _problem(tmp_path, {"q": "Why?", **row}).startswith(f"set.jsonl:1: {message}")


def test_every_column_but_the_special_ones_is_a_variable(tmp_path: Path) -> None:
    row = {
        "q": "Why?",
        "lang": "de",
        "empty": "",
        "__expected": "a",
        "__expected2": "",
        "__providerOutput": "o",
        "__own": 1,
    }
    case = _case(tmp_path, row)
    assert case.metadata == {"__own": 1}
    assert (case.vars, case.output, len(case.asserts)) == ({"q": "Why?", "lang": "de"}, "o", 1)

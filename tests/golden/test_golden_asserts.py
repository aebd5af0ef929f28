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
DRAFT = "http://json-schema.org/draft-07/schema#"
F1 = {"mode": "unordered", "args": "ignore", "graded": True}
CALLED = {"kind": "json-valid", "field": "trajectory.0", "name": "called"}


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
    ("given", "spec"),
    [
        ({"type": "gleu", "value": "a b"}, {"kind": "gleu", "value": "a b", "ignore_case": True}),
        (
            {"type": "gleu", "value": ["a b"], "threshold": 0.7},
            {"kind": "gleu", "value": "a b", "ignore_case": True, "threshold": 0.7},
        ),
        ({"type": "bleu", "value": ["a b"]}, {"kind": "bleu", "value": "a b", **BLEU}),
        (
            {"type": "is-json", "value": {"type": "object"}},
            {"kind": "json-schema", "schema": {"$schema": DRAFT, "type": "object"}, "formats": True},
        ),
        (
            {"type": "not-is-json", "value": '{"$schema": "x", "type": "object"}'},
            {"kind": "not-json-schema", "schema": {"$schema": "x", "type": "object"}, "formats": True},
        ),
        ({"type": "is-json", "value": False}, {"kind": "json-schema", "schema": False, "formats": True}),
        ({"type": "contains-json"}, {"kind": "contains-json"}),
        (
            {"type": "contains-json", "value": {"required": ["{{city}}"]}},
            {"kind": "contains-json", "schema": {"$schema": DRAFT, "required": ["Bonn"]}, "formats": True},
        ),
        ({"type": "is-sql"}, {"kind": "sql-valid", "dialect": "mysql"}),
        (
            {"type": "not-is-sql", "value": {"databaseType": "PostgresQL"}},
            {"kind": "not-sql-valid", "dialect": "postgres"},
        ),
        (
            {"type": "is-sql", "value": {"databaseType": "Snowflake(alpha)"}},
            {"kind": "sql-valid", "dialect": "snowflake"},
        ),
        ({"type": "is-xml"}, {"kind": "xml-valid"}),
        ({"type": "is-xml", "value": {"requiredElements": ["a.b"]}}, {"kind": "xml-valid", "elements": ["a.b"]}),
        ({"type": "is-refusal"}, {"kind": "refusal"}),
        ({"type": "not-is-refusal"}, {"kind": "not-refusal"}),
        ({"type": "levenshtein", "value": "{{city}}"}, {"kind": "levenshtein", "value": "Bonn", "max": 5}),
        (
            {"type": "not-levenshtein", "value": "a", "threshold": 2},
            {"kind": "not-levenshtein", "value": "a", "max": 2},
        ),
        ({"type": "similar", "value": "a"}, {"kind": "similar", "value": "a", "threshold": 0.75}),
        (
            {"type": "not-similar:cosine", "value": ["a", "b"], "threshold": 0.9},
            {"kind": "not-similar", "value": ["a", "b"], "threshold": 0.9},
        ),
        ({"type": "moderation"}, {"kind": "moderation"}),
        ({"type": "moderation", "value": ["hate", "S1"]}, {"kind": "moderation", "categories": ["hate", "S1"]}),
        (
            {"type": "llm-rubric", "value": "is {{city}}"},
            {"kind": "rubric", "value": "The output meets this: is Bonn"},
        ),
        (
            {"type": "not-g-eval", "value": "rude", "metric": "tone"},
            {
                "kind": "rubric",
                "value": "This must NOT be the case: The output meets this: rude",
                "name": "tone",
            },
        ),
        (
            {"type": "factuality", "value": "14 days"},
            {"kind": "rubric", "value": "The output does not contradict this reference: 14 days"},
        ),
        ({"type": "pi", "value": "is short"}, {"kind": "rubric", "value": "The output meets this: is short"}),
        (
            {"type": "context-faithfulness"},
            {
                "kind": "rubric",
                "value": "Every statement of the output is supported by the context of the case.",
            },
        ),
        (
            {"type": "trajectory:goal-success", "value": "ship it"},
            {"kind": "rubric", "value": "The run achieved this goal: ship it"},
        ),
        ({"type": "tool-call-f1", "value": "a, b"}, {"kind": "tool-calls", "calls": ["a", "b"], **F1}),
        (
            {"type": "tool-call-f1", "value": ["a", "a"], "threshold": 0.8},
            {"kind": "tool-calls", "calls": ["a"], **F1, "threshold": 0.8},
        ),
        (
            {"type": "is-valid-openai-tools-call"},
            {"kind": "set", "asserts": [CALLED, {"kind": "steps", "schema": True}]},
        ),
        ({"type": "trajectory:tool-used", "value": "find"}, {"kind": "steps", "must": ["find"]}),
        ({"type": "not-trajectory:tool-used", "value": "find"}, {"kind": "steps", "must_not": ["find"]}),
        ({"type": "trajectory:tool-used", "value": ["a", "b"]}, {"kind": "steps", "must": ["a", "b"]}),
        ({"type": "trajectory:tool-used", "value": {"pattern": "a", "min": 1}}, {"kind": "steps", "must": ["a"]}),
        ({"type": "trajectory:tool-used", "value": {"name": "a", "max": 0}}, {"kind": "steps", "must_not": ["a"]}),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "a", "args": {"id": "{{n}}"}}},
            {"kind": "steps", "must": [{"name": "a", "arguments": {"id": "5"}}]},
        ),
        (
            {
                "type": "trajectory:tool-args-match",
                "value": {"name": "a", "arguments": {"x": 1}, "mode": "exact", "ignore": "id"},
            },
            {
                "kind": "tool-calls",
                "calls": [{"name": "a", "arguments": {"x": 1}}],
                "mode": "superset",
                "args": "equal",
                "ignore_args": ["id"],
            },
        ),
        (
            {"type": "trajectory:tool-sequence", "value": {"steps": ["a", "b"]}},
            {"kind": "tool-calls", "calls": ["a", "b"], "mode": "ordered", "args": "ignore"},
        ),
        (
            {"type": "trajectory:tool-sequence", "value": {"steps": ["a"], "mode": "exact"}},
            {"kind": "tool-calls", "calls": ["a"], "mode": "exact", "args": "ignore"},
        ),
        ({"type": "trajectory:step-count", "value": {"type": "tool", "max": 3}}, {"kind": "steps", "max_calls": 3}),
        (
            {"type": "assert-set", "assert": [{"type": "contains", "value": "a"}], "threshold": 0.5, "metric": "m"},
            {"kind": "set", "asserts": [{"kind": "contains", "value": "a"}], "threshold": 0.5, "name": "m"},
        ),
        (
            {"type": "assert-set", "assert": [{"type": "contains", "value": "{{city}}", "weight": 2}], "threshold": 0},
            {
                "kind": "set",
                "asserts": [{"kind": "contains", "value": "Bonn", "weight": 2}],
                "severity": "warn",
            },
        ),
        ({"type": "contains", "value": "a", "weight": 0}, {"kind": "contains", "value": "a", "severity": "warn"}),
        (
            {"type": "equals", "value": "a", "transform": "JSON.parse(output).x[0]"},
            {"kind": "exact", "value": "a", "strip": False, "field": "x.0"},
        ),
        ({"type": "equals", "value": "a", "transform": "output.trim()"}, {"kind": "exact", "value": "a"}),
    ],
    ids=json.dumps,
)
def test_an_assert_is_a_scorer_with_its_meaning(tmp_path: Path, given: Row, spec: Row) -> None:
    assert _case(tmp_path, _test(given)).asserts == (spec,)


def test_several_criteria_are_several_notes(tmp_path: Path) -> None:
    case = _case(tmp_path, _test({"type": "g-eval", "value": ["is short", "is true"], "weight": 2}))
    assert [spec["value"] for spec in case.asserts] == [
        f"The output meets this: is {one}" for one in ("short", "true")
    ]
    assert [spec["weight"] for spec in case.asserts] == [1, 1]


def test_asserts_of_promptfoo_are_read_in_canonical_rows_as_well(tmp_path: Path) -> None:
    own = {"type": "contains", "value": "a", "ignore_case": True}  # with an option of ours
    given = [own, {"type": "levenshtein", "value": "{{ city }}"}, {"kind": "exact"}, {"type": "my-rule"}]
    case = _case(tmp_path, {"input": "x", "vars": {"city": "Bonn"}, "asserts": given})
    assert case.asserts == (own, {"kind": "levenshtein", "value": "Bonn", "max": 5}, {"kind": "exact"}, given[3])
    problem = _problem(
        tmp_path, {"id": "c", "input": "x", "asserts": [{"kind": "exact"}, {"type": "meteor", "value": "a"}]}
    )
    assert problem.startswith('set.jsonl:1: asserts[1].type: "meteor" needs a dictionary of synonyms: use ')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"type": "llm-rubric", "value": "nice", "threshold": 0.8},
            'assert[0].threshold: "llm-rubric" is graded by the judge of the suite, which has a threshold of its own',
        ),
        ({"type": "llm-rubric", "value": ""}, "assert[0].value: must be a non-empty string, which the judge is asked"),
        ({"type": "context-recall", "value": "x"}, 'assert[0].type: "context-recall" needs a judge of its own: add'),
        ({"type": "meteor", "value": "x"}, 'assert[0].type: "meteor" needs a dictionary of synonyms: use chrf or'),
        ({"type": "not-gleu", "value": "a"}, 'assert[0].type: "not-gleu" has no equivalent scorer: remove not-'),
        ({"type": "gleu", "value": ["a", "b"]}, "assert[0].value: has several references: write one assert"),
        ({"type": "is-json", "value": "type: object"}, "assert[0].value: is not a JSON Schema"),
        ({"type": "is-sql", "value": {"databaseType": "DB2"}}, 'assert[0].value.databaseType: "DB2" is not one of'),
        (
            {"type": "is-sql", "value": {"allowedTables": ["select::null::x"]}},
            "assert[0].value.allowedTables: has no equivalent here: remove it",
        ),
        ({"type": "levenshtein", "value": "a", "threshold": 1.5}, "assert[0].threshold: must be a whole number"),
        (
            {"type": "trajectory:tool-used", "value": "find*"},
            'assert[0].value: "find*" is a pattern, which no scorer has',
        ),
        (
            {"type": "trajectory:tool-used", "value": {"name": "a", "min": 2}},
            "assert[0].value: counts the calls of one",
        ),
        (
            {"type": "trajectory:tool-args-match", "value": {"name": "a", "args": {}, "defaults": {"p": 1}}},
            "assert[0].value.defaults: has no equivalent here",
        ),
        ({"type": "trajectory:step-count", "value": {"type": "command", "max": 3}}, "assert[0].value: counts steps"),
        ({"type": "not-tool-call-f1", "value": "a"}, 'assert[0].type: "not-tool-call-f1" has no equivalent scorer'),
        ({"type": "assert-set", "assert": []}, "assert[0].assert: must be a list of asserts"),
        (
            {"type": "assert-set", "assert": [{"type": "contains", "value": "a"}, {"type": "contains"}]},
            "assert[0].assert[1].value: must be a non-empty string",
        ),
        (
            {"type": "assert-set", "assert": [{"type": "llm-rubric", "value": "a"}]},
            "assert[0].assert: has a member that a judge grades",
        ),
        ({"type": "assert-set", "assert": [{"type": "is-json"}], "config": {"a": 1}}, "assert[0].config: is not supp"),
        ({"type": "contains", "value": "a", "weight": -1}, "assert[0].weight: must be a number from 0"),
        (
            {"type": "starts-with", "value": "a", "transform": "output.trim()"},
            "assert[0].transform: grades the output after the transform output.trim(), which changes this check",
        ),
        ({"type": "python", "value": "x"}, 'assert[0].type: "python" is code, which a golden set cannot run'),
        ({"type": "latency"}, "assert[0].threshold: needs a number"),
        ({"type": "contians", "value": "a"}, 'assert[0].type: "contians" has no equivalent scorer'),
        ({"type": "not-bleu", "value": "a"}, 'assert[0].type: "not-bleu" has no equivalent scorer'),
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
        (
            {"type": "equals", "value": "a", "transform": "x"},
            "assert[0].transform: grades the output after the transform",
        ),
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
        ("similar(0.8): a", {"kind": "similar", "value": "a", "threshold": 0.8}),
        ("similar:cosine(0.8): a", {"kind": "similar", "value": "a", "threshold": 0.8}),
        ("similar", {"kind": "exact", "value": "similar", "strip": False}),
        ("levenshtein(3): a", {"kind": "levenshtein", "value": "a", "max": 3}),
        ("grade: is it nice?", {"kind": "rubric", "value": "The output meets this: is it nice?"}),
        ("moderation: hate, S1", {"kind": "moderation", "categories": ["hate", "S1"]}),
        ("contains-json", {"kind": "contains-json"}),
    ],
)
def test_a_cell_is_an_assert(tmp_path: Path, cell: str, spec: Row) -> None:
    assert _case(tmp_path, {"q": "Why?", "__expected": cell}).asserts == (spec,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"__expected": "fn: output.length"}, 'assert[0].type: "fn" is code, which a golden set cannot run'),
        ({"__expected": "a", "__expected2": "similar:dot(0.8): a"}, 'assert[1].type: "similar:dot" is not the cosine'),
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

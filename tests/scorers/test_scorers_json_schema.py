"""Documents that are valid by a JSON Schema, by the keywords that draft 2020-12 requires."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import GoldenSetError, ScorerError, SettingsError
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build, case_scorers
from pytest_evalgate.scorers.json_schema import contains_json, json_schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scorers.conftest import ScoreOf

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jsonschema_rs") is None,
    reason="jsonschema_rs is not installed: pip install 'pytest-evalgate[schema]'",
)

_TREE = {"$defs": {"node": {"type": "object", "properties": {"kids": {"items": {"$ref": "#/$defs/node"}}}}}}

# keyword, schema, documents that are valid, documents that are not
KEYWORDS: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("true", True, [1, None, {}], []),
    ("false", False, [], [1, None, {}]),
    ("empty", {}, [1, "x", None, []], []),
    ("type integer", {"type": "integer"}, [1, 1.0, -3], [1.1, "1", True, None]),
    ("type number", {"type": "number"}, [1, 1.5], ["1", False]),
    ("type string", {"type": "string"}, ["", "1"], [1, None, ["x"]]),
    ("type boolean", {"type": "boolean"}, [True, False], [0, 1, "true", None]),
    ("type null", {"type": "null"}, [None], [0, False, ""]),
    ("type array", {"type": "array"}, [[]], [{}, "[]"]),
    ("type object", {"type": "object"}, [{}], [[], None]),
    ("type list", {"type": ["integer", "null"]}, [1, None], ["1", 1.5]),
    ("enum", {"enum": [1, "a", None, [1, {"a": 2}]]}, [1, 1.0, "a", None, [1, {"a": 2}]], [2, "b", False, [1]]),
    ("enum false is not 0", {"enum": [False]}, [False], [0, 0.0]),
    ("const", {"const": {"a": 1, "b": 2}}, [{"b": 2, "a": 1.0}], [{"a": 1}, [1, 2]]),
    ("const 1 is not true", {"const": 1}, [1, 1.0], [True]),
    ("multipleOf", {"multipleOf": 2}, [4, 0, -2, "x"], [3]),
    ("multipleOf fraction", {"multipleOf": 0.01}, [0.07, 4.02, 19.99], [0.075]),
    ("maximum", {"maximum": 3}, [3, 2.9, "x"], [3.1]),
    ("exclusiveMaximum", {"exclusiveMaximum": 3}, [2.9], [3]),
    ("minimum", {"minimum": -2}, [-2, 0], [-2.1]),
    ("exclusiveMinimum", {"exclusiveMinimum": 1.1}, [1.2], [1.1]),
    ("maxLength", {"maxLength": 2}, ["fo", "\U0001f4a9\U0001f4a9", 100], ["foo"]),
    ("minLength", {"minLength": 2}, ["fo", 1], ["f", "\U0001f4a9"]),
    ("pattern", {"pattern": "^a*$"}, ["aaa", "", 5], ["abc"]),
    ("pattern is not anchored", {"pattern": "a+"}, ["xxaayy"], ["xyz"]),
    ("maxItems", {"maxItems": 1}, [[1], {}, "ab"], [[1, 2]]),
    ("minItems", {"minItems": 1}, [[1], ""], [[]]),
    (
        "uniqueItems",
        {"uniqueItems": True},
        [[1, 2], [1, True], [{"a": 1}, {"a": 2}]],
        [[1, 1.0], [{"a": 1}, {"a": 1}]],
    ),
    ("uniqueItems false", {"uniqueItems": False}, [[1, 1]], []),
    ("items", {"items": {"type": "integer"}}, [[1, 2], [], {"0": "x"}], [[1, "x"]]),
    ("items false", {"items": False}, [[]], [[1]]),
    (
        "prefixItems",
        {"prefixItems": [{"type": "integer"}, {"type": "string"}]},
        [[1, "a"], [1], [1, "a", None]],
        [["a", 1]],
    ),
    ("prefixItems and items", {"prefixItems": [{}], "items": {"type": "integer"}}, [["x", 1]], [["x", "y"]]),
    ("contains", {"contains": {"minimum": 5}}, [[3, 5], [9]], [[3, 4], []]),
    ("minContains", {"contains": {"const": 1}, "minContains": 2}, [[1, 1]], [[1], []]),
    ("minContains 0", {"contains": {"const": 1}, "minContains": 0}, [[], [2]], []),
    ("maxContains", {"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[1, 1], []]),
    ("maxProperties", {"maxProperties": 1}, [{"a": 1}, [1, 2]], [{"a": 1, "b": 2}]),
    ("minProperties", {"minProperties": 1}, [{"a": 1}, []], [{}]),
    ("required", {"required": ["a", "b"]}, [{"a": 1, "b": None}, []], [{"a": 1}, {}]),
    ("dependentRequired", {"dependentRequired": {"a": ["b"]}}, [{"b": 1}, {"a": 1, "b": 1}, {}], [{"a": 1}]),
    ("dependentSchemas", {"dependentSchemas": {"a": {"minProperties": 2}}}, [{"b": 1}, {"a": 1, "c": 2}], [{"a": 1}]),
    ("properties", {"properties": {"a": {"type": "integer"}}}, [{"a": 1}, {"b": "x"}, []], [{"a": "x"}]),
    ("properties false", {"properties": {"a": False}}, [{"b": 1}], [{"a": 1}]),
    ("patternProperties", {"patternProperties": {"^n_": {"type": "number"}}}, [{"n_a": 1, "x": "y"}], [{"n_a": "1"}]),
    (
        "additionalProperties false",
        {"properties": {"a": {}}, "patternProperties": {"^b": {}}, "additionalProperties": False},
        [{"a": 1, "bee": 2}],
        [{"a": 1, "c": 2}],
    ),
    ("additionalProperties schema", {"additionalProperties": {"type": "boolean"}}, [{"x": True}], [{"x": 1}]),
    ("propertyNames", {"propertyNames": {"maxLength": 3}}, [{"abc": 1}, {}], [{"abcd": 1}]),
    ("allOf", {"allOf": [{"minimum": 2}, {"maximum": 4}]}, [3], [1, 5]),
    ("anyOf", {"anyOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5, 3], [1.5]),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5], [3, 1.5]),
    ("not", {"not": {"type": "integer"}}, ["x", 1.5], [1]),
    ("if then else", {"if": {"minimum": 0}, "then": {"multipleOf": 2}, "else": {"minimum": -5}}, [4, -3], [3, -6]),
    ("then without if", {"then": {"const": 0}}, ["x"], []),
    ("$ref", {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}, [[1]], [["x"]]),
    ("$ref and siblings", {"$defs": {"n": {"minimum": 1}}, "$ref": "#/$defs/n", "maximum": 3}, [2], [0, 4]),
    ("$ref escaped", {"$defs": {"a/b": {"const": 1}}, "$ref": "#/$defs/a~1b"}, [1], [2]),
    ("$ref recursive", {**_TREE, "$ref": "#/$defs/node"}, [{"kids": [{"kids": []}]}], [{"kids": [{"kids": [1]}]}]),
    ("$anchor", {"$defs": {"x": {"$anchor": "pos", "exclusiveMinimum": 0}}, "$ref": "#pos"}, [1], [0]),
    (
        "$id inside",
        {"$id": "https://example.com/a", "$defs": {"b": {"$id": "b", "type": "string"}}, "$ref": "b"},
        ["x"],
        [1],
    ),
    (
        "$dynamicRef",
        {
            "$id": "https://example.com/strict",
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "unevaluatedProperties": False,
            "$defs": {
                "tree": {
                    "$id": "tree",
                    "$dynamicAnchor": "node",
                    "type": "object",
                    "properties": {"kids": {"type": "array", "items": {"$dynamicRef": "#node"}}},
                }
            },
        },
        [{"kids": [{"kids": []}]}],
        [{"kids": [{"kidz": []}]}],
    ),
    ("unevaluatedItems", {"prefixItems": [{}], "unevaluatedItems": False}, [[1], []], [[1, 2]]),
    (
        "unevaluatedProperties",
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        [{"a": 1}],
        [{"a": 1, "b": 2}],
    ),
    ("format is a note", {"format": "email"}, ["no e-mail"], []),
    ("contentMediaType is a note", {"contentMediaType": "application/json"}, ["{:}"], []),
    ("unknown keywords", {"price": "cheap", "title": "T", "default": 1, "examples": []}, [1], []),
    (
        "infinite loops",
        {"$defs": {"i": {"type": "integer"}}, "allOf": [{"$ref": "#/$defs/i"}, {"$ref": "#/$defs/i"}]},
        [1],
        ["x"],
    ),
    (
        "another draft",
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]},
        [[1]],
        [["x"]],
    ),
]


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"), [row[1:] for row in KEYWORDS], ids=[row[0] for row in KEYWORDS]
)
def test_a_keyword_of_the_draft(schema: Any, valid: list[Any], invalid: list[Any]) -> None:
    case = Case("q")
    for documents, value in ((valid, 1.0), (invalid, 0.0)):
        for document in documents:
            assert json_schema(case, Output(json.dumps(document)), schema=schema)[0] == value, document
            fenced = f"```json\n{json.dumps(document, indent=1)}\n```\n"
            assert json_schema(case, Output(fenced), schema=schema)[0] == value, document
            if not isinstance(document, str | None):
                assert json_schema(case, Output(document), schema=schema)[0] == value, document
            if isinstance(document, dict | list):
                inside = f'Here "it" is: {json.dumps(document)} {{ok}}.'
                assert contains_json(case, Output(inside), schema=schema)[0] == value, document


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-3, 3) | st.sampled_from(["", "a", "ab", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(document=_VALUES, seed=st.integers(0, 1_000))
def test_verdicts_are_those_of_the_library_and_of_another_one(document: Any, seed: int) -> None:
    library = pytest.importorskip("jsonschema_rs")
    jsonschema = pytest.importorskip("jsonschema")
    draw = random.Random(seed)  # noqa: S311 - no secret
    schema = {"anyOf": [row[1] for row in draw.sample(KEYWORDS[3:31], 2)], "not": draw.choice(KEYWORDS[3:31])[1]}
    value = json_schema(Case("q"), Output(json.dumps(document)), schema=schema)[0]
    assert value == float(library.is_valid(schema, document))
    assert value == float(jsonschema.Draft202012Validator(schema).is_valid(document))


_ORDER = {
    "type": "object",
    "required": ["id", "total"],
    "properties": {"id": {"type": "integer"}, "total": {"type": "number"}, "tags": {"items": {"type": "string"}}},
}


_FIVE = (
    'id: "1" is not of type "integer"; total: "2" is not of type "number"; '
    'tags.0: 1 is not of type "string"; and 2 more'
)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ('{"id": 1, "total": 2}', "is valid"),
        ('{"id": "1", "total": 2}', 'id: "1" is not of type "integer"'),
        ('{"id": 1}', '"total" is a required property'),
        ('{"id": "1", "total": "2", "tags": [1, 2, 3]}', _FIVE),
        ("The order: {}", "line 1, column 1: not JSON"),
        ('{"id": 1, "id": 2}', 'duplicate key "id"'),
        ('{"id": NaN}', "NaN is not JSON"),
        (None, "the output is null"),
    ],
)
def test_the_reason_names_the_place_and_the_problem(output: Any, reason: str, score_of: ScoreOf) -> None:
    score = score_of({"kind": "json-schema", "schema": _ORDER}, output)
    assert score.reason.startswith(reason.removeprefix("line 1, column 1: not JSON")), score.reason
    assert score.passed is (reason == "is valid")
    assert score_of({"kind": "not-json-schema", "schema": _ORDER}, output).passed is (reason != "is valid")


@pytest.mark.parametrize(
    ("output", "value", "reason"),
    [
        ('Sure: {"id": 1, "total": 2}. Anything else?', 1, 'contains "{\\"id'),
        ('[1] and {"id": 1, "total": 2}', 1, "contains"),
        ('{"id": 1} and {"id": 2}', 0, 'none of its 2 JSON documents is valid: "total" is a required property'),
        ('{"id": "x", "total": 1}', 0, 'id: "x" is not of type "integer"'),
        ('{outer: {"id": 1, "total": 2}}', 1, "contains"),
        ('{"wrapped": {"id": 1, "total": 2}}', 0, '"id" is a required property'),
        ("There is none.", 0, "the output contains no JSON object and no list"),
        ('{"id": 1, "id": 2, "total": 3}', 0, 'duplicate key "id"'),
        ("{" * 3_000, None, "the output has too many brackets to search for JSON"),
        ("[" * 100_000, None, "the output has too many brackets to search for JSON"),
        ("[1," * 50_000, None, "the output has too many brackets to search for JSON"),
    ],
)
def test_a_document_inside_of_a_text(output: str, value: float | None, reason: str, score_of: ScoreOf) -> None:
    score = score_of({"kind": "contains-json", "schema": _ORDER}, output)
    assert score.value == value
    assert reason in score.reason or reason.startswith("contains")


def test_contains_json_needs_neither_schema_nor_extra(score_of: ScoreOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert score_of("contains-json", 'so: {"a": 1}').value == 1
    assert score_of("contains-json", {"a": 1}).value == 1
    assert score_of("not-contains-json", "none").value == 1


@given(text=st.text('[]{}",:1a \n', max_size=60))
def test_any_text_is_searched(text: str) -> None:
    value, _ = contains_json(Case("q"), Output(text))
    assert value in (0, 1)


def test_formats_are_checked_on_request(score_of: ScoreOf) -> None:
    spec = {"kind": "json-schema", "schema": {"format": "date"}, "formats": True}
    assert score_of(spec, '"2026-12-01"').value == 1
    assert score_of(spec, '"yesterday"').value == 0


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, r"json-schema: schema: not a JSON Schema: type: "),
        ({"minimum": "1"}, r"json-schema: schema: not a JSON Schema: minimum: "),
        ({"pattern": "("}, r"json-schema: schema: not a JSON Schema: "),
        (
            {"$ref": "#/$defs/none"},
            r"schema: Pointer '/\$defs/none' cannot be resolved: a schema may refer to its own \$defs only",
        ),
        ({"$ref": "https://example.com/x.json"}, "Resource 'https://example.com/x.json' cannot be resolved"),
        ({"$ref": "file:///etc/passwd"}, "Resource 'file:///etc/passwd' cannot be resolved"),
        ("none.json", r"json-schema: schema: there is no file none.json in "),
        ("../outside.json", r"json-schema: schema: \.\./outside.json leads to .*outside of"),
        ("broken.json", r"json-schema: schema: broken.json is not JSON: "),
        ("wrong.json", r"json-schema: schema: not a JSON Schema: type: "),
        (7, r"json-schema: schema: must be a table"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_before_the_run(schema: Any, message: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "outside.json").write_text("{}")
    (root / "broken.json").write_text("{'a'}")
    (root / "wrong.json").write_text('{"type": 1}')
    with pytest.raises(SettingsError, match=message):
        build({"kind": "json-schema", "schema": schema}, context=Context(roots=(root,)))


def test_a_pattern_that_takes_too_long_is_an_error_and_not_a_miss(score_of: ScoreOf) -> None:
    spec = {"kind": "json-schema", "schema": {"items": {"pattern": "^(a|aa)+(?=b)$"}}}
    with pytest.raises(ScorerError, match=r"0: Error executing regex.*: make the pattern of the schema simpler"):
        score_of(spec, ["a" * 50])


def test_a_schema_may_be_a_file_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "order.schema.json").write_text(json.dumps(_ORDER))
    scorer = build({"kind": "json-schema", "schema": "order.schema.json"}, context=Context(roots=(tmp_path,)))
    assert scorer.function(Case("q"), Output('{"id": 1}'))[0] == 0  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="schema: this key is missing"):
        build("json-schema", context=Context(roots=(tmp_path,)))


def test_a_row_has_its_schema_inline(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    context = Context(roots=(tmp_path,))
    case = Case("q", asserts=({"kind": "json-schema", "schema": {"type": "object"}},), place=Place("g.jsonl", 4))
    assert len(case_scorers(case, context=context)) == 1
    named = Case("q", asserts=({"kind": "json-schema", "schema": "a.json"},), place=Place("g.jsonl", 4))
    with pytest.raises(GoldenSetError, match=r"g.jsonl:4: asserts\[0\]: a golden set cannot name a schema file"):
        case_scorers(named, context=context)


def test_without_the_extra_a_suite_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    message = r"json-schema: schema: jsonschema_rs is not installed: pip install 'pytest-evalgate\[schema\]'$"
    with pytest.raises(SettingsError, match=message):
        build({"kind": "json-schema", "schema": {"title": "an unused one"}}, context=Context())

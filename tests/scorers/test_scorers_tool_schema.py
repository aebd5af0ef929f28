from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.tool_schema import Toolbox, toolbox_of
from pytest_evalgate.scorers.trajectory import ToolCall

_PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Rome", "Oslo"]},
        "guests": {"type": "integer"},
        "price": {"type": "number"},
        "dates": {"type": "array", "items": {"$ref": "#/$defs/day"}},
    },
    "required": ["city"],
    "$defs": {"day": {"type": "object", "properties": {"day": {"type": "integer"}}, "required": ["day"]}},
}


def _box(parameters: Any = _PARAMETERS) -> Toolbox:
    return toolbox_of(Case("1"), [{"name": "book", "parameters": parameters}])


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "book", "parameters": _PARAMETERS},
        {"name": "book", "input_schema": _PARAMETERS},
        {"name": "book", "inputSchema": _PARAMETERS},
        {"type": "function", "name": "book", "parameters": _PARAMETERS},
        {"type": "function", "function": {"name": "book", "parameters": _PARAMETERS}},
    ],
    ids=str,
)
def test_tools_in_the_formats_of_apis(tool: Any) -> None:
    for box in (
        toolbox_of(Case("1"), [tool]),
        toolbox_of(Case("1", metadata={"tools": [tool]})),
        toolbox_of(Case("1", metadata={"tools": tool}), [{"name": "other"}]),
    ):
        assert box.problem(ToolCall("book", {"city": "Rome"})) == ""
        assert box.problem(ToolCall("book", {"city": "Bonn"})) != ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"city": "Rome", "guests": 2, "price": 9, "dates": [{"day": 1}]}, ""),
        ({"city": "Rome", "guests": 2.0}, ""),  # a whole number is an integer in JSON Schema
        ({}, '"city" is a required property'),
        ({"city": "Bonn"}, 'argument "city": "Bonn" is not one of "Rome" or "Oslo"'),
        ({"city": "Rome", "guests": "2"}, 'argument "guests": "2" is not of type "integer"'),
        ({"city": "Rome", "dates": [{}]}, 'argument "dates.0": "day" is a required property'),
        ({"city": "Rome", "pets": 1}, "Additional properties are not allowed ('pets' was unexpected)"),
    ],
    ids=str,
)
def test_problems_of_arguments(arguments: dict[str, Any], problem: str) -> None:
    assert _box().problem(ToolCall("book", arguments)) == problem


def test_additional_arguments_that_the_schema_allows() -> None:
    call = ToolCall("book", {"x": 1})
    assert _box({"type": "object", "properties": {"y": {}}, "additionalProperties": True}).problem(call) == ""
    assert _box({"type": "object"}).problem(call) == ""
    assert toolbox_of(Case("1"), [{"name": "book"}]).problem(call) == ""


@pytest.mark.parametrize(
    ("schema", "value", "is_valid"),
    [
        ({"type": "float"}, 1, True),
        ({"type": "float"}, 1.5, True),
        ({"type": "float"}, "1", False),
        ({"type": "integer"}, 1, True),
        ({"type": "integer"}, 1.0, False),
        ({"type": "dict", "properties": {"n": {"type": "integer"}}}, {"n": 1}, True),
        ({"type": "dict", "properties": {"n": {"type": "integer"}}}, {"n": 1.0}, False),
        ({"type": "tuple", "items": {"type": "float"}}, [1, 2.5], True),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2.0], False),
        ({"type": "any"}, {"whatever": None}, True),
        ({"type": "boolean"}, 1, False),
        ({"type": "string", "default": 3, "optional": True}, "x", True),
    ],
    ids=str,
)
def test_the_types_of_bfcl(schema: Any, value: Any, *, is_valid: bool) -> None:
    box = _box({"type": "dict", "properties": {"x": schema}, "required": ["x"]})
    assert (box.problem(ToolCall("book", {"x": value})) == "") is is_valid


def test_a_value_that_the_case_expects_is_right() -> None:
    call = ToolCall("book", {"city": "Bonn", "guests": "two"})
    assert _box().problem(call, {"city"}) == 'argument "guests": "two" is not of type "integer"'
    assert _box().problem(call, {"city", "guests"}) == ""


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (None, "schema = true needs the tools"),
        ("book", 'the tools are "book": write a list of tools'),
        ([7], r"tools\[0\] is 7: write"),
        ([{"parameters": {}}], r"tools\[0\] is "),
        (
            [{"name": "a", "parameters": {"$ref": "http://127.0.0.1:9/a.json"}}],
            r"tools\[0\] \(a\): its parameters are no",
        ),
        ([{"name": "a", "parameters": {"$ref": "file:///etc/hostname"}}], r"tools\[0\] \(a\): its parameters are no"),
        ([{"name": "a", "parameters": {"type": "nonsense"}}], r"tools\[0\] \(a\): its parameters are no JSON Schema"),
    ],
    ids=str,
)
def test_tools_that_cannot_be_read(tools: Any, message: str) -> None:
    with pytest.raises(ScorerError, match=message):
        toolbox_of(Case("1", metadata={} if tools is None else {"tools": tools}))


@pytest.mark.parametrize("kind", ["tool-calls", "steps"])
def test_without_the_library_the_run_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(
        SettingsError, match=r"schema: jsonschema_rs is not installed: pip install 'pytest-evalgate\[schema\]'"
    ):
        build(
            {"kind": kind, "schema": True, "max": 3} if kind == "steps" else {"kind": kind, "schema": True},
            context=Context(),
        )
    build({"kind": "steps", "max": 3}, context=Context())

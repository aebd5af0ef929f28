"""BFCL v1 (tests/data/bfcl.*): right calls of its ground truth pass ``tool-calls``, and corrupted ones do not.

`_is_right` is written from the description of BFCL's checker: its README, and the README of the data.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.tool_calls import tool_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = Any

_DATA = Path(__file__).parents[1] / "data"

_WITHOUT_ITS_TOOL: Final = "simple_363"
"""Its ground truth names a tool that is not among its tools. It is so in the source."""


@cache
def _rows(subset: str) -> list[Case]:
    text = gzip.decompress((_DATA / f"bfcl.{subset}.jsonl.gz").read_bytes()).decode("utf-8")
    rows = map(json.loads, text.splitlines())
    return [
        Case(row["id"], input=row["input"], expected=row["expected"], metadata=row["metadata"])
        for row in rows
        if row["id"] != _WITHOUT_ITS_TOOL
    ]


def _both() -> list[Case]:
    return [*_rows("simple"), *_rows("multiple_function")]


def _wanted(case: Case) -> Json:
    [wanted] = case.expected["calls"]
    return wanted


def _schema(case: Case, name: str) -> Json:
    tools = case.metadata["tools"]
    return next(one for one in (tools if isinstance(tools, list) else [tools]) if one["name"] == name)["parameters"]


def _first(accepted: Json) -> Json:
    """Return the first value that a list of accepted values has; for an object, that of each member."""
    value = next((one for one in accepted if one != ""), None)
    if isinstance(value, dict):
        return {key: _first(members) for key, members in value.items() if _first(members) is not None}
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return [_first([one]) for one in value]
    return value


def _right_call(case: Case) -> Json:
    wanted = _wanted(case)
    chosen = {name: _first(accepted) for name, accepted in wanted["arguments"].items()}
    return {"name": wanted["name"], "arguments": {name: one for name, one in chosen.items() if one is not None}}


def _value(case: Case, *calls: Json) -> float | None:
    output = Output({"content": None, "tool_calls": list(calls)})
    return tool_calls(case, output, args="one-of", loose_text=True, schema=True)[0]


# --- what BFCL's checker accepts ---------------------------------------------------------------------------------

_TYPES: Final[dict[str, Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": object,
}


def _plain(value: Json) -> Json:
    if isinstance(value, str):
        return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _has_type(value: Json, schema: Json, accepted: Json) -> bool:
    if schema["type"] == "float" and type(value) is int:
        return True
    known = [type(one) for one in accepted if one != ""]
    return _TYPES[schema["type"]] in (type(value), object) or type(value) in known[:1]


def _fits(value: Json, accepted: Json) -> bool:
    if isinstance(value, dict):
        return any(isinstance(one, dict) and _fits_object(value, one) for one in accepted)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        alike = [one for one in accepted if isinstance(one, list) and len(one) == len(value)]
        return any(all(map(_fits_object, value, one)) for one in alike)
    return any(type(one) is type(_plain(value)) and one == _plain(value) for one in map(_plain, accepted)) or (
        isinstance(value, int | float) and not isinstance(value, bool) and value in accepted
    )


def _fits_object(value: Json, accepted: Json) -> bool:
    if not isinstance(value, dict) or not isinstance(accepted, dict) or not value.keys() <= accepted.keys():
        return False
    missing = accepted.keys() - value.keys()
    return all("" in accepted[key] for key in missing) and all(_fits(value[key], accepted[key]) for key in value)


def _is_right(case: Case, calls: list[Json]) -> bool:
    wanted = _wanted(case)
    if len(calls) != 1 or calls[0]["name"] != wanted["name"] or not isinstance(calls[0]["arguments"], dict):
        return False
    given, accepted = calls[0]["arguments"], wanted["arguments"]
    schema = _schema(case, wanted["name"])
    missing = accepted.keys() - given.keys()
    return (
        given.keys() >= set(schema["required"])
        and given.keys() <= accepted.keys()
        and all("" in accepted[name] for name in missing)
        and all(_has_type(one, schema["properties"][name], accepted[name]) for name, one in given.items())
        and all(_fits(one, accepted[name]) for name, one in given.items())
    )


def test_right_calls_pass() -> None:
    cases = _both()
    # in two rows, an argument is required, and may be left out
    assert [case.id for case in cases if not _is_right(case, [_right_call(case)])] == []
    assert [case.id for case in cases if _value(case, _right_call(case)) != 1] == []
    assert len(cases) == 599


def test_a_ground_truth_that_names_another_tool_is_refused() -> None:
    tools = {"name": "restaurant_search.find_closest", "parameters": {"type": "dict", "properties": {}}}
    calls = {"calls": [{"name": "find_closest", "arguments": {}}]}
    case = Case(_WITHOUT_ITS_TOOL, expected=calls, metadata={"tools": tools})
    with pytest.raises(ScorerError, match='"find_closest" is not one of the tools: restaurant_search'):
        _value(case)


# --- corruptions -------------------------------------------------------------------------------------------------

Calls = list[Json] | None
Corrupt = "Callable[[Case, Json], Calls]"
"""The corruption of a right call: the calls that are made instead; None if it does not apply to this call."""


def _replaced(call: Json, **changes: Json) -> Json:
    return {**call, "arguments": {**call["arguments"], **changes}}


def _on(kind: str, change: Callable[[Any], Any]) -> Callable[[Case, Json], Calls]:
    """Return the corruption of the first argument whose type in the schema is ``kind``."""

    def corrupt(case: Case, call: Json) -> Calls:
        properties = _schema(case, call["name"])["properties"]
        for name, value in call["arguments"].items():
            if properties[name]["type"] == kind and type(value) in (_TYPES[kind], int):
                changed = change(copy.deepcopy(value))
                return None if changed is None else [_replaced(call, **{name: changed})]
        return None

    return corrupt


def _named(change: Callable[[str], str]) -> Callable[[Case, Json], Calls]:
    def corrupt(_: Case, call: Json) -> Calls:
        name = change(call["name"])
        return None if name == call["name"] else [{**call, "name": name}]

    return corrupt


def _without(position: int) -> Callable[[Case, Json], Calls]:
    def corrupt(case: Case, call: Json) -> Calls:
        required = [name for name in _schema(case, call["name"])["required"] if name in call["arguments"]]
        if not required:
            return None
        rest = {name: value for name, value in call["arguments"].items() if name != required[position]}
        return [{**call, "arguments": rest}]

    return corrupt


def _renamed(change: Callable[[str], str]) -> Callable[[Case, Json], Calls]:
    def corrupt(_: Case, call: Json) -> Calls:
        (name, value), *others = call["arguments"].items()
        return None if change(name) == name else [{**call, "arguments": {change(name): value, **dict(others)}}]

    return corrupt


def _other_tool(case: Case, call: Json) -> Calls:
    tools = case.metadata["tools"]
    others = [one["name"] for one in tools if one["name"] != call["name"]] if isinstance(tools, list) else []
    return [{**call, "name": others[0]}] if others else None


def _needed_option(case: Case, call: Json) -> Calls:
    required = _schema(case, call["name"])["required"]
    for name, accepted in _wanted(case)["arguments"].items():
        if name not in required and "" not in accepted:
            return [{**call, "arguments": {key: one for key, one in call["arguments"].items() if key != name}}]
    return None


def _swapped(_: Case, call: Json) -> Calls:
    names = list(call["arguments"])
    if len(names) == 1:
        return None
    one, two = names[:2]
    return [_replaced(call, **{one: call["arguments"][two], two: call["arguments"][one]})]


def _shortened(value: str) -> str | None:
    return value[: len(value) // 2] if len(_plain(value)) > 3 else None


def _longer(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "another_member": 1}


def _changed(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, next(iter(value)): "something else"}


_CORRUPTIONS: Final[dict[str, Callable[[Case, Json], Calls]]] = {
    # calls
    "no call": lambda _case, _call: [],
    "the call twice": lambda _, call: [call, call],
    "a second call without arguments": lambda _, call: [call, {**call, "arguments": {}}],
    "a call of another tool": _other_tool,
    "a tool that does not exist": _named(lambda name: f"{name}_v2"),
    "the name in upper case": _named(str.upper),
    "the name without its module": _named(lambda name: name.rpartition(".")[2]),
    "the name with underscores for dots": _named(lambda name: name.replace(".", "_")),
    "the name with a space": _named(lambda name: f"{name} "),
    # arguments
    "the first required argument missing": _without(0),
    "the last required argument missing": _without(-1),
    "no arguments": lambda _, call: [{**call, "arguments": {}}],
    "an option missing that has to be given": _needed_option,
    "an unknown argument": lambda _, call: [_replaced(call, another_argument=1)],
    "a misspelled argument": _renamed(lambda name: f"{name}s"),
    "an argument in upper case": _renamed(str.upper),
    "two arguments swapped": _swapped,
    "arguments that are not JSON": lambda _, call: [{**call, "arguments": str(call["arguments"])}],
    "arguments that are a list": lambda _, call: [{**call, "arguments": list(call["arguments"].values())}],
    "arguments in an object too many": lambda _, call: [{**call, "arguments": {"arguments": call["arguments"]}}],
    "null for an argument": lambda _, call: [_replaced(call, **{next(iter(call["arguments"])): None})],
    # numbers
    "an integer that is 1 too large": _on("integer", lambda value: value + 1),
    "an integer ten times too large": _on("integer", lambda value: value * 10 or None),
    "an integer with the other sign": _on("integer", lambda value: -value or None),
    "an integer as text": _on("integer", str),
    "an integer with a decimal point": _on("integer", float),
    "an integer in a list": _on("integer", lambda value: [value]),
    "a float that is a half too large": _on("float", lambda value: value + 0.5),
    "a float as text": _on("float", str),
    "a float in an object": _on("float", lambda value: {"value": value}),
    # texts
    "a text with a word more": _on("string", lambda value: f"{value} again"),
    "half of a text": _on("string", _shortened),
    "a text with a letter of another alphabet": _on("string", lambda value: f"\u0430{value[1:]}"),
    "a text without its last letter": _on("string", lambda value: _plain(value)[:-1] or None),
    "a text in a list": _on("string", lambda value: [value]),
    "a number for a text": _on("string", len),
    "another text": _on("string", lambda _: "something else"),
    # booleans
    "the other boolean": _on("boolean", lambda value: not value),
    "a boolean as text": _on("boolean", lambda value: str(value).lower()),
    "a boolean as a number": _on("boolean", int),
    # lists
    "a list in reverse": _on("array", lambda value: value[::-1] if value[::-1] != value else None),
    "a list without its last member": _on("array", lambda value: value[:-1] if value else None),
    "a list with a member twice": _on("array", lambda value: [*value, value[-1]] if value else None),
    "a list as text": _on("array", lambda value: ", ".join(map(str, value))),
    "a list in a list": _on("array", lambda value: [value] if value else None),
    "a pair in reverse": _on("tuple", lambda value: value[::-1]),
    # objects
    "an object without a member": _on("dict", lambda value: dict(list(value.items())[1:])),
    "an object with a member more": _on("dict", _longer),
    "an object with another value": _on("dict", _changed),
    "an object as text": _on("dict", json.dumps),
}


@pytest.mark.parametrize("kind", _CORRUPTIONS)
def test_corrupted_calls_do_not_pass(kind: str) -> None:
    corrupted = [
        (case, calls) for case in _both() if (calls := _CORRUPTIONS[kind](case, _right_call(case))) is not None
    ]
    differing = [case for case, calls in corrupted if not _is_right(case, calls)]
    assert differing, "the corruption applies to no row"
    # some values that a corruption makes are accepted, such as a list in either order
    assert len(differing) >= 0.7 * len(corrupted)
    wrong = [case.id for case, calls in corrupted if (_value(case, *calls) == 1) != _is_right(case, calls)]
    assert wrong == []


def test_there_are_forty_kinds_of_corruption() -> None:
    assert len(_CORRUPTIONS) >= 40


# --- spellings of right calls ------------------------------------------------------------------------------------


def _respelled(change: Callable[[str], str]) -> Callable[[Json], Json]:
    return lambda call: _replaced(
        call, **{name: change(one) for name, one in call["arguments"].items() if isinstance(one, str)}
    )


_SPELLINGS: Final[dict[str, Callable[[Json], Json]]] = {
    "upper case": _respelled(str.upper),
    "lower case": _respelled(str.lower),
    "without spaces": _respelled(lambda value: value.replace(" ", "")),
    "hyphens for spaces": _respelled(lambda value: value.replace(" ", "-")),
    "commas and full stops": _respelled(lambda value: f"{value}, ."),
    "whole numbers without a decimal point": lambda call: _replaced(
        call, **{name: int(one) for name, one in call["arguments"].items() if type(one) is float and one.is_integer()}
    ),
    "arguments in reverse": lambda call: {**call, "arguments": dict(reversed(call["arguments"].items()))},
    "arguments as JSON text": lambda call: {**call, "arguments": json.dumps(call["arguments"])},
    "as chat completions write it": lambda call: {
        "id": "1",
        "type": "function",
        "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
    },
    "as the Responses API writes it": lambda call: {
        "type": "function_call",
        "call_id": "1",
        "status": "completed",
        "name": call["name"],
        "arguments": json.dumps(call["arguments"]),
    },
}


@pytest.mark.parametrize("spelling", _SPELLINGS)
def test_other_spellings_of_right_calls_pass(spelling: str) -> None:
    assert [case.id for case in _both() if _value(case, _SPELLINGS[spelling](_right_call(case))) != 1] == []


def _choices(case: Case) -> Iterator[Json]:
    """Yield right calls with each accepted value of each argument, and with none if it may be left out."""
    call, required = _right_call(case), _schema(case, _wanted(case)["name"])["required"]
    for name, accepted in _wanted(case)["arguments"].items():
        for value in accepted:
            if value != "":
                yield _replaced(call, **{name: _first([value])})
            elif name not in required:
                yield {**call, "arguments": {key: one for key, one in call["arguments"].items() if key != name}}


def test_every_accepted_value_passes() -> None:
    tried = [(case, call) for case in _both() for call in _choices(case)]
    assert len(tried) > 2000
    assert [case.id for case, call in tried if _value(case, call) != 1] == []


# --- relevance ---------------------------------------------------------------------------------------------------


def test_where_no_tool_fits_no_call_is_wanted() -> None:
    cases = _rows("relevance")
    assert len(cases) == 240
    for case in cases:
        call = {"name": case.metadata["tools"]["name"], "arguments": {}}
        assert _value(case) == 1
        assert _value(case, call) == 0
        assert tool_calls(case, Output("I cannot do that.", {"tool_calls": []}))[0] == 1
        assert tool_calls(case, Output("I cannot do that."))[0] is None

"""Trajectories in the formats of APIs and tools, and the sources that an output has them in."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.trajectory import (
    Step,
    ToolCall,
    Trajectory,
    UnreadableTrajectoryError,
    trajectory_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASE = Case("1", input="Where is my order?")
_ARGUMENTS = {"city": "Paris", "days": 2}
_TEXT = json.dumps(_ARGUMENTS)
_CHAT = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": _TEXT}}


def _read(output: Any, case: Case = _CASE, **metadata: Any) -> Trajectory:
    found = trajectory_of(case, Output(output, metadata))
    assert found is not None
    return found


def _called(trajectory: Trajectory) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in trajectory.calls]


@pytest.mark.parametrize(
    "item",
    [
        {"role": "assistant", "content": None, "tool_calls": [_CHAT]},
        {"role": "assistant", "content": "", "function_call": {"name": "weather", "arguments": _TEXT}},
        {"type": "ai", "content": "", "tool_calls": [{"name": "weather", "args": _ARGUMENTS, "id": "c1"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": _ARGUMENTS}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": _TEXT},
        {"name": "weather", "arguments": _ARGUMENTS},
        {"name": "weather", "kwargs": _ARGUMENTS},
        {"name": "weather", "input_parameters": _ARGUMENTS, "description": "d", "output": None},
        {"tool": "weather", "input": _ARGUMENTS},
        {"tool_name": "weather", "args": _ARGUMENTS},
        {"function": "weather", "arguments": _TEXT},
        _CHAT,
    ],
    ids=json.dumps,
)
def test_a_call_in_the_formats_of_apis_and_tools(item: Any) -> None:
    assert _called(_read("x", trajectory=[item])) == [("weather", _ARGUMENTS)]


def _conversation(result: Any) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Paris?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [_CHAT]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
        {"role": "assistant", "content": "It rains."},
        {"role": "user", "content": "Thanks!"},
    ]


def test_a_conversation_becomes_steps_with_results() -> None:
    call = ToolCall("weather", _ARGUMENTS, answered=True, result="rain")
    assert _read("x", messages=_conversation("rain")) == Trajectory(
        (Step("Let me look.", (call,)), Step("It rains.")), has_answer=True
    )


@pytest.mark.parametrize(
    ("items", "answered"),
    [
        ([{"type": "function_call_output", "call_id": "c1", "output": "rain"}], "rain"),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "rain"}]}], "rain"),
        ([{"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "rain"}]}], "rain"),
        ([{"type": "tool", "content": "rain"}], "rain"),
        ([{"role": "tool", "name": "weather", "content": {"sky": "rain"}}], {"sky": "rain"}),
        ([{"role": "tool", "name": "other", "content": "rain"}], None),
        ([{"role": "tool", "tool_call_id": "c2", "content": "rain"}], None),
    ],
    ids=str,
)
def test_the_result_of_a_call_in_the_formats_of_apis(items: list[Any], answered: Any) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": _TEXT}
    [read] = _read("x", trajectory=[call, *items]).calls
    assert (read.result, read.answered) == (answered, answered is not None)


def test_a_result_belongs_to_the_first_call_that_waits_for_it() -> None:
    # ids repeat within a conversation: 141 of the 200 runs of tau-bench's airline tasks have such calls
    calls = [{"id": "same", "function": {"name": name, "arguments": "{}"}} for name in ("one", "two")]
    items: list[Any] = []
    for call, result in zip(calls, ("first", "second"), strict=True):
        items.append({"role": "assistant", "content": None, "tool_calls": [call]})
        items.append({"role": "tool", "tool_call_id": "same", "content": result})
    assert [(call.name, call.result) for call in _read("x", messages=items).calls] == [
        ("one", "first"),
        ("two", "second"),
    ]


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ({"content": "Error: payment method not found"}, "Error: payment method not found"),
        ({"content": '{"error": "no such user"}'}, "no such user"),
        ({"content": {"error": {"code": 404}}}, '{"code":404}'),
        ({"content": "down", "is_error": True}, "down"),
        ({"content": "down", "status": "error"}, "down"),
        ({"content": "Traceback (most recent call last): x"}, "Traceback (most recent call last): x"),
        ({"content": '{"error": null, "rows": 3}'}, ""),
        ({"content": "errors: none"}, ""),
        ({"content": "Error-free"}, ""),
        ({"content": "There was no error."}, ""),
        ({"content": "[]"}, ""),
        ({"content": None}, ""),
    ],
    ids=str,
)
def test_results_that_are_errors(result: dict[str, Any], error: str) -> None:
    items = [{"role": "assistant", "content": None, "tool_calls": [_CHAT]}]
    [call] = _read("x", messages=[*items, {"role": "tool", "tool_call_id": "c1", **result}]).calls
    assert (call.answered, call.error) == (True, error)


@pytest.mark.parametrize("call", [{"name": "f", "error": "timeout"}, {"name": "f", "result": {"error": "timeout"}}])
def test_a_call_may_have_its_result_and_error(call: Any) -> None:
    assert _read("x", trajectory=[call]).calls[0].error == "timeout"


@pytest.mark.parametrize(
    ("output", "metadata", "names"),
    [
        # the first source counts, and metadata before the value
        ({"tool_calls": [{"name": "c"}]}, {"messages": _conversation("x")}, ["weather"]),
        ({"messages": _conversation("x")}, {"tool_calls": [{"name": "c"}]}, ["weather"]),
        ({"trajectory": ["a"]}, {"messages": _conversation("x")}, ["a"]),
        ({"trajectory": ["a"]}, {"trajectory": ["b"]}, ["b"]),
        # messages with no message of the agent are the prompt
        ({"tool_calls": [{"name": "c"}]}, {"messages": [{"role": "user", "content": "x"}]}, ["c"]),
        # the output of a model target
        ({"content": None, "tool_calls": [_CHAT]}, {}, ["weather"]),
        ({"role": "assistant", "content": "No.", "tool_calls": None}, {}, []),
        ("No.", {"tool_calls": []}, []),
        ("No.", {"trajectory": []}, []),
        (json.dumps({"content": None, "tool_calls": [_CHAT]}), {}, ["weather"]),
        ([_CHAT, {"name": "b"}], {}, ["weather", "b"]),
    ],
    ids=str,
)
def test_sources(output: Any, metadata: dict[str, Any], names: Sequence[str]) -> None:
    assert [call.name for call in _read(output, **metadata).calls] == list(names)


@pytest.mark.parametrize(
    ("output", "metadata"),
    [
        ("14 days", {}),
        ({"answer": "14 days"}, {}),
        ([], {}),
        (["14 days"], {}),
        ([{"id": 1}], {}),
        ("x", {"messages": [{"role": "user", "content": "x"}]}),
        ("x", {"messages": "x", "trajectory": {"a": 1}}),
        ("{not json", {}),
    ],
    ids=str,
)
def test_outputs_that_say_nothing_about_calls(output: Any, metadata: dict[str, Any]) -> None:
    assert trajectory_of(_CASE, Output(output, metadata)) is None


def test_messages_of_the_case_are_not_steps_of_the_agent() -> None:
    asked = _conversation("rain")[1:]
    case = Case("1", messages=tuple(asked))
    own = [{"role": "assistant", "content": "Sunny.", "tool_calls": [{"name": "other"}]}]
    system = [{"role": "system", "content": "added by the target"}]
    for messages in ([*asked, *own], [*system, *asked, *own], own):
        assert [call.name for call in _read("x", case, messages=messages).calls] == ["other"]
    assert [call.name for call in _read("x", case, trajectory=[*asked, *own]).calls] == ["weather", "other"]


@pytest.mark.parametrize(
    ("output", "metadata", "has_answer"),
    [
        ({"content": "Let me look.", "tool_calls": [_CHAT]}, {}, False),
        ({"content": "No.", "tool_calls": []}, {}, True),
        ({"content": None, "tool_calls": []}, {}, False),
        ("It rains.", {"tool_calls": [_CHAT]}, True),
        ("It rains.", {"trajectory": ["weather"]}, True),
        ("", {"trajectory": ["weather"]}, False),
        (None, {"trajectory": ["weather"]}, False),
        ({"answer": "It rains.", "trajectory": ["weather"]}, {}, True),
        ({"answer": "", "trajectory": ["weather"]}, {}, False),
        ({"final": "It rains.", "tool_calls": ["weather"]}, {}, True),
        ("x", {"messages": _conversation("x")}, True),
        ("x", {"messages": _conversation("x")[:4]}, False),
        ("x", {"messages": _conversation("x")[:3]}, False),
    ],
    ids=str,
)
def test_whether_the_agent_ends_with_an_answer(output: Any, metadata: dict[str, Any], *, has_answer: bool) -> None:
    assert _read(output, **metadata).has_answer is has_answer


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("{city: Paris}", "its arguments are not JSON: "),
        ('["Paris"]', 'its arguments are ["Paris"], not an object'),
        (7, "its arguments are 7, not an object"),
        ('{"a": 1, "a": 2}', "its arguments are not JSON: "),
    ],
)
def test_arguments_that_are_no_object(arguments: Any, problem: str) -> None:
    [call] = _read("x", trajectory=[{"name": "f", "arguments": arguments}]).calls
    assert call.arguments is None
    assert call.problem.startswith(problem)


@pytest.mark.parametrize(("arguments", "read"), [("", {}), ("{}", {}), (None, None), ({}, {})])
def test_calls_without_arguments(arguments: Any, read: Any) -> None:
    [call] = _read("x", trajectory=[{"name": "f", "arguments": arguments}]).calls
    assert (call.arguments, call.problem) == (read, "")


def test_the_input_of_a_custom_tool_is_text() -> None:
    item = {"type": "custom_tool_call", "call_id": "c", "name": "shell", "input": "ls -l"}
    assert _called(_read("x", trajectory=[item])) == [("shell", {"input": "ls -l"})]


@pytest.mark.parametrize(
    ("items", "place"),
    [
        ([1], r"metadata\.trajectory\[0\] is neither a message nor a tool call: 1"),
        (["a", {"step": 2}], r"metadata\.trajectory\[1\]"),
        ([""], r"metadata\.trajectory\[0\]"),
        ([{"role": "assistant", "tool_calls": [{"id": "x"}]}], r"metadata\.trajectory\[0\]\.tool_calls\[0\]"),
        ([{"role": "assistant", "content": [{"type": "tool_use"}]}], r"metadata\.trajectory\[0\]"),
    ],
    ids=str,
)
def test_items_of_an_unknown_kind_are_refused(items: list[Any], place: str) -> None:
    with pytest.raises(UnreadableTrajectoryError, match=place):
        _read("x", trajectory=items)


def test_reasoning_and_messages_of_others_are_no_steps() -> None:
    items = [{"type": "reasoning", "summary": []}, {"role": "developer", "content": "x"}, "a"]
    assert _read("x", trajectory=items).steps == (Step("", (ToolCall("a"),)),)


_KEYS = st.sampled_from(
    [
        *("role", "type", "content", "tool_calls", "function", "function_call", "name", "tool", "arguments", "args"),
        *("input", "id", "tool_call_id", "call_id", "output", "result", "error", "text", "status", "is_error"),
    ]
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        ["assistant", "ai", "tool", "user", "system", "function", "tool_use", "tool_result", "function_call"]
    ),
    st.sampled_from(["function_call_output", "weather", "c1", "", "{", '{"a": 1}', "Error: x", '{"error": 1}']),
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


@given(st.lists(_JSON, max_size=4), st.sampled_from(["trajectory", "messages", "tool_calls"]), st.booleans())
def test_any_json_is_read_or_refused(items: list[Any], source: str, in_metadata: bool) -> None:  # noqa: FBT001
    output = Output("x", {source: items}) if in_metadata else Output({source: items})
    with suppress(UnreadableTrajectoryError):
        found = trajectory_of(_CASE, output)
        assert found is None or all(call.name for call in found.calls)

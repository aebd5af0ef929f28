"""Recorded conversations with agents in rows of ragas and deepeval, and what ``tool-calls`` makes of them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.golden import read_file
from pytest_evalgate.scorers.tool_calls import tool_calls
from pytest_evalgate.targets import RowTargetRunner

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.cases import Case

_ASKED = {"content": "What is the weather in New York?", "type": "human"}
_CALLING = {
    "content": "",
    "type": "ai",
    "tool_calls": [{"name": "weather_check", "args": {"location": "New York"}}],
}
_FOUND = {"content": "75°F, partly cloudy", "type": "tool"}
_ANSWER = {"content": "It is 75°F and partly cloudy.", "type": "ai"}
_THANKS = {"content": "Thanks!", "type": "human"}
_REFERENCE = [{"name": "weather_check", "args": {"location": "New York"}}]


def _case(folder: Path, row: dict[str, Any]) -> Case:
    path = folder / "set.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    read = read_file(path, "set.jsonl")
    assert read.problems == ()
    [case] = read.golden
    return case


def _value(case: Case, **params: Any) -> float | None:
    return tool_calls(case, asyncio.run(RowTargetRunner().answer(case, 0)), **params)[0]


@pytest.mark.parametrize(
    ("messages", "output", "asked"),
    [
        ([_ASKED, _CALLING, _FOUND, _ANSWER], _ANSWER["content"], 1),
        ([_ASKED, _CALLING, _FOUND, _ANSWER, _THANKS], _ANSWER["content"], 1),
        ([_ASKED, _CALLING, _FOUND], {"content": None, "tool_calls": _CALLING["tool_calls"]}, 1),
        ([_ASKED, _ANSWER, _ASKED, _CALLING, _FOUND, _ANSWER], _ANSWER["content"], 3),
    ],
    ids=["answer", "thanks", "call", "two questions"],
)
def test_a_conversation_of_ragas(tmp_path: Path, messages: list[Any], output: Any, asked: int) -> None:
    case = _case(tmp_path, {"user_input": messages, "reference_tool_calls": _REFERENCE})
    assert (case.output, len(case.messages), case.messages[0]["role"]) == (output, asked, "user")
    assert _value(case) == 1
    assert _value(_case(tmp_path, {"user_input": messages, "reference_tool_calls": []})) == 0


def test_calls_of_earlier_turns_count(tmp_path: Path) -> None:
    messages = [_ASKED, _CALLING, _FOUND, _ANSWER, _ASKED, _ANSWER]
    assert _value(_case(tmp_path, {"user_input": messages, "reference_tool_calls": _REFERENCE})) == 1


def test_a_conversation_whose_last_word_is_the_users_is_a_question(tmp_path: Path) -> None:
    case = _case(tmp_path, {"user_input": [_ASKED, _ANSWER, _THANKS], "reference": "You are welcome."})
    assert (len(case.messages), case.output, case.trajectory) == (3, None, None)


def test_a_response_beside_a_conversation_is_the_output(tmp_path: Path) -> None:
    row = {"user_input": [_ASKED, _CALLING, _FOUND, _ANSWER], "response": "75", "reference_tool_calls": _REFERENCE}
    case = _case(tmp_path, row)
    assert (case.output, _value(case)) == ("75", 1)


_TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Find me a flight to Tokyo."},
    {"role": "assistant", "content": "Here are three.", "tools_called": [{"name": "search_flights"}]},
    {"role": "user", "content": "Book the first one."},
    {
        "role": "assistant",
        "content": "Done.",
        "tools_called": [{"name": "book", "input_parameters": {"n": 1}, "output": "ok"}],
    },
]


def test_the_turns_of_deepeval(tmp_path: Path) -> None:
    row = {"scenario": "S.", "turns": _TURNS, "expected_outcome": "R."}
    case = _case(tmp_path, {**row, "expected_tools": [{"name": "search_flights"}, {"name": "book"}]})
    assert (case.output, len(case.messages), _value(case)) == ("Done.", 3, 1)
    assert _value(_case(tmp_path, {**row, "expected_tools": [{"name": "book"}]}), mode="superset") == 1
    assert _value(_case(tmp_path, {**row, "expected_tools": [{"name": "book"}]})) == 0
    wanted = [{"name": "search_flights"}, {"name": "book", "input_parameters": {"n": 2}}]
    assert _value(_case(tmp_path, {**row, "expected_tools": wanted})) == 0


def test_turns_without_tools_have_no_trajectory(tmp_path: Path) -> None:
    turns = [{key: one for key, one in turn.items() if key != "tools_called"} for turn in _TURNS]
    assert _case(tmp_path, {"scenario": "S.", "turns": turns, "expected_outcome": "R."}).trajectory is None


def test_the_tools_of_a_golden_of_deepeval(tmp_path: Path) -> None:
    row = {"input": "Why?", "actual_output": "o", "expected_output": "a"}
    called = {"tools_called": [{"name": "search", "input_parameters": {"q": "x"}, "description": "d"}]}
    assert _value(_case(tmp_path, {**row, **called, "expected_tools": [{"name": "search"}]})) == 1
    assert _value(_case(tmp_path, {**row, **called, "expected_tools": []})) == 0
    assert _value(_case(tmp_path, {**row, "tools_called": [], "expected_tools": []})) == 1
    assert _value(_case(tmp_path, {**row, "expected_tools": []})) is None

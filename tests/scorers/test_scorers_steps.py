from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.steps import steps
from pytest_evalgate.scorers.tool_calls import tool_calls
from pytest_evalgate.targets import load

_EXAMPLES = Path(__file__).parents[2] / "examples" / "golden_sets" / "tau_airline"


def _graded(trajectory: Any, output: Any = "done", **params: Any) -> tuple[float | None, str]:
    return steps(Case("1"), Output(output, {"trajectory": trajectory}), **params)


def _call(name: str, result: Any = None, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "result": result}


_SAID = {"role": "assistant", "content": "Let me look.", "tool_calls": [_call("a"), _call("b")]}
_FAILED = "Error: not found"
_ONE = {"name": "b", "arguments": {"n": 1}}


@pytest.mark.parametrize(
    ("trajectory", "params", "value", "reason"),
    [
        (["a", "b"], {"max": 2}, 1, "2 steps, 2 calls"),
        (["a", "b", "c"], {"max": 2}, 0, "3 steps, more than 2"),
        ([_SAID], {"max": 1}, 1, "1 step, 2 calls"),
        ([_SAID], {"max_calls": 1}, 0, "2 calls, more than 1"),
        ([], {"max_calls": 0}, 1, "0 steps, 0 calls"),
        # loops
        ([_call("a", "x", n=1), _call("a", "x", n=2)], {"loop": False}, 1, ""),
        ([_call("a", "x", n=1), _call("b", "x"), _call("a", "x", n=1.0)], {"loop": False}, 0, "call 3 repeats call 1"),
        ([_call("a", "x", n=1), _call("a", "y", n=1)], {"loop": False}, 1, ""),
        ([_call("a", None, n=1), _call("a", None, n=1)], {"loop": False}, 0, 'call 2 repeats call 1: "a"'),
        (["a", "b"], {"loop": False}, 1, ""),
        (["a", "a"], {"loop": False}, None, 'the arguments of "a" are not recorded, so a loop cannot be seen'),
        # tools
        (["a", "b"], {"must": ["b"]}, 1, ""),
        (["a"], {"must": ["b"]}, 0, "b was not called"),
        ([_call("b", n=1, m=2)], {"must": [_ONE]}, 1, ""),
        ([_call("b", n=2)], {"must": [_ONE]}, 0, 'b({"n":1}) was not called'),
        (["a", "b"], {"must_not": ["c"]}, 1, ""),
        (["a", "b"], {"must_not": ["b"]}, 0, "call 2: b must not be called"),
        ([_call("b", n=2)], {"must_not": [_ONE]}, 1, ""),
        ([_call("b", n=1)], {"must_not": [_ONE]}, 0, 'call 1: b({"n":1}) must not be called'),
        (["b"], {"must_not": [_ONE]}, None, 'call 1: the arguments of "b" are not recorded'),
        # order
        (["a", "x", "b"], {"order": ["a", "b"]}, 1, ""),
        (["b", "a"], {"order": ["a", "b"]}, 0, 'call 1: "b" before "a" was called'),
        (["b"], {"order": ["a", "b"]}, 0, 'call 1: "b" before "a" was called'),
        (["a"], {"order": ["a", "b"]}, 1, ""),
        (["a", "b", "c"], {"order": [["a", "b"], ["b", "c"]]}, 1, ""),
        (["a", "c", "b"], {"order": ["a", "b", "c"]}, 0, 'call 2: "c" before "b" was called'),
        # answers
        (["a"], {"answer": True}, 1, ""),
        # errors
        ([_call("a", _FAILED), _call("a", "ok")], {"recovers": True}, 1, ""),
        ([_call("a", _FAILED), _call("b", "ok")], {"recovers": True}, 1, ""),
        ([_call("b", "ok"), _call("a", _FAILED)], {"recovers": True}, 0, 'call 2: "a" failed, and no later call suc'),
        ([_call("b", "ok"), _call("b", "ok")], {"recovers": True}, 1, ""),
        ([], {"recovers": True}, 1, ""),
        (["a"], {"recovers": True}, None, "the results of the calls are not recorded"),
        # a violation counts more than what is unknown
        (["a", "a"], {"loop": False, "max": 1}, 0, "2 steps, more than 1"),
        (["a", "b"], {"max": 1, "max_calls": 1, "must": ["c", "d", "e"]}, 0, "2 steps, more than 1; 2 calls, more"),
    ],
    ids=str,
)  # fmt: skip
def test_constraints(trajectory: Any, params: dict[str, Any], value: float | None, reason: str) -> None:
    graded = _graded(trajectory, **params)
    assert graded[0] == value
    assert graded[1].startswith(reason)


def test_the_end_of_a_conversation() -> None:
    conversation = [
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "name": "track", "args": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "Berlin"},
    ]
    answer = {"role": "assistant", "content": "In Berlin."}
    for messages, value in ((conversation, 0), ([*conversation, answer], 1)):
        assert steps(Case("1"), Output("x", {"messages": messages}), answer=True)[0] == value


def test_max_tool_calls_and_model_requests_of_pydantic_evals() -> None:
    # https://ai.pydantic.dev/evals/evaluators/agentic: at most so many calls, at most so many requests of the model
    replies = [{"role": "assistant", "content": None, "tool_calls": ["a"] * number} for number in (1, 3, 2)]
    for most in range(10):
        assert _graded(replies, max_calls=most)[0] == float(most >= 6)
        assert _graded(replies, max=most)[0] == float(most >= 3)


def test_what_is_not_recorded_is_unknown() -> None:
    for params in ({"max": 3}, {"must_not": ["a"]}, {"answer": True}):
        value, reason = steps(Case("1"), Output("It is booked."), **params)
        assert (value, reason.startswith("the output does not contain its tool calls")) == (None, True)
    assert _graded([7], max=1)[0] is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "suites.a.scorers: steps: there is nothing to check: give loop = false, or one of max, max_calls"),
        ({"must": [], "answer": False}, "there is nothing to check"),
        ({"max": -1}, "max"),
        ({"must": "search"}, 'must: must be a list: write \\["search"\\]'),
        ({"order": ["a"]}, "order"),
        ({"most": 3}, 'most: unknown key; did you mean "must"'),
    ],
    ids=str,
)
def test_specifications_that_check_nothing_are_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build({"kind": "steps", **spec}, context=Context(place="suites.a.scorers"))


@pytest.mark.parametrize("spec", [{"loop": False}, {"max": 0}, {"order": ["a", "b"]}, {"order": [["a", "b"]]}])
def test_specifications_that_check_something(spec: dict[str, Any]) -> None:
    build({"kind": "steps", **spec}, context=Context())


def test_every_call_is_valid() -> None:
    tools = [{"name": "a", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}]
    assert _graded([_call("a", n=1)], schema=True, tools=tools)[0] == 1
    assert _graded([_call("a", n="1")], schema=True, tools=tools) == (
        0.0,
        'call 1: argument "n": "1" is not of type "integer"',
    )


def test_a_case_whose_tools_cannot_be_read_is_refused() -> None:
    built: Any = build({"kind": "steps", "schema": True}, context=Context())
    assert built.case_problem(Case("1")).startswith("schema = true needs the tools")
    assert built.case_problem(Case("1", metadata={"tools": [3]})).startswith("tools[0] is 3: write")


# --- tau-bench: 200 recorded runs of gpt-4o ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tau() -> list[tuple[Case, Output, dict[str, Any]]]:
    rows = map(json.loads, (_EXAMPLES / "golden.jsonl").read_text("utf-8").splitlines())
    cases = {row["id"]: Case(row["id"], input=row["input"], expected=row["expected"]) for row in rows}
    files = [_EXAMPLES / f"outputs.gpt-4o.trial{trial}.jsonl" for trial in range(4)]
    outputs = load(files, root=_EXAMPLES).recordings
    written = [map(json.loads, file.read_text("utf-8").splitlines()) for file in files]
    return [
        (cases[row["id"]], recording.outputs[row["id"]], row)
        for recording, own in zip(outputs, written, strict=True)
        for row in own
    ]


def test_the_conversations_of_tau_bench(tau: list[tuple[Case, Output, dict[str, Any]]]) -> None:
    assert len(tau) == 200
    for case, output, row in tau:
        messages = row["messages"]
        own = [one for one in messages if one["role"] == "assistant"]
        calls = row["output"]["tool_calls"]
        failed = [one["content"].startswith("Error") for one in messages if one["role"] == "tool"]
        ends = next(one["role"] for one in reversed(messages) if one["role"] != "user")
        assert steps(case, output, max=len(own))[0] == 1
        assert steps(case, output, max=len(own) - 1)[0] == 0
        assert steps(case, output, max_calls=len(calls))[0] == 1
        assert steps(case, output, answer=True)[0] == float(ends == "assistant")
        assert steps(case, output, recovers=True)[0] == float(not failed or not failed[-1])
        assert tool_calls(case, output, calls=calls)[0] == 1


def test_the_expected_actions_of_tau_bench(tau: list[tuple[Case, Output, dict[str, Any]]]) -> None:
    # the reward is 1 if the database is right in the end and the wanted texts were said: other calls may lead there
    table = {(made, rewarded): 0 for made in (0, 1) for rewarded in (0, 1)}
    for case, output, row in tau:
        value, _ = tool_calls(case, output, mode="superset")
        table[int(value or 0), int(row["metadata"]["reward"])] += 1
    assert table == {(0, 0): 97, (0, 1): 27, (1, 0): 19, (1, 1): 57}
    loops = [steps(case, output, loop=False)[0] for case, output, _ in tau]
    assert (loops.count(0), loops.count(1)) == (16, 184)
    for case, output, _ in tau:
        assert steps(case, output, order=["get_user_details", "book_reservation"])[0] == 1

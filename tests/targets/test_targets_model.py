from __future__ import annotations

import asyncio
import datetime as dt
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.model import RESERVED_PARAMS, ModelTargetRunner, check_params
from pytest_evalgate.targets.prompts import parse_prompt

if TYPE_CHECKING:
    from tests.targets.conftest import FakeClient

_CASE = Case("c1", input="Why?", vars={"lang": "de"}, place=Place("g.jsonl", 3))
_USER = {"role": "user", "content": "hi"}


def _target(
    client: FakeClient, *, prompt: str = "", system: str = "", api: Any = "chat", **spec: Any
) -> ModelTargetRunner:
    return ModelTargetRunner(
        config.ModelTarget(model="candidate", **spec),
        config.Model(model="m-1", base_url="http://x/v1", api=api, params={"temperature": 0, "max_tokens": 9}),
        "support",
        client,
        parse_prompt(prompt, name="p.md") if prompt else None,
        parse_prompt(system, name="s.md") if system else None,
    )


def _messages(target: ModelTargetRunner, case: Case = _CASE) -> Any:
    return target.call_of(case, 0).payload["messages"]


def test_the_call_of_a_case(client: FakeClient) -> None:
    call = _target(client).call_of(_CASE, 2)
    assert (call.kind, call.endpoint, call.model, call.trial) == ("chat", "http://x/v1", "m-1", 2)
    assert (call.route, call.label, call.purpose, call.version) == ("candidate", "support::c1", "target", "")
    assert call.payload == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Why?"}],
        "temperature": 0,
        "max_tokens": 9,
    }
    assert client.calls == [], "the estimate builds calls without sending them"


def test_prompt_and_system_are_filled_from_the_case(client: FakeClient) -> None:
    target = _target(client, prompt="{{ input }} ({{ lang }})", system="Speak {{ vars.lang }}.")
    assert _messages(target) == [
        {"role": "system", "content": "Speak de."},
        {"role": "user", "content": "Why? (de)"},
    ]


@pytest.mark.parametrize(
    ("case", "prompt", "asked"),
    [
        (Case("a", messages=(_USER,)), "", [_USER]),
        (Case("a", messages=(_USER,), input="x"), "", [_USER]),
        (Case("a", messages=(_USER,), input="x"), "{{ input }}", [_USER, {"role": "user", "content": "x"}]),
        (Case("a", input={"q": "ä", "n": 1}), "", [{"role": "user", "content": '{"q": "ä", "n": 1}'}]),
        (Case("a", vars={"q": "x"}), "", [{"role": "user", "content": '{"q": "x"}'}]),
        (Case("a", input=0), "", [{"role": "user", "content": "0"}]),
    ],
)
def test_the_question_is_the_prompt_messages_or_input(client: FakeClient, case: Case, prompt: str, asked: Any) -> None:
    assert _messages(_target(client, prompt=prompt), case) == asked
    with_system = _messages(_target(client, prompt=prompt, system="S"), case)
    assert with_system == [{"role": "system", "content": "S"}, *asked]


def test_a_case_without_input_is_reported(client: FakeClient) -> None:
    with pytest.raises(
        SettingsError, match=r'g\.jsonl:3: case "a" has no input, and suites\.support\.target has no p'
    ):
        _target(client).call_of(Case("a", place=Place("g.jsonl", 3)), 0)


def test_expected_values_are_not_sent_to_the_model(client: FakeClient) -> None:
    case = Case("a", input="q", expected="CANARY", rubric="CANARY", reference_context=("CANARY",), output="CANARY")
    assert "CANARY" not in str(_target(client, prompt="{{ input }} {{ case }}").call_of(case, 0).payload)


def test_params_of_the_target_override_those_of_the_model(client: FakeClient) -> None:
    payload = _target(client, params={"temperature": 1, "seed": 5}).call_of(_CASE, 0).payload
    assert (payload["temperature"], payload["seed"], payload["max_tokens"]) == (1, 5, 9)


@pytest.mark.parametrize(
    ("reply", "accepted"),
    [
        (Reply("a"), True),
        (Reply("<think>b</think>a"), True),
        (Reply(None, metadata={"tool_calls": [{}]}), True),
        (Reply(""), False),
        (Reply(None), False),
        (Reply("<think>b</think>"), False),
        (Reply("<think>b"), False),
    ],
)
def test_only_a_reply_with_an_answer_is_accepted(client: FakeClient, reply: Reply, *, accepted: bool) -> None:
    call = _target(client).call_of(_CASE, 0)
    assert call.accepts is not None
    assert (call.accepts(reply), call.allow_empty) == (accepted, False)


@pytest.mark.parametrize(
    ("case", "allow_empty"), [(_CASE, True), (Case("a", input="x", expected=""), False)], ids=["suite", "case"]
)
def test_an_empty_reply_may_be_an_answer(client: FakeClient, case: Case, *, allow_empty: bool) -> None:
    call = replace(_target(client), allow_empty=allow_empty).call_of(case, 0)
    assert (call.accepts, call.allow_empty) == (None, True)


def test_tools_and_response_format_are_sent(client: FakeClient) -> None:
    tool = {"type": "function", "function": {"name": "look_up"}}
    payload = _target(client, tools=(tool,), response_format={"type": "json_object"}).call_of(_CASE, 0).payload
    assert (payload["tools"], payload["response_format"]) == ([tool], {"type": "json_object"})


def test_a_request_is_translated_for_the_responses_api(client: FakeClient) -> None:
    call = _target(client, system="S", api="responses").call_of(_CASE, 0)
    assert call.kind == "responses"
    assert call.payload == {
        "model": "m-1",
        "instructions": "S",
        "input": [{"role": "user", "content": "Why?"}],
        "temperature": 0,
        "max_output_tokens": 9,
    }


def _answer(client: FakeClient, reply: Reply | Exception) -> Output:
    client.reply = reply
    return asyncio.run(_target(client).answer(_CASE, 1))


def test_the_text_is_the_output(client: FakeClient) -> None:
    reply = Reply("42", served_model="m-1", tokens_in=3, tokens_out=1, latency_s=0.5, attempts=2, cost_usd=0.1)
    record = CallRecord("target", "m-1", 2, 3, 1, 0.1, 0.5)
    assert _answer(client, reply) == Output("42", {}, 0.5, "complete", record)
    assert [call.trial for call in client.calls] == [1]


def test_the_served_model_is_recorded_if_it_differs(client: FakeClient) -> None:
    assert _answer(client, Reply("42", served_model="m-2")).metadata == {"served_model": "m-2"}


@pytest.mark.parametrize(("text", "content"), [("", None), (None, None), ("let me see", "let me see")])
def test_tool_calls_are_part_of_the_output(client: FakeClient, text: Any, content: Any) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    output = _answer(client, Reply(text, metadata={"tool_calls": calls, "system_fingerprint": "fp"}))
    assert output.value == {"content": content, "tool_calls": calls}
    assert output.metadata == {"system_fingerprint": "fp"}


def test_a_text_of_a_model_with_tools_has_no_calls(client: FakeClient) -> None:
    target = _target(client, tools=({"type": "function"},))
    assert target.output_of(target.call_of(_CASE, 0), Reply("42")).metadata == {"tool_calls": []}


def test_the_reasoning_that_the_endpoint_reports_is_part_of_the_output(client: FakeClient) -> None:
    target = _target(client)
    assert target.output_of(target.call_of(_CASE, 0), Reply("a", reasoning="b")).reasoning == "b"


def test_a_truncated_reply_keeps_its_finish_reason(client: FakeClient) -> None:
    assert _answer(client, Reply("4", finish="length")).finish == "length"


def test_a_failed_call_is_a_missing_output(client: FakeClient) -> None:
    with pytest.raises(CallFailed, match="5 attempts"):
        _answer(client, CallFailed("5 attempts"))


@pytest.mark.parametrize("name", RESERVED_PARAMS)
def test_params_that_the_target_sets_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^models\.m\.params\.{name}: the target sets it: remove it$"):
        check_params({name: 1}, "models.m.params")


@pytest.mark.parametrize("value", [math.nan, math.inf, dt.date(2026, 1, 1), {"deep": [math.nan]}])
def test_params_that_json_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"^models\.m\.params: it cannot be sent as JSON"):
        check_params({"temperature": value}, "models.m.params")

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.clients import reply as clients_reply
from pytest_evalgate.engine.clients.reply import read_reply
from pytest_evalgate.engine.faults import CallFault, FaultFactory, HttpResponse
from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import CallKind

_FAULT_FACTORY = FaultFactory("http://there/v1", "m")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["message", "content", "type", "text"]), inner)
    ),
    max_leaves=8,
)


def _read(body: Any, kind: CallKind = "chat", status: int = 200) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(kind, HttpResponse(status, {}, raw), _FAULT_FACTORY)


def _chat(message: Any, reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": reason}], **more}


def _response(*items: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"status": status, "output": list(items), **more}


def _message(*parts: Any) -> dict[str, Any]:
    return {"type": "message", "content": list(parts)}


_TEXT = {"type": "output_text", "text": "hello"}


def test_a_chat_reply_is_read_with_its_model_and_usage() -> None:
    body = _chat({"content": "hello"}, model="m-2026", usage={"prompt_tokens": 5, "completion_tokens": 2})
    assert _read(body) == Reply("hello", metadata={}, served_model="m-2026", tokens_in=5, tokens_out=2)


def test_a_response_is_read_with_its_model_and_usage() -> None:
    body = _response(
        {"type": "reasoning"}, _message(_TEXT, _TEXT), model="m-2026", usage={"input_tokens": 5, "output_tokens": 2}
    )
    assert _read(body, "responses") == Reply(
        "hellohello", metadata={}, served_model="m-2026", tokens_in=5, tokens_out=2
    )


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": True}, {"prompt_tokens": -1}])
def test_usage_that_is_not_reported_is_unknown(usage: Any) -> None:
    assert _read(_chat({"content": "hello"}, usage=usage)).tokens_in is None


@pytest.mark.parametrize(
    ("message", "reason", "value", "finish"),
    [
        ({"content": ""}, "stop", "", "complete"),
        ({"content": "a"}, None, "a", "complete"),
        ({"content": "a"}, "end_turn", "a", "complete"),
        ({"content": "a"}, "length", "a", "length"),
        ({"content": None}, "length", "", "length"),
        ({"content": "a"}, "max_tokens", "a", "length"),
        ({"content": None}, "content_filter", "", "content_filter"),
        ({"content": None, "refusal": "No."}, "stop", "No.", "refusal"),
        ({"content": "a", "refusal": None}, "stop", "a", "complete"),
        ({"content": "a", "refusal": ""}, "stop", "a", "complete"),
    ],
)
def test_the_finish_of_a_chat_reply_is_read(message: Any, reason: str | None, value: str, finish: str) -> None:
    reply = _read(_chat(message, reason))
    assert (reply.value, reply.finish) == (value, finish)


@pytest.mark.parametrize(
    ("body", "value", "finish"),
    [
        (
            _response(_message(_TEXT), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "hello",
            "length",
        ),
        (_response(status="incomplete", incomplete_details={"reason": "content_filter"}), "", "content_filter"),
        (_response(_message(_TEXT), status="incomplete"), "hello", "length"),
        (_response(_message({"type": "refusal", "refusal": "No."})), "No.", "refusal"),
    ],
)
def test_the_finish_of_a_response_is_read(body: Any, value: str, finish: str) -> None:
    reply = _read(body, "responses")
    assert (reply.value, reply.finish) == (value, finish)


def test_tool_calls_are_in_the_metadata() -> None:
    tools = [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]
    reply = _read(_chat({"content": None, "tool_calls": tools}, "tool_calls"))
    assert (reply.value, reply.finish, reply.metadata) == (None, "complete", {"tool_calls": tools})
    item = {"type": "function_call", "name": "look_up", "arguments": "{}"}
    assert _read(_response(item), "responses").metadata == {"tool_calls": [item]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "ends too early"),
        (b'{"choices": [{"mess', "not JSON"),
        (b"<html><h1>Hello</h1></html>", "begins: <html>"),
        (b'"just text"', "the reply is str"),
        (b"[]", "the reply is list"),
        (b"null", "the reply is null"),
        ({}, "choices is null"),
        ({"choices": None}, "choices is null"),
        ({"choices": []}, "choices is empty"),
        ({"choices": [None]}, r"choices\[0\] is null"),
        ({"choices": [{}]}, "message is null"),
        (_chat({}), "neither a text nor a tool call"),
        (_chat({"content": None}), "neither a text nor a tool call"),
        (_chat({"content": 5}), "content is int"),
        (_chat({"content": [{"type": "text"}]}), "content is list"),
        (_chat({"content": None, "tool_calls": ["x"]}), "a tool call is str"),
        (_chat({"content": "a"}, usage=[1]), "usage is list"),
        (b'{"choices": [{"message": {"content": "\\ud800"}}]}', "lone surrogate"),
        (b'{"choices": ' + b"[" * 100_000, "nested deeper"),
    ],
)
def test_a_malformed_chat_reply_is_a_fault_with_the_problem(body: Any, error: str) -> None:
    with pytest.raises(CallFault, match=error) as fault:
        _read(body)
    assert fault.value.kind == "malformed"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "status is None"),
        (_response(status="in_progress"), "in_progress"),
        ({"status": "completed"}, "output is null"),
        (_response(), "neither a text nor a tool call"),
        (_response(None), "item of output is null"),
        (_response({"type": "message"}), "content of a message is null"),
        (_response(_message({"type": "output_text"})), "a text is null"),
    ],
)
def test_a_malformed_response_is_a_fault_with_the_problem(body: Any, error: str) -> None:
    with pytest.raises(CallFault, match=error) as fault:
        _read(body, "responses")
    assert fault.value.kind == "malformed"


@pytest.mark.parametrize("kind", ["chat", "responses"])
@pytest.mark.parametrize(
    ("code", "fault_kind"), [("server_error", "server"), ("insufficient_quota", "quota"), ("what", "malformed")]
)
def test_an_error_in_a_200_is_classified_by_its_code(kind: CallKind, code: str, fault_kind: str) -> None:
    with pytest.raises(CallFault, match="sorry") as fault:
        _read({"status": "failed", "error": {"code": code, "message": "sorry"}}, kind)
    assert fault.value.kind == fault_kind


def test_a_400_of_a_content_filter_is_a_reply() -> None:
    reply = _read({"error": {"code": "content_filter", "message": "withheld"}}, status=400)
    assert (reply.value, reply.finish) == ("withheld", "content_filter")


def test_a_body_that_is_too_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients_reply, "MAX_BYTES", 100)
    with pytest.raises(CallFault, match="more than 100"):
        _read(_chat({"content": "x" * 100}))


@given(_JSON, st.sampled_from(["chat", "responses"]))
def test_any_message_is_a_reply_or_a_fault(value: Any, kind: CallKind) -> None:
    body = _chat(value) if kind == "chat" else _response(value, _message(value))
    try:
        reply = _read(body, kind)
    except CallFault as fault:
        assert fault.kind == "malformed"  # noqa: PT017 - either way of ending is fine
    else:
        assert reply.value is None or isinstance(reply.value, str)

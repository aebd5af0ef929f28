from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from tests.support.replies import Reply, Request, last_user_text, make_response, parse_body

PLAIN = Reply("30 days")
CALLED = Reply(None, "tool_calls", tool_calls=(("look_up", {"id": 7}),))


def request_of(body: Any, path: str = "/v1/chat/completions") -> Request:
    return Request(3, "POST", path, {}, body, 0.0)


def chat(said: Reply, **body: Any) -> ChatCompletion:
    response = make_response(said, request_of({"model": "asked", **body}))
    return ChatCompletion.model_validate_json(response.body, strict=True)


def respond(said: Reply, **body: Any) -> Response:
    response = make_response(said, request_of({"model": "asked", **body}, "/v1/responses"))
    return Response.model_validate_json(response.body)


def test_a_chat_completion() -> None:
    got = chat(PLAIN)
    assert (got.id, got.model, got.choices[0].finish_reason) == ("chatcmpl-3", "asked", "stop")
    assert (got.choices[0].message.content, got.choices[0].message.refusal) == ("30 days", None)
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (10, 5, 15)


def test_a_response() -> None:
    got = respond(PLAIN)
    assert (got.id, got.model, got.output_text, got.status) == ("resp_3", "asked", "30 days", "completed")
    assert got.usage is not None
    assert (got.usage.input_tokens, got.usage.output_tokens, got.usage.total_tokens) == (10, 5, 15)
    assert (got.incomplete_details, got.error) == (None, None)


def test_a_refusal_has_no_text() -> None:
    message = chat(Reply(None, refusal="no")).choices[0].message
    assert (message.content, message.refusal) == (None, "no")
    got = respond(Reply(None, refusal="no"))
    assert got.output_text == ""
    assert got.model_dump()["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


@pytest.mark.parametrize(
    ("said", "reason"),
    [(Reply("30", "length"), "max_output_tokens"), (Reply("", "content_filter"), "content_filter")],
)
def test_an_incomplete_reply_has_a_reason(said: Reply, reason: str) -> None:
    assert chat(said).choices[0].finish_reason == said.finish_reason
    got = respond(said)
    assert got.incomplete_details is not None
    assert (got.status, got.incomplete_details.reason, got.output_text) == ("incomplete", reason, said.text)


def test_tool_calls() -> None:
    (choice,) = chat(CALLED).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.model_dump()["tool_calls"] == [
        {"id": "call_0", "type": "function", "function": {"name": "look_up", "arguments": '{"id": 7}'}}
    ]
    (item,) = respond(CALLED).model_dump()["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "look_up", '{"id": 7}')


def test_usage_can_be_left_out_and_set() -> None:
    assert chat(Reply("x", usage=None)).usage is None
    assert respond(Reply("x", usage=None)).usage is None
    usage = chat(Reply("x", usage=(7, 3))).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)


def test_the_served_model_may_differ() -> None:
    assert chat(Reply("x", model="other")).model == "other"
    assert respond(Reply("x", model="other")).model == "other"


def test_the_form_follows_the_path_without_its_query() -> None:
    response = make_response(PLAIN, request_of({}, "/openai/deployments/d/chat/completions?api-version=1"))
    assert json.loads(response.body)["object"] == "chat.completion"


@pytest.mark.parametrize(("said", "text"), [(PLAIN, b"30 days"), (Reply(None, refusal="no"), b"no"), (CALLED, b"")])
def test_any_other_path_gets_plain_text(said: Reply, text: bytes) -> None:
    response = make_response(said, request_of({}, "/ask"))
    assert (response.body, response.content_type) == (text, "text/plain; charset=utf-8")


def test_a_stream_is_refused() -> None:
    response = make_response(PLAIN, request_of({"stream": True}))
    assert response.status == 400
    assert "stream=True" in json.loads(response.body)["error"]["message"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "b"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "a"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}, "a"),
        ({"input": "a"}, "a"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]}, "a"),
        ({"question": "a"}, '{"question": "a"}'),
        ({"messages": []}, '{"messages": []}'),
        ({"messages": [1, {"role": "user", "content": None}]}, "None"),
        ("a", "a"),
        (None, "null"),
    ],
)
def test_the_last_user_message(body: Any, text: str) -> None:
    assert last_user_text(request_of(body)) == text


@pytest.mark.parametrize(
    ("raw", "body"),
    [(b"", None), (b'{"a": [1]}', {"a": [1]}), (b"a=1", "a=1"), (b"\xff", "\ufffd"), (b"[" * 100_000, "[" * 100_000)],
    ids=["nothing", "JSON", "text", "no UTF-8", "deep"],
)
def test_a_body_is_parsed_where_it_is_json(raw: bytes, body: Any) -> None:
    assert parse_body(raw) == body


@pytest.mark.parametrize(("body", "model"), [({"model": "m"}, "m"), ({}, ""), ([1], ""), (None, "")])
def test_the_model_that_is_asked(body: Any, model: str) -> None:
    assert Request(1, "POST", "/v1/x", {}, body, 0.0).model == model


def test_the_route_is_the_path_without_its_query() -> None:
    assert Request(1, "POST", "/v1/x?api-version=1", {}, None, 0.0).route == "/v1/x"


def test_a_request_does_not_show_its_key() -> None:
    assert "sk-1" not in repr(Request(1, "POST", "/", {"authorization": "Bearer sk-1"}, None, 0.0))

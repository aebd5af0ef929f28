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


def _read(body: Any, kind: CallKind = "chat", status: int = 200, texts: int = 1) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_reply(kind, HttpResponse(status, {}, raw), _FAULT_FACTORY, texts=texts)


def _chat(message: Any, reason: Any = "stop", **more: Any) -> dict[str, Any]:
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


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": None},
        {"prompt_tokens": True},
        {"prompt_tokens": -1},
        {"prompt_tokens": 10**400},
        {"prompt_tokens": 1e308},
    ],
)
def test_usage_that_is_not_reported_is_unknown(usage: Any) -> None:
    assert _read(_chat({"content": "hello"}, usage=usage)).tokens_in is None


@pytest.mark.parametrize(
    ("message", "reason", "value", "finish"),
    [
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


_LENGTH = ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "model_context_window_exceeded"]
_WITHHELD = ["content_filter", "sensitive", "SAFETY", "RECITATION", "guardrail_intervened"]
_COMPLETE = ["stop", "STOP", "end_turn", "tool_calls", "function_call", "eos", "", None]
_BROKEN = [
    "abort",
    "error",
    "network_error",
    "insufficient_system_resource",
    "OTHER",
    "pause_turn",
    "unknown",
    "MALFORMED_FUNCTION_CALL",
    "cancelled",
    "timeout",
]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *((reason, "complete") for reason in _COMPLETE),
        *((reason, "length") for reason in _LENGTH),
        *((reason, "content_filter") for reason in _WITHHELD),
        ("refusal", "refusal"),
    ],
)
def test_a_known_finish_reason_is_read_in_any_case(reason: str | None, finish: str) -> None:
    assert _read(_chat({"content": "a"}, reason)).finish == finish


@pytest.mark.parametrize("reason", _BROKEN)
def test_any_other_finish_reason_is_no_answer(reason: str) -> None:
    with pytest.raises(CallFault, match=f"its finish reason is '{reason}'") as fault:
        _read(_chat({"content": "a"}, reason))
    assert fault.value.kind == "no_answer"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"content": None},
        {"content": ""},
        {"content": " \n\t"},
        {"content": []},
        {"content": [{"type": "text", "text": ""}]},
        {"content": "", "tool_calls": []},
        {"content": "", "reasoning_content": "I think so."},
        {"content": None, "reasoning": "I think so."},
        {"content": "<think>14 days</think>\n"},
        {"content": "<think>14 days"},
        {"content": "[THINK]14 days[/THINK]"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "14 days"}]}]},
        {"content": [{"text": "14 days", "thought": True}]},
    ],
)
def test_a_reply_without_an_answer_is_a_fault(message: Any) -> None:
    with pytest.raises(CallFault, match="neither a text nor a tool call") as fault:
        _read(_chat(message))
    assert (fault.value.kind, fault.value.policy.tries) == ("no_answer", 3)


@pytest.mark.parametrize("message", [{}, {"content": ""}, {"content": "<think>14 days</think>"}])
def test_a_reply_without_an_answer_is_one_if_it_is_allowed(message: Any) -> None:
    response = HttpResponse(200, {}, json.dumps(_chat(message)).encode())
    assert read_reply("chat", response, _FAULT_FACTORY, allow_empty=True).value == message.get("content", "")


@pytest.mark.parametrize(
    "output", [[], [{"type": "reasoning"}], [_message()], [_message({**_TEXT, "text": ""})], [_message({"type": "x"})]]
)
def test_a_response_without_an_answer_is_a_fault(output: Any) -> None:
    with pytest.raises(CallFault, match="neither a text nor a tool call") as fault:
        _read(_response(*output), "responses")
    assert fault.value.kind == "no_answer"


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"usage": {"completion_tokens": 900, "completion_tokens_details": {"reasoning_tokens": 900}}}, "900 of 900"),
        ({"usage": {"completion_tokens_details": {"reasoning_tokens": 1200}}}, "1,200 tokens are reasoning"),
        ({"usage": {"reasoning_tokens": 5, "completion_tokens": 9}}, "5 of 9 output tokens are reasoning"),
        ({}, "11 characters of reasoning"),
    ],
)
def test_the_message_of_an_empty_reply_names_the_reasoning(details: dict[str, Any], words: str) -> None:
    with pytest.raises(CallFault, match=words) as fault:
        _read(_chat({"content": "", "reasoning_content": "I think so."}, **details))
    assert fault.value.tokens == (0, details.get("usage", {}).get("completion_tokens", 0))


@pytest.mark.parametrize(
    ("message", "value", "reasoning"),
    [
        ({"content": "30", "reasoning_content": "14?"}, "30", "14?"),
        ({"content": "30", "reasoning": "14?"}, "30", "14?"),
        ({"content": "30", "reasoning": {"summary": [{"text": "14?"}]}}, "30", "14?"),
        ({"content": "30", "reasoning_details": [{"type": "reasoning.text", "text": "14?"}]}, "30", "14?"),
        ({"content": [{"type": "thinking", "thinking": "14?"}, {"type": "text", "text": "30"}]}, "30", "14?"),
        ({"content": [{"text": "14?", "thought": True}, {"text": "30"}]}, "30", "14?"),
        ({"content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "30"}]}, "30", ""),
        ({"content": [{"type": "text", "text": "3"}, "0", {"type": "image_url"}]}, "30", ""),
        ({"content": {"type": "text", "text": "30"}}, "30", ""),
    ],
)
def test_content_in_parts_is_read_without_reasoning(message: Any, value: str, reasoning: str) -> None:
    reply = _read(_chat(message))
    assert (reply.value, reply.reasoning, reply.finish) == (value, reasoning, "complete")


def test_the_reasoning_items_of_a_response_are_kept_apart() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "14?"}]}
    reply = _read(_response(item, _message(_TEXT)), "responses")
    assert (reply.value, reply.reasoning) == ("hello", "14?")


@pytest.mark.parametrize(
    ("refusal", "finish"),
    [(None, "complete"), ("", "complete"), (" ", "complete"), (False, "complete"), ({}, "complete"), ([], "complete"),
     ("No.", "refusal"), (True, "refusal"), ({"reason": "No."}, "refusal"), (["No."], "refusal")],
)  # fmt: skip
def test_a_refusal_of_any_shape_is_a_refusal(refusal: Any, finish: str) -> None:
    assert _read(_chat({"content": "a", "refusal": refusal})).finish == finish


@pytest.mark.parametrize("usage", [[1], "many", 5, True, {"prompt_tokens": "5"}, {"prompt_tokens": {"text": 5}}])
def test_usage_of_another_shape_is_unknown(usage: Any) -> None:
    reply = _read(_chat({"content": "a"}, usage=usage))
    assert (reply.value, reply.tokens_in) == ("a", None)


def test_usage_may_be_a_whole_float() -> None:
    assert _read(_chat({"content": "a"}, usage={"prompt_tokens": 5.0})).tokens_in == 5


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (rb'"14 days\ud83d"', "14 days\ufffd"),
        (rb'"14 days\u0000"', "14 days\ufffd"),
        (rb'"14 days", "logprobs": [NaN, -Infinity, 1e999]', "14 days"),
        (b'"14 days", "\\ud800": 1', "14 days"),
        (b'"14 days\xff"', "14 days\ufffd"),
        (rb'"14 days \ud83d\ude00"', "14 days \U0001f600"),
    ],
)
def test_what_no_text_can_hold_is_replaced(raw: bytes, value: str) -> None:
    assert _read(b'{"choices": [{"message": {"content": ' + raw + b'}, "finish_reason": "stop"}]}').value == value


@pytest.mark.parametrize(
    ("error", "fault_kind"),
    [
        ({"code": 429, "message": "sorry"}, "rate_limit"),
        ({"code": "429", "message": "sorry"}, "rate_limit"),
        ({"code": 502, "message": "sorry"}, "overloaded"),
        ({"code": 500, "message": "sorry"}, "server"),
        ({"code": 401, "message": "sorry"}, "auth"),
        ({"code": 400, "message": "sorry"}, "bad_request"),
        ({"status": "RESOURCE_EXHAUSTED", "message": "sorry"}, "rate_limit"),
        ({"type": "rate_limit_error", "message": "sorry"}, "rate_limit"),
        ({"code": "rate_limit_exceeded", "message": "sorry"}, "rate_limit"),
        ({"type": "overloaded_error", "message": "sorry"}, "overloaded"),
        ({"code": "insufficient_quota", "message": "sorry"}, "quota"),
        ({"code": 1234, "message": "sorry"}, "malformed"),
        ({"code": True, "message": "sorry"}, "malformed"),
        ({"message": "sorry"}, "malformed"),
        ("sorry", "malformed"),
        (["sorry"], "malformed"),
    ],
)
@pytest.mark.parametrize("place", ["body", "beside choices", "choice", "message"])
def test_an_error_in_a_200_is_of_the_kind_that_its_code_names(error: Any, fault_kind: str, place: str) -> None:
    choice = {"message": {"content": "14 days"}, "finish_reason": "stop"}
    body: dict[str, Any] = {
        "body": {"error": error},
        "beside choices": {"error": error, "choices": [choice]},
        "choice": {"choices": [{**choice, "error": error}]},
        "message": {"choices": [{**choice, "message": {"content": "14 days", "error": error}}]},
    }[place]
    with pytest.raises(CallFault, match=r"200 .*sorry") as fault:
        _read(body)
    assert fault.value.kind == fault_kind


def test_a_content_filter_in_a_200_is_a_reply() -> None:
    error = {"code": "content_filter", "message": "withheld"}
    assert _read({"choices": [{"error": error, "finish_reason": "error"}]}).finish == "content_filter"


@pytest.mark.parametrize("error", [None, {}, "", [], False, 0])
def test_an_empty_error_is_none(error: Any) -> None:
    assert _read(_chat({"content": "a"}, error=error)).value == "a"


def test_a_function_call_of_the_old_api_is_a_tool_call() -> None:
    function = {"name": "look_up", "arguments": "{}"}
    reply = _read(_chat({"content": None, "function_call": function}, "function_call"))
    assert reply.metadata == {"tool_calls": [{"type": "function", "function": function}]}


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
        (_chat({"content": 5}), "content is int"),
        (_chat({"content": [{"type": "text"}]}), "the text of a part of .* is null"),
        (_chat({"content": [5]}), "a part of .* is int"),
        (_chat({"content": None, "tool_calls": ["x"]}), "a tool call is str"),
        (_chat({"content": "a", "tool_calls": "x"}), "tool_calls is str"),
        (_chat({"content": "a"}, 5), "finish_reason is int"),
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
        (_response(None), "item of output is null"),
        (_response({"type": "message"}), "content of a message is null"),
        (_response(_message({"type": "output_text"})), "the text of a part of a message is null"),
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
        assert fault.kind in ("malformed", "no_answer")  # noqa: PT017 - either way of ending is fine
    else:
        assert reply.value is None or isinstance(reply.value, str)


def _vectors(*vectors: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"index": at, "embedding": vector} for at, vector in enumerate(vectors)], **more}


def test_embeddings_are_read_in_the_order_of_the_texts() -> None:
    body = {
        "object": "list",
        "model": "emb-2026",
        "data": [{"index": 1, "embedding": [0, -1.5]}, {"index": 0, "embedding": [1, 2]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    assert _read(body, "embeddings", texts=2) == Reply(
        [[1.0, 2.0], [0.0, -1.5]], served_model="emb-2026", tokens_in=7, tokens_out=0
    )
    assert _read({"data": [{"embedding": [1]}, {"embedding": [2]}]}, "embeddings", texts=2).value == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "data is null"),
        ([], "the reply is list"),
        ({"data": {}}, "data is dict"),
        (_vectors([1.0]), "data has 1 members for 2 texts"),
        (_vectors([1.0], [2.0], [3.0]), "data has 3 members for 2 texts"),
        (_vectors([1.0], [2.0, 3.0]), "the embeddings have 1 and 2 numbers"),
        (_vectors([1.0], []), "is empty or has only zeros"),
        (_vectors([1.0], [0, 0.0]), "is empty or has only zeros"),
        (_vectors([1.0], None), "data[1].embedding is null"),
        (_vectors([1.0], "AACAPw=="), "data[1].embedding is str"),
        (_vectors([1.0], [True]), "a member that is not a number"),
        (_vectors([1.0], ["1"]), "a member that is not a number"),
        (_vectors([1.0], [10**400]), "a number that is not finite"),
        (b'{"data": [{"embedding": [1]}, {"embedding": [NaN]}]}', "NaN"),
        (b'{"data": [{"embedding": [1]}, {"embedding": [1e999]}]}', ""),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}, "data[1].index is 0"),
        ({"data": [{"index": 0, "embedding": [1]}, {"index": 2, "embedding": [2]}]}, "data[1].index is 2"),
        ({"data": [[1.0], [2.0]]}, "data[0] is list"),
    ],
    ids=str,
)
def test_embeddings_of_another_shape_are_a_fault(body: Any, message: str) -> None:
    with pytest.raises(CallFault) as caught:
        _read(body, "embeddings", texts=2)
    assert caught.value.kind == "malformed"
    assert message in str(caught.value)


def test_moderations_are_read_with_their_categories() -> None:
    results = [
        {"flagged": True, "categories": {"hate": True, "violence": False, "illicit": None}, "category_scores": {}},
        {"flagged": False, "categories": {"hate": False}},
    ]
    assert _read({"model": "mod", "results": results}, "moderations", texts=2) == Reply(
        [
            {"flagged": True, "categories": {"hate": True, "violence": False}},
            {"flagged": False, "categories": {"hate": False}},
        ],
        served_model="mod",
        tokens_out=0,
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "results is null"),
        ({"results": []}, "results has 0 members for 1 texts"),
        ({"results": [{"categories": {}}]}, "results[0].flagged is null"),
        ({"results": [{"flagged": "no", "categories": {}}]}, "results[0].flagged is str"),
        ({"results": [{"flagged": False}]}, "results[0].categories is null"),
        ({"results": [{"flagged": False, "categories": {"hate": 0.2}}]}, "results[0].categories is float"),
    ],
    ids=str,
)
def test_moderations_of_another_shape_are_a_fault(body: Any, message: str) -> None:
    with pytest.raises(CallFault, match="malformed") as caught:
        _read(body, "moderations")
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["embeddings", "moderations"])
def test_an_error_in_place_of_a_list_is_classified(kind: CallKind) -> None:
    with pytest.raises(CallFault) as caught:
        _read({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, kind)
    assert caught.value.kind == "rate_limit"
    too_long = {"error": {"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}}
    assert _read(too_long, kind, 400).finish == "context_length"

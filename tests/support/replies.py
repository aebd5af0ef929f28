"""HTTP exchanges of the fault server, and model replies as OpenAI-compatible bodies (chat completions, responses)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
"""``finish_reason`` of a chat completion."""

Usage = tuple[int, int]
"""Input tokens and output tokens."""

USAGE: Final[Usage] = (10, 5)
"""Usage of every reply that does not set its own."""

JSON: Final = "application/json"
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NO_STREAM: Final = "the fault server does not stream: send the request without stream=True"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def _no_headers() -> Mapping[str, str]:
    return _NO_HEADERS


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request.

    Args:
        number: 1 for the first request since the server started.
        method: For example ``POST``.
        path: With its query, for example ``/v1/chat/completions``.
        headers: By lower-case name. Not part of the repr, because one of them contains the API key.
        body: Parsed JSON; the text if it is not JSON; None if it is empty.
        at: Monotonic time of arrival, in seconds.

    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any
    at: float

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def model(self) -> str:
        """The requested model; empty if there is none."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. The server adds the length of the body."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=_no_headers)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a model.

    Args:
        text: None (sent as null) if there is no text, as in a refusal or beside tool calls.
        finish_reason: Why generation ended.
        refusal: Text of a refusal.
        tool_calls: Name and arguments of each call.
        usage: Input and output tokens; None leaves the field out.
        model: The model that replied; None for the requested model.

    """

    text: str | None
    finish_reason: FinishReason = "stop"
    refusal: str | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: Usage | None = USAGE
    model: str | None = None


def parse_body(raw: bytes) -> Any:
    """Return parsed JSON, the text if it is not JSON, or None if it is empty."""
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def json_response(value: Any, status: int = 200) -> Response:
    """Return a response whose body is ``value`` as JSON."""
    return Response(status, json.dumps(value).encode("ascii"))


def error_body(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """Return an error body as OpenAI sends it; ``kind`` is its ``type``."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def make_response(reply: Reply, request: Request) -> Response:
    """Return a chat completion or a response object, depending on the path. Other paths get plain text."""
    make_body = next((make for end, make in _BODIES.items() if request.route.endswith(end)), None)
    if make_body is None:
        text = reply.text or reply.refusal or ""
        return Response(200, text.encode("utf-8", "replace"), "text/plain; charset=utf-8")
    if isinstance(request.body, dict) and request.body.get("stream"):
        return json_response(error_body(_NO_STREAM), 400)
    return json_response(make_body(reply, request))


def last_user_text(request: Request) -> str:
    """Return the text of the last user message; if there is none, the body itself."""
    body = request.body
    if isinstance(body, dict):
        turns = body.get("messages", body.get("input"))
        texts = [_text(turn) for turn in turns if _is_user(turn)] if isinstance(turns, list) else [turns]
        if texts and isinstance(texts[-1], str):
            return texts[-1]
    return body if isinstance(body, str) else json.dumps(body)


def without_choices(request: Request, *, null: bool) -> dict[str, Any]:
    """Return a body whose list of choices, or of output items, is empty or null."""
    reply = Reply(None)
    empty: list[Any] | None = None if null else []
    if request.route.endswith("/responses"):
        return _response_envelope(reply, request, empty)
    return _chat_envelope(reply, request, empty)


def _chat_completion(reply: Reply, request: Request) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for index, (name, given) in enumerate(reply.tool_calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return _chat_envelope(reply, request, [choice])


def _response_object(reply: Reply, request: Request) -> dict[str, Any]:
    reason = _INCOMPLETE.get(reply.finish_reason)
    status = "incomplete" if reason else "completed"
    messages = [_output_message(reply, status)] if reply.text is not None or reply.refusal is not None else []
    calls = [
        {"type": "function_call", "id": f"fc_{index}", "call_id": f"call_{index}", "status": "completed"}
        | {"name": name, "arguments": json.dumps(given)}
        for index, (name, given) in enumerate(reply.tool_calls)
    ]
    envelope = _response_envelope(reply, request, [*messages, *calls])
    return envelope | {"status": status, "incomplete_details": {"reason": reason} if reason else None}


_BODIES: Final = {"/chat/completions": _chat_completion, "/responses": _response_object}


def _chat_envelope(reply: Reply, request: Request, choices: list[Any] | None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": reply.model or request.model,
        "choices": choices,
        **_usage(reply.usage, "prompt_tokens", "completion_tokens"),
    }


def _response_envelope(reply: Reply, request: Request, output: list[Any] | None) -> dict[str, Any]:
    return {
        "id": f"resp_{request.number}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": reply.model or request.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **_usage(reply.usage, "input_tokens", "output_tokens", details=True),
    }


def _output_message(reply: Reply, status: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if reply.text is not None:
        content.append({"type": "output_text", "text": reply.text, "annotations": []})
    if reply.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.refusal})
    return {"type": "message", "id": "msg_0", "status": status, "role": "assistant", "content": content}


def _usage(usage: Usage | None, tokens_in: str, tokens_out: str, *, details: bool = False) -> dict[str, Any]:
    if usage is None:
        return {}
    counts: dict[str, Any] = {tokens_in: usage[0], tokens_out: usage[1], "total_tokens": sum(usage)}
    if details:
        counts[f"{tokens_in}_details"] = {"cached_tokens": 0, "cache_write_tokens": 0}
        counts[f"{tokens_out}_details"] = {"reasoning_tokens": 0}
    return {"usage": counts}


def _is_user(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role") == "user"


def _text(turn: dict[str, Any]) -> str:
    content = turn.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)

"""What a model says, in the two forms of OpenAI's API: chat completions and responses."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.testing.exchange import Answer, json_answer
from pytest_evalgate.testing.status_answers import error_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.testing.exchange import Request

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
"""How an answer ended, in the words of chat completions."""

Usage = tuple[int, int]
"""Tokens read and tokens written."""

USAGE: Final[Usage] = (10, 5)
"""What every answer says it used, unless told."""

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NO_STREAM: Final = "the scripted server does not stream: ask without stream=True"


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says.

    Args:
        text: None where there is none, as beside tool calls or a refusal; it then is null.
        finish_reason: how it ended.
        refusal: the model's words where it refuses.
        tool_calls: name and arguments of each.
        usage: tokens read and written; None to say nothing of them.
        model: who answers; None for the model that was asked.

    """

    text: str | None
    finish_reason: FinishReason = "stop"
    refusal: str | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    usage: Usage | None = USAGE
    model: str | None = None


def answer_in_form(said: Said, request: Request) -> Answer:
    """Answer in the form that fits the path: chat completion, response, or plain text on any other path."""
    form = next((form for end, form in _FORMS.items() if request.route.endswith(end)), None)
    if form is None:
        return Answer(200, (said.text or said.refusal or "").encode("utf-8", "replace"), "text/plain; charset=utf-8")
    if isinstance(request.body, dict) and request.body.get("stream"):
        return json_answer(error_body(_NO_STREAM), 400)
    return json_answer(form(said, request))


def last_user_text(request: Request) -> str:
    """Return the text of the last user message; where there is none, the body itself."""
    body = request.body
    if isinstance(body, dict):
        turns = body.get("messages", body.get("input"))
        texts = [_text(turn) for turn in turns if _is_user(turn)] if isinstance(turns, list) else [turns]
        if texts and isinstance(texts[-1], str):
            return texts[-1]
    return body if isinstance(body, str) else json.dumps(body)


def chat_completion(said: Said, request: Request) -> dict[str, Any]:
    """Return the body of ``/chat/completions``."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": said.refusal}
    if said.tool_calls:
        message["tool_calls"] = [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for index, (name, given) in enumerate(said.tool_calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": None}
    return _chat_envelope(said, request, [choice])


def response(said: Said, request: Request) -> dict[str, Any]:
    """Return the body of ``/responses``."""
    reason = _INCOMPLETE.get(said.finish_reason)
    status = "incomplete" if reason else "completed"
    messages = [_output_message(said, status)] if said.text is not None or said.refusal is not None else []
    calls = [
        {"type": "function_call", "id": f"fc_{index}", "call_id": f"call_{index}", "status": "completed"}
        | {"name": name, "arguments": json.dumps(given)}
        for index, (name, given) in enumerate(said.tool_calls)
    ]
    envelope = _response_envelope(said, request, [*messages, *calls])
    return envelope | {"status": status, "incomplete_details": {"reason": reason} if reason else None}


def without_choices(request: Request, *, null: bool) -> dict[str, Any]:
    """Return a body whose list of choices, or of output items, is empty or null."""
    said = Said(None)
    empty: list[Any] | None = None if null else []
    if request.route.endswith("/responses"):
        return _response_envelope(said, request, empty)
    return _chat_envelope(said, request, empty)


def _chat_envelope(said: Said, request: Request, choices: list[Any] | None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": said.model or request.model,
        "choices": choices,
        **_usage(said.usage, "prompt_tokens", "completion_tokens"),
    }


def _response_envelope(said: Said, request: Request, output: list[Any] | None) -> dict[str, Any]:
    return {
        "id": f"resp_{request.number}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": said.model or request.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **_usage(said.usage, "input_tokens", "output_tokens", details=True),
    }


def _output_message(said: Said, status: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.text is not None:
        content.append({"type": "output_text", "text": said.text, "annotations": []})
    if said.refusal is not None:
        content.append({"type": "refusal", "refusal": said.refusal})
    return {"type": "message", "id": "msg_0", "status": status, "role": "assistant", "content": content}


def _usage(usage: Usage | None, read: str, written: str, *, details: bool = False) -> dict[str, Any]:
    if usage is None:
        return {}
    counts: dict[str, Any] = {read: usage[0], written: usage[1], "total_tokens": sum(usage)}
    if details:
        counts[f"{read}_details"] = {"cached_tokens": 0, "cache_write_tokens": 0}
        counts[f"{written}_details"] = {"reasoning_tokens": 0}
    return {"usage": counts}


def _is_user(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role") == "user"


def _text(turn: dict[str, Any]) -> str:
    content = turn.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


_FORMS: Final = {"/chat/completions": chat_completion, "/responses": response}

"""Questions and answers in the values of traces: texts, JSON in texts, and lists of messages of several vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects.translate import read_input
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.records.cases import Json

_QUESTIONS: Final = ("question", "query", "input", "prompt", "user_input", "message", "text")
_ANSWERS: Final = ("output", "answer", "response", "content", "text", "completion", "result")


def parsed(value: Json) -> Json:
    """Return the value of a text that is a JSON object or list; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return jsonl.loads(value)
        except ValueError:
            return value
    return value


def question_fields(value: Json) -> dict[str, Any]:
    """Return the canonical fields of a question: ``input``, ``messages`` or ``vars``; none if it is empty."""
    value = parsed(value)
    if value in (None, "", [], {}):
        return {}
    if isinstance(value, dict):
        if isinstance(value.get("messages"), list):
            return question_fields(value["messages"])
        known = [name for name in _QUESTIONS if isinstance(value.get(name), str)]
        return {"input": value[known[0]]} if len(known) == 1 else read_input(value)
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        messages = [plain_message(one) for one in value]
        return _of_messages(messages) if all(one["role"] for one in messages) else {"input": value}
    return {"input": value}


def _of_messages(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one text of a user as the input, anything else as messages."""
    if len(messages) == 1 and messages[0]["role"] == "user" and isinstance(messages[0]["content"], str):
        return {"input": messages[0]["content"]}
    return {"messages": messages}


_MESSAGE: Final = frozenset({"role", "parts", "tool_calls", "message", "message.role"})


def answer_value(value: Json) -> Json:
    """Return the output: the text of the last message, or an object with its text and tool calls."""
    value = parsed(value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        value = value[-1]
    if not isinstance(value, dict):
        return value
    if _MESSAGE.intersection(value):
        message = plain_message(value)
        return {k: v for k, v in message.items() if k != "role"} if "tool_calls" in message else message["content"]
    known = [name for name in _ANSWERS if isinstance(value.get(name), str)]
    return value[known[0]] if len(known) == 1 else value


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as role, content and tool calls, of OpenTelemetry's parts or of OpenInference's names."""
    inner = message.get("message")
    flat = {name.removeprefix("message."): member for name, member in message.items()}
    flat |= inner if isinstance(inner, dict) else {}
    role = flat.get("role")
    content, calls = _content(flat.get("parts", flat.get("contents", flat.get("content"))))
    calls += [one for one in flat.get("tool_calls") or () if isinstance(one, dict)]
    made: dict[str, Any] = {"role": role if isinstance(role, str) else None, "content": content}
    return made | ({"tool_calls": calls} if calls else {})


def _content(value: Json) -> tuple[Json, list[Any]]:
    """Return the text of a message, and its tool calls; parts that are neither stay in a list."""
    if not isinstance(value, list):
        return value, []
    parts = [_part(one) for one in value]
    calls = [made for kind, made in parts if kind == "call"]
    rest = [made for kind, made in parts if kind != "call"]
    if all(isinstance(one, str) for one in rest):
        return "\n".join(rest), calls
    return rest, calls


def _part(part: Json) -> tuple[str, Any]:
    if not isinstance(part, dict):
        return "other", part
    flat = {name.removeprefix("message_content."): member for name, member in part.items()}
    kind = flat.get("type")
    if kind == "tool_call":
        return "call", {name: flat[name] for name in ("id", "name", "arguments") if name in flat}
    if kind == "text" and isinstance(text := flat.get("content", flat.get("text")), str):
        return "text", text
    if kind == "tool_call_response":
        response = flat.get("response", flat.get("result"))
        return "text", response if isinstance(response, str) else jsonl.canonical(response)
    return "other", part


def without_empty(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """Return the members that have a value."""
    return {name: value for name, value in pairs if value not in (None, "", [], {})}

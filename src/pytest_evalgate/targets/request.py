"""The same request for the other API: from the words of chat completions to those of the Responses API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Case, Json

_RENAMED: Final = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_OWN_RULES: Final = frozenset({"messages", "tools", "tool_choice", "response_format", "reasoning_effort", "verbosity"})


def to_responses(chat: Mapping[str, Json]) -> dict[str, Json]:
    """Return the body of a Responses request that asks what the chat completion ``chat`` asks.

    A leading system message becomes the instructions. Keys that the two have in common, or that are unknown, stay.
    """
    body = {_RENAMED.get(key, key): value for key, value in chat.items() if key not in _OWN_RULES}
    messages = list(chat["messages"])
    if messages and messages[0].get("role") == "system" and isinstance(messages[0].get("content"), str):
        body["instructions"] = messages.pop(0)["content"]
    body["input"] = [item for message in messages for item in _items(message)]
    if "tools" in chat:
        body["tools"] = [_flat(tool, "function") for tool in chat["tools"]]
    if "tool_choice" in chat:
        body["tool_choice"] = _flat(chat["tool_choice"], "function")
    if "reasoning_effort" in chat:
        body["reasoning"] = {**body.get("reasoning", {}), "effort": chat["reasoning_effort"]}
    if text := _text_options(chat):
        body["text"] = {**body.get("text", {}), **text}
    return body


def _text_options(chat: Mapping[str, Json]) -> dict[str, Json]:
    options: dict[str, Json] = {}
    if "response_format" in chat:
        options["format"] = _flat(chat["response_format"], "json_schema")
    if "verbosity" in chat:
        options["verbosity"] = chat["verbosity"]
    return options


def _flat(value: Json, key: str) -> Json:
    """Lift the members of ``value[key]`` up to its own level: there, chat nests what Responses does not."""
    if not isinstance(value, dict) or not isinstance(value.get(key), dict):
        return value
    return {**{name: member for name, member in value.items() if name != key}, **value[key]}


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Json]]:
    """Yield what stands for one message: tool calls and their results are items of their own."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": content}
        return
    if content is not None:
        yield {"role": role, "content": content if isinstance(content, str) else _parts(content, role)}
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        yield {
            "type": "function_call",
            "call_id": call.get("id"),
            "name": function.get("name"),
            "arguments": function.get("arguments"),
        }


def _parts(content: Sequence[Any], role: Json) -> list[Json]:
    return [_part(part, role) for part in content]


def _part(part: Any, role: Json) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {**part, "type": "output_text" if role == "assistant" else "input_text"}
    if kind == "image_url":
        image = part["image_url"]
        address = image if isinstance(image, dict) else {"url": image}
        detail = {"detail": address["detail"]} if "detail" in address else {}
        return {"type": "input_image", "image_url": address.get("url"), **detail}
    return part


def variables_of(case: Case) -> dict[str, Json]:
    """Return the names that a template may use: each of the case's vars, ``input``, ``vars`` and ``case``.

    A var with the name of one of the last three is found in ``vars`` alone. The expected values, the rubric and the
    reference contexts are left out: what is wanted must not be part of the question.
    """
    asked = {"input": case.input, "vars": dict(case.vars)}
    view = {
        "id": case.golden_id,
        **asked,
        "messages": [dict(message) for message in case.messages],
        "context": list(case.context),
        "tags": list(case.tags),
        "metadata": dict(case.metadata),
    }
    return {**case.vars, **asked, "case": view}


def question(case: Case) -> Json:
    """Return what a target is asked: the input, else the messages, else the vars."""
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def text_of(value: Json) -> str:
    """Return text as it is, and any other value as its JSON text.

    Raises:
        ValueError: it holds NaN or an infinity.
        TypeError: it holds what JSON cannot.

    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)

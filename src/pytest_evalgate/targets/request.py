"""The question of a case, the variables of its templates, and the translation of chat requests to the Responses API.

https://platform.openai.com/docs/guides/migrate-to-responses lists the differences of the two APIs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.records.cases import Case, Json


def variables_of(case: Case) -> dict[str, Json]:
    """Return the variables of a template: each of the case's vars, ``input``, ``vars`` and ``case``.

    A var called ``input``, ``vars`` or ``case`` is only available in ``vars``. The expected values, the rubric and the
    reference contexts are left out, because the question must not contain the answer.
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
    """Return the question for a target: the input, else the messages, else the vars."""
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def text_of(value: Json) -> str:
    """Return a text unchanged, and any other value as JSON text.

    Raises ValueError for NaN and infinities, and TypeError for values that are not JSON.
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


_RENAMED: Final = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_TRANSLATED: Final = frozenset(
    {"messages", "tools", "tool_choice", "response_format", "reasoning_effort", "verbosity"}
)


def to_responses(chat: Mapping[str, Json]) -> dict[str, Json]:
    """Translate the body of a chat completion request to that of a Responses request.

    A leading system message becomes the instructions. Keys that both APIs have, and unknown keys, do not change.
    """
    body = {_RENAMED.get(key, key): value for key, value in chat.items() if key not in _TRANSLATED}
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
    text = {"format": _flat(chat["response_format"], "json_schema")} if "response_format" in chat else {}
    text |= {"verbosity": chat["verbosity"]} if "verbosity" in chat else {}
    if text:
        body["text"] = {**body.get("text", {}), **text}
    return body


def _flat(value: Json, key: str) -> Json:
    """Move the members of ``value[key]`` up one level; chat nests them, Responses does not."""
    if not isinstance(value, dict) or not isinstance(value.get(key), dict):
        return value
    return {**{name: member for name, member in value.items() if name != key}, **value[key]}


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Json]]:
    """Yield the items of one message; a tool call and its result are separate items."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": content}
        return
    if content is not None:
        yield {
            "role": role,
            "content": content if isinstance(content, str) else [_part(part, role) for part in content],
        }
    for call in message.get("tool_calls") or ():
        function = call.get("function", {})
        yield {
            "type": "function_call",
            "call_id": call.get("id"),
            "name": function.get("name"),
            "arguments": function.get("arguments"),
        }


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


def check_json(value: Json, place: str) -> None:
    """Raise a SettingsError that names ``place`` if ``value``, a part of a request, is not JSON."""
    try:
        jsonl.canonical(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{place}: it cannot be sent as JSON: {error}") from None

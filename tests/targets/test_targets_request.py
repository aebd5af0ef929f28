from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.targets.request import to_responses

_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _mapped(**chat: Any) -> dict[str, Any]:
    body = to_responses({"model": "m", "messages": [], **chat})
    assert body.pop("model") == "m"
    return body


@pytest.mark.parametrize(
    ("chat", "responses"),
    [
        ({"temperature": 0, "top_p": 1, "new_key": 2}, {"temperature": 0, "top_p": 1, "new_key": 2}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_output_tokens": 5}, {"max_output_tokens": 5}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
            {"reasoning": {"summary": "auto", "effort": "low"}},
        ),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}}},
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": True}}},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}, {"type": "web_search"}]},
            {"tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "web_search"}]},
        ),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "function", "name": "f"}},
        ),
        ({"tool_choice": "auto"}, {"tool_choice": "auto"}),
    ],
)
def test_parameters_are_translated(chat: dict[str, Any], responses: dict[str, Any]) -> None:
    assert _mapped(**chat) == {"input": [], **responses}


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        (
            [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}],
            {"instructions": "S", "input": [{"role": "user", "content": "hi"}]},
        ),
        (
            [{"role": "user", "content": "hi"}, {"role": "system", "content": "S"}],
            {"input": [{"role": "user", "content": "hi"}, {"role": "system", "content": "S"}]},
        ),
        (
            [{"role": "assistant", "content": None, "tool_calls": [_CALL]}],
            {"input": [{"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}]},
        ),
        (
            [{"role": "tool", "tool_call_id": "c1", "content": "42"}],
            {"input": [{"type": "function_call_output", "call_id": "c1", "output": "42"}]},
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": "u"}]}],
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "u"}],
                    }
                ]
            },
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]}],
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": "low"}]},
                ]
            },
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "so"}]}],
            {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "so"}]}]},
        ),
        (
            [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}],
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        ),
    ],
)
def test_messages_become_items(messages: list[Any], body: dict[str, Any]) -> None:
    assert _mapped(messages=messages) == body


def test_the_chat_request_is_left_as_it_was() -> None:
    chat = {"model": "m", "messages": [{"role": "system", "content": "S"}], "text": {"a": 1}, "verbosity": "low"}
    to_responses(chat)
    assert chat == {
        "model": "m",
        "messages": [{"role": "system", "content": "S"}],
        "text": {"a": 1},
        "verbosity": "low",
    }

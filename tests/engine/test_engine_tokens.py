from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.spend import Tokens, estimate_tokens
from pytest_evalgate.records.calls import Call

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import CallKind


def _call(payload: dict[str, Any], kind: CallKind = "chat") -> Call:
    return Call(kind, "https://api.openai.com/v1", "m", payload)


def test_text_is_a_quarter_token_a_character_rounded_up() -> None:
    messages = [{"role": "user", "content": "x" * 93}]
    assert estimate_tokens(_call({"messages": messages})).read == 25  # 93 + 4 of "user" = 97


def test_parts_of_a_message_count() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "x" * 92}]}]
    assert estimate_tokens(_call({"messages": parts})).read == 25


@pytest.mark.parametrize(
    ("payload", "written"),
    [
        ({}, 256),
        ({"max_tokens": 17}, 17),
        ({"max_completion_tokens": 18, "max_tokens": 17}, 18),
        ({"max_output_tokens": 19}, 19),
        ({"max_tokens": None}, 256),
    ],
)
def test_an_answer_is_as_long_as_it_may_get(payload: dict[str, Any], written: int) -> None:
    assert estimate_tokens(_call(payload)).written == written


def test_a_call_to_the_responses_api_is_read_alike() -> None:
    assert estimate_tokens(_call({"input": "x" * 40, "max_output_tokens": 5}, "responses")) == Tokens(10, 5)


@pytest.mark.parametrize("kind", ["http", "command", "python"])
def test_an_application_has_no_tokens(kind: CallKind) -> None:
    assert estimate_tokens(_call({"input": "x" * 40}, kind)) == Tokens(0, 0)

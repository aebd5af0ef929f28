"""Tokens of a call before it is sent: a guess from its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_evalgate.calls import Call

ERROR = 0.4
"""How far the guess may be off, as a share: English text has 3 to 5 characters a token, others fewer."""

_CHARACTERS_A_TOKEN = 4
_USUAL_ANSWER = 256
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_MODELS = frozenset({"chat", "responses"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that a call reads and writes."""

    read: int
    written: int


def guess(call: Call) -> Tokens:
    """Guess the tokens of ``call``: a quarter of its characters, and the answer as long as it may get, or 256.

    A call to anything but a model has none.
    """
    if call.kind not in _MODELS:
        return Tokens(0, 0)
    limits = (call.payload.get(name) for name in _LIMITS)
    longest = next((limit for limit in limits if isinstance(limit, int)), _USUAL_ANSWER)
    return Tokens(-(-_characters(call.payload) // _CHARACTERS_A_TOKEN), longest)


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 0

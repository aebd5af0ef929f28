"""The one redactor: no value of a key that this process knows leaves it in a file or on a screen."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK: Final = "***"

SHORTEST: Final = 8
"""Shorter values are placeholders of local servers ("none", "EMPTY"): taking them out would garble plain words."""


@lru_cache(maxsize=16)  # few keys, and every answer is looked through for them
def forms_of(value: str) -> tuple[str, ...]:
    """Return how a key may stand in a text: as it is, quoted for a URL, escaped as JSON, in base64 at any offset."""
    if len(value) < SHORTEST:
        return ()
    plain = (value, quote(value, safe=""), json.dumps(value)[1:-1])
    encoded = (base64.b64encode(value.encode()).decode().rstrip("="), *(_in_base64(value, at) for at in range(3)))
    url_safe = (form.replace("+", "-").replace("/", "_") for form in encoded)
    return tuple(dict.fromkeys((*plain, *encoded, *url_safe)))


def _in_base64(value: str, offset: int) -> str:
    """Return what base64 makes of a key that follows ``offset`` other bytes, whatever stands before and behind it."""
    encoded = base64.b64encode(b"\0" * offset + value.encode()).decode().rstrip("=")
    bits = 8 * (offset + len(value.encode()))
    return encoded[-(-8 * offset // 6) : bits // 6]


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes keys out of texts; ``forms`` are all the ways in which they may stand there."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], environ: Mapping[str, str]) -> Self:
        """Make one for the environment variables ``names``; those that are not set do not matter."""
        values = sorted({environ.get(name, "").strip() for name in names}, key=lambda value: (-len(value), value))
        return cls(tuple(form for value in values for form in forms_of(value)))

    def clean(self, text: str) -> str:
        """Return ``text`` with three stars where a key stood."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def clean_bytes(self, data: bytes) -> bytes:
        """Return UTF-8 with three stars where a key stood."""
        for form in self.forms:
            if form.encode() in data:
                data = data.replace(form.encode(), MASK.encode())
        return data

"""Keys: read from the environment by name, shown nowhere."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn, Self
from urllib.parse import quote

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK: Final = "***"

MIN_KEY_LENGTH: Final = 8
"""Shorter values are placeholders of local servers ("none", "EMPTY"): taking them out would garble plain words."""


@lru_cache(maxsize=16)  # few keys, and every answer is looked through for them
def encodings_of(value: str) -> tuple[str, ...]:
    """Return how a key may stand in a text: as it is, quoted for a URL, escaped as JSON, in base64 at any offset."""
    if len(value) < MIN_KEY_LENGTH:
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
        return cls(tuple(form for value in values for form in encodings_of(value)))

    def redact(self, text: str) -> str:
        """Return ``text`` with three stars where a key stood."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """Return UTF-8 with three stars where a key stood."""
        for form in self.forms:
            if form.encode() in data:
                data = data.replace(form.encode(), MASK.encode())
        return data


@dataclass(frozen=True, slots=True)
class Secret:
    """The value of the environment variable ``name``; it prints as ``***`` and cannot be pickled."""

    name: str
    value: str = field(repr=False)

    def redact(self, text: str) -> str:
        """Replace the value in ``text``, also where it is quoted for a URL, escaped as JSON, or in base64."""
        return Redactor(encodings_of(self.value)).redact(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Do as ``redact`` does to UTF-8."""
        return Redactor(encodings_of(self.value)).redact_bytes(data)

    def __str__(self) -> str:
        """Show nothing."""
        return MASK

    def __format__(self, spec: str) -> str:
        """Show nothing."""
        return format(MASK, spec)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: always.

        """
        raise TypeError(f"the value of {self.name} may not leave this process")


def read_secret(name: str, environ: Mapping[str, str], place: str) -> Secret:
    """Read a key.

    Args:
        name: Of the environment variable.
        environ: The environment.
        place: Where the configuration names it, such as ``models.candidate.api_key_env``.

    Raises:
        SettingsError: it is not set, or no header can carry it.

    """
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{place}: the environment variable {name} is not set; set it, or name another one")
    if not (value.isascii() and value.isprintable()):
        raise SettingsError(f"{place}: {name} holds characters that no header can carry; set it again, on one line")
    return Secret(name, value)

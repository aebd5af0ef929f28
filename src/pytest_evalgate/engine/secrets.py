"""Keys: read from the environment by name, shown nowhere."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK: Final = "***"

_SHORTEST: Final = 8
"""Shorter values are placeholders of local servers ("none", "EMPTY"): taking them out would garble plain words."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The value of the environment variable ``name``; it prints as ``***`` and cannot be pickled."""

    name: str
    value: str = field(repr=False)

    def redact(self, text: str) -> str:
        """Replace the value in ``text``, also where it is quoted for a URL, escaped as JSON, or in base64."""
        if len(self.value) < _SHORTEST:
            return text
        for form in self._forms():
            text = text.replace(form, _MASK)
        return text

    def _forms(self) -> tuple[str, ...]:
        encoded = base64.b64encode(self.value.encode()).decode().rstrip("=")
        return self.value, quote(self.value, safe=""), json.dumps(self.value)[1:-1], encoded

    def __str__(self) -> str:
        """Show nothing."""
        return _MASK

    def __format__(self, spec: str) -> str:
        """Show nothing."""
        return format(_MASK, spec)

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

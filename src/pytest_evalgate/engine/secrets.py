"""Keys: read from the environment by name, shown nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.redaction import MASK, Redactor, forms_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Secret:
    """The value of the environment variable ``name``; it prints as ``***`` and cannot be pickled."""

    name: str
    value: str = field(repr=False)

    def redact(self, text: str) -> str:
        """Replace the value in ``text``, also where it is quoted for a URL, escaped as JSON, or in base64."""
        return Redactor(forms_of(self.value)).clean(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Do as ``redact`` does to UTF-8."""
        return Redactor(forms_of(self.value)).clean_bytes(data)

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

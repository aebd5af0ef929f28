"""Masking of secrets and personal data in a row before it is stored in a golden set.

Secrets become ``***``, personal data their kind in brackets: ``write to [e-mail address]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.detectors import detect
from pytest_evalgate.text.jsonl import escape_text
from pytest_evalgate.text.personal import mask_personal
from pytest_evalgate.text.redaction import MASK, mask_keys
from pytest_evalgate.text.secret_kinds import SECRETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.text.redaction import Redactor


@dataclass(frozen=True, slots=True)
class MaskedValue:
    """A value that was masked: its field, as ``metadata.user``, and its kind, as ``e-mail address``."""

    field: str
    kind: str

    def __str__(self) -> str:
        """Return ``e-mail address in metadata.user``."""
        return f"{self.kind} in {self.field}"


def mask_row(row: Mapping[str, Any], redactor: Redactor) -> tuple[dict[str, Any], tuple[MaskedValue, ...]]:
    """Return a row without secrets and personal data, and what was masked; ``redactor`` knows the configured keys."""
    found: list[MaskedValue] = []

    def masked(value: Any, field: str) -> Any:
        if isinstance(value, str):
            text, kinds = _mask_text(value, redactor)
            found.extend(MaskedValue(field, kind) for kind in kinds)
            return text
        if isinstance(value, dict):
            return {key: masked(member, f"{field}.{escape_text(key)}") for key, member in value.items()}
        if isinstance(value, list | tuple):
            return [masked(member, f"{field}[{index}]") for index, member in enumerate(value)]
        return value

    return {name: masked(value, escape_text(name)) for name, value in row.items()}, tuple(found)


def _mask_text(text: str, redactor: Redactor) -> tuple[str, tuple[str, ...]]:
    text, secrets = _without_secrets(text, redactor)
    text, personal = mask_personal(text)
    return text, (*secrets, *personal)


def _without_secrets(text: str, redactor: Redactor) -> tuple[str, tuple[str, ...]]:
    """Return the text without its secrets, and the kinds that it had, each once."""
    kinds: list[str] = []
    if (without := redactor.redact(text)) != text:
        kinds.append("configured API key")
        text = without
    found = detect(text, SECRETS)
    kinds += [SECRETS[one.kind].noun for one in found]
    for one in reversed(found):
        text = f"{text[: one.start]}{MASK}{text[one.end :]}"
    if (without := mask_keys(text)) != text:
        kinds.append("API key")
        text = without
    return text, tuple(dict.fromkeys(kinds))

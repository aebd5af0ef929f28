"""Masking of secrets and personal data in a row before it is stored in a golden set.

Secrets become ``***``, personal data their kind in brackets: ``write to [e-mail address]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.lint import SECRETS
from pytest_evalgate.golden.personal import mask_personal
from pytest_evalgate.text.jsonl import escape_text
from pytest_evalgate.text.redaction import MASK, mask_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.text.redaction import Redactor

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----.*?(?:-----END (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_ARTICLE: Final = re.compile(r"^an? ")


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
    kinds: list[str] = []
    for kind, without in _without_secrets(text, redactor):
        kinds.append(kind)
        text = without
    text, personal = mask_personal(text)
    return text, (*kinds, *personal)


def _without_secrets(text: str, redactor: Redactor) -> Iterator[tuple[str, str]]:
    """Yield the kind of each secret, and the text without it and those before it."""
    steps = [
        ("configured API key", redactor.redact),
        ("private key", lambda each: _PRIVATE_KEY.sub(MASK, each)),
        *(
            (_ARTICLE.sub("", kind), lambda each, found=pattern: found.sub(MASK, each))
            for kind, pattern in SECRETS.items()
        ),
        ("API key", mask_keys),
    ]
    for kind, step in steps:
        if (without := step(text)) != text:
            text = without
            yield kind, text

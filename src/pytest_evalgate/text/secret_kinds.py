"""Secrets in texts, detected by their format: private keys, tokens and API keys.

`text.redaction` replaces the keys of the configuration, whose values are known. This module finds unknown ones.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from pytest_evalgate.text.detectors import Detector, kinds_in
from pytest_evalgate.text.redaction import random_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.text.detectors import Span

_API_KEY: Final = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}|[rs]k_live_\w{16,})"
)


def _by_pattern(phrase: str, pattern: str, flags: int = 0) -> Detector:
    compiled = re.compile(pattern, flags)
    return Detector(phrase, lambda text: (found.span() for found in compiled.finditer(text)))


def _api_keys(text: str) -> Iterator[Span]:
    """Yield the keys of well-known formats, then those with another known prefix that look random."""
    return chain((found.span() for found in _API_KEY.finditer(text)), random_keys(text))


SECRETS: Final[Mapping[str, Detector]] = {
    "private-key": _by_pattern(
        "a private key",
        r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----.*?(?:-----END (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----|\Z)",
        re.DOTALL,
    ),
    "jwt": _by_pattern("a JSON Web Token", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "aws": _by_pattern("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "github": _by_pattern(
        "a token of GitHub or GitLab", r"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})"
    ),
    "slack": _by_pattern("a token of Slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "api-key": Detector("an API key", _api_keys),
}
"""Detectors by kind. API keys are last: their prefixes include those of the others."""


def secrets_in(text: str) -> Iterator[str]:
    """Yield the kinds of secrets in a text."""
    return kinds_in(text, SECRETS)

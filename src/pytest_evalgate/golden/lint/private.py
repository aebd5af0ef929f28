"""Secrets and personal data, by their shape; a finding names the kind and the place, and never the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.golden.lint.finding import Finding
from pytest_evalgate.golden.lint.texts import fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import Case

_SECRETS: Final = {
    "an API key": re.compile(
        r"\b(?:sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,}|[rs]k_live_\w{16,})"
    ),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub or GitLab": re.compile(r"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----"),
    "a JSON Web Token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
}
_MAIL: Final = re.compile(r"[\w.%+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24})\b")
_RESERVED: Final = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
_PHONE: Final = re.compile(
    r"""(?<![\w.+]) (?:
        \+\d{1,3} [ .()/-]{0,2} (?:\d[ .()/-]{0,2}){6,12} \d   # +49 30 1234567
        | \(\d{3}\)[ ]? \d{3} [ .-] \d{4}                      # (212) 555-4321
        | \d{3} ([.-]) \d{3} \1 \d{4}                          # 212-555-4321
    ) (?!\w)""",
    re.VERBOSE,
)
_FICTIONAL: Final = re.compile(r"555[ .-]?01\d\d$")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD: Final = re.compile(r"(?<![\w.+-])[2-6]\d{3}(?:[ -]?\d){9,12}(?![ .-]?\d|\w)")


def private_data(cases: Iterable[Case]) -> Iterator[Finding]:
    """Find secrets (errors) and personal data (warnings), once a case, field and kind."""
    for case in cases:
        found: dict[tuple[str, str], Finding] = {}
        for name, text in fields(case):
            for kind in secrets_in(text):
                told = f"{kind} in {name}: withdraw it where it was issued, and put an invented one there"
                found[kind, name] = Finding(case.place, "secret", "error", told)
            for kind in personal_in(text):
                told = f"{kind} in {name}: put an invented one there, unless you may keep it"
                found[kind, name] = Finding(case.place, "personal-data", "warning", told)
        yield from found.values()


def secrets_in(text: str) -> Iterator[str]:
    """Yield the kinds of secrets that a text holds."""
    return (kind for kind, pattern in _SECRETS.items() if pattern.search(text))


def personal_in(text: str) -> Iterator[str]:
    """Yield the kinds of personal data that a text holds; what is reserved for examples is none."""
    if "@" in text and any(not _RESERVED.search(found[1]) for found in _MAIL.finditer(text)):
        yield "an e-mail address"
    if any(not _FICTIONAL.search(found[0]) for found in _PHONE.finditer(text)):
        yield "a phone number"
    if any(_is_iban(found[0]) for found in _IBAN.finditer(text)):
        yield "an IBAN"
    if any(_is_card(found[0]) for found in _CARD.finditer(text)):
        yield "a card number"


def _is_iban(text: str) -> bool:
    """Check the two digits that ISO 7064 derives from the rest: the number that the letters make is 1 modulo 97."""
    plain = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """Check the last digit as Luhn did: from the right, every second digit counts double."""
    digits = [int(one) for one in text if one.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0

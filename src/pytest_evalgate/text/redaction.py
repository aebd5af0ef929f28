"""Redaction: keys are read from the environment by name, and replaced by ``***`` in all texts that are written."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from urllib.parse import quote

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK: Final = "***"

MIN_KEY_LENGTH: Final = 8
"""Shorter values are placeholders for local servers ("none", "EMPTY"); replacing them would garble ordinary words."""


@lru_cache(maxsize=16)  # a run has few keys, and every reply is searched for them
def encodings_of(value: str) -> tuple[str, ...]:
    """Return the forms in which a key can occur in a text: plain, in a URL, in JSON, in hexadecimal, in base64."""
    if len(value) < MIN_KEY_LENGTH:
        return ()
    plain = (value, quote(value, safe=""), json.dumps(value)[1:-1])
    octets = value.encode().hex()
    encoded = (base64.b64encode(value.encode()).decode().rstrip("="), *(_in_base64(value, at) for at in range(3)))
    url_safe = (form.replace("+", "-").replace("/", "_") for form in encoded)
    return tuple(dict.fromkeys((*plain, octets, octets.upper(), *encoded, *url_safe)))


def _in_base64(value: str, offset: int) -> str:
    """Return the base64 characters that depend on ``value`` only if it starts ``offset`` bytes after a group of three.

    Base64 encodes three bytes as four characters, so the same key has three encodings.
    """
    encoded = base64.b64encode(b"\0" * offset + value.encode()).decode().rstrip("=")
    bits = 8 * (offset + len(value.encode()))
    return encoded[-(-8 * offset // 6) : bits // 6]


_HEX_ESCAPE: Final = re.compile(r"(?:\\(?:u00|x)|%|&\#[xX]0{0,6})([2-7][0-9a-fA-F]);?")
_DECIMAL_ESCAPE: Final = re.compile(r"&\#0{0,6}(\d{2,3});")
_NAMED: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_MARKS: Final = ("\\", "%", "&")
"""Every escape of JSON, Python, URLs and HTML begins with one of these."""

_MAX_NESTING: Final = 4  # of escapes in each other, such as JSON in a string of JSON


def _unescaped(text: str) -> str:
    """Return ``text`` with all escapes undone, and without backslashes and semicolons: enough to look for a key in."""
    for _ in range(_MAX_NESTING):
        before = text
        text = _HEX_ESCAPE.sub(_character, text.replace("\\\\", "\\"))
        if "&" in text:
            text = _DECIMAL_ESCAPE.sub(lambda found: chr(int(found[1])), text)
            for name, char in _NAMED.items():
                text = text.replace(name, char)
        if text == before:
            break
    return text.replace("\\", "").replace(";", "")


def _character(escape: re.Match[str]) -> str:
    return _CHARACTERS[escape[1].lower()]


_CHARACTERS: Final = {f"{code:02x}": chr(code) for code in range(0x20, 0x80)}


_plain_form: Final = lru_cache(maxsize=128)(_unescaped)


@lru_cache(maxsize=128)
def _escaped(form: str) -> re.Pattern[str]:
    """Return the pattern of a form with any characters escaped, each in any way. Compiling it takes 20 ms."""
    return re.compile("".join(map(_any_escape, form)))


def _any_escape(char: str) -> str:
    code = ord(char)
    spellings = [
        rf"\\{{0,8}}{re.escape(char)}" if char in "\"'/\\" else re.escape(char),
        rf"\\{{1,8}}(?i:u{code:04x}|x{code:02x})",
        rf"%(?:25){{0,3}}(?i:{code:02x})",
        rf"&(?:amp;){{0,3}}\#(?:0{{0,6}}{code}|[xX]0{{0,6}}(?i:{code:x}));",
        *(name.replace("&", "&(?:amp;){0,3}") for name, meant in _NAMED.items() if meant == char),
    ]
    return f"(?:{'|'.join(reversed(spellings))})"  # the longest first: "\\" is an escape of "\"


@lru_cache(maxsize=16)
def _in_bytes(forms: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(form.encode() for form in forms)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replacement of keys in texts; ``forms`` are all forms in which the keys can occur."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], environ: Mapping[str, str]) -> Self:
        """Return a redactor for the values of the environment variables ``names``, as far as they are set."""
        # longest first: a key can contain another one
        values = sorted({environ.get(name, "").strip() for name in names}, key=lambda value: (-len(value), value))
        return cls(tuple(form for value in values for form in encodings_of(value)))

    def redact(self, text: str) -> str:
        """Return ``text`` with every key replaced by ``***``."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return self._redact_escaped(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Return UTF-8 data with every key replaced by ``***``."""
        for form in _in_bytes(self.forms):
            if form in data:
                data = data.replace(form, MASK.encode())
        if self.forms and any(mark in data for mark in _in_bytes(_MARKS)):
            # latin-1 keeps every byte, and keys are ASCII
            data = self._redact_escaped(data.decode("latin-1")).encode("latin-1")
        return data

    def redact_json(self, value: Any) -> Any:
        """Return ``value`` with every key replaced by ``***``, in the keys of objects as well."""
        if not self.forms:
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list | tuple):
            return [self.redact_json(part) for part in value]
        if isinstance(value, dict):
            return {self.redact(name): self.redact_json(part) for name, part in value.items()}
        return value

    def _redact_escaped(self, text: str) -> str:
        if not self.forms or not any(mark in text for mark in _MARKS):
            return text
        plain = _unescaped(text)
        for form in self.forms:
            if _plain_form(form) in plain:  # searching for the pattern takes 20 times as long
                text = _escaped(form).sub(MASK, text)
        return text


_KEY: Final = re.compile(
    r"""(?<![A-Za-z0-9_]) (?:
        sk-(?:proj|ant|or|svcacct|admin)-[\w-]*                      # OpenAI, Anthropic, OpenRouter
        | sk-(?=[\w-]*\d)[\w-]{12,}
        | (?:sk|rk|pk)_(?:live|test)_\w{8,}                         # Stripe
        | (?:gsk|hf|r8|fw|csk|tgp_v1|nvapi|pplx|xai|jina|lsv2_pt|pcsk)[-_][A-Za-z0-9_-]{16,}
        | AIza[\w-]{30,} | (?:AKIA|ASIA)[0-9A-Z]{16}                # Google, AWS
        | gh[opsur]_[A-Za-z0-9]{30,} | github_pat_\w{22,} | glpat-[\w-]{20,} | xox[abeoprs]-[A-Za-z0-9-]{10,}
        | eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}                         # JSON Web Token
    )""",
    re.VERBOSE,
)
"""Keys by their published prefixes."""

_RANDOM: Final = re.compile(r"[A-Za-z0-9+/=_.-]{24,}")
_FEWEST_CHANGES: Final = 4  # between letters and digits: names of variables have one or two


def looks_like_key(text: str) -> bool:
    """Return whether ``text`` is a key rather than a name: by its prefix, or because it looks random."""
    if _KEY.search(text):
        return True
    changes = _changes(text)
    is_mixed = text != text.upper() and (text != text.lower() or set(text) <= set("0123456789abcdef-"))
    return bool(_RANDOM.fullmatch(text)) and changes >= _FEWEST_CHANGES and is_mixed


def _changes(text: str) -> int:
    return len(re.findall(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])", text))


def random_keys(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the keys with a known prefix that look random: ``fw_max_number_of_tokens`` does not."""
    return (found.span() for found in _KEY.finditer(text) if _changes(found[0]) >= _FEWEST_CHANGES)


def mask_keys(text: str) -> str:
    """Replace every key with a known prefix by ``***``, for messages that quote what the user wrote."""
    return _KEY.sub(MASK, text)


@dataclass(frozen=True, slots=True)
class Secret:
    """The value of the environment variable ``name``, printed as ``***``. It cannot be pickled."""

    name: str
    value: str = field(repr=False)

    def redact(self, text: str) -> str:
        """Replace the value in ``text``, in every form."""
        return Redactor(encodings_of(self.value)).redact(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """Replace the value in UTF-8 data, in every form."""
        return Redactor(encodings_of(self.value)).redact_bytes(data)

    def __str__(self) -> str:
        """Return ``***``."""
        return MASK

    def __format__(self, spec: str) -> str:
        """Format ``***``."""
        return format(MASK, spec)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"the value of {self.name} cannot be sent to another process")


def read_secret(name: str, environ: Mapping[str, str], place: str) -> Secret:
    """Read a key from the variable ``name``; ``place`` is the configuration key, as ``models.candidate.api_key_env``.

    Raises:
        SettingsError: The variable is not set, or its value cannot be sent in an HTTP header.
    """
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{place}: the environment variable {name} is not set; set it, or name another one")
    if not (value.isascii() and value.isprintable()):
        raise SettingsError(f"{place}: {name} has characters that an HTTP header cannot contain; set it again")
    return Secret(name, value)

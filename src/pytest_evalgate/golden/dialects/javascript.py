"""Values and patterns of JavaScript, in which the asserts of promptfoo are written, translated to those of Python."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

from pytest_evalgate.golden.dialects.translate import TranslationError

_MOST_EXACT: Final = 2**53
_FEWEST_EXPONENT: Final = 21
_MOST_ZEROS: Final = 6


def write(value: Any) -> str:
    """Return ``String(value)`` of JavaScript for a text, a number or a boolean: 5.0 is ``5``, True is ``true``.

    Raises:
        TranslationError: JavaScript rounds the number when it reads it.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) > _MOST_EXACT:
        raise TranslationError("is a number that JavaScript rounds: write it as a string")
    return _number(float(value)) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    """Return a number with the digits and the exponent that ECMAScript's Number::toString writes."""
    if not math.isfinite(value) or not value:
        return "0" if not value else str(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    if not -_MOST_ZEROS < point <= _FEWEST_EXPONENT:
        power = point - 1
        written = text[0] + (f".{text[1:]}" if len(text) > 1 else "") + f"e{'+' if power > 0 else '-'}{abs(power)}"
    elif point <= 0:
        written = f"0.{'0' * -point}{text}"
    else:
        written = text.ljust(point, "0") if len(text) <= point else f"{text[:point]}.{text[point:]}"
    return f"-{written}" if sign else written


_PARTS: Final = re.compile(
    r"""
    \\(?: c[A-Za-z] | u[0-9a-fA-F]{4} | x[0-9a-fA-F]{2} | k<\w+> | [0-9]+ | . )
    | \[\^?  | \]
    | \(\?(?: <?[=!] | : | <[A-Za-z_]\w*> )
    | \(\? | \{[0-9]+(?:,[0-9]*)?\} | .
    """,
    re.DOTALL | re.VERBOSE,
)
_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES: Final = {
    r"\d": "0-9",
    r"\w": "A-Za-z0-9_",
    r"\s": _SPACE,
    r"\D": "0-9",
    r"\W": "A-Za-z0-9_",
    r"\S": _SPACE,
}
_WORD: Final = "[A-Za-z0-9_]"
_OUTSIDE: Final = {
    "^": r"\A",
    "$": r"\Z",
    ".": r"[^\n\r\u2028\u2029]",
    r"\b": rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))",
    r"\B": rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))",
    r"\0": r"\x00",
    "]": r"\]",
    "{": r"\{",
    "}": r"\}",
}
_REPEATED: Final = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_CLASS: Final = re.compile(r"\\[dws]")
_PLAIN_ESCAPES: Final = frozenset("tnvfr")


def translate_pattern(pattern: str) -> str:
    r"""Return a pattern for the `regex` package that matches what ``new RegExp(pattern)`` matches.

    ``$`` matches only at the very end, ``.`` matches no line end, and ``\d``, ``\w`` and ``\b`` are ASCII.

    Raises:
        TranslationError: The pattern uses syntax without a counterpart.
    """
    made: list[str] = []
    opened = False  # inside of [...]
    last = ""
    for found in _PARTS.finditer(pattern):
        part, before, last = found[0], last, found[0]
        if not opened and part == "+" and _REPEATED.fullmatch(before):
            raise TranslationError(f"{before}+ repeats nothing in JavaScript: rewrite the pattern")
        if opened and part == "-" and (before in _CLASSES or _CLASS.match(pattern, found.end())):
            made.append(r"\-")  # beside a class, it is no range
            continue
        if opened:
            made.append(_in_class(part))
            opened = part != "]"
        elif part in ("[", "[^"):
            if pattern.startswith("]", found.end()):
                raise TranslationError(f"the empty class {part}] has no equivalent: rewrite the pattern")
            made.append(part)
            opened = True
        else:
            made.append(_outside(part))
    return "".join(made)


def _outside(part: str) -> str:
    if part in _OUTSIDE:
        return _OUTSIDE[part]
    if part in _CLASSES:
        return f"[{'^' if part[1].isupper() else ''}{_CLASSES[part]}]"
    if part == "(?":
        raise TranslationError("the pattern has a group that JavaScript does not have: rewrite it")
    if part.startswith("(?<") and part[3] not in "=!":
        return f"(?P<{part[3:]}"
    if part.startswith(r"\k<"):
        return f"(?P={part[3:-1]})"
    return _escape(part)


def _in_class(part: str) -> str:
    if part in _CLASSES:
        if part[1].isupper():
            raise TranslationError(f"{part} inside of [...] has no equivalent: rewrite the pattern")
        return _CLASSES[part]
    if part == r"\b":
        return r"\x08"
    if part in ("[", "[^"):
        return part.replace("[", r"\[")
    return part if len(part) == 1 or not part.startswith("\\") else _escape(part)


def _escape(part: str) -> str:
    """Return an escape in Python's syntax; a letter whose escape has no meaning is that letter."""
    if part == r"\c":
        raise TranslationError("\\c has no equivalent here: rewrite the pattern")
    if part.startswith(r"\c"):
        return f"\\x{ord(part[2].upper()) - 64:02x}"
    letter = part[1:] if part[0] == "\\" else ""
    if letter.isalpha() and len(letter) == 1 and letter not in _PLAIN_ESCAPES:
        if letter in "uxpPk":
            raise TranslationError(f"{part} needs a flag, and a pattern has no flags: rewrite it")
        return letter
    return part

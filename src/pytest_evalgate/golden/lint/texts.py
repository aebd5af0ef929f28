"""The texts of a case, and their words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Case

_ASKED: Final = ("input", "messages", "vars")
_ALL: Final = (
    *("id", *_ASKED, "expected", "expected_any", "rubric", "context", "reference_context", "output", "trajectory"),
    *("expected_tools", "asserts", "tags", "slice", "metadata", "human_label"),
)
_WORD: Final = re.compile(r"\w+")


def asked(case: Case) -> str:
    """Return all that a case asks as one text; without its variables where they only repeat the input."""
    return "\n".join(dict.fromkeys(text for name in _ASKED for text in strings(getattr(case, name))))


def wanted(case: Case) -> tuple[str, ...]:
    """Return the texts of which one is wanted."""
    return tuple(value for value in (case.expected, *case.expected_any) if isinstance(value, str))


def fields(case: Case) -> Iterator[tuple[str, str]]:
    """Yield every text of a case with the name of its field."""
    for name in _ALL:
        if value := getattr(case, name):
            for text in strings(value):
                yield name, text


def strings(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, but not the keys of its objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from strings(member)


def words(text: str) -> list[str]:
    """Return the words of a text, whatever their case and what stands between them."""
    return _WORD.findall(text.casefold())


def holds(text: str, part: str) -> bool:
    """Tell whether ``part`` stands in ``text`` as whole words; both are case-folded already."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        if not (_joins(text[start - 1 : start], part[:1]) or _joins(part[-1:], text[end : end + 1])):
            return True
        start = text.find(part, start + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Tell whether a word goes on from one character to the next."""
    return bool(left and right and _WORD.match(left) and _WORD.match(right))

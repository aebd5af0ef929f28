"""Fields of a row of a log: by name or dotted path, as the name of a stratum, and as a result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.records.cases import Json
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, Json]

_MISSING: Final = object()


def field_reader(path: str) -> Callable[[Mapping[str, Json]], Json]:
    """Return a function that reads a dotted path of a row, or of its metadata; None if there is no value.

    A name with dots takes precedence over a path.
    """
    simple = "." not in path

    def read(row: Mapping[str, Json]) -> Json:
        value = row.get(path, _MISSING)
        if value is not _MISSING:
            return value
        value = None if simple else _at(row, path)
        if value is None and isinstance(inner := row.get("metadata"), dict):
            value = _at(inner, path)
        return value

    return read


def _at(value: Json, path: str) -> Json:
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in value:
            return _at(value[head], rest)
        part, dot, rest = rest.partition(".")
        head = f"{head}.{part}"
    return None


def text_of(value: Json) -> str:
    """Return the text of a value that names a stratum: ``true``, ``3``, ``de``; ``(none)`` if there is none."""
    if isinstance(value, str):
        return value or NONE
    if value is None:
        return NONE
    if isinstance(value, list):
        return ",".join(sorted(map(text_of, value))) or NONE
    return jsonl.canonical(value)


NONE: Final = "(none)"
"""Value of a field that a row does not have."""

ANY: Final = "*"
"""Stands for any value of a field."""

_WORDS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("true", "yes", "pass", "passed", "good"), 1.0),
    **dict.fromkeys(("false", "no", "fail", "failed", "bad"), 0.0),
}


def number_of(value: Json) -> float | None:
    """Return a result as a number, NaN if the row has none; None if the value is neither.

    True, "pass" and the like are 1, false, "fail" and the like 0.
    """
    if isinstance(value, int | float):
        return float(value)
    if value is None or value == "":
        return math.nan
    if not isinstance(value, str):
        return None
    text = value.strip().casefold()
    if text in _WORDS:
        return _WORDS[text]
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None

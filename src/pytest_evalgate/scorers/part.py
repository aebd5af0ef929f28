"""Part of an output at a dotted path, for scorers with a ``field``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Output


class NoPartError(Exception):
    """An output without the part; the message is the reason of the score."""


def part_of(output: Output, path: str) -> Output:
    """Return ``output`` with the value at ``path``, whose parts are keys of objects and indexes of lists, from 0.

    An output that is text is parsed as JSON first.

    Raises:
        NoPartError: There is no such value, or it is null.
    """
    value = output.value
    if isinstance(value, str):
        try:
            value = jsonl.loads(value)
        except ValueError as error:
            raise NoPartError(f"the output has no {path}: {error}") from None
    for part in path.split("."):
        value = _member(value, part)
        if value is None:
            raise NoPartError(f"the output has no {path}")
    return replace(output, value=value)


def _member(value: Json, part: str) -> Json:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list | tuple) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None

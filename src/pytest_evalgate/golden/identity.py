"""Ids: what names a case from run to run, on every screen and in every report."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl
from pytest_evalgate.errors import LineProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import GoldenSet, Place

LONGEST_ID = 200
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})  # control; bidirectional, zero-width and tags; line breaks


def normalise(given: Any) -> str:
    """Turn the id that a row gives, a string or a whole number, into its NFC text.

    Raises:
        ValueError: it cannot be an id; the message says why.

    """
    if isinstance(given, bool) or not isinstance(given, str | int):
        shown = jsonl.canonical(given)[:60]
        raise ValueError(f"must be a string or a whole number, not {shown}")  # noqa: TRY004 - one error for all faults
    normal = unicodedata.normalize("NFC", str(given))
    if fault := _fault(normal):
        raise ValueError(f"{jsonl.quoted(normal)} {fault}")
    return sys.intern(normal)  # it stands in the case, the plan, the recordings and the results


def repeated(named: Iterable[tuple[str, Place]]) -> list[LineProblem]:
    """List the ids of one file that stand on an earlier line of it."""
    return [_duplicate(name, place, f"line {first.line}") for name, place, first in _again(named)]


def check_unique(sets: Iterable[GoldenSet]) -> list[LineProblem]:
    """List the ids that stand more than once in ``sets``, the golden sets of one suite."""
    named = ((case.id, case.place) for golden in sets for case in golden)
    return [_duplicate(name, place, str(first)) for name, place, first in _again(named)]


def _again(named: Iterable[tuple[str, Place]]) -> Iterator[tuple[str, Place, Place]]:
    """Yield each id that was met before, where it stands and where it was first met."""
    first: dict[str, Place] = {}
    for name, place in named:
        if name in first:
            yield name, place, first[name]
        else:
            first[name] = place


def _duplicate(name: str, place: Place, where: str) -> LineProblem:
    return LineProblem(place.file, place.line, "", f"duplicate id {jsonl.quoted(name)} (first at {where})")


def _fault(name: str) -> str:
    if not name:
        return "is empty; leave it out to have one made from the content"
    if len(name) > LONGEST_ID:
        return f"is {len(name)} characters long, at most {LONGEST_ID}"
    if name != name.strip():
        return "starts or ends with white space"
    if "::" in name:
        return 'contains "::", which separates the parts of a test name'
    for character in name:
        if unicodedata.category(character) in _INVISIBLE:
            return f"contains the invisible character U+{ord(character):04X}"
    return ""

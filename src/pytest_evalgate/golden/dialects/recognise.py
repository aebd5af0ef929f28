"""Which dialect a file speaks: one for all of its rows, found by the names in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.golden.dialects.known import DIALECTS
from pytest_evalgate.golden.record import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.golden.dialects.dialect import Dialect
    from pytest_evalgate.jsonl import Line

CANONICAL: Final = "canonical"
_TELLING: Final = frozenset().union(*(names for dialect in DIALECTS for names in dialect.needs)) - FIELDS
_BY_NAME: Final = {dialect.name: dialect for dialect in DIALECTS}


def recognise(lines: Sequence[Line], file: str) -> tuple[Dialect | None, list[LineProblem]]:
    """Find the dialect of the rows of a file; None is the canonical record.

    Returns:
        The dialect, and the first problem: a row that can be read in two ways, or two lines of which no dialect is
        true. With a problem there is no dialect, and the file cannot be loaded.

    """
    if all(_TELLING.isdisjoint(line.value) for line in lines):  # costs every canonical row 0.2 µs
        return None, []
    possible = frozenset({CANONICAL, *_BY_NAME})
    for line in lines:
        fitting = _fitting(frozenset(line.value))
        if fitting.ambiguous:
            return None, [LineProblem(file, line.number, "", _two_readings(fitting.ambiguous, line.value))]
        if possible.isdisjoint(fitting.names):
            return None, [disagreement(lines, line, file)]
        possible &= fitting.names
    return (None if CANONICAL in possible else next(one for one in DIALECTS if one.name in possible)), []


def disagreement(lines: Sequence[Line], second: Line, file: str) -> LineProblem:
    """Say which line before ``second`` it disagrees with, or that all of them together leave no dialect for it."""
    here = _fitting(frozenset(second.value)).names
    before = [line for line in lines if line.number < second.number]
    first = next((one for one in before if here.isdisjoint(_fitting(frozenset(one.value)).names)), before[0])
    return LineProblem(
        file,
        second.number,
        "",
        f"reads as {_reading(second.value)}, and line {first.number} as {_reading(first.value)}: a file holds rows of "
        "one dialect, so split it, or use the canonical names",
    )


@dataclass(frozen=True, slots=True)
class _Fitting:
    """The dialects that are true of a row; ``ambiguous`` are two that it is made for and that exclude each other."""

    names: frozenset[str]
    ambiguous: tuple[Dialect, ...] = ()


@lru_cache(maxsize=1024)
def _fitting(names: frozenset[str]) -> _Fitting:
    like = [dialect for dialect in DIALECTS if dialect.is_like(names)]
    if claiming := frozenset(dialect.name for dialect in like if dialect.allows(names)):
        return _Fitting(claiming)
    rivals = [dialect for dialect in like if (dialect.without & names).isdisjoint(FIELDS)]
    if len(rivals) > 1:
        return _Fitting(frozenset(), (rivals[0], rivals[1]))
    return _Fitting(frozenset({CANONICAL, *(dialect.name for dialect in DIALECTS if dialect.allows(names))}))


def _two_readings(readings: Sequence[Dialect], row: Mapping[str, Any]) -> str:
    told = " or ".join(f'{one.name} ("{one.sign(frozenset(row))}")' for one in readings)
    return f"can be read as {told}, which differ in what is wanted: keep one of the fields"


def _reading(row: Mapping[str, Any]) -> str:
    """Name the dialect of a row, and the field that tells it."""
    names = frozenset(row)
    fitting = _fitting(names).names
    if CANONICAL in fitting:
        sign = next((name for name in ("expected", "expected_any", "asserts", *row) if name in names & FIELDS), "")
        return f'{CANONICAL} ("{sign}")'
    dialect = next(one for one in DIALECTS if one.name in fitting)
    return f'{dialect.name} ("{dialect.sign(names)}")'

"""From a row of another tool to a case, with every problem in the words of the row."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.golden.dialects.dialect import Misread
from pytest_evalgate.golden.record import FIELDS, ParsedRow, parse_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.data import Place
    from pytest_evalgate.golden.dialects.dialect import Dialect, Part

_HEAD: Final = re.compile(r"\w+")
_MERGED: Final = frozenset({"metadata", "vars"})


@dataclass(frozen=True, slots=True)
class Mapped:
    """A row in the canonical record's terms: what became of it, and which name became which field."""

    parsed: ParsedRow
    mapping: tuple[tuple[str, str], ...]


def parse_foreign(row: Mapping[str, Any], place: Place, dialect: Dialect) -> Mapped:
    """Turn a row of ``dialect`` into a case, or list everything that is wrong with it."""
    draft = _Draft(dict(row if dialect.prepare is None else dialect.prepare(row)))
    for part in dialect.parts:
        draft.read(part)
    draft.keep_rest(dialect)
    if draft.faults:
        problems = tuple(LineProblem(place.file, place.line, *fault) for fault in draft.faults)
        named = draft.fields.get("id") is not None and parse_row({"id": draft.fields["id"], "input": ""}, place).id
        return Mapped(ParsedRow(named or None, None, problems), tuple(draft.mapping))
    parsed = parse_row(draft.fields, place)
    problems = tuple(replace(one, field=draft.in_its_words(one.field)) for one in parsed.problems)
    return Mapped(replace(parsed, problems=problems), tuple(draft.mapping))


@dataclass(slots=True)
class _Draft:
    """A canonical row in the making; ``rest`` is what was not read yet."""

    rest: dict[str, Any]
    fields: dict[str, Any] = field(default_factory=dict)
    mapping: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    row: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.row = dict(self.rest)

    def read(self, part: Part) -> None:
        """Read the first name of a part that has a value."""
        present = [name for name in part.names if name in self.rest]
        name = next((one for one in present if self.rest[one] is not None), None)
        for null in present:
            if self.rest[null] is None:
                del self.rest[null]
                self.fields.setdefault(part.into, None)
        if name is None:
            return
        try:
            made = part.read(self.rest.pop(name), self.row)
        except Misread as error:
            self.faults.append((f"{name}{error.inside}", str(error)))
            return
        for into, value in made.items():
            self._put(into, value, name)

    def keep_rest(self, dialect: Dialect) -> None:
        """Keep what has a canonical name as it is; of the rest the dialect's own names are metadata."""
        theirs = dialect.extras.union(*(part.names for part in dialect.parts)) - FIELDS
        for name, value in sorted(self.rest.items(), key=lambda held: held[0] not in FIELDS):
            if name in theirs:
                self._put("metadata", None if value is None else {name: value}, name)
            elif name in FIELDS:
                self._put(name, value, name)
            else:
                self.fields.setdefault(name, value)

    def _put(self, into: str, value: Any, name: str) -> None:
        held = self.fields.get(into)
        if value is None:
            self.fields.setdefault(into, None)
            return
        if held is None:
            self.fields[into] = value
        elif into in _MERGED and isinstance(held, dict) and isinstance(value, dict) and held.keys().isdisjoint(value):
            self.fields[into] = {**held, **value}
        else:
            self.faults.append((jsonl.visible(name), f'says the same as "{self._name_of(into)}": keep one'))
            return
        self.mapping += [(name, into)] if name != into else []

    def in_its_words(self, place: str) -> str:
        """Name the place of a problem in a canonical field as the row does."""
        head = _HEAD.match(place)
        return place if head is None else self._name_of(head[0]) + place[head.end() :]

    def _name_of(self, into: str) -> str:
        return next((name for name, made in self.mapping if made == into), into)


def mapping_of(rows: Iterable[Mapped]) -> tuple[tuple[str, str], ...]:
    """List which name became which field in any of the rows, each pair once, as (name, field)."""
    return tuple(dict.fromkeys(pair for row in rows for pair in row.mapping))

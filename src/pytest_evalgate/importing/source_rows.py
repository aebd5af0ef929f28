"""Rows of a source as named values, and the lists and objects that are written as text in the cells of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Json


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Named values of a row of a source; empty cells are None. ``locate`` returns the place of a value by its name."""

    place: str
    values: Mapping[str, Json]
    locate: Callable[[str], str] | None = None

    def at(self, name: str) -> str:
        """Return the place of a value."""
        return self.place if self.locate is None or name not in self.values else self.locate(name)


_CELL_LISTS: Final = {"context": "|", "retrieval_context": "|", "tools_called": ";", "expected_tools": ";"}
"""Separators of the lists that deepeval writes into cells."""


def with_lists(rows: Sequence[SourceRow]) -> Iterator[SourceRow]:
    """Split the cells in which deepeval writes a list."""
    for row in rows:
        values = {
            name: [part.strip() for part in value.split(_CELL_LISTS[name])]
            if name in _CELL_LISTS and isinstance(value, str)
            else value
            for name, value in row.values.items()
        }
        yield replace(row, values=values)


def with_json(rows: Sequence[SourceRow]) -> list[SourceRow]:
    """Parse the columns in which every cell is a JSON array or object; in all others, such a cell is text."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    parsed = {name: column for name in names if (column := _json_column([row.values.get(name) for row in rows]))}
    if not parsed:
        return list(rows)
    return [
        replace(
            row, values={name: parsed[name][index] if name in parsed else value for name, value in row.values.items()}
        )
        for index, row in enumerate(rows)
    ]


def _json_column(cells: Sequence[Json]) -> list[Json] | None:
    made: list[Json] = []
    for cell in cells:
        if cell is None:
            made.append(None)
        elif isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
            try:
                made.append(jsonl.loads(cell))
            except ValueError:
                return None
        else:
            return None
    return made if any(cell is not None for cell in made) else None

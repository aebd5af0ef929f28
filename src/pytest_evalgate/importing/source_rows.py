"""Rows of a source as named values, and the lists and objects that are written as text in the cells of a table."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json


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
    """Parse the columns in which every cell is a list or an object; in all others, such a cell is text."""
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
    """Return the parsed cells of a column; None if one is not a list or an object, in the notation of the others.

    pandas writes lists in the notation of Python: ``['a', 'b']``.
    """
    filled = [cell for cell in cells if cell is not None]
    if not filled or not all(isinstance(cell, str) and cell.lstrip().startswith(("{", "[")) for cell in filled):
        return None
    for parse in (jsonl.loads, _python_literal):
        try:
            return [None if cell is None else parse(cell) for cell in cells]
        except ValueError:
            continue
    return None


def _python_literal(cell: str) -> Json:
    """Return a list or an object that is written in Python's notation.

    Raises:
        ValueError: It is not one, or contains a value that JSON does not have.
    """
    try:
        value = ast.literal_eval(cell.strip())
        return jsonl.loads(jsonl.canonical(value))
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None

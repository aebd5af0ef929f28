"""Rows of a file of labels as they stand: JSONL, or CSV as people fill it in.

A cell of a CSV file that a spreadsheet would take for a formula stands there with an apostrophe before it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl
from pytest_evalgate.data import Place
from pytest_evalgate.errors import LineProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Json

TEXTS: Final = ("id", "input", "expected", "context", "output", "cluster")
"""Columns whose cells stay text, whatever they look like."""

_LABELLED: Final = (*TEXTS, "label", "human_label", "labels", "claims", "weight")
RATER: Final = "labels."
"""Starts the name of a CSV column that holds the labels of one rater."""

_FORMULA: Final = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row, and where it stands."""

    place: Place
    values: Mapping[str, Json]


def read_rows(path: Path, *, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    """Read every row of a file, and every problem that keeps a row from being read.

    Args:
        path: The file; what ends in ``.csv`` has a head line and commas, anything else is JSONL.
        name: What places and problems call it.

    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, name)
    lines, problems = jsonl.read(path, name=name)
    rows = [LabelRow(Place(name, line.number), line.value) for line in lines if line.value.keys() != {"_meta"}]
    return rows, problems


def digest_of(rows: Iterable[LabelRow]) -> str:
    """SHA-256, in hexadecimal, of what people were shown and what they said, whatever the order of rows and fields.

    Verdicts of judges and metadata are not part of it.
    """
    held = ({name: value for name, value in row.values.items() if _is_labelled(name, value)} for row in rows)
    return jsonl.digest(sorted(map(jsonl.digest, held)))


def at(values: Mapping[str, Json], path: str) -> Json:
    """Return what stands at a dotted path, as ``judge.gpt4``; None where nothing does.

    A field whose own name is the path comes first: CSV files have no others.
    """
    if path in values:
        return values[path]
    head, dot, rest = path.partition(".")
    inner = values.get(head) if dot else None
    return at(inner, rest) if isinstance(inner, dict) else None


def cell_of(value: Json) -> str:
    """Write a value as a cell that a spreadsheet takes for text: texts as they are, anything else as JSON."""
    text = value if isinstance(value, str) else "" if value is None else jsonl.canonical(value)
    return f"'{text}" if _looks_like_a_formula(text) else text


def _is_labelled(name: str, value: Json) -> bool:
    return value is not None and (name in _LABELLED or name.startswith(RATER))


def _looks_like_a_formula(text: str) -> bool:
    return text.lstrip("'")[:1] in _FORMULA if text.strip("'") else False


def _text_in(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _looks_like_a_formula(cell) else cell


def _read_csv(path: Path, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    rows: list[LabelRow] = []
    problems: list[LineProblem] = []
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            problems += _faults_of_head(head, name)
            line = reader.line_num
            for cells in reader:
                place, line = Place(name, line + 1), reader.line_num
                if len(cells) == len(head):
                    rows.append(LabelRow(place, dict(_values(head, cells))))
                elif cells:
                    problems.append(_torn(place, cells, head))
    except (csv.Error, UnicodeDecodeError) as error:
        problems.append(LineProblem(name, line + 1, "", f"not CSV in UTF-8: {error}; save it so, or as JSONL"))
    except (OSError, ValueError) as error:  # ValueError: a path that holds a NUL character
        problems.append(LineProblem(name, 0, "", f"cannot be read: {getattr(error, 'strerror', None) or error}"))
    return rows, problems


def _faults_of_head(head: list[str], name: str) -> Iterator[LineProblem]:
    if not head:
        yield LineProblem(name, 1, "", "holds nothing; the first line names the columns, such as id,output,label")
    for column in dict.fromkeys(column for column in head if head.count(column) > 1):
        yield LineProblem(name, 1, column, "names two columns")


def _torn(place: Place, cells: list[str], head: list[str]) -> LineProblem:
    return LineProblem(place.file, place.line, "", f"{len(cells)} cells, the head line names {len(head)} columns")


def _values(head: list[str], cells: list[str]) -> Iterator[tuple[str, Json]]:
    for column, cell in zip(head, cells, strict=True):
        yield column, None if not cell else _text_in(cell) if column in TEXTS else _plain(cell)


def _plain(cell: str) -> Json:
    """Return a number or a truth value where the cell holds one, else its text."""
    text = cell.strip()
    try:
        value = jsonl.loads(text.lower() if text.lower() in {"true", "false"} else text)
    except (ValueError, json.JSONDecodeError):
        return _text_in(text)
    return value if isinstance(value, bool | int | float) else text

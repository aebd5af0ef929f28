"""JSON documents and JSON Lines: their objects with the lines on which they start."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import MOST_LISTED, ImportingError, LeftOut
from pytest_evalgate.importing.sheets import LIMITS
from pytest_evalgate.importing.source_rows import SourceRow
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Json

WRAPPERS: Final = (
    *("cases", "examples", "goldens", "tests", "data", "samples", "items", "rows", "records", "test_cases"),
    *("testCases", "questions", "dataset", "datasetItems"),
)
"""Keys of the list of cases in a document that is one object, in order of precedence."""

_LIMITS: Final = jsonl.JsonLimits(values=LIMITS.cells)


@dataclass(frozen=True, slots=True)
class Document:
    """The rows of a document. ``rest`` are the other keys of the object around them."""

    format: str
    rows: tuple[SourceRow, ...]
    left_out: tuple[LeftOut, ...] = ()


def is_json(text: str) -> bool:
    """Return whether a text starts like JSON or JSON Lines."""
    return text.lstrip().startswith(("{", "["))


def read_json(text: str, path: Path, file: str) -> Document:
    """Read a JSON document, or JSON Lines.

    Raises:
        ImportingError: The text is neither, or an item is not an object; lists all problems.
    """
    start = text.lstrip()
    if start.startswith("{") and _has_lines(start):
        return _read_lines(path, file)
    try:
        value = jsonl.loads(text, limits=_LIMITS)
    except ValueError as error:
        found = _LINE.search(str(error))
        place = f"{file}:{found[1]}" if found else file
        raise ImportingError([(place, str(error))]) from None
    key, items = find_items(value, file)
    offsets = _offsets(text, key)
    ends = [found.start() for found in re.finditer("\n", text)]
    places = [f"{file}:{bisect_right(ends, offset - 1) + 1}" for offset in offsets]
    rows = object_rows(items, places, file)
    return Document("json", rows, rest_of(value, key, f"{file}:1"))


_LINE: Final = re.compile(r"line (\d+)")


def read_placed(value: Json, file: str, place_of: Callable[[Json, int | str], object]) -> Document:
    """Return the rows of a document that is already parsed; ``place_of`` returns the place of a member of a container.

    Raises:
        ImportingError: It has no list of cases, or an item is not an object; lists all problems.
    """
    key, items = find_items(value, file)
    container = value if key is None else value[key]
    places = [str(place_of(container, index)) for index in range(len(items))]
    rest = rest_of(value, key, file)
    placed = tuple(
        replace(one, place=str(place_of(value, name))) for one, name in zip(rest, _others(value, key), strict=True)
    )
    return Document("yaml", object_rows(items, places, file), placed)


def find_items(value: Json, file: str) -> tuple[str | None, Sequence[Json]]:
    """Return the list of cases of a document, and the key that has it; a single object is a list of one.

    Raises:
        ImportingError: There is no such list.
    """
    if isinstance(value, list):
        return None, value
    if not isinstance(value, dict):
        raise ImportingError([(file, "contains neither a list nor an object")])
    lists = [name for name, member in value.items() if isinstance(member, list) and _are_objects(member)]
    key = next((name for name in WRAPPERS if name in lists), None)
    if key is None and not {"input", "inputs", "messages", "vars"} & value.keys():
        key = lists[0] if len(lists) == 1 else None
        if key is None:
            known = first_few([jsonl.quote_text(name) for name in value], 10)
            message = f"no key has a list of cases; the keys are {known}: name the list cases"
            raise ImportingError([(file, message)])
    return (key, value[key]) if key is not None else (None, [value])


def _are_objects(items: Sequence[Json]) -> bool:
    return bool(items) and all(isinstance(one, dict) for one in items)


def object_rows(items: Sequence[Json], places: Sequence[str], file: str) -> tuple[SourceRow, ...]:
    """Return the items as rows.

    Raises:
        ImportingError: There are none or too many, or one is not an object; lists all of these.
    """
    if not items:
        raise ImportingError([(file, "the list of cases is empty")])
    if len(items) > LIMITS.rows:
        raise ImportingError([(file, f"{len(items):,} items, at most {LIMITS.rows:,}: split the file")])
    problems = [
        (place, f"an item is not an object but {jsonl.escape_text(json.dumps(item), 40)}")
        for place, item in zip(places, items, strict=True)
        if not isinstance(item, dict)
    ]
    if problems:
        raise ImportingError(problems)
    return tuple(SourceRow(place, item) for place, item in zip(places, items, strict=True))


def rest_of(value: Json, key: str | None, place: str) -> tuple[LeftOut, ...]:
    """Return what the object around a list of cases has besides it."""
    return tuple(
        LeftOut(place, f"the key {jsonl.quote_text(name)}", _REASONS.get(name, _NOT_A_CASE))
        for name in _others(value, key)
    )


def _others(value: Json, key: str | None) -> list[str]:
    if key is None or not isinstance(value, dict):
        return []
    return [
        name for name, member in value.items() if name != key and name[:1] != "$" and member not in (None, [], {}, "")
    ]


_NOT_A_CASE: Final = "it is not part of a case"
_REASONS: Final[Mapping[str, str]] = {
    "evaluators": "they apply to all cases: name scorers in the suite",
    "report_evaluators": "they apply to the whole run: add gates to the suite",
}


def _has_lines(text: str) -> bool:
    """Return whether the first line is a whole object and another follows: JSON Lines, not a document."""
    first, _, rest = text.partition("\n")
    if not first.rstrip().endswith("}"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return rest.lstrip().startswith("{")  # the reader of lines names the mistake
    return True


def _read_lines(path: Path, file: str) -> Document:
    lines, problems = jsonl.read(path, name=file)
    if problems:
        found = [
            (f"{file}:{one.line}", f"{one.field}: {one.message}" if one.field else one.message) for one in problems
        ]
        raise ImportingError(found[: MOST_LISTED + 1])
    if lines and lines[0].value.keys() == {"_meta"}:
        lines = lines[1:]
    if len(lines) == 1:  # a document on one line
        key, items = find_items(lines[0].value, file)
        place = f"{file}:{lines[0].number}"
        return Document("json", object_rows(items, [place] * len(items), file), rest_of(lines[0].value, key, place))
    rows = object_rows([line.value for line in lines], [f"{file}:{line.number}" for line in lines], file)
    return Document("jsonl", rows)


_SPACE: Final = re.compile(r"[ \t\r\n]*")
_COMMA: Final = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")


def _offsets(text: str, key: str | None) -> list[int]:
    """Return where each item of the list of cases starts; the text is valid JSON."""
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    if key is not None:
        for name, start in _members(text, position + 1, decoder):
            if name == key:
                position = start
                break
    return list(_items(text, position + 1, decoder)) if text[position] == "[" else [position]


def _members(text: str, position: int, decoder: json.JSONDecoder) -> Iterator[tuple[str, int]]:
    position = _skip(text, position)
    while text[position] == '"':
        name, position = decoder.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)
        yield name, position
        _, position = decoder.raw_decode(text, position)
        if (comma := _COMMA.match(text, position)) is None:
            return
        position = comma.end()


def _items(text: str, position: int, decoder: json.JSONDecoder) -> Iterator[int]:
    position = _skip(text, position)
    while text[position] != "]":
        yield position
        _, position = decoder.raw_decode(text, position)
        if (comma := _COMMA.match(text, position)) is None:
            return
        position = comma.end()


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return position if found is None else found.end()

"""Quick reader of golden sets without problems: one pass over the file, in which each line becomes its case.

It has no messages. A file with a problem, or with fields of another tool, is left to `load.read_file`, which reads it
again. Rows with the usual fields become cases here, and both of their digests are made of one text of each field; all
other rows are parsed by `load.parse_canonical`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_evalgate.golden.record import COMPARED, FIELDS, LONGEST_ID, row_digest
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.golden.record import ParsedRow
    from pytest_evalgate.records.cases import Json

    Parse = Callable[[dict[str, Any], Place], ParsedRow]

_ONLY_TEXTS: Final = frozenset({str})
_PLAIN_ID: Final = re.compile(rf"[A-Za-z0-9_./-]{{1,{LONGEST_ID}}}")


def read_valid(path: Path, name: str, parse: Parse) -> GoldenSet | None:
    """Read a golden set without problems. Return None if `load.read_file` has to read it.

    Args:
        path: The file.
        name: Its name in the cases.
        parse: Parses a canonical row, in the way of `load.parse_canonical`.
    """
    reader = _RowReader(name, parse)
    cases: list[Case] = []
    digests: list[tuple[str, str]] = []
    try:
        lines = jsonl.valid_lines(path)
        for line, row in chain(_without_meta(next(lines, None)), lines):
            case, digest = reader.read(row, line)
            cases.append(case)
            digests.append((case.id, digest))
    except (OSError, ValueError, _OutOfOrdinary):
        return None
    if not cases or len({case_id for case_id, _ in digests}) < len(cases):
        return None
    return GoldenSet(name, tuple(cases), jsonl.digest(sorted(digests)))


def _without_meta(first: tuple[int, dict[str, Any]] | None) -> Iterable[tuple[int, dict[str, Any]]]:
    if first is None or (first[1].keys() == {"_meta"} and isinstance(first[1]["_meta"], dict)):
        return ()
    return (first,)


class _OutOfOrdinary(Exception):  # noqa: N818 - private, and always turned into None
    """A row has a problem, or fields of another tool; a value is not as most are."""


class _RowReader:
    """Reader of the rows of one file. Most have the same fields, so what follows from these is found once."""

    def __init__(self, file: str, parse: Parse) -> None:
        self._file = file
        self._parse = parse
        self._shapes: dict[tuple[str, ...], tuple[_Field, ...]] = {}

    def read(self, row: dict[str, Any], line: int) -> tuple[Case, str]:
        """Return the case of a row, and its `record.row_digest`.

        Raises:
            _OutOfOrdinary: The row has a problem, or fields of another tool.
        """
        names = tuple(row)
        shape = self._shapes.get(names)
        if shape is None:
            shape = self._shapes[names] = _shape_of(names)
        place = Place(self._file, line)
        if shape:
            try:
                return _plain_case(row, shape, place)
            except _OutOfOrdinary:
                pass
        parsed = self._parse(row, place)
        if parsed.case is None:
            raise _OutOfOrdinary
        return parsed.case, row_digest(parsed.case)


def _shape_of(names: Sequence[str]) -> tuple[_Field, ...]:
    """Return the fields of rows with these names, sorted as in canonical JSON; none if they are not all plain.

    Raises:
        _OutOfOrdinary: A field is of another tool.
    """
    if not FIELDS.issuperset(names):
        raise _OutOfOrdinary
    if not {"id", "input", *names} <= _FIELDS.keys() or not {"id", "input"}.issubset(names):
        return ()
    return tuple(_FIELDS[name] for name in sorted(names))


def _plain_case(row: dict[str, Any], shape: Sequence[_Field], place: Place) -> tuple[Case, str]:
    given: dict[str, Any] = {}
    compared: list[str] = []
    whole: list[str] = []
    for name, key, read, empty_counts, is_compared in shape:
        value = row[name]
        if value is None:
            continue
        if read is not None:
            value = read(value)
        given[name] = value
        if value or empty_counts:
            text = f"{key}{_text_of(value)}"
            whole.append(text)
            if is_compared:
                compared.append(text)
    if "id" not in given:
        raise _OutOfOrdinary
    return Case(place=place, fingerprint=_digest(compared), **given), _digest(whole)


def _text_of(value: Json) -> str:
    """Return the canonical JSON of a value; quickly if it is text, or a few texts."""
    if type(value) is str:
        return quoted(value)
    if type(value) is tuple and _ONLY_TEXTS.issuperset(map(type, value)):
        return f"[{','.join(map(quoted, value))}]"
    return jsonl.canonical(value)


def _digest(texts: Sequence[str]) -> str:
    """Return the SHA-256 of the object with these members, as `jsonl.digest` does."""
    return hashlib.sha256(f"{{{','.join(texts)}}}".encode("ascii")).hexdigest()


class _Field(NamedTuple):
    """A field of a row, and its key in canonical JSON.

    ``read`` returns its value in a case, and raises `_OutOfOrdinary` for one that `record.parse_row` has to check; it
    is None for a field that takes any value. ``empty_counts`` if an empty value differs from the default.
    """

    name: str
    key: str
    read: Callable[[Json], Json] | None
    empty_counts: bool
    is_compared: bool


def _id(value: Json) -> str:
    if type(value) is not str or _PLAIN_ID.fullmatch(value) is None:
        raise _OutOfOrdinary
    return sys.intern(value)


def _text(value: Json) -> str:
    if type(value) is not str:
        raise _OutOfOrdinary
    return value


def _object(value: Json) -> dict[str, Json]:
    if type(value) is not dict:
        raise _OutOfOrdinary
    return value


def _values(value: Json) -> tuple[Json, ...]:
    if type(value) is not list:
        raise _OutOfOrdinary
    return tuple(value)


def _names(value: Json) -> tuple[str, ...]:
    if type(value) is not list or not _ONLY_TEXTS.issuperset(map(type, value)):
        raise _OutOfOrdinary
    return tuple(value)


def _texts(value: Json) -> tuple[str, ...]:
    return (value,) if type(value) is str else _names(value)


_NULL_BY_DEFAULT: Final = {
    "id": _id,
    "input": None,
    "expected": None,
    "output": None,
    "human_label": None,
    "split": _text,
    "trajectory": _values,
    "expected_tools": _values,
}
_EMPTY_BY_DEFAULT: Final = {
    "vars": _object,
    "metadata": _object,
    "tags": _names,
    "context": _texts,
    "reference_context": _texts,
    "expected_any": _values,
}
_FIELDS: Final = {
    name: _Field(name, f'"{name}":', read, name in _NULL_BY_DEFAULT, name in COMPARED)
    for name, read in (_NULL_BY_DEFAULT | _EMPTY_BY_DEFAULT).items()
}
"""The usual fields. Digests leave out what a case has by default."""

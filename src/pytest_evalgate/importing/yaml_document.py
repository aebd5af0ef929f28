"""YAML and JSON documents as plain values in which every object and every list knows its lines.

The events of PyYAML's parser are read, never its constructors, so that a document cannot create objects. Aliases and
anchors (a few lines can expand to gigabytes), tags, duplicate keys and a second document are refused with their line.
Plain scalars are read by the core schema of YAML 1.2, as JavaScript's tools do: ``no`` and ``12:30`` are texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import files, foreign, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST: Final = 8 << 20
"""Largest document in bytes: PyYAML reads about 1 MB a second."""

DEEPEST: Final = 64
MOST_VALUES: Final = 500_000
INSTALL: Final = "pip install 'pytest-evalgate[yaml]'"


class PlacedDict(dict[str, Any]):
    """An object of a document; ``place`` is its first line, ``places`` the line of each key."""

    def __init__(self, place: Place) -> None:
        """Create an empty object."""
        super().__init__()
        self.place = place
        self.places: dict[str, Place] = {}

    def put(self, key: str, value: Any, place: Place) -> None:
        """Add a member with its place."""
        self[key] = value
        self.places[key] = place


class PlacedList(list[Any]):
    """A list of a document; ``place`` is its first line, ``places`` the line of each member."""

    def __init__(self, place: Place) -> None:
        """Create an empty list."""
        super().__init__()
        self.place = place
        self.places: list[Place] = []

    def put(self, value: Any, place: Place) -> None:
        """Append a member with its place."""
        self.append(value)
        self.places.append(place)


def place_of(container: Any, key: str | int | None = None, default: Place | None = None) -> Place:
    """Return the place of a member of ``container``, else that of the container, else ``default``."""
    found: Place | None = getattr(container, "place", None)
    if isinstance(container, PlacedDict) and isinstance(key, str):
        found = container.places.get(key, found)
    if isinstance(container, PlacedList) and isinstance(key, int) and key < len(container.places):
        found = container.places[key]
    return found or default or Place("", 0)


def read_document(path: Path, name: str) -> Any:
    """Read a YAML or JSON file, which messages call ``name``.

    Raises:
        ImportingError: The file cannot be read, or has a problem; the message has its line.
    """
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise ImportingError([(name, f"cannot be read: {error.strerror or error}")]) from None
    return parse_document(raw, name, json=path.suffix.lower() == ".json")


def parse_document(raw: bytes, name: str, *, json: bool = False) -> Any:
    """Parse a YAML document, or a JSON document if ``json``.

    Raises:
        ImportingError: The document has a problem; the message has its line.
    """
    if len(raw) > LARGEST:
        raise ImportingError([(name, f"larger than {LARGEST:,} bytes: split it, or move its cases to a .jsonl file")])
    if (message := foreign.name_foreign(raw)) is not None:
        raise ImportingError([(name, message)])
    if json:
        try:
            jsonl.loads(raw)
        except ValueError as error:
            raise ImportingError([(name, str(error))]) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ImportingError([(f"{name}:{line}", "not UTF-8: save the file as UTF-8")]) from None
    if json:
        # a tab may not indent YAML, and stands for a space in JSON, whose strings cannot contain one
        text = _PAIRS.sub(_joined, text.replace("\t", " "))
    return _Builder(name, json=json).build(text)


_PAIRS: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")


def _joined(found: re.Match[str]) -> str:
    r"""Return the character of a pair of escapes such as ``\ud83d\ude00``, which the parser refuses."""
    return found[1] + str(jsonl.loads(f'"{found[2]}"'))


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read; ``key`` is the key that waits for its value."""

    value: PlacedDict | PlacedList
    place: Place
    key: str | None = None
    key_place: Place = field(default_factory=lambda: Place("", 0))


class _Problem(Exception):  # noqa: N818 - private, and always turned into an ImportingError
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


class _Builder:
    """Builder of the value of one document from the events of the parser."""

    def __init__(self, name: str, *, json: bool) -> None:
        self._name = name
        self._scalar = _json_scalar if json else _core_scalar
        self._stack: list[_Open] = []
        self._root: list[Any] = []
        self._values = 0
        self._documents = 0

    def build(self, text: str) -> Any:
        yaml = _yaml()
        try:
            for event in _events(yaml, text):
                self._read(yaml, event)
        except _Problem as problem:
            raise ImportingError([(str(problem.place), str(problem))]) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, max(0, error.position)) + 1
            raise ImportingError([(f"{self._name}:{line}", "contains a character that YAML does not allow")]) from None
        except yaml.YAMLError as error:
            raise ImportingError([self._syntax(error)]) from None
        return self._root[0] if self._root else None

    def _read(self, yaml: Any, event: Any) -> None:
        place = Place(self._name, event.start_mark.line + 1)
        self._refuse(yaml, event, place)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _Problem(place, "a second document begins here: keep one document in a file")
            case yaml.MappingStartEvent():
                self._open(_Open(PlacedDict(place), place))
            case yaml.SequenceStartEvent():
                self._open(_Open(PlacedList(place), place))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = self._stack.pop()
                self._add(closed.value, closed.place)
            case yaml.ScalarEvent():
                self._count(place)
                self._add_scalar(event, place)

    def _refuse(self, yaml: Any, event: Any, place: Place) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise _Problem(place, f'"*{event.anchor}" repeats another part of the file: write it out here')
        if getattr(event, "anchor", None) is not None:
            raise _Problem(place, f'"&{event.anchor}" names a part to repeat it: remove it, and write the parts out')
        if getattr(event, "tag", None) is not None:
            raise _Problem(place, f'the tag "{jsonl.escape_text(event.tag)}" is not read: write the value without it')

    def _open(self, opened: _Open) -> None:
        self._count(opened.place)
        if len(self._stack) >= DEEPEST:
            raise _Problem(opened.place, f"nested deeper than {DEEPEST}")
        if self._stack and isinstance(self._stack[-1].value, PlacedDict) and self._stack[-1].key is None:
            raise _Problem(opened.place, "a key is an object or a list: write a text, in quotes if it has braces")
        self._stack.append(opened)

    def _count(self, place: Place) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _Problem(place, f"more than {MOST_VALUES:,} values: move the cases to a .jsonl file")

    def _add_scalar(self, event: Any, place: Place) -> None:
        top = self._stack[-1] if self._stack else None
        if top is None or isinstance(top.value, PlacedList) or top.key is not None:
            self._add(self._scalar(event, place), place)
            return
        key = event.value
        if event.implicit[0] and key == "<<":
            raise _Problem(place, 'the merge key "<<" is not read: write the keys out')
        if key in top.value:
            raise _Problem(
                place, f"duplicate key {jsonl.quote_text(key)} (first at line {top.value.places[key].line})"
            )
        top.key, top.key_place = _text(key, place), place

    def _add(self, value: Any, place: Place) -> None:
        if not self._stack:
            self._root.append(value)
            return
        top = self._stack[-1]
        if isinstance(top.value, PlacedList):
            top.value.put(value, place)
        elif top.key is not None:
            top.value.put(top.key, value, top.key_place)
            top.key = None

    def _syntax(self, error: Any) -> tuple[str, str]:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = self._name if mark is None else f"{self._name}:{mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        return place, f"not YAML: {jsonl.escape_text(problem, 200)}{_hint(str(problem))}"


def _hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return '; put a text that contains ": " in quotes'
    if "cannot start any token" in problem:
        return "; indent with spaces, and put a text that starts with a sign such as @, ` or % in quotes"
    if "while scanning" in problem or "expected" in problem or "did not find" in problem:
        return "; check the indentation and the quotes of this line and the one above"
    return ""


def _events(yaml: Any, text: str) -> Iterator[Any]:
    """Yield the events of PyYAML's safe loader, of its parser in C where that is built."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from yaml.parse(text, Loader=loader)


def _yaml() -> Any:
    try:
        import yaml  # noqa: PLC0415 - an extra, and only YAML needs it
    except ImportError as error:
        raise ImportingError([("YAML", f"needs PyYAML: {INSTALL}")]) from error
    return yaml


_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_RADIX: Final = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)|0b([01]+)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER: Final = 640  # as in text/jsonl


def _core_scalar(event: Any, place: Place) -> Any:  # noqa: PLR0911 - one return for each kind of scalar
    """Return a scalar by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""
    text: str = event.value
    if not event.implicit[0]:
        return _text(text, place)
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_FINITE.fullmatch(text):
        raise _Problem(place, f"{text} is not a JSON value: write a number, or put it in quotes")
    if len(text) > _LONGEST_NUMBER:
        return _text(text, place)
    if _INTEGER.fullmatch(text):
        return int(text)
    if radix := _RADIX.fullmatch(text):
        return next(int(digits, base) for digits, base in zip(radix.groups(), (8, 16, 2), strict=True) if digits)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise _Problem(place, f"the number {text[:40]} is too large: put it in quotes")
        return number
    return _text(text, place)


def _json_scalar(event: Any, place: Place) -> Any:
    """Return a scalar of a document that `jsonl.loads` has accepted."""
    return jsonl.loads(event.value) if event.implicit[0] else _text(event.value, place)


def _text(text: str, place: Place) -> str:
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise _Problem(place, f"{jsonl.quote_text(text)} contains a character that no text file can hold")
    return text

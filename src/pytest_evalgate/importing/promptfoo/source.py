"""Source of an import: the configuration's folder, its files, and the list of what is left out."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.importing.imported import ImportingError, LeftOut
from pytest_evalgate.importing.yaml_document import (
    LARGEST,
    MOST_VALUES,
    PlacedDict,
    PlacedList,
    parse_document,
    place_of,
    read_document,
)
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import files, foreign, jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "file://"
CODE: Final = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".go", ".sh")
"""Ends of the names of code, which is never run."""

_MOST_FILES: Final = 1000
_MOST_BYTES: Final = 64 << 20
_GLOB: Final = re.compile(r"[*?\[{]")
_LONGEST_NAME: Final = 60


@dataclass(slots=True)
class ConfigSource:
    """The configuration file and all that it refers to.

    ``root`` is its folder, which no path may leave. ``project`` is the folder of our own configuration, to which all
    names are relative. ``env`` contains the variables that the configuration itself sets. ``read`` are the files that
    it names.
    """

    root: Path
    project: Path
    env: Mapping[str, Any] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)
    bytes_read: int = 0

    def leave_out(self, place: Place, what: str, why: str) -> None:
        """Record a part that is not imported, once."""
        found = LeftOut(str(place), jsonl.escape_text(what, 100), jsonl.escape_text(why, 400))
        if found not in self.left_out:
            self.left_out.append(found)

    def note(self, text: str) -> None:
        """Record a decision that the user should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def resolve(self, reference: str, place: Place) -> Path:
        """Return the path of a reference, with or without ``file://``.

        Raises:
            ImportingError: It leads out of the folder, also by a symbolic link.
        """
        name = reference.removeprefix(FILE)
        try:
            return files.resolve_inside(self.root, Path(name))
        except ValueError as error:
            raise ImportingError([(str(place), str(error))]) from None

    def expand(self, reference: str, place: Place) -> list[Path]:
        """Return the files of a reference, which may be a pattern such as ``tests/*.yaml``, in the order of names.

        Raises:
            ImportingError: There is none, or one is outside of the folder.
        """
        name = reference.removeprefix(FILE)
        if not _GLOB.search(name):
            path = self.resolve(name, place)
            if not path.is_file():
                raise ImportingError([(str(place), f"there is no file {jsonl.escape_text(name, 200)}")])
            return self._named([path], place)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ImportingError(
                [(str(place), f"{jsonl.escape_text(name, 200)} leads out of the folder: move the files below it")]
            )
        found = sorted(path for path in self.root.glob(name) if path.is_file())
        if not found:
            raise ImportingError([(str(place), f"no file matches {jsonl.escape_text(name, 200)}")])
        if len(found) > _MOST_FILES:
            raise ImportingError(
                [(str(place), f"{len(found):,} files match {jsonl.escape_text(name)}, at most {_MOST_FILES:,}")]
            )
        paths = [self.resolve(str(path.relative_to(self.root)), place) for path in found]
        return self._named(paths, place)

    def _named(self, paths: list[Path], place: Place) -> list[Path]:
        """Return the paths that the configuration names; raise ImportingError if all files are too large together."""
        self.read.update(paths)
        self.bytes_read += sum(path.stat().st_size for path in paths)
        if self.bytes_read > _MOST_BYTES:
            raise ImportingError(
                [(str(place), f"all files together are larger than {_MOST_BYTES:,} bytes: split them")]
            )
        return paths

    def name_of(self, path: Path) -> str:
        """Return the name of a file: relative to the folder of our own configuration, if it is below it."""
        return files.relative_name(path, self.project)

    def is_in_project(self, path: Path) -> bool:
        """Return whether our own configuration may name a file."""
        return path.resolve().is_relative_to(self.project.resolve())

    def read_text(self, path: Path, place: Place) -> str:
        """Return the text of a file.

        Raises:
            ImportingError: It cannot be read, is too large, or is not text.
        """
        name = self.name_of(path)
        try:
            files.require_regular(path)
            with path.open("rb") as file:
                raw = file.read(LARGEST + 1)
        except OSError as error:
            raise ImportingError([(str(place), f"{name}: cannot be read: {error.strerror or error}")]) from None
        if len(raw) > LARGEST:
            raise ImportingError([(str(place), f"{name}: larger than {LARGEST:,} bytes")])
        if (message := foreign.name_foreign(raw, free_text=True)) is not None:
            raise ImportingError([(str(place), f"{name}: {message}")])
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ImportingError(
                [(str(place), f"{name}: not UTF-8: byte at offset {error.start}; save as UTF-8")]
            ) from None

    def read_value(self, path: Path, place: Place) -> Any:
        """Return the content of a file: the value of a YAML or JSON document, else its text.

        Raises:
            ImportingError: It cannot be read, or is malformed.
        """
        if path.suffix.lower() in (".yaml", ".yml", ".json"):
            return read_document(path, self.name_of(path))
        return self.read_text(path, place)

    def read_lines(self, path: Path, place: Place) -> PlacedList:
        """Return the objects of a JSONL file, each with its line.

        Raises:
            ImportingError: The file has problems; lists them.
        """
        name = self.name_of(path)
        lines, problems = jsonl.read(path, name=name)
        if problems:
            raise ImportingError(
                [(f"{one.file}:{one.line}" if one.line else one.file, one.message) for one in problems]
            )
        rows = PlacedList(place)
        for line in lines:
            where = Place(name, line.number)
            rows.put(placed(line.value, where), where)
        return rows

    def read_table(self, path: Path, place: Place) -> PlacedList:
        """Return the rows of a CSV file as objects of texts, each with its line.

        Raises:
            ImportingError: The file is malformed.
        """
        name, text = self.name_of(path), self.read_text(path, place)
        reader = csv.reader(io.StringIO(text), strict=True)
        rows = PlacedList(place)
        start = 1
        header: list[str] = []
        try:
            for cells in reader:
                where, start = Place(name, start), reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    self._check_header(header, where)
                    continue
                if len(cells) > len(header):
                    raise ImportingError(
                        [
                            (
                                str(where),
                                f"{len(cells)} cells, but the header has {len(header)}: quote cells with a comma",
                            )
                        ]
                    )
                row = PlacedDict(where)
                for column, cell in zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True):
                    row.put(column, cell, where)
                rows.put(row, where)
        except csv.Error as error:
            raise ImportingError([(f"{name}:{reader.line_num}", f"not CSV: {error}")]) from None
        return rows

    def _check_header(self, header: list[str], where: Place) -> None:
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise ImportingError([(str(where), f"two columns are called {jsonl.quote_text(twice)}: rename one")])


def placed(value: Any, place: Place) -> Any:
    """Return a value of JSON with ``place`` for all of its parts."""
    if isinstance(value, dict):
        made = PlacedDict(place)
        for key, member in value.items():
            made.put(key, placed(member, place), place)
        return made
    if isinstance(value, list):
        members = PlacedList(place)
        for member in value:
            members.put(placed(member, place), place)
        return members
    return value


def plain(value: Any) -> Any:
    """Return a value without its places: dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


def dereference(document: PlacedDict) -> PlacedDict:
    """Replace each ``{$ref: "#/assertionTemplates/short"}`` by the part of the document that it names.

    Raises:
        ImportingError: There is no such part, it is in another file, it contains itself, or the parts multiply.
    """
    whole: PlacedDict = _References(document).resolved(document, ())
    return whole


@dataclass(slots=True)
class _References:
    """Resolver of the references in ``document``; it counts the values, because references can multiply them."""

    document: PlacedDict
    values: int = 0

    def resolved(self, value: Any, seen: tuple[str, ...]) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ImportingError(
                [(str(place_of(value)), f"its references expand to more than {MOST_VALUES:,} values")]
            )
        if isinstance(value, PlacedList):
            made = PlacedList(value.place)
            for index, member in enumerate(value):
                made.put(self.resolved(member, seen), place_of(value, index))
            return made
        return self._object(value, seen) if isinstance(value, PlacedDict) else value

    def _object(self, value: PlacedDict, seen: tuple[str, ...]) -> Any:
        target, place = value.get("$ref"), place_of(value, "$ref")
        copied = PlacedDict(value.place)
        if isinstance(target, str):
            if target in seen:
                raise ImportingError([(str(place), f"{jsonl.quote_text(target)} contains itself")])
            part = self.resolved(_part(self.document, target, place), (*seen, target))
            if len(value) == 1 or not isinstance(part, PlacedDict):
                return part
            for key, member in part.items():
                copied.put(key, member, place_of(part, key))
        for key, member in value.items():
            if key != "$ref":
                copied.put(key, self.resolved(member, seen), place_of(value, key))
        return copied


def _part(root: Any, target: str, place: Place) -> Any:
    if not target.startswith("#/"):
        raise ImportingError(
            [(str(place), f"{jsonl.quote_text(target)} is in another file: copy the part into this one")]
        )
    value = root
    for step in target.removeprefix("#/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise ImportingError([(str(place), f"there is no {jsonl.quote_text(target)} in this file")])
    return value


def slug(text: str) -> str:
    """Return a text as a name of a suite or a file: lower-case letters, digits and ``-``."""
    made = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return made[:_LONGEST_NAME].strip("-")


__all__ = ["CODE", "FILE", "ConfigSource", "dereference", "parse_document", "place_of", "placed", "plain", "slug"]

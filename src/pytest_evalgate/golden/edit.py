"""Edits of golden sets: a new row, or a new expected value.

All other bytes of a file stay as they are: comments, blank lines, the order of keys and line ends. Each edit is read
back before it is written, so that no edit can break a file or change another case.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_evalgate.errors import GoldenSetError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.known import DIALECTS
from pytest_evalgate.golden.load import ReadFile, read_file
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BOM: Final = b"\xef\xbb\xbf"
_DEFAULT: Final = Case("")
_NOT_IN_ROWS: Final = {"place", "fingerprint", "side"}
_SPACE: Final = " \t\r\n"


def row_of(case: Case) -> dict[str, Any]:
    """Return the canonical row of a case: the fields that differ from their defaults, in the usual order."""
    values = ((field.name, getattr(case, field.name)) for field in fields(case) if field.name not in _NOT_IN_ROWS)
    return {name: _plain(value) for name, value in values if value != getattr(_DEFAULT, name)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list | tuple) else value


def question_key(case: Case) -> str:
    """Return a text that two cases share if they ask the same: white space in the input does not count."""
    asked = " ".join(case.input.split()) if isinstance(case.input, str) else case.input
    return jsonl.canonical([asked, case.messages, case.vars, case.context])


def same_case(case: Case, cases: Iterable[Case]) -> tuple[Case, str] | None:
    """Return the first case with the same id or the same question as ``case``, and which of the two it is."""
    key = question_key(case)
    for other in cases:
        if question_key(other) == key:
            return other, "input"
        if other.id == case.id:
            return other, "id"
    return None


@dataclass(frozen=True, slots=True)
class GoldenText:
    """The bytes of a golden set, and what they contain; ``name`` is its name in messages.

    ``content`` is None for a new or empty file.
    """

    path: Path
    name: str
    data: bytes
    content: ReadFile | None

    @classmethod
    def read(cls, path: Path, name: str) -> Self:
        """Read a golden set without problems; a missing file is empty.

        Raises:
            GoldenSetError: It has problems, all of which are listed.
            UserError: It cannot be read.
        """
        try:
            data = files.read_bytes(path)
        except FileNotFoundError:
            return cls(path, name, b"", None)
        except OSError as error:
            raise UserError(f"{name}: cannot be read: {error.strerror or error}") from None
        if not data.removeprefix(_BOM).strip():
            return cls(path, name, data, None)
        content = _parse(data, name)
        if content.problems:
            raise GoldenSetError(content.problems)
        return cls(path, name, data, content)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases, in line order."""
        return () if self.content is None else self.content.golden.cases

    def case(self, case_id: str) -> Case | None:
        """Return the case with an id, if there is one."""
        return next((case for case in self.cases if case.id == case_id), None)

    def with_case(self, case: Case) -> GoldenText:
        """Return the text with a case as its new last line, in the dialect of the other lines.

        Raises:
            UserError: The case cannot be written in that dialect.
        """
        end = b"\r\n" if self.data.partition(b"\n")[0].endswith(b"\r") else b"\n"
        above = self.data + (b"" if self.data.removeprefix(_BOM)[-1:] in (b"", b"\n") else end)
        place = Place(self.name, above.count(b"\n") + 1)
        wanted = {**{one.id: one for one in self.cases}, case.id: replace(case, place=place)}
        problem = ""
        for row in self._spellings(case):
            data = above + json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + end
            made = _parse(data, self.name)
            if not made.problems and {one.id: one for one in made.golden} == wanted:
                return GoldenText(self.path, self.name, data, made)
            problem = problem or next((str(one) for one in made.problems), "")
        if self.content is not None and self.content.dialect:
            raise UserError(
                f"{self.name}: its rows are written for {self.content.dialect}, and a case with the fields "
                f"{', '.join(row_of(case))} cannot be written so: add it to a file with canonical rows"
            )
        raise UserError(problem or f"{self.name}:{place.line}: the case cannot be written as a row")

    def _spellings(self, case: Case) -> Iterator[dict[str, Any]]:
        """Yield the row of a case in the dialect of the file, then as a canonical row."""
        row = row_of(case)
        if self.content is not None and self.content.dialect:
            names = {into: name for name, into in self.content.mapping}
            dialect = next((one for one in DIALECTS if one.name == self.content.dialect), None)
            for rule in () if dialect is None else dialect.rules:
                names.setdefault(rule.into, rule.names[0])
            yield {names.get(field, field): value for field, value in row.items()}
        yield row

    def with_expected(self, case: Case, value: Any) -> GoldenText:
        """Return the text with a new expected value of a case; a case with alternatives gets one more.

        Raises:
            UserError: The case has no expected value that can be replaced.
        """
        place = f"{self.name}:{case.place.line}: case {jsonl.quote_text(case.id)}"
        if case.expected is None and not case.expected_any:
            by = "its asserts" if case.asserts else "its rubric" if case.rubric else "its scorers"
            raise UserError(f"{place} has no expected value, so {by} would still grade it as before: edit it by hand")
        before, now, changed = _with_value(case, value)
        wanted = [[_content(other if one.id == case.id else one) for one in self.cases] for other in changed]
        start, end = _line_span(self.data, case.place.line)
        line = self.data[start:end].decode("utf-8")
        is_ascii = line.isascii() and "\\u" in line
        for first, last in _spans_of(line, before):
            text = line[:first] + json.dumps(now, ensure_ascii=is_ascii) + line[last:]
            data = self.data[:start] + text.encode("utf-8", "surrogatepass") + self.data[end:]
            made = _parse(data, self.name)
            if not made.problems and [_content(one) for one in made.golden] in wanted:
                return GoldenText(self.path, self.name, data, made)
        raise UserError(f"{place}: its expected value cannot be replaced automatically: edit it by hand")

    def write(self) -> None:
        """Write the file whole.

        Raises:
            StorageError: It cannot be written.
        """
        files.write_atomically(self.path, self.data)


def _with_value(case: Case, value: Any) -> tuple[Any, Any, tuple[Case, Case]]:
    """Return the expected value before and after a change, and the case after it.

    A dialect may state the expected value as an assert, so the second case has the new value in its asserts as well.
    """
    if case.expected is not None:
        before, now, changed = case.expected, value, replace(case, expected=value)
    else:
        before, now = list(case.expected_any), [*case.expected_any, value]
        changed = replace(case, expected_any=tuple(now))
    asserts = ({**one, "value": now} if one.get("value") == before else one for one in case.asserts)
    return before, now, (changed, replace(changed, asserts=tuple(asserts)))


def _content(case: Case) -> Case:
    return replace(case, fingerprint="")


def _parse(data: bytes, name: str) -> ReadFile:
    """Read bytes as the golden set ``name``."""
    with tempfile.TemporaryDirectory(prefix="evalgate-") as folder:
        path = Path(folder) / "golden.jsonl"
        path.write_bytes(data)
        return read_file(path, name)


def _line_span(data: bytes, number: int) -> tuple[int, int]:
    """Return start and end of a line, without its line feed; lines are counted from 1."""
    start = 0
    for _ in range(number - 1):
        start = data.index(b"\n", start) + 1
    end = data.find(b"\n", start)
    start += len(_BOM) if number == 1 and data.startswith(_BOM) else 0
    return start, len(data) if end < 0 else end


def _spans_of(line: str, value: Any) -> Iterator[tuple[int, int]]:
    """Yield the places of a value in the object on a line, those with the least nesting first."""
    queue = deque([line.index("{")])
    while queue:
        for first, last, found in _members(line, queue.popleft()):
            if found == value and type(found) is type(value):
                yield first, last
            if isinstance(found, dict | list):
                queue.append(first)


def _members(text: str, start: int) -> Iterator[tuple[int, int, Any]]:
    """Yield start, end and value of each member of the object or list at ``start``; the text is valid JSON."""
    decoder = json.JSONDecoder()
    is_object = text[start] == "{"
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        if is_object:
            _, at = decoder.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        value, last = decoder.raw_decode(text, at)
        yield at, last, value
        at = _skip(text, last)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at

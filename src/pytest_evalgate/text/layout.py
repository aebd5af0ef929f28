"""Layout for terminals: widths in columns, tables and wrapped lines.

East Asian wide characters take two columns, combining marks none (Unicode UAX #11).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = "  "
_COMMAND = (
    r"\(?(?:pytest-evalgate [a-z]+|pytest (?=--eval))"
    r"(?: ?(?:--?[\w-]+(?:=\S+)?|\"[^\"]*\"|'[^']*'|(?!(?:or|and|to|then|with)\b)[\w./@-]*\w))*"
)
_CHUNKS = re.compile(rf" +|{_COMMAND}\S*|[^ ]+")
_WORDS = re.compile(" +|[^ ]+")

_LOG_COLUMNS = 120
"""Columns of a log: the output of a CI job is read on a page that is wider than a terminal of 80."""


def screen_width() -> int:
    """Return the columns of the terminal, those of ``COLUMNS``, or 120 if the output is not a terminal."""
    import shutil  # noqa: PLC0415 - only for output

    return shutil.get_terminal_size(fallback=(_LOG_COLUMNS, 24)).columns


def width_of(text: str) -> int:
    """Return the number of columns that ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def truncate_columns(text: str, room: int) -> str:
    """Truncate ``text`` to ``room`` columns, ending in three dots."""
    if width_of(text) <= room:
        return text
    kept = sum(used <= room - 3 for used in accumulate(map(_width, text)))
    return f"{text[:kept]}..."[: max(room, 0)]


def pad(text: str, room: int) -> str:
    """Pad ``text`` to ``room`` columns."""
    return text + " " * (room - width_of(text))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for each row, with aligned columns; all rows have the same number of cells."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(map(pad, row, widths)).rstrip() for row in rows]


def align_or_stack(rows: Sequence[Sequence[str]], width: int, first: int) -> list[str]:
    """Align rows; if that is too wide, put all cells after the ``first`` ones on a second line."""
    lines = align(rows)
    if max(map(width_of, lines)) <= width:
        return lines
    heads, tails = align([row[:first] for row in rows]), align([row[first:] for row in rows])
    return [line for head, tail in zip(heads, tails, strict=True) for line in (head, f"{_GAP * 2}{tail}")]


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Wrap ``text`` at its spaces; lines after the first start with ``indent``.

    Unlike ``textwrap.wrap``, it counts columns, keeps runs of spaces, and keeps a command of ours in one line, because
    it has to run as it is copied. A word longer than a line is broken.
    """
    room = width - len(indent)
    chunks = ([chunk] if width_of(chunk) <= room else _WORDS.findall(chunk) for chunk in _CHUNKS.findall(text))
    return _fill((word for words in chunks for word in words), width, indent)


def _fill(words: Iterable[str], width: int, indent: str = "") -> list[str]:
    lines, room = [""], width
    for piece in (piece for word in words for piece in _pieces(word, width - len(indent))):
        taken = width_of(piece)
        if taken > room and piece[0] == " ":
            room = 0
            continue
        if taken > room:
            lines.append(indent)
            room = width - len(indent)
        lines[-1] += piece
        room -= taken
    return [line.rstrip() for line in lines]


def _pieces(word: str, width: int) -> Iterator[str]:
    if width_of(word) <= width:
        yield word
        return
    piece, taken = "", 0
    for char in word:
        if piece and taken + _width(char) > width:
            yield piece
            piece, taken = "", 0
        piece += char
        taken += _width(char)
    yield piece


_INDENT = "       "
_GUTTER = "     | "


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a screen, and its colour; ``is_command`` marks a workflow command, which is not escaped."""

    text: str
    colour: str | None = None
    is_command: bool = False


def wrap_lines(text: str, width: int, colour: str | None = None, indent: str = _INDENT) -> Iterator[Line]:
    """Wrap ``text`` into lines of one colour."""
    for line in wrap(text, width, indent):
        yield Line(_guarded(line), colour)


def with_command(head: str, command: str, width: int, indent: str = "") -> Iterator[Line]:
    """Put a command after ``head``, or below it; wrapped, its lines end in a backslash, so that it can be pasted."""
    if width_of(f"{indent}{head} {command}") <= width:
        yield Line(f"{indent}{head} {command}")
        return
    yield from wrap_lines(f"{indent}{head}", width)
    *pieces, last = _fill(_WORDS.findall(command), width - len(indent) - 6)
    for piece in (*(f"{piece} \\" for piece in pieces), last):
        yield Line(_guarded(f"{indent}    {piece}"))


def _guarded(line: str) -> str:
    """Prefix a line that starts with ``::`` after wrapping, because a GitHub runner would execute it as a command."""
    text = line.lstrip()
    return _GUTTER + text if text.startswith("::") else line


def join_parts(parts: Iterable[str], width: int) -> Iterator[str]:
    """Join parts by `` | ``, as many as fit on each line; only a part longer than a line is wrapped."""
    line = ""
    for part in parts:
        if line and width_of(f"{line} | {part}") > width:
            yield from wrap(line, width, "  ")
            line = ""
        line = f"{line} | {part}" if line else part
    yield from wrap(line, width, "  ") if line else ()

"""Text measured in the columns of a terminal: East Asian characters take two, combining marks none."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = "  "
_CHUNKS = re.compile(" +|[^ ]+")


def width_of(text: str) -> int:
    """Count the columns that ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def truncate_columns(text: str, room: int) -> str:
    """Cut ``text`` to at most ``room`` columns; three dots show the cut."""
    if width_of(text) <= room:
        return text
    kept = sum(used <= room - 3 for used in accumulate(map(_width, text)))
    return f"{text[:kept]}..."[: max(room, 0)]


def pad(text: str, room: int) -> str:
    """Fill ``text`` up to ``room`` columns."""
    return text + " " * (room - width_of(text))


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows of equally many cells as lines whose columns stand below each other."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(map(pad, row, widths)).rstrip() for row in rows]


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Break ``text`` at its blanks into lines of at most ``width`` columns, the further ones behind ``indent``.

    A word that is longer than a line is broken too: nothing of it is lost.
    """
    lines, room = [""], width
    for piece in (piece for chunk in _CHUNKS.findall(text) for piece in _pieces(chunk, width - len(indent))):
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


def align_or_stack(rows: Sequence[Sequence[str]], width: int, first: int) -> list[str]:
    """Write rows as ``align`` does; where that is too wide, all but the ``first`` cells on a line of their own."""
    lines = align(rows)
    if max(map(width_of, lines)) <= width:
        return lines
    heads, tails = align([row[:first] for row in rows]), align([row[first:] for row in rows])
    return [line for head, tail in zip(heads, tails, strict=True) for line in (head, f"{_GAP * 2}{tail}")]


def _pieces(word: str, width: int) -> Iterator[str]:
    """Cut a word into pieces of at most ``width`` columns."""
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


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


_INDENT = "       "
_GUTTER = "     | "
"""Stands before text that a runner of GitHub would take for one of its commands."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its colour, if it has one."""

    text: str
    colour: str | None = None


def wrap_lines(text: str, width: int, colour: str | None = None, indent: str = _INDENT) -> Iterator[Line]:
    """Break ``text`` into lines of at most ``width`` columns, the further ones behind ``indent``."""
    for line in wrap(text, width, indent):
        yield Line(_guarded(line), colour)


def with_command(head: str, command: str, width: int, indent: str = "") -> Iterator[Line]:
    """Put a command behind what it is for, or below it; one that is broken can still be pasted into a shell."""
    if width_of(f"{indent}{head} {command}") <= width:
        yield Line(f"{indent}{head} {command}")
        return
    yield from wrap_lines(f"{indent}{head}", width)
    *pieces, last = wrap(command, width - len(indent) - 6)
    for piece in (*(f"{piece} \\" for piece in pieces), last):
        yield Line(_guarded(f"{indent}    {piece}"))


def join_parts(parts: Iterable[str], width: int) -> Iterator[str]:
    """Put ``parts`` side by side, as many on a line as there is room for; a part is broken only where it must be."""
    line = ""
    for part in parts:
        if line and width_of(f"{line} | {part}") > width:
            yield from wrap(line, width, "  ")
            line = ""
        line = f"{line} | {part}" if line else part
    yield from wrap(line, width, "  ") if line else ()


def _guarded(line: str) -> str:
    """Return a line that a runner does not take for a command, whatever it was broken from."""
    text = line.lstrip()
    return _GUTTER + text if text.startswith("::") else line

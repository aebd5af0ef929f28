"""What a screen is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import width_of, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INDENT = "       "
_GUTTER = "     | "
"""Stands before text that a runner of GitHub would take for one of its commands."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its colour, if it has one."""

    text: str
    colour: str | None = None


def wrapped(text: str, width: int, colour: str | None = None, indent: str = _INDENT) -> Iterator[Line]:
    """Break ``text`` into lines of at most ``width`` columns, the further ones behind ``indent``."""
    for line in wrap(text, width, indent):
        yield Line(_guarded(line), colour)


def with_command(head: str, command: str, width: int, indent: str = "") -> Iterator[Line]:
    """Put a command behind what it is for, or below it; one that is broken can still be pasted into a shell."""
    if width_of(f"{indent}{head} {command}") <= width:
        yield Line(f"{indent}{head} {command}")
        return
    yield from wrapped(f"{indent}{head}", width)
    *pieces, last = wrap(command, width - len(indent) - 6)
    for piece in (*(f"{piece} \\" for piece in pieces), last):
        yield Line(_guarded(f"{indent}    {piece}"))


def packed(parts: Iterable[str], width: int) -> Iterator[str]:
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

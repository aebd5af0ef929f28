"""What a screen is made of."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_INDENT = "       "
_GUTTER = "     | "
"""Stands before text that a runner of GitHub would take for one of its commands."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its colour, if it has one."""

    text: str
    colour: str | None = None


def wrapped(text: str, width: int, colour: str | None = None) -> Iterator[Line]:
    """Break ``text`` into lines, the further ones indented."""
    for line in textwrap.wrap(text, width, subsequent_indent=_INDENT, break_on_hyphens=False):
        yield Line(_GUTTER + line[len(_INDENT) :] if line.startswith(f"{_INDENT}::") else line, colour)

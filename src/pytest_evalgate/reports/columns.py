"""Text measured in the columns of a terminal: East Asian characters take two, combining marks none."""

from __future__ import annotations

import unicodedata
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def width_of(text: str) -> int:
    """Count the columns that ``text`` takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def fit(text: str, room: int) -> str:
    """Cut ``text`` to at most ``room`` columns; three dots show the cut."""
    if width_of(text) <= room:
        return text
    kept = sum(used <= room - 3 for used in accumulate(map(_width, text)))
    return f"{text[:kept]}..."[: max(room, 0)]


def pad(text: str, room: int) -> str:
    """Fill ``text`` up to ``room`` columns."""
    return text + " " * (room - width_of(text))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows of equally many cells as lines whose columns stand below each other."""
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(map(pad, row, widths)).rstrip() for row in rows]


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1

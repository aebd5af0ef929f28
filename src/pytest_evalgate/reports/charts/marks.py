"""The shapes that charts mark values with, as path data around a spot; and the legend that says what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts.svg import path, px, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Shape = Callable[[float, float], str]

_LETTER: Final = 6.8  # pixels, on the safe side for 12 pixels of any usual typeface
_SAMPLE: Final = 24
_GAP: Final = 18


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: a mark as the chart draws it, and its meaning."""

    kind: str
    shape: Shape
    words: str


def circle(x: float, y: float) -> str:
    """Draw a dot."""
    return f"M{px(x - 4)} {px(y)}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"


def triangle(x: float, y: float) -> str:
    """Draw a triangle that points down, its middle at the spot."""
    return f"M{px(x - 6)} {px(y - 4)}h12l-6 10z"


def pointer(x: float, y: float) -> str:
    """Draw a triangle that points down and leaves room for one nine pixels off."""
    return f"M{px(x - 4)} {px(y - 3)}h8l-4 7z"


def cross(x: float, y: float) -> str:
    """Draw a diagonal cross."""
    return f"M{px(x - 4)} {px(y - 4)}l8 8m0-8l-8 8"


def diamond(x: float, y: float) -> str:
    """Draw a square on its corner."""
    return f"M{px(x)} {px(y - 5)}l5 5-5 5-5-5z"


def stroke(x: float, y: float) -> str:
    """Draw a short upright line."""
    return f"M{px(x)} {px(y - 7)}v14"


def tall_stroke(x: float, y: float) -> str:
    """Draw an upright line as high as a row, so that those of neighbouring rows meet."""
    return f"M{px(x)} {px(y - 11)}v22"


def dash(x: float, y: float) -> str:
    """Draw a short level line."""
    return f"M{px(x - 9)} {px(y)}h18"


def box(x: float, y: float) -> str:
    """Draw a small square."""
    return f"M{px(x - 5)} {px(y - 5)}h10v10h-10z"


def legend(keys: Sequence[Key], left: float, y: float) -> Iterator[str]:
    """Write the meaning of each mark on one line from ``left`` on, its middle at ``y``."""
    for key in keys:
        yield path(key.kind, [key.shape(left + _SAMPLE / 2 - 3, y)])
        yield text((left + _SAMPLE, y + 4), key.words)
        left += _SAMPLE + _LETTER * len(key.words) + _GAP

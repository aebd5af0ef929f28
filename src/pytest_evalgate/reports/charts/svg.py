"""SVG written by hand: elements as text, in which every word is escaped and no position has more than one decimal.

Positions are pixels, to the right and downwards.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.columns import fit
from pytest_evalgate.reports.escape import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

Spot = tuple[float, float]

_TITLE_CELL: Final = 10  # pixels that a character of the title may take: capitals do
_MARGIN: Final = 16
_NO_XML: Final = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # the two that XML forbids and `one_line` shows


def shown(words: str) -> str:
    """Return ``words`` on one line, with what XML forbids and what a reader cannot see written out."""
    return one_line(words).translate(_NO_XML)


def svg(title: str, said: str, size: tuple[int, int], parts: Iterable[str]) -> str:
    """Put a picture together, to stand in an HTML page that holds the charts' style.

    Args:
        title: What it is called, written at its top.
        said: What it shows, in words.
        size: Its width and height.
        parts: Its elements, the lowest first.

    """
    width, height = size
    name = escape(shown(title))
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg class="chart" {box} role="img" aria-label="{name}">',
        f"<title>{name}</title>",
        f"<desc>{escape(shown(said))}</desc>",
        text((_MARGIN, 24), fit(shown(title), (width - 2 * _MARGIN) // _TITLE_CELL), "head"),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines)


def px(value: float) -> str:
    """Write a position or a length."""
    return f"{value:.1f}".removesuffix(".0")


def text(spot: Spot, words: str, kind: str = "", anchor: str = "") -> str:
    """Write words at ``spot``: their start, or what ``anchor`` (``middle``, ``end``) says."""
    x, y = spot
    return (
        f'<text{_given("class", kind)} x="{px(x)}" y="{px(y)}"{_given("text-anchor", anchor)}>{_inside(words)}</text>'
    )


def texts(anchor: str, kind: str, placed: Iterable[tuple[Spot, str]]) -> str:
    """Write a column or a row of words of one kind."""
    inside = "".join(text(spot, words) for spot, words in placed)
    return f'<g{_given("class", kind)} text-anchor="{anchor}">{inside}</g>'


def path(kind: str, steps: Iterable[str]) -> str:
    """Draw all marks of one kind by their path data; nothing where there are none."""
    data = "".join(steps)
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def line(kind: str, start: Spot, end: Spot) -> str:
    """Draw a straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}"/>'


def polyline(kind: str, spots: Iterable[Spot]) -> str:
    """Draw a line through all spots."""
    return f'<polyline class="{kind}" points="{" ".join(f"{px(x)},{px(y)}" for x, y in spots)}"/>'


def rect(kind: str, corner: Spot, size: Spot) -> str:
    """Draw a filled rectangle from its upper left corner."""
    (x, y), (width, height) = corner, size
    return f'<rect class="{kind}" x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}"/>'


def _inside(words: str) -> str:
    return escape(shown(words), quote=False)


def _given(name: str, value: str) -> str:
    return f' {name}="{value}"' if value else ""

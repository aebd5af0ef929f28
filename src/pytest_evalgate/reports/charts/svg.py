"""A chart: a picture with the numbers that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import truncate_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TYPEFACE: Final = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'
_LETTERS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"

STYLE: Final = f"""\
.chart {{ --now: #0969da; --bad: #bc4c00; max-width: 100%; height: auto; break-inside: avoid }}
@media screen and (prefers-color-scheme: dark) {{ .chart {{ --now: #58a6ff; --bad: #f0883e }} }}
.chart text {{ font: 12px {_TYPEFACE}; font-variant-numeric: tabular-nums; fill: currentColor }}
.chart .head {{ font-size: 14px; font-weight: 600 }}
.chart .name, .chart .name text {{ font-family: {_LETTERS} }}
.chart .small text {{ font-size: 10px }}
.chart .word, .chart .word text {{ fill: var(--bad); font-weight: 600 }}
.chart line, .chart polyline, .chart path {{ stroke: currentColor; fill: none }}
.chart .grid {{ stroke-opacity: .15 }}
.chart .even {{ stroke-opacity: .5; stroke-dasharray: 4 3 }}
.chart .gate {{ stroke-width: 1.5; stroke-dasharray: 5 3 }}
.chart .change {{ stroke-opacity: .6; stroke-dasharray: 1 3 }}
.chart .changed {{ fill: currentColor }}
.chart .before {{ stroke-width: 2 }}
.chart .curve {{ stroke-opacity: .6 }}
.chart .count {{ fill: currentColor; fill-opacity: .25 }}
.chart .range {{ stroke: var(--now); stroke-width: 2 }}
.chart .now {{ fill: var(--now); stroke: none }}
.chart .bar {{ fill: var(--now); fill-opacity: .55; stroke: none }}
.chart .bad {{ fill: var(--bad); stroke: none }}
.chart .fail {{ stroke: var(--bad); stroke-width: 2.5 }}
.chart .unsure {{ fill: none; stroke-width: 2 }}
"""
"""Style sheet of all charts of a page; it says nothing of what is not inside of one."""

PAGE_STYLE: Final = """\
.chart { color: #1f2328 }
@media screen and (prefers-color-scheme: dark) { .chart { color: #f0f6fc } }
"""
"""What a page gives a chart, for one that is a file of its own."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and the table of its data.

    ``svg`` stands in an HTML page as it is; the page holds `STYLE` once. ``title``, ``headings`` and the cells of
    ``rows`` are text, each on one line and not escaped.
    """

    svg: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def standalone(chart: Chart) -> str:
    """Return the picture as a file of its own, with its looks inside."""
    tag, described = "<svg", "</desc>"
    named = chart.svg.replace(tag, f'{tag} xmlns="http://www.w3.org/2000/svg"', 1)
    return named.replace(described, f"{described}\n<style>\n{STYLE}{PAGE_STYLE}</style>", 1) + "\n"


Position = tuple[float, float]

_TITLE_CELL: Final = 10  # pixels that a character of the title may take: capitals do
_MARGIN: Final = 16
_NO_XML: Final = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # the two that XML forbids and `one_line` shows


def shown(words: str) -> str:
    """Return ``words`` on one line, with what XML forbids and what a reader cannot see written out."""
    return one_line(words).translate(_NO_XML)


def svg(title: str, description: str, size: tuple[int, int], parts: Iterable[str]) -> str:
    """Put a picture together, to stand in an HTML page that holds the charts' style.

    Args:
        title: What it is called, written at its top.
        description: What it shows, in words.
        size: Its width and height.
        parts: Its elements, the lowest first.

    """
    width, height = size
    name = escape(shown(title))
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg class="chart" {box} role="img" aria-label="{name}">',
        f"<title>{name}</title>",
        f"<desc>{escape(shown(description))}</desc>",
        text((_MARGIN, 24), truncate_columns(shown(title), (width - 2 * _MARGIN) // _TITLE_CELL), "head"),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines)


def px(value: float) -> str:
    """Write a position or a length."""
    return f"{value:.1f}".removesuffix(".0")


def text(spot: Position, words: str, kind: str = "", anchor: str = "") -> str:
    """Write words at ``spot``: their start, or what ``anchor`` (``middle``, ``end``) says."""
    x, y = spot
    return (
        f'<text{_given("class", kind)} x="{px(x)}" y="{px(y)}"{_given("text-anchor", anchor)}>{_inside(words)}</text>'
    )


def texts(anchor: str, kind: str, placed: Iterable[tuple[Position, str]]) -> str:
    """Write a column or a row of words of one kind."""
    inside = "".join(text(spot, words) for spot, words in placed)
    return f'<g{_given("class", kind)} text-anchor="{anchor}">{inside}</g>'


def path(kind: str, steps: Iterable[str]) -> str:
    """Draw all marks of one kind by their path data; nothing where there are none."""
    data = "".join(steps)
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def line(kind: str, start: Position, end: Position) -> str:
    """Draw a straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}"/>'


def polyline(kind: str, spots: Iterable[Position]) -> str:
    """Draw a line through all spots."""
    return f'<polyline class="{kind}" points="{" ".join(f"{px(x)},{px(y)}" for x, y in spots)}"/>'


def rect(kind: str, corner: Position, size: Position) -> str:
    """Draw a filled rectangle from its upper left corner."""
    (x, y), (width, height) = corner, size
    return f'<rect class="{kind}" x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}"/>'


def _inside(words: str) -> str:
    return escape(shown(words), quote=False)


def _given(name: str, value: str) -> str:
    return f' {name}="{value}"' if value else ""


Shape = Callable[[float, float], str]

_LETTER: Final = 6.8  # pixels, on the safe side for 12 pixels of any usual typeface
_SAMPLE: Final = 24
_GAP: Final = 18


@dataclass(frozen=True, slots=True)
class LegendEntry:
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


def legend(keys: Sequence[LegendEntry], left: float, y: float) -> Iterator[str]:
    """Write the meaning of each mark on one line from ``left`` on, its middle at ``y``."""
    for key in keys:
        yield path(key.kind, [key.shape(left + _SAMPLE / 2 - 3, y)])
        yield text((left + _SAMPLE, y + 4), key.words)
        left += _SAMPLE + _LETTER * len(key.words) + _GAP


_NARROWEST: Final = 20  # percent
_STEPS: Final = ((20, 5), (50, 10), (100, 20))
"""Up to which width, in percent, ticks stand how far apart."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Shares from ``low`` to ``high``, whole percents, drawn from ``start`` to ``end``, pixels.

    ``start`` is the greater one where shares grow upwards.
    """

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def around(cls, shares: Iterable[float], start: float, end: float) -> Self:
        """Span at least one share by whole tenths: small differences near 100 % are what a reader looks for."""
        held = list(shares)
        low = max(0, math.floor(10 * min(held)) * 10)
        high = min(100, math.ceil(10 * max(held)) * 10)
        low = max(0, min(low, high - _NARROWEST))
        return cls(low, max(high, low + _NARROWEST), start, end)

    def at(self, share: float) -> float:
        """Return where a share lies; one beyond an end lies there."""
        part = (100 * share - self.low) / (self.high - self.low)
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)

    @property
    def ticks(self) -> tuple[tuple[str, float], ...]:
        """Round percents, as text, and where they lie."""
        step = next(step for width, step in _STEPS if self.high - self.low <= width)
        first = math.ceil(self.low / step) * step
        return tuple((f"{tick}%", self.at(tick / 100)) for tick in range(first, self.high + 1, step))

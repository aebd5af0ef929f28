"""SVG elements: shapes, text, legends and axes, and the chart that they make up."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.frozen import dataclass
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
.chart .band {{ fill: var(--now); fill-opacity: .18; stroke: none }}
.chart .cell {{ fill: var(--now); stroke: none }}
.chart .wrong {{ fill: var(--bad) }}
.chart .bar {{ fill: var(--now); fill-opacity: .55; stroke: none }}
.chart .bad {{ fill: var(--bad); stroke: none }}
.chart .fail {{ stroke: var(--bad); stroke-width: 2.5 }}
.chart .unsure {{ fill: none; stroke-width: 2 }}
"""
"""Style sheet of all charts of a page; it applies to nothing else."""

PAGE_STYLE: Final = """\
.chart { color: #1f2328 }
@media screen and (prefers-color-scheme: dark) { .chart { color: #f0f6fc } }
"""
"""Colours of a standalone chart; in an HTML page, the page sets them."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and the table of its data.

    ``svg`` is markup for an HTML page that contains `STYLE` once. ``title``, ``headings`` and the cells of ``rows``
    are unescaped text, each on one line.
    """

    svg: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def standalone(chart: Chart) -> str:
    """Return the picture as an SVG file that contains its style sheet."""
    tag, described = "<svg", "</desc>"
    named = chart.svg.replace(tag, f'{tag} xmlns="http://www.w3.org/2000/svg"', 1)
    return named.replace(described, f"{described}\n<style>\n{STYLE}{PAGE_STYLE}</style>", 1) + "\n"


Position = tuple[float, float]

_TITLE_CELL: Final = 10  # pixels of a wide character of the title
_MARGIN: Final = 16
_NO_XML: Final = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # forbidden in XML 1.0, and not escaped by one_line


def shown(words: str) -> str:
    """Return ``words`` on one line, without characters that are invisible or forbidden in XML."""
    return one_line(words).translate(_NO_XML)


def svg(title: str, description: str, size: tuple[int, int], parts: Iterable[str]) -> str:
    """Return the svg element of a chart: ``parts`` from back to front, and a description for screen readers."""
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
    """Format a position or a length."""
    return f"{value:.1f}".removesuffix(".0")


def text(spot: Position, words: str, kind: str = "", anchor: str = "") -> str:
    """Return a text element that starts at ``spot``, or has its ``anchor`` (``middle``, ``end``) there."""
    x, y = spot
    inside = escape(shown(words), quote=False)
    return f'<text{_given("class", kind)} x="{px(x)}" y="{px(y)}"{_given("text-anchor", anchor)}>{inside}</text>'


def texts(anchor: str, kind: str, placed: Iterable[tuple[Position, str]]) -> str:
    """Return a group of text elements of one kind."""
    inside = "".join(text(spot, words) for spot, words in placed)
    return f'<g{_given("class", kind)} text-anchor="{anchor}">{inside}</g>'


def path(kind: str, steps: Iterable[str]) -> str:
    """Return one path for all marks of a kind; an empty text if there are none."""
    data = "".join(steps)
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def line(kind: str, start: Position, end: Position) -> str:
    """Return a straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}"/>'


def polyline(kind: str, spots: Iterable[Position]) -> str:
    """Return a line through all spots."""
    return f'<polyline class="{kind}" points="{" ".join(f"{px(x)},{px(y)}" for x, y in spots)}"/>'


def rect(kind: str, corner: Position, size: Position) -> str:
    """Return a filled rectangle, given its upper left corner."""
    (x, y), (width, height) = corner, size
    return f'<rect class="{kind}" x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}"/>'


def _given(name: str, value: str) -> str:
    return f' {name}="{value}"' if value else ""


Shape = Callable[[float, float], str]

_LETTER: Final = 6.8  # pixels of a character at a font size of 12 pixels, generous for common typefaces
_SAMPLE: Final = 24
_GAP: Final = 18


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One entry of a legend: a mark as in the chart, and its meaning."""

    kind: str
    shape: Shape
    words: str


def _shape(dx: float, dy: float, steps: str) -> Shape:
    """Return a function that returns the path data of a shape: a move to its start, then its relative ``steps``."""
    return lambda x, y: f"M{px(x + dx)} {px(y + dy)}{steps}"


circle = _shape(-4, 0, "a4 4 0 1 0 8 0a4 4 0 1 0-8 0z")
triangle = _shape(-6, -4, "h12l-6 10z")
pointer = _shape(-4, -3, "h8l-4 7z")  # a small triangle: two of them fit nine pixels apart
cross = _shape(-4, -4, "l8 8m0-8l-8 8")
small_cross = _shape(-3, -3, "l6 6m0-6l-6 6")
dot = _shape(-3, 0, "a3 3 0 1 0 6 0a3 3 0 1 0-6 0z")
diamond = _shape(0, -5, "l5 5-5 5-5-5z")
stroke = _shape(0, -7, "v14")
tall_stroke = _shape(0, -11, "v22")  # as high as a row, so that strokes of neighbouring rows meet
dash = _shape(-9, 0, "h18")
box = _shape(-5, -5, "h10v10h-10z")


def legend(keys: Sequence[LegendEntry], left: float, y: float) -> Iterator[str]:
    """Draw the entries on one line that starts at ``left`` and is centred at ``y``."""
    for key in keys:
        yield path(key.kind, [key.shape(left + _SAMPLE / 2 - 3, y)])
        yield text((left + _SAMPLE, y + 4), key.words)
        left += _SAMPLE + _LETTER * len(key.words) + _GAP


_NARROWEST: Final = 20  # percent
_STEPS: Final = ((20, 5), (50, 10), (100, 20))
"""(width of the axis, distance of its ticks), both in percent."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of shares: ``low`` to ``high`` in whole percent, drawn from ``start`` to ``end`` in pixels.

    A vertical axis has ``start`` greater than ``end``, because pixels count downwards.
    """

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def around(cls, shares: Iterable[float], start: float, end: float) -> Self:
        """Return an axis around shares, in steps of ten percent; without zero, differences near 100 % are visible."""
        known = list(shares)
        low = max(0, math.floor(10 * min(known)) * 10)
        high = min(100, math.ceil(10 * max(known)) * 10)
        low = max(0, min(low, high - _NARROWEST))
        return cls(low, max(high, low + _NARROWEST), start, end)

    def at(self, share: float) -> float:
        """Return the position of a share; beyond an end of the axis, the position of that end."""
        part = (100 * share - self.low) / (self.high - self.low)
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)

    @property
    def ticks(self) -> tuple[tuple[str, float], ...]:
        """Labels of the ticks, and their positions."""
        step = next(step for width, step in _STEPS if self.high - self.low <= width)
        first = math.ceil(self.low / step) * step
        return tuple((f"{tick}%", self.at(tick / 100)) for tick in range(first, self.high + 1, step))

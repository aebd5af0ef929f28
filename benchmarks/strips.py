"""A plot as SVG text: a strip a row in each of several panels, a dot a size. Light and dark, its text is text."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH: Final = 800
ROW: Final = 30
NAMES: Final = 234
PANEL: Final = 284
AXIS: Final = 178
BESIDE: Final = AXIS + 22
TOP: Final = 80
RADII: Final = (2.5, 3.3, 4.2, 5.2, 6.4)

STYLE: Final = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 15px }
.quiet { fill: #59636e; font-size: 12px }
.grid { stroke: #d1d9e0 }
.limit { stroke: #59636e; stroke-dasharray: 4 3 }
.plain line { stroke: #c2410c } .plain circle { fill: #c2410c }
.ours line { stroke: #0969da } .ours circle { fill: #0969da }
.strip line { stroke-width: 2; stroke-opacity: .45 } .strip circle { fill-opacity: .75 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .limit { stroke: #9198a1 }
  .plain line { stroke: #fb923c } .plain circle { fill: #fb923c }
  .ours line { stroke: #58a6ff } .ours circle { fill: #58a6ff }
}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A strip in each panel: one share a size in each of them."""

    name: str
    kind: str
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel shows; ``limit`` is a share that is marked in it."""

    title: str
    subtitle: str
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    description: str
    panels: Sequence[Panel]
    rows: Sequence[Row]
    sizes: Sequence[str]
    size_name: str
    kinds: Mapping[str, str]

    @property
    def bottom(self) -> int:
        return TOP + ROW * len(self.rows)


def svg(plot: Plot) -> str:
    height = plot.bottom + 62
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(plot.title)}</title>',
        f'<desc id="description">{escape(plot.description)}</desc>',
        f"<style>{STYLE}</style>",
        *(line for number, panel in enumerate(plot.panels) for line in _panel(plot, panel, _left(number))),
        *(line for number, row in enumerate(plot.rows) for line in _row(row, TOP + ROW * number + ROW // 2)),
        *_legend(plot, height - 14),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _left(panel: int) -> int:
    return NAMES + PANEL * panel


def _at(left: int, share: float) -> float:
    return round(left + AXIS * share, 1)


def _panel(plot: Plot, panel: Panel, left: int) -> Iterator[str]:
    yield _text(left, 22, panel.title, "head")
    yield _text(left, 41, panel.subtitle, "quiet")
    yield _text(left + BESIDE, TOP - 10, f"{plot.sizes[0]} → {plot.sizes[-1]}", "quiet")
    for percent in (0, 25, 50, 75, 100):
        x = _at(left, percent / 100)
        yield _line((x, TOP), (x, plot.bottom), "grid")
        yield _text(x, TOP - 10, f"{percent}%", "quiet", "middle")
    if panel.limit is not None:
        x = _at(left, panel.limit)
        yield _line((x, TOP), (x, plot.bottom), "limit")
        yield _text(x, plot.bottom + 15, f"{panel.limit:.0%}", "quiet", "middle")


def _row(row: Row, y: int) -> Iterator[str]:
    yield f'<g class="{row.kind} strip">'
    yield _text(8, y + 4, row.name)
    for number, shares in enumerate(row.shares):
        left = _left(number)
        yield _line((_at(left, min(shares)), y), (_at(left, max(shares)), y))
        for share, radius in zip(shares, RADII, strict=False):
            yield f'<circle cx="{_at(left, share)}" cy="{y}" r="{radius}"/>'
        yield _text(left + BESIDE, y + 4, f"{100 * shares[0]:.0f} → {100 * shares[-1]:.0f}%")
    yield "</g>"


def _legend(plot: Plot, y: int) -> Iterator[str]:
    yield _text(8, y, plot.size_name, "quiet")
    for number, (size, radius) in enumerate(zip(plot.sizes, RADII, strict=False)):
        yield from _key(NAMES + 58 * number, y, size, "ours", radius)
    for number, (kind, name) in enumerate(plot.kinds.items()):
        yield from _key(NAMES + PANEL + 50 + 80 * number, y, name, kind, RADII[-1])


def _key(x: int, y: int, text: str, kind: str, radius: float) -> Iterator[str]:
    yield f'<g class="{kind} strip"><circle cx="{x}" cy="{y - 4}" r="{radius}"/></g>'
    yield _text(x + 11, y, text, "quiet")


def _line(start: tuple[float, float], end: tuple[float, float], kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<line{named} x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{named}{placed} x="{x}" y="{y}">{escape(text)}</text>'

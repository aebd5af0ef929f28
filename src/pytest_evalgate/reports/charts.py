"""Charts of a judge as SVG: its text is text, it follows light and dark, and nothing in it runs."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judging.figures.probability import Bin
    from pytest_evalgate.judging.figures.rates import Rate
    from pytest_evalgate.judging.figures.threshold import Point

_SIDE: Final = 320
_LEFT: Final = 60
_TOP: Final = 44
_BARS: Final = 56
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_STYLE: Final = """
svg { color: #1f2328; background: none }
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: currentColor }
.head { font-size: 14px; font-weight: 600 }
line, polyline { stroke: currentColor; fill: none }
.grid { stroke-opacity: .15 }
.even { stroke-opacity: .5; stroke-dasharray: 4 3 }
.bar { fill: currentColor; fill-opacity: .25 }
.mark { fill: #0969da } .range { stroke: #0969da; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  svg { color: #f0f6fc }
  .mark { fill: #58a6ff } .range { stroke: #58a6ff }
}
"""


@dataclass(frozen=True, slots=True)
class _Square:
    """The plotted square: shares from 0 to 1 on both axes, to the right and upwards."""

    across: str
    upwards: str

    @staticmethod
    def x(share: float) -> float:
        return round(_LEFT + _SIDE * share, 1)

    @staticmethod
    def y(share: float) -> float:
        return round(_TOP + _SIDE * (1 - share), 1)

    def axes(self) -> Iterator[str]:
        for tick in _TICKS:
            yield _line((self.x(tick), self.y(0)), (self.x(tick), self.y(1)), "grid")
            yield _line((self.x(0), self.y(tick)), (self.x(1), self.y(tick)), "grid")
            yield _text(self.x(tick), self.y(0) + 16, f"{tick:g}", "middle")
            yield _text(self.x(0) - 8, self.y(tick) + 4, f"{tick:g}", "end")
        yield _text(self.x(0.5), self.y(0) + 34, self.across, "middle")
        turned = f'transform="rotate(-90 16 {self.y(0.5)})"'
        yield f'<text x="16" y="{self.y(0.5)}" text-anchor="middle" {turned}>{escape(self.upwards)}</text>'

    def diagonal(self) -> str:
        return _line((self.x(0), self.y(0)), (self.x(1), self.y(1)), "even")


def reliability(name: str, bins: Sequence[Bin], *, probabilities: bool) -> str:
    """Draw how often people pass what a judge gives a score, with the number of rows of each bin below.

    Args:
        name: The judge.
        bins: The bins that hold rows.
        probabilities: Whether scores are meant as probabilities: the dashed line is then where they should be.

    """
    square = _Square("score of the judge", "share that people pass")
    said = "; ".join(f"score {one.score:.2f}: {one.passed:.0%} of {one.n} rows" for one in bins)
    parts = [*square.axes(), *([square.diagonal()] if probabilities else [])]
    for one in bins:
        x = square.x(one.score)
        parts.append(_line((x, square.y(one.interval[0])), (x, square.y(one.interval[1])), "range"))
        parts.append(f'<circle class="mark" cx="{x}" cy="{square.y(one.passed)}" r="4"/>')
    parts += _counts(square, bins)
    return _svg(f"{name}: what its scores are worth", said, parts, _TOP + _SIDE + 50 + _BARS + 34)


def roc(name: str, points: Sequence[Point], tpr: Rate, tnr: Rate, auc: float | None) -> str:
    """Draw the ROC curve of a judge, and where it stands with the intervals of both of its rates.

    Args:
        name: The judge.
        points: The curve, from nothing passes to everything passes.
        tpr: Of the human passes, those that the judge passes.
        tnr: Of the human fails, those that the judge fails.
        auc: The area under the curve, None for a judge that only passes or fails.

    """
    square = _Square("of human fails, the judge passes", "of human passes, the judge passes")
    x, y = square.x(1 - tnr.value), square.y(tpr.value)
    line = " ".join(f"{square.x(one.false_pass_rate)},{square.y(one.true_pass_rate)}" for one in points)
    area = "" if auc is None else f", area under the curve {auc:.3f}"
    said = f"It passes {tpr.value:.1%} of what people pass and fails {tnr.value:.1%} of what people fail{area}."
    parts = [
        *square.axes(),
        square.diagonal(),
        f'<polyline points="{line}"/>',
        _line((x, square.y(tpr.interval[0])), (x, square.y(tpr.interval[1])), "range"),
        _line((square.x(1 - tnr.interval[0]), y), (square.x(1 - tnr.interval[1]), y), "range"),
        f'<circle class="mark" cx="{x}" cy="{y}" r="5"/>',
        _text(square.x(1) - 6, square.y(0) - 10, f"TPR {tpr.value:.1%}, TNR {tnr.value:.1%}", "end"),
    ]
    if auc is not None:
        parts.append(_text(square.x(1) - 6, square.y(0) - 28, f"AUC {auc:.3f}", "end"))
    return _svg(f"{name}: ROC", said, parts, _TOP + _SIDE + 50)


def _counts(square: _Square, bins: Sequence[Bin]) -> Iterator[str]:
    """Draw a bar for each bin, as high as it has rows."""
    base = _TOP + _SIDE + 60 + _BARS
    most = max((one.n for one in bins), default=1)
    for one in bins:
        left, width = square.x(one.low) + 1, round(square.x(one.high) - square.x(one.low) - 2, 1)
        height = round(_BARS * one.n / most, 1)
        yield f'<rect class="bar" x="{left}" y="{round(base - height, 1)}" width="{width}" height="{height}"/>'
        yield _text(round(left + width / 2, 1), base + 14, f"{one.n:,}", "middle")
    yield _text(_LEFT - 8, base + 14, "rows", "end")


def _svg(title: str, description: str, parts: Sequence[str], height: int) -> str:
    width = _LEFT + _SIDE + 24
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        f"<style>{_STYLE}</style>",
        _text(_LEFT, 24, title, "start", "head"),
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    return f'<line class="{kind}" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'

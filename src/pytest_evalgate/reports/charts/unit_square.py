"""Axes of charts of two shares, both from 0 to 1: reliability diagrams and ROC curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts.svg import Axis, line, px, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE: Final = 320
LEFT: Final = 60
TOP: Final = 44
BARS: Final = 56
WIDTH: Final = LEFT + SIDE + 24
AXES: Final = TOP + SIDE + 50
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
X: Final = Axis(0, 100, LEFT, LEFT + SIDE)
Y: Final = Axis(0, 100, TOP + SIDE, TOP)
DIAGONAL: Final = line("even", (X.at(0), Y.at(0)), (X.at(1), Y.at(1)))


def axes(x_label: str, y_label: str) -> Iterator[str]:
    """Draw both axes with their grid."""
    for tick in _TICKS:
        yield line("grid", (X.at(tick), Y.at(0)), (X.at(tick), Y.at(1)))
        yield line("grid", (X.at(0), Y.at(tick)), (X.at(1), Y.at(tick)))
    yield texts("middle", "", (((X.at(tick), Y.at(0) + 16), f"{tick:g}") for tick in _TICKS))
    yield texts("end", "", (((X.at(0) - 8, Y.at(tick) + 4), f"{tick:g}") for tick in _TICKS))
    yield text((X.at(0.5), Y.at(0) + 34), x_label, anchor="middle")
    turned = f'transform="rotate(-90 16 {px(Y.at(0.5))})" text-anchor="middle"'
    yield f"<g {turned}>{text((16, Y.at(0.5)), y_label)}</g>"

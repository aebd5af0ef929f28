"""Scatter chart: one circle for each release or day, with the rank correlation in its description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.svg import Chart, circle, line, path, svg, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIZE: Final = (560, 400)
_LEFT, _RIGHT, _TOP, _BOTTOM = 80.0, 540.0, 44.0, 340.0
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a scatter chart and its name."""

    name: str
    x: float
    y: float


def scatter(title: str, description: str, names: tuple[str, str], dots: Sequence[Dot]) -> Chart:
    """Return a scatter chart. ``names`` are those of the two axes; ``dots`` contains at least one point."""
    across = _Scale.around([dot.x for dot in dots], _LEFT, _RIGHT)
    up = _Scale.around([dot.y for dot in dots], _BOTTOM, _TOP)
    parts = [*_grid(across, up, names), path("now", (circle(across.at(dot.x), up.at(dot.y)) for dot in dots))]
    rows = tuple((dot.name, f"{dot.x:.6g}", f"{dot.y:.6g}") for dot in dots)
    return Chart(svg(title, description, _SIZE, parts), title, ("point", *names), rows)


@dataclass(frozen=True, slots=True)
class _Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> _Scale:
        """Return a scale with some room around the values."""
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
        return cls(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        """Return the position of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> Iterator[float]:
        """Values at equal distances."""
        return (self.low + (self.high - self.low) * step / _TICKS for step in range(_TICKS + 1))


def _grid(across: _Scale, up: _Scale, names: tuple[str, str]) -> Iterator[str]:
    for value in across.ticks:
        yield line("grid", (across.at(value), _TOP), (across.at(value), _BOTTOM))
        yield text((across.at(value), _BOTTOM + 18), f"{value:.3g}", anchor="middle")
    for value in up.ticks:
        yield line("grid", (_LEFT, up.at(value)), (_RIGHT, up.at(value)))
        yield text((_LEFT - 8, up.at(value) + 4), f"{value:.3g}", anchor="end")
    yield text(((_LEFT + _RIGHT) / 2, _BOTTOM + 42), f"{names[0]} (across), {names[1]} (up)", anchor="middle")

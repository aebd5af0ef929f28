"""Charts of a metric over stored runs: the series with its bounds and markers, and a sparkline of it for tables."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final, Literal, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts import svg as charts_svg
from pytest_evalgate.reports.charts.svg import (
    Chart,
    LegendEntry,
    Position,
    legend,
    line,
    path,
    polyline,
    px,
    shown,
    svg,
    text,
    texts,
)
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.wording import count, interval, percent, seconds, usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Unit = Literal["share", "usd", "seconds", "number"]

RUNS_DRAWN: Final = 90
_WIDTH: Final = 680
_LEFT: Final = 96
_RIGHT: Final = 606
_LEGEND: Final = 44
_LANE: Final = 16
_PLOT: Final = 160
_LABEL: Final = 78  # pixels of a date and a gap
_DATE: Final = 10
_COMMIT: Final = 7
_MARGIN: Final = 16
_LANE_NAME: Final = 12
_TICKS: Final = 4
_STEPS: Final = (1, 2, 2.5, 5, 10)
_NARROWEST: Final = 0.04  # of a share: smaller changes than four points must not look large


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """The value of a metric in one run.

    ``bounds`` are those of its interval, if it has one. ``marks`` are the names of what changed before the run, or of
    what was done with it, such as ``golden set`` or ``promoted``.
    """

    run_id: str
    created: str
    commit: str | None
    value: float
    bounds: tuple[float, float] | None
    n: int
    verdict: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values from ``low`` to ``high``, at pixels from ``base`` up to ``top``, with a tick at each ``step``."""

    low: float
    high: float
    step: float
    base: float
    top: float

    @classmethod
    def around(cls, values: Iterable[float], base: float, top: float, unit: Unit) -> Self:
        known = list(values)
        low, high = min(known), max(known)
        if unit != "share":
            low = 0.0
        least = _NARROWEST if unit == "share" else (abs(high) or 1.0) / 10
        middle = (low + high) / 2
        low, high = min(low, middle - least / 2), max(high, middle + least / 2)
        step = _nice_step((high - low) / _TICKS)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        if unit == "share":
            low, high = max(0.0, low), min(1.0, high)
        return cls(low, high, step, base, top)

    def at(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.base + min(max(part, 0.0), 1.0) * (self.top - self.base)

    @property
    def ticks(self) -> list[float]:
        number = round((self.high - self.low) / self.step)
        return [self.low + at * self.step for at in range(number + 1)]


def _nice_step(width: float) -> float:
    """Return the smallest step of 1, 2, 2.5 or 5 times a power of ten that is at least ``width``."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in _STEPS if step * power >= width * (1 - 1e-9))


def format_value(value: float, unit: Unit) -> str:
    """Format a value of a metric in its unit."""
    if unit == "share":
        return percent(value)
    if unit == "usd":
        return usd(value)
    return seconds(value) if unit == "seconds" else f"{value:,.4g}"


@dataclass(frozen=True, slots=True)
class _SeriesPlot:
    points: Sequence[SeriesPoint]
    lanes: tuple[str, ...]
    scale: _Scale

    def x(self, number: int) -> float:
        gaps = len(self.points) - 1
        return _LEFT + (_RIGHT - _LEFT) * (number / gaps if gaps else 0.5)

    def y(self, value: float) -> float:
        return self.scale.at(value)

    @property
    def spots(self) -> list[Position]:
        return [(self.x(at), self.y(point.value)) for at, point in enumerate(self.points)]

    def lane(self, what: str) -> float:
        return _LEGEND + _LANE * (self.lanes.index(what) + 1) + 4


def series_chart(title: str, points: Sequence[SeriesPoint], unit: Unit) -> Chart:
    """Draw the last ninety values of a metric with the bounds of their intervals.

    ``points`` are at least one, oldest first. One lane for each kind of mark is above the plot.
    """
    points = points[-RUNS_DRAWN:]
    lanes = tuple(dict.fromkeys(mark for point in points for mark in point.marks))
    top = _LEGEND + _LANE * (len(lanes) + 1) + 8
    values = [value for point in points for value in (point.value, *(point.bounds or ()))]
    plot = _SeriesPlot(points, lanes, _Scale.around(values, top + _PLOT, top, unit))
    parts = [
        *legend(list(_legend(points)), _MARGIN, _LEGEND),
        *_axis(plot, unit),
        *_marks(plot),
        _band(plot),
        polyline("curve", plot.spots),
        *_verdicts(plot, unit),
        *_labels(plot),
    ]
    return Chart(
        svg=svg(title, _description(points, unit), (_WIDTH, top + _PLOT + 46), parts),
        title=shown(title),
        headings=("run", "when", "commit", "n", "value", "95% interval", "verdict", "marks"),
        rows=tuple(_cells(point, unit) for point in points[::-1]),
    )


def _legend(points: Sequence[SeriesPoint]) -> Iterator[LegendEntry]:
    verdicts = {point.verdict for point in points}
    if verdicts - {"fail"}:
        yield LegendEntry("now", charts_svg.circle, "run")
    if "fail" in verdicts:
        yield LegendEntry("fail", charts_svg.cross, "run that failed")
    if any(point.bounds for point in points):
        yield LegendEntry("band", charts_svg.box, "95% interval")
    if any(point.marks for point in points):
        yield LegendEntry("changed", charts_svg.pointer, "changed before this run, or promoted")


def _axis(plot: _SeriesPlot, unit: Unit) -> Iterator[str]:
    placed = [(plot.y(tick), format_value(tick, unit)) for tick in plot.scale.ticks]
    for y, _ in placed:
        yield line("grid", (_LEFT - 14, y), (_RIGHT + 14, y))
    yield texts("end", "", (((_LEFT - 22, y + 4), words) for y, words in placed))


def _marks(plot: _SeriesPlot) -> Iterator[str]:
    if not plot.lanes:
        return
    named = ((truncate_columns(shown(what), _LANE_NAME), plot.lane(what)) for what in plot.lanes)
    yield texts("end", "", (((_LEFT - 22, y + 3), words) for words, y in named))
    marked = [(plot.x(at), point.marks) for at, point in enumerate(plot.points) if point.marks]
    yield path("change", (f"M{px(x)} {px(plot.lane(marks[0]))}V{px(plot.scale.base)}" for x, marks in marked))
    yield path("changed", (charts_svg.pointer(x, plot.lane(one)) for x, marks in marked for one in marks))


def _band(plot: _SeriesPlot) -> str:
    """Return the area between the bounds; a point without an interval interrupts it."""
    stretches: list[list[tuple[float, float, float]]] = [[]]
    for at, point in enumerate(plot.points):
        if point.bounds is None:
            stretches.append([])
        else:
            lower, upper = point.bounds
            stretches[-1].append((plot.x(at), plot.y(lower), plot.y(upper)))
    return path("band", (_outline(stretch) for stretch in stretches if stretch))


def _outline(stretch: Sequence[tuple[float, float, float]]) -> str:
    """Return the path around points of x, lower and upper bound; a single point is eight pixels wide."""
    wide = stretch
    if len(stretch) == 1:
        [(x, lower, upper)] = stretch
        wide = [(x - 4, lower, upper), (x + 4, lower, upper)]
    spots = [(x, upper) for x, _, upper in wide] + [(x, lower) for x, lower, _ in wide[::-1]]
    return "M" + "L".join(f"{px(x)} {px(y)}" for x, y in spots) + "z"


def _verdicts(plot: _SeriesPlot, unit: Unit) -> Iterator[str]:
    placed = list(zip(plot.spots, plot.points, strict=True))
    yield path("now", (charts_svg.circle(*spot) for spot, point in placed if point.verdict != "fail"))
    yield path("fail", (charts_svg.cross(*spot) for spot, point in placed if point.verdict == "fail"))
    (x, y), last = placed[-1]
    yield text((x + 10, y + 4), format_value(last.value, unit))


def _labels(plot: _SeriesPlot) -> Iterator[str]:
    """Draw date and commit of the first and the last run, and of runs with marks if there is room."""
    taken: list[int] = []
    for at in (0, len(plot.points) - 1, *(at for at, point in enumerate(plot.points) if point.marks)):
        if all(abs(plot.x(at) - plot.x(other)) >= _LABEL for other in taken):
            taken.append(at)
    chosen = [(plot.x(at), plot.points[at]) for at in sorted(taken)]
    base = plot.scale.base
    yield texts("middle", "", (((x, base + 20), _short(point.created, _DATE)) for x, point in chosen))
    yield texts("middle", "name", (((x, base + 36), _short(point.commit or "-", _COMMIT)) for x, point in chosen))


def _short(words: str, columns: int) -> str:
    return truncate_columns(shown(words)[:columns], columns)


def _description(points: Sequence[SeriesPoint], unit: Unit) -> str:
    values = [point.value for point in points]
    ends = f"from {_short(points[0].created, _DATE)} to {_short(points[-1].created, _DATE)}"
    lowest, highest = format_value(min(values), unit), format_value(max(values), unit)
    last = format_value(values[-1], unit)
    return f"{count(len(points), 'run')} {ends}: the last {last}, the lowest {lowest}, the highest {highest}."


def _cells(point: SeriesPoint, unit: Unit) -> tuple[str, ...]:
    bounds = "-"
    if point.bounds is not None:
        bounds = (
            interval(point.bounds) if unit == "share" else "-".join(format_value(one, unit) for one in point.bounds)
        )
    names = map(shown, (point.run_id, point.created, point.commit or "-"))
    marks = shown(", ".join(point.marks))
    return (*names, f"{point.n:,}", format_value(point.value, unit), bounds, point.verdict or "-", marks)


_SPARK_WIDTH: Final = 180
_SPARK_HEIGHT: Final = 40
_INSET: Final = 5


def sparkline(title: str, points: Sequence[SeriesPoint], unit: Unit) -> str:
    """Return a small picture of a series and its bounds, without axes; its numbers are in the row beside it."""
    values = [value for point in points for value in (point.value, *(point.bounds or ()))]
    low, high = min(values), max(values)
    least = _NARROWEST if unit == "share" else (abs(high) or 1.0) / 10
    high = max(high, low + least)
    gaps = len(points) - 1

    def x(at: int) -> float:
        return _INSET + (_SPARK_WIDTH - 2 * _INSET) * (at / gaps if gaps else 0.5)

    def y(value: float) -> float:
        return float(_SPARK_HEIGHT - _INSET - (_SPARK_HEIGHT - 2 * _INSET) * (value - low) / (high - low))

    bounded = [(x(at), y(point.bounds[0]), y(point.bounds[1])) for at, point in enumerate(points) if point.bounds]
    spots = [(x(at), y(point.value)) for at, point in enumerate(points)]
    name = escape(shown(f"{title}: {_description(points, unit)}"))
    box = f'viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" width="{_SPARK_WIDTH}" height="{_SPARK_HEIGHT}"'
    failed = [spot for spot, point in zip(spots, points, strict=True) if point.verdict == "fail"]
    parts = [
        f'<svg class="chart spark" {box} role="img" aria-label="{name}">',
        path("band", [_outline(bounded)]) if bounded else "",
        polyline("curve", spots),
        path("fail", (charts_svg.small_cross(*spot) for spot in failed)),
        path("now", [charts_svg.dot(*spots[-1])]) if points[-1].verdict != "fail" else "",
        "</svg>",
    ]
    return "".join(parts)

"""The pass rate of a suite over its last runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts import marks
from pytest_evalgate.reports.charts.chart import Chart
from pytest_evalgate.reports.charts.marks import Key, legend
from pytest_evalgate.reports.charts.scale import Scale
from pytest_evalgate.reports.charts.svg import Spot, line, path, polyline, px, shown, svg, text, texts
from pytest_evalgate.reports.columns import fit
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.data import HistoryRow

_MOST: Final = 60
_WIDTH: Final = 680
_LEFT: Final = 96
_RIGHT: Final = 606
_MARGIN: Final = 16
_LEGEND: Final = 44
_LANE: Final = 16
_PLOT: Final = 160
_LABEL: Final = 78  # pixels that a date needs, with a gap
_DATE: Final = 10
_COMMIT: Final = 7

_WATCHED: Final = {"golden set": "golden_sha256", "scorers": "scorers_sha256", "baseline": "baseline_run_id"}
"""What makes runs compare badly when it changes, and the field that tells."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A run, and what had changed since the one before it."""

    row: HistoryRow
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where runs and shares lie: a run has the same room as any other, whenever it was."""

    points: Sequence[_Point]
    lanes: tuple[str, ...]
    upwards: Scale

    @property
    def top(self) -> float:
        return self.upwards.end

    @property
    def base(self) -> float:
        return self.upwards.start

    def x(self, number: int) -> float:
        gaps = len(self.points) - 1
        return _LEFT + (_RIGHT - _LEFT) * (number / gaps if gaps else 0.5)

    @property
    def spots(self) -> list[Spot]:
        return [(self.x(at), self.upwards.at(point.row.pass_rate)) for at, point in enumerate(self.points)]

    def lane(self, what: str) -> float:
        return _LEGEND + _LANE * (self.lanes.index(what) + 1) + 4


def history_line(title: str, rows: Sequence[HistoryRow], threshold: float | None) -> Chart:
    """Draw the pass rate over the last sixty runs, and above them where what they are measured by has changed.

    Args:
        title: What the chart is called.
        rows: The runs of one suite, at least one, oldest first.
        threshold: The pass rate that a gate asks for, None where none does.

    """
    points = _points(rows)[-_MOST:]
    lanes = tuple(what for what in _WATCHED if any(what in point.changed for point in points))
    top = _LEGEND + _LANE * (len(lanes) + 1) + 8
    shares = [point.row.pass_rate for point in points] + ([] if threshold is None else [threshold])
    plot = _Plot(points, lanes, Scale.around(shares, top + _PLOT, top))
    parts = [
        *legend(list(_keys(points, threshold)), _MARGIN, _LEGEND),
        *_axis(plot),
        *_changes(plot),
        *([] if threshold is None else [_level(plot, threshold)]),
        polyline("curve", plot.spots),
        *_verdicts(plot),
        *_labels(plot),
    ]
    return Chart(
        svg=svg(title, _said(points, threshold), (_WIDTH, top + _PLOT + 46), parts),
        title=shown(title),
        heads=("run", "when", "commit", "cases", "pass rate", "verdict", "changed before it"),
        rows=tuple(map(_cells, points)),
    )


def _points(rows: Sequence[HistoryRow]) -> list[_Point]:
    return [_Point(rows[0]), *(_Point(now, tuple(_changed(before, now))) for before, now in pairwise(rows))]


def _changed(before: HistoryRow, now: HistoryRow) -> Iterator[str]:
    for what, field in _WATCHED.items():
        if getattr(before, field) != getattr(now, field):
            yield what


def _keys(points: Sequence[_Point], threshold: float | None) -> Iterator[Key]:
    verdicts = {point.row.verdict for point in points}
    drawn = {"pass": Key("now", marks.circle, "pass"), "fail": Key("fail", marks.cross, "fail")}
    yield from (key for verdict, key in drawn.items() if verdict in verdicts)
    if verdicts - drawn.keys():
        yield Key("unsure", marks.diamond, "inconclusive")
    if threshold is not None:
        yield Key("gate", marks.dash, f"gate {percent(threshold)}")
    if any(point.changed for point in points):
        yield Key("changed", marks.pointer, "changed before this run")


def _axis(plot: _Plot) -> Iterator[str]:
    for _, y in plot.upwards.ticks:
        yield line("grid", (_LEFT - 14, y), (_RIGHT + 14, y))
    yield texts("end", "", (((_LEFT - 22, y + 4), words) for words, y in plot.upwards.ticks))


def _changes(plot: _Plot) -> Iterator[str]:
    """Draw a lane for each thing that changed, so that marks never lie on each other, and a line down from them."""
    yield texts("end", "", (((_LEFT - 22, plot.lane(what) + 3), what) for what in plot.lanes))
    changed = [(plot.x(at), point.changed) for at, point in enumerate(plot.points) if point.changed]
    yield path("change", (f"M{px(x)} {px(plot.lane(what[0]))}V{px(plot.base)}" for x, what in changed))
    yield path("changed", (marks.pointer(x, plot.lane(one)) for x, what in changed for one in what))


def _level(plot: _Plot, threshold: float) -> str:
    y = plot.upwards.at(threshold)
    return line("gate", (_LEFT - 14, y), (_RIGHT + 14, y))


def _verdicts(plot: _Plot) -> Iterator[str]:
    yield path("now", (marks.circle(*spot) for spot in _where(plot, {"pass"})))
    yield path("fail", (marks.cross(*spot) for spot in _where(plot, {"fail"})))
    others = {point.row.verdict for point in plot.points} - {"pass", "fail"}
    yield path("unsure", (marks.diamond(*spot) for spot in _where(plot, others)))
    x, y = plot.spots[-1]
    yield text((x + 20, y + 4), percent(plot.points[-1].row.pass_rate))


def _where(plot: _Plot, verdicts: Iterable[str]) -> Iterator[Spot]:
    wanted = frozenset(verdicts)
    return (spot for spot, point in zip(plot.spots, plot.points, strict=True) if point.row.verdict in wanted)


def _labels(plot: _Plot) -> Iterator[str]:
    """Write date and commit of the first, the last and, as far as there is room, of the marked runs."""
    last = len(plot.points) - 1
    taken: list[int] = []
    for at in (0, last, *(at for at, point in enumerate(plot.points) if point.changed)):
        if all(abs(plot.x(at) - plot.x(other)) >= _LABEL for other in taken):
            taken.append(at)
    rows = [(plot.x(at), plot.points[at].row) for at in sorted(taken)]
    yield texts("middle", "", (((x, plot.base + 20), _date(row)) for x, row in rows))
    yield texts("middle", "name", (((x, plot.base + 36), _commit(row)) for x, row in rows if row.commit))


def _date(row: HistoryRow) -> str:
    return fit(shown(row.created)[:_DATE], _DATE)


def _commit(row: HistoryRow) -> str:
    return fit(shown(row.commit or "-")[:_COMMIT], _COMMIT)


def _said(points: Sequence[_Point], threshold: float | None) -> str:
    rates = [point.row.pass_rate for point in points]
    ends = f"from {_date(points[0].row)} to {_date(points[-1].row)}"
    told = [f"{count(len(points), 'run')} {ends}: the last {percent(rates[-1])}"]
    told.append(f"the lowest {percent(min(rates))}, the highest {percent(max(rates))}")
    gate = "" if threshold is None else f" The gate asks for {percent(threshold)}."
    failed = sum(point.row.verdict == "fail" for point in points)
    changes = [f"the {what} {count(times, 'time')}" for what in _WATCHED if (times := _times(points, what))]
    changed = f" Changed: {', '.join(changes)}." if changes else ""
    return f"{', '.join(told)}; {failed:,} failed.{gate}{changed}"


def _times(points: Sequence[_Point], what: str) -> int:
    return sum(what in point.changed for point in points)


def _cells(point: _Point) -> tuple[str, ...]:
    row = point.row
    told = (row.run_id, row.created, row.commit or "-")
    changed = ", ".join(point.changed)
    return (*map(shown, told), f"{row.cases:,}", percent(row.pass_rate), row.verdict, changed)

"""Charts of a suite: pass rate over its last runs, distribution of scores, pass rates of its slices."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts import svg as charts_svg
from pytest_evalgate.reports.charts.svg import (
    Axis,
    Chart,
    LegendEntry,
    Position,
    legend,
    line,
    path,
    polyline,
    px,
    rect,
    shown,
    svg,
    text,
    texts,
)
from pytest_evalgate.text.layout import truncate_columns, width_of
from pytest_evalgate.text.wording import count, interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.records.verdicts import HistoryRow

_RUNS_DRAWN: Final = 60
_WIDTH: Final = 680
_LEFT: Final = 96
_RIGHT: Final = 606
_MARGIN: Final = 16
_LEGEND: Final = 44
_LANE: Final = 16
_PLOT: Final = 160
_LABEL: Final = 78  # pixels of a date and a gap
_DATE: Final = 10
_COMMIT: Final = 7

_WATCHED: Final = {"golden set": "golden_sha256", "scorers": "scorers_sha256", "baseline": "baseline_run_id"}
"""Changes that make runs hard to compare, with the field of each."""


@dataclass(frozen=True, slots=True)
class _Point:
    row: HistoryRow
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _HistoryPlot:
    """Positions of runs and shares; runs are equally spaced, independent of their dates."""

    points: Sequence[_Point]
    lanes: tuple[str, ...]
    y_axis: Axis

    @property
    def top(self) -> float:
        return self.y_axis.end

    @property
    def base(self) -> float:
        return self.y_axis.start

    def x(self, number: int) -> float:
        gaps = len(self.points) - 1
        return _LEFT + (_RIGHT - _LEFT) * (number / gaps if gaps else 0.5)

    @property
    def spots(self) -> list[Position]:
        return [(self.x(at), self.y_axis.at(point.row.pass_rate)) for at, point in enumerate(self.points)]

    def lane(self, what: str) -> float:
        return _LEGEND + _LANE * (self.lanes.index(what) + 1) + 4


def history_line(title: str, rows: Sequence[HistoryRow], threshold: float | None) -> Chart:
    """Draw the pass rate over the last sixty runs; marks above them show changes of golden set, scorers or baseline.

    ``rows`` are the runs of one suite, at least one, oldest first. ``threshold`` is the pass rate that a gate
    requires.
    """
    changes = (
        tuple(what for what, field in _WATCHED.items() if getattr(before, field) != getattr(now, field))
        for before, now in pairwise(rows)
    )
    points = [_Point(row, changed) for row, changed in zip(rows, ((), *changes), strict=True)][-_RUNS_DRAWN:]
    lanes = tuple(what for what in _WATCHED if any(what in point.changed for point in points))
    top = _LEGEND + _LANE * (len(lanes) + 1) + 8
    shares = [point.row.pass_rate for point in points] + ([] if threshold is None else [threshold])
    plot = _HistoryPlot(points, lanes, Axis.around(shares, top + _PLOT, top))
    gate = [] if threshold is None else [plot.y_axis.at(threshold)]
    parts = [
        *legend(list(_history_legend(points, threshold)), _MARGIN, _LEGEND),
        *_history_axis(plot),
        *_history_changes(plot),
        *(line("gate", (_LEFT - 14, y), (_RIGHT + 14, y)) for y in gate),
        polyline("curve", plot.spots),
        *_history_verdicts(plot),
        *_history_labels(plot),
    ]
    return Chart(
        svg=svg(title, _history_description(points, threshold), (_WIDTH, top + _PLOT + 46), parts),
        title=shown(title),
        headings=("run", "when", "commit", "cases", "pass rate", "verdict", "changed before it"),
        rows=tuple(map(_history_cells, points)),
    )


def _history_legend(points: Sequence[_Point], threshold: float | None) -> Iterator[LegendEntry]:
    verdicts = {point.row.verdict for point in points}
    drawn = {
        "pass": LegendEntry("now", charts_svg.circle, "pass"),
        "fail": LegendEntry("fail", charts_svg.cross, "fail"),
    }
    yield from (key for verdict, key in drawn.items() if verdict in verdicts)
    if verdicts - drawn.keys():
        yield LegendEntry("unsure", charts_svg.diamond, "inconclusive")
    if threshold is not None:
        yield LegendEntry("gate", charts_svg.dash, f"gate {percent(threshold)}")
    if any(point.changed for point in points):
        yield LegendEntry("changed", charts_svg.pointer, "changed before this run")


def _history_axis(plot: _HistoryPlot) -> Iterator[str]:
    for _, y in plot.y_axis.ticks:
        yield line("grid", (_LEFT - 14, y), (_RIGHT + 14, y))
    yield texts("end", "", (((_LEFT - 22, y + 4), words) for words, y in plot.y_axis.ticks))


def _history_changes(plot: _HistoryPlot) -> Iterator[str]:
    """Draw one lane for each kind of change, so that marks never overlap, and a line down from each mark."""
    yield texts("end", "", (((_LEFT - 22, plot.lane(what) + 3), what) for what in plot.lanes))
    changed = [(plot.x(at), point.changed) for at, point in enumerate(plot.points) if point.changed]
    yield path("change", (f"M{px(x)} {px(plot.lane(what[0]))}V{px(plot.base)}" for x, what in changed))
    yield path("changed", (charts_svg.pointer(x, plot.lane(one)) for x, what in changed for one in what))


def _history_verdicts(plot: _HistoryPlot) -> Iterator[str]:
    yield path("now", (charts_svg.circle(*spot) for spot in _with_verdict(plot, {"pass"})))
    yield path("fail", (charts_svg.cross(*spot) for spot in _with_verdict(plot, {"fail"})))
    others = {point.row.verdict for point in plot.points} - {"pass", "fail"}
    yield path("unsure", (charts_svg.diamond(*spot) for spot in _with_verdict(plot, others)))
    x, y = plot.spots[-1]
    yield text((x + 20, y + 4), percent(plot.points[-1].row.pass_rate))


def _with_verdict(plot: _HistoryPlot, verdicts: Iterable[str]) -> Iterator[Position]:
    wanted = frozenset(verdicts)
    return (spot for spot, point in zip(plot.spots, plot.points, strict=True) if point.row.verdict in wanted)


def _history_labels(plot: _HistoryPlot) -> Iterator[str]:
    """Draw date and commit of the first and the last run, and of runs with changes if there is room."""
    last = len(plot.points) - 1
    taken: list[int] = []
    for at in (0, last, *(at for at, point in enumerate(plot.points) if point.changed)):
        if all(abs(plot.x(at) - plot.x(other)) >= _LABEL for other in taken):
            taken.append(at)
    rows = [(plot.x(at), plot.points[at].row) for at in sorted(taken)]
    yield texts("middle", "", (((x, plot.base + 20), _date(row)) for x, row in rows))
    yield texts("middle", "name", (((x, plot.base + 36), _commit(row)) for x, row in rows if row.commit))


def _date(row: HistoryRow) -> str:
    return truncate_columns(shown(row.created)[:_DATE], _DATE)


def _commit(row: HistoryRow) -> str:
    return truncate_columns(shown(row.commit or "-")[:_COMMIT], _COMMIT)


def _history_description(points: Sequence[_Point], threshold: float | None) -> str:
    rates = [point.row.pass_rate for point in points]
    ends = f"from {_date(points[0].row)} to {_date(points[-1].row)}"
    parts = [f"{count(len(points), 'run')} {ends}: the last {percent(rates[-1])}"]
    parts.append(f"the lowest {percent(min(rates))}, the highest {percent(max(rates))}")
    gate = "" if threshold is None else f" The gate requires {percent(threshold)}."
    failed = sum(point.row.verdict == "fail" for point in points)
    times = Counter(what for point in points for what in point.changed)
    changes = [f"the {what} {count(times[what], 'time')}" for what in _WATCHED if times[what]]
    changed = f" Changed: {', '.join(changes)}." if changes else ""
    return f"{', '.join(parts)}; {failed:,} failed.{gate}{changed}"


def _history_cells(point: _Point) -> tuple[str, ...]:
    row = point.row
    names = map(shown, (row.run_id, row.created, row.commit or "-"))
    return (*names, f"{row.cases:,}", percent(row.pass_rate), row.verdict, ", ".join(point.changed))


_SCORES_LEFT: Final = 84
_SCORES_LANE: Final = 14
_SCORES_PLOT: Final = 150
_ROUNDING: Final = 1e-9  # a sum of floats can be slightly below 0.3 and must still be in the bin of 0.3
_EDGES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class _Bins:
    """``number`` equal bins, each drawn ``width`` pixels wide.

    A bin includes its lower edge, as a threshold does, so a threshold on an edge never splits a bin.
    """

    number: int
    width: int
    inset: int

    def of(self, score: float) -> int:
        return min(math.floor(score * self.number + _ROUNDING), self.number - 1)

    def counted(self, scores: Sequence[float]) -> list[int]:
        found = Counter(map(self.of, scores))
        return [found[number] for number in range(self.number)]

    def x(self, edge: float) -> float:
        return _SCORES_LEFT + edge * self.width * self.number

    def name(self, number: int) -> str:
        if self is _TWO:
            return str(number)
        return f"{number / self.number:.2f} to {(number + 1) / self.number:.2f}"

    @property
    def middles(self) -> list[float]:
        return [self.x((number + 0.5) / self.number) for number in range(self.number)]


_TWO: Final = _Bins(number=2, width=120, inset=16)
_TWENTY: Final = _Bins(number=20, width=28, inset=1)


@dataclass(frozen=True, slots=True)
class _ScoresPlot:
    """Two histograms; heights are shares, so that they can be compared if one has more scores."""

    bins: _Bins
    now: Sequence[int]
    before: Sequence[int]
    top: int

    @property
    def base(self) -> int:
        return self.top + _SCORES_PLOT

    @property
    def y_axis(self) -> Axis:
        highest = max(_share(counts, one) for counts in (self.now, self.before) for one in counts)
        return Axis(0, max(10, math.ceil(10 * highest) * 10), self.base, self.top)

    def y(self, counts: Sequence[int], number: int) -> float:
        return self.y_axis.at(_share(counts, counts[number]))


def score_histogram(title: str, now: Sequence[float], before: Sequence[float], threshold: float | None) -> Chart:
    """Draw the distribution of scores in twenty bins, or in two if each score is 0 or 1.

    ``now`` are the scores of the run, at least one, ``before`` those of the baseline, and ``threshold`` is the lowest
    score that passes.
    """
    bins = _TWO if {*now, *before} <= {0.0, 1.0} else _TWENTY
    plot = _ScoresPlot(bins, bins.counted(now), bins.counted(before), _LEGEND + _SCORES_LANE * (4 if before else 3))
    marked = threshold if bins is _TWENTY else None
    parts = [
        *legend(list(_scores_legend(now, before, marked)), _MARGIN, _LEGEND),
        *_scores_axes(plot),
        *_scores_lanes(plot, baseline=bool(before)),
        *_scores_bars(plot),
    ]
    if before:
        parts.append(path("before", [_scores_outline(plot)]))
    if marked is not None:
        parts.append(line("gate", (bins.x(marked), plot.base), (bins.x(marked), plot.top)))
    return Chart(
        svg=svg(title, _scores_description(now, before, threshold), (_WIDTH, plot.base + 42), parts),
        title=shown(title),
        headings=("score", "now", "share", *(("baseline", "share of the baseline") if before else ())),
        rows=tuple(_scores_cells(plot, number, baseline=bool(before)) for number in range(bins.number)),
    )


def _scores_legend(now: Sequence[float], before: Sequence[float], threshold: float | None) -> Iterator[LegendEntry]:
    yield LegendEntry("bar", charts_svg.box, f"now, {count(len(now), 'score')}")
    if before:
        yield LegendEntry("before", charts_svg.dash, f"baseline, {count(len(before), 'score')}")
    if threshold is not None:
        yield LegendEntry("gate", charts_svg.stroke, f"passes from {threshold:.4g}")


def _scores_axes(plot: _ScoresPlot) -> Iterator[str]:
    bins = plot.bins
    for _, y in plot.y_axis.ticks:
        yield line("grid", (bins.x(0), y), (bins.x(1), y))
    yield texts("end", "", (((_SCORES_LEFT - 8, y + 4), words) for words, y in plot.y_axis.ticks))
    named = zip(bins.middles, ("0", "1"), strict=True) if bins is _TWO else ((bins.x(at), f"{at:g}") for at in _EDGES)
    yield texts("middle", "", (((x, plot.base + 18), words) for x, words in named))
    yield text((bins.x(0.5), plot.base + 34), "score", anchor="middle")


def _scores_lanes(plot: _ScoresPlot, *, baseline: bool) -> Iterator[str]:
    """Draw the counts above the plot, so that no line crosses them."""
    lanes = [("baseline", plot.before), ("now", plot.now)] if baseline else [("now", plot.now)]
    for row, (words, counts) in enumerate(lanes):
        y = plot.top - _SCORES_LANE * (row + 1)
        yield text((_SCORES_LEFT - 8, y), words, anchor="end")
        placed = zip(plot.bins.middles, counts, strict=True)
        yield texts("middle", "small", (((x, y), _short(one)) for x, one in placed if one))


def _scores_bars(plot: _ScoresPlot) -> Iterator[str]:
    bins = plot.bins
    for number, counted in enumerate(plot.now):
        if counted:
            left, top = bins.x(number / bins.number) + bins.inset, plot.y(plot.now, number)
            yield rect("bar", (left, top), (bins.width - 2 * bins.inset, plot.base - top))


def _scores_outline(plot: _ScoresPlot) -> str:
    """Return the outline of the baseline's histogram as path data."""
    number = plot.bins.number
    edges = ((plot.bins.x((at + 1) / number), plot.y(plot.before, at)) for at in range(number))
    return f"M{_SCORES_LEFT} {plot.base}" + "".join(f"V{px(y)}H{px(x)}" for x, y in edges) + f"V{plot.base}"


def _scores_description(now: Sequence[float], before: Sequence[float], threshold: float | None) -> str:
    parts = [f"{count(len(now), 'score')} now, mean {math.fsum(now) / len(now):.3f}."]
    if before:
        parts.append(f"Baseline: {count(len(before), 'score')}, mean {math.fsum(before) / len(before):.3f}.")
    if threshold is not None:
        reached = sum(score >= threshold for score in now)
        parts.append(f"{reached:,} of {len(now):,} reach the threshold of {threshold:.4g}.")
    return " ".join(parts)


def _scores_cells(plot: _ScoresPlot, number: int, *, baseline: bool) -> tuple[str, ...]:
    kept = (plot.now, plot.before) if baseline else (plot.now,)
    cells = [cell for counts in kept for cell in (f"{counts[number]:,}", percent(_share(counts, counts[number])))]
    return plot.bins.name(number), *cells


def _share(counts: Sequence[int], one: int) -> float:
    return one / (sum(counts) or 1)


def _short(number: int) -> str:
    """Format a count in at most four characters: ``999``, ``1.2k``, ``12k``, ``3.4M``."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= 0.9995 * size:  # smaller values round to less than 1,000 of the next smaller unit
            value = number / size
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"  # noqa: PLR2004 - rounds to ten
    return str(number)


_SLICES_DRAWN: Final = 40
_MAX_NAMED: Final = 5
_TOP: Final = 64
_ROW: Final = 22
_LONGEST_NAME: Final = 28
_LETTER: Final = 7.3  # pixels of a letter of a name: its typeface is monospaced
_NUMBERS: Final = 206  # pixels to the right of the plot


@dataclass(frozen=True, slots=True)
class RateRow:
    """The pass rate of ``n`` cases with its 95 % interval, as shares.

    ``before`` is the baseline's rate and ``required`` the rate that a gate requires, None without one. ``dropped``
    means that a drop is proven.
    """

    name: str
    n: int
    rate: float
    interval: tuple[float, float]
    before: float | None = None
    required: float | None = None
    dropped: bool = False

    @property
    def shares(self) -> Iterator[float]:
        """All shares that are drawn."""
        yield from (self.rate, *self.interval)
        yield from (share for share in (self.before, self.required) if share is not None)


@dataclass(frozen=True, slots=True)
class _SlicesPlot:
    rows: Sequence[RateRow]
    x_axis: Axis

    @property
    def left(self) -> float:
        return self.x_axis.start

    @property
    def bottom(self) -> float:
        return self.y(len(self.rows)) - _ROW / 2

    @staticmethod
    def y(number: int) -> float:
        return _TOP + _ROW * (number + 0.5)

    def spots(self, shares: Iterable[float | None]) -> Iterator[Position]:
        """Yield the position of each row's share; a row without a share has none."""
        for number, share in enumerate(shares):
            if share is not None:
                yield self.x_axis.at(share), self.y(number)


def slice_rates(title: str, rows: Sequence[RateRow]) -> Chart:
    """Draw pass rates as dots with intervals, those of the baseline as ticks, and the gates' thresholds as lines.

    The first of ``rows`` is the whole suite. Forty are drawn; the table of the chart has all.
    """
    drawn = rows[:_SLICES_DRAWN]
    longest = max(width_of(_name(row)) for row in drawn)
    shares = [share for row in drawn for share in row.shares]
    plot = _SlicesPlot(drawn, Axis.around(shares, _MARGIN + _LETTER * longest + 12, _WIDTH - _NUMBERS))
    more = len(rows) - len(drawn)
    parts = [
        *legend(list(_slices_legend(drawn)), _MARGIN, 44),
        *_slices_axis(plot),
        *_slices_labels(plot),
        *_slices_marks(plot),
    ]
    if more:
        parts.append(text((_MARGIN, plot.bottom + 38), f"{more:,} more in the table"))
    return Chart(
        svg=svg(title, _slices_description(rows), (_WIDTH, round(plot.bottom) + 50), parts),
        title=shown(title),
        headings=("slice", "cases", "pass rate", "95% interval", "baseline", "gate", "note"),
        rows=tuple(map(_slices_cells, rows)),
    )


def _slices_legend(rows: Sequence[RateRow]) -> Iterator[LegendEntry]:
    yield LegendEntry("now", charts_svg.circle, "now, with its 95% interval")
    if any(row.dropped for row in rows):
        yield LegendEntry("bad", charts_svg.triangle, "dropped")
    if any(row.before is not None for row in rows):
        yield LegendEntry("before", charts_svg.stroke, "baseline")
    asked = {row.required for row in rows if row.required is not None}
    if asked:
        yield LegendEntry("gate", charts_svg.stroke, f"gate {percent(asked.pop())}" if len(asked) == 1 else "gate")


def _slices_axis(plot: _SlicesPlot) -> Iterator[str]:
    for _, x in plot.x_axis.ticks:
        yield line("grid", (x, _TOP), (x, plot.bottom))
    yield texts("middle", "", (((x, plot.bottom + 18), words) for words, x in plot.x_axis.ticks))
    if len(plot.rows) > 1:
        yield line("grid", (_MARGIN, _TOP + _ROW), (_WIDTH - _MARGIN, _TOP + _ROW))


def _slices_labels(plot: _SlicesPlot) -> Iterator[str]:
    lines = [plot.y(number) + 4 for number in range(len(plot.rows))]
    names, numbers = plot.left - 10, _WIDTH - 78
    yield texts("end", "name", (((names, y), _name(row)) for y, row in zip(lines, plot.rows, strict=True)))
    rates = (f"{percent(row.rate)} of {row.n:,}" for row in plot.rows)
    yield texts("end", "", (((numbers, y), words) for y, words in zip(lines, rates, strict=True)))
    dropped = [y for y, row in zip(lines, plot.rows, strict=True) if row.dropped]
    if dropped:
        yield texts("start", "word", (((numbers + 8, y), "dropped") for y in dropped))


def _slices_marks(plot: _SlicesPlot) -> Iterator[str]:
    rows = plot.rows
    yield path("gate", (charts_svg.tall_stroke(*spot) for spot in plot.spots(row.required for row in rows)))
    ranges = ((plot.y(number), *map(plot.x_axis.at, row.interval)) for number, row in enumerate(rows))
    yield path("range", (f"M{px(low)} {px(y)}H{px(high)}" for y, low, high in ranges))
    yield path("before", (charts_svg.stroke(*spot) for spot in plot.spots(row.before for row in rows)))
    held, fallen = ([row.rate if row.dropped is dropped else None for row in rows] for dropped in (False, True))
    yield path("now", (charts_svg.circle(*spot) for spot in plot.spots(held)))
    yield path("bad", (charts_svg.triangle(*spot) for spot in plot.spots(fallen)))


def _name(row: RateRow) -> str:
    return truncate_columns(shown(row.name), _LONGEST_NAME)


def _slices_description(rows: Sequence[RateRow]) -> str:
    whole, *slices = rows
    bounds = interval(whole.interval)
    parts = [f"{whole.name}: {percent(whole.rate)} of {count(whole.n, 'case')}, 95% interval {bounds}."]
    if slices:
        least, most = (which(slices, key=lambda row: row.rate) for which in (min, max))
        ends = " to ".join(f"{percent(row.rate)} ({row.name})" for row in (least, most))
        parts.append(f"{count(len(slices), 'slice')} from {ends}.")
    parts += _listed("Dropped", [row.name for row in rows if row.dropped])
    parts += _listed("Below the gate", [row.name for row in rows if row.required and row.rate < row.required])
    return " ".join(parts)


def _listed(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
        yield f"{what}: {', '.join(names[:_MAX_NAMED])}{more}."


def _slices_cells(row: RateRow) -> tuple[str, ...]:
    given = ("-" if share is None else percent(share) for share in (row.before, row.required))
    rates = (percent(row.rate), interval(row.interval), *given)
    return (shown(row.name), f"{row.n:,}", *rates, "dropped" if row.dropped else "")

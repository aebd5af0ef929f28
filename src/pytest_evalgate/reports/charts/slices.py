"""Pass rates side by side: a suite's whole and its slices, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts import marks
from pytest_evalgate.reports.charts.chart import Chart
from pytest_evalgate.reports.charts.marks import Key, legend
from pytest_evalgate.reports.charts.scale import Scale
from pytest_evalgate.reports.charts.svg import Spot, line, path, px, shown, svg, text, texts
from pytest_evalgate.reports.columns import fit, width_of
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MOST: Final = 40
_NAMED: Final = 5
_WIDTH: Final = 680
_MARGIN: Final = 16
_TOP: Final = 64
_ROW: Final = 22
_LONGEST_NAME: Final = 28
_LETTER: Final = 7.3  # pixels of a letter of a name: its typeface is monospaced
_NUMBERS: Final = 206  # pixels to the right of the plot


@dataclass(frozen=True, slots=True)
class RateRow:
    """The pass rate of ``n`` cases with its 95 % interval; shares.

    ``before`` is the baseline's rate and ``required`` what a gate asks for, None without one. ``dropped`` says that a
    drop is proven.
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
        """All that is drawn of it."""
        yield from (self.rate, *self.interval)
        yield from (share for share in (self.before, self.required) if share is not None)


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where rows and shares lie."""

    rows: Sequence[RateRow]
    across: Scale

    @property
    def left(self) -> float:
        return self.across.start

    @property
    def bottom(self) -> float:
        return self.y(len(self.rows)) - _ROW / 2

    @staticmethod
    def y(number: int) -> float:
        return _TOP + _ROW * (number + 0.5)

    def spots(self, shares: Iterable[float | None]) -> Iterator[Spot]:
        """Yield where the shares lie, one a row; rows without one have no spot."""
        for number, share in enumerate(shares):
            if share is not None:
                yield self.across.at(share), self.y(number)


def slice_rates(title: str, rows: Sequence[RateRow]) -> Chart:
    """Draw pass rates as dots with their intervals, the baseline's as ticks, and the gates' thresholds as lines.

    Args:
        title: What the chart is called.
        rows: At least one, the whole first. Forty are drawn, all of them stand in the table.

    """
    drawn = rows[:_MOST]
    longest = max(width_of(_name(row)) for row in drawn)
    shares = [share for row in drawn for share in row.shares]
    plot = _Plot(drawn, Scale.around(shares, _MARGIN + _LETTER * longest + 12, _WIDTH - _NUMBERS))
    more = len(rows) - len(drawn)
    parts = [*legend(list(_keys(drawn)), _MARGIN, 44), *_axis(plot), *_labels(plot), *_marks(plot)]
    if more:
        parts.append(text((_MARGIN, plot.bottom + 38), f"{more:,} more in the table"))
    return Chart(
        svg=svg(title, _said(rows), (_WIDTH, round(plot.bottom) + 50), parts),
        title=shown(title),
        heads=("slice", "cases", "pass rate", "95% interval", "baseline", "gate", "note"),
        rows=tuple(map(_cells, rows)),
    )


def _keys(rows: Sequence[RateRow]) -> Iterator[Key]:
    """Yield the meaning of the marks that occur."""
    yield Key("now", marks.circle, "now, with its 95% interval")
    if any(row.dropped for row in rows):
        yield Key("bad", marks.triangle, "dropped")
    if any(row.before is not None for row in rows):
        yield Key("before", marks.stroke, "baseline")
    asked = {row.required for row in rows if row.required is not None}
    if asked:
        yield Key("gate", marks.stroke, f"gate {percent(asked.pop())}" if len(asked) == 1 else "gate")


def _axis(plot: _Plot) -> Iterator[str]:
    for _, x in plot.across.ticks:
        yield line("grid", (x, _TOP), (x, plot.bottom))
    yield texts("middle", "", (((x, plot.bottom + 18), words) for words, x in plot.across.ticks))
    if len(plot.rows) > 1:
        yield line("grid", (_MARGIN, _TOP + _ROW), (_WIDTH - _MARGIN, _TOP + _ROW))


def _labels(plot: _Plot) -> Iterator[str]:
    lines = [plot.y(number) + 4 for number in range(len(plot.rows))]
    names, numbers = plot.left - 10, _WIDTH - 78
    yield texts("end", "name", (((names, y), _name(row)) for y, row in zip(lines, plot.rows, strict=True)))
    said = (f"{percent(row.rate)} of {row.n:,}" for row in plot.rows)
    yield texts("end", "", (((numbers, y), words) for y, words in zip(lines, said, strict=True)))
    dropped = [(y, row) for y, row in zip(lines, plot.rows, strict=True) if row.dropped]
    if dropped:
        yield texts("start", "word", (((numbers + 8, y), "dropped") for y, _ in dropped))


def _marks(plot: _Plot) -> Iterator[str]:
    rows = plot.rows
    yield path("gate", (marks.tall_stroke(*spot) for spot in plot.spots(row.required for row in rows)))
    yield path("range", (_range(plot, number, row) for number, row in enumerate(rows)))
    yield path("before", (marks.stroke(*spot) for spot in plot.spots(row.before for row in rows)))
    held, fallen = ([row.rate if row.dropped is dropped else None for row in rows] for dropped in (False, True))
    yield path("now", (marks.circle(*spot) for spot in plot.spots(held)))
    yield path("bad", (marks.triangle(*spot) for spot in plot.spots(fallen)))


def _range(plot: _Plot, number: int, row: RateRow) -> str:
    low, high = map(plot.across.at, row.interval)
    return f"M{px(low)} {px(plot.y(number))}H{px(high)}"


def _name(row: RateRow) -> str:
    return fit(shown(row.name), _LONGEST_NAME)


def _said(rows: Sequence[RateRow]) -> str:
    whole, *slices = rows
    told = [f"{whole.name}: {percent(whole.rate)} of {count(whole.n, 'case')}, 95% interval {_span(whole)}."]
    if slices:
        least, most = (which(slices, key=lambda row: row.rate) for which in (min, max))
        ends = " to ".join(f"{percent(row.rate)} ({row.name})" for row in (least, most))
        told.append(f"{count(len(slices), 'slice')} from {ends}.")
    told += _listed("Dropped", [row.name for row in rows if row.dropped])
    told += _listed("Below the gate", [row.name for row in rows if row.required and row.rate < row.required])
    return " ".join(told)


def _listed(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        yield f"{what}: {', '.join(names[:_NAMED])}{more}."


def _cells(row: RateRow) -> tuple[str, ...]:
    given = ("-" if share is None else percent(share) for share in (row.before, row.required))
    return (shown(row.name), f"{row.n:,}", percent(row.rate), _span(row), *given, "dropped" if row.dropped else "")


def _span(row: RateRow) -> str:
    return f"{100 * row.interval[0]:.1f}-{100 * row.interval[1]:.1f}"

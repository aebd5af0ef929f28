"""A scorer's scores as a histogram: those of the run as bars, those of the baseline as an outline over them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts import marks
from pytest_evalgate.reports.charts.chart import Chart
from pytest_evalgate.reports.charts.marks import Key, legend
from pytest_evalgate.reports.charts.scale import Scale
from pytest_evalgate.reports.charts.svg import Spot, line, path, px, rect, shown, svg, text, texts
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 680
_LEFT: Final = 84
_MARGIN: Final = 16
_LANE: Final = 14
_PLOT: Final = 150
_LEGEND: Final = 44
_ROUNDING: Final = 1e-9  # a score of 0.3 made of sums must not fall below 0.3
_EDGES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class _Bins:
    """How scores are sorted into ``number`` bins, and how wide each is drawn, in pixels.

    A bin holds the scores from its lower edge on, so that a threshold parts bins as it parts scores.
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
        return _LEFT + edge * self.width * self.number

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
class _Plot:
    """Both histograms; their heights are shares, so that they compare where one has more scores than the other."""

    bins: _Bins
    now: Sequence[int]
    before: Sequence[int]
    top: int

    @property
    def base(self) -> int:
        return self.top + _PLOT

    @property
    def upwards(self) -> Scale:
        highest = max(_share(counts, one) for counts in (self.now, self.before) for one in counts)
        return Scale(0, max(10, math.ceil(10 * highest) * 10), self.base, self.top)

    def y(self, counts: Sequence[int], number: int) -> float:
        return self.upwards.at(_share(counts, counts[number]))


def score_histogram(title: str, now: Sequence[float], before: Sequence[float], threshold: float | None) -> Chart:
    """Draw how scores are spread over twenty bins, or over two where each is 0 or 1.

    Args:
        title: What the chart is called.
        now: The scores of the run, at least one, each in [0, 1].
        before: Those of the baseline, empty without one.
        threshold: From which score on an output passes, None where nothing is to be marked.

    """
    bins = _TWO if {*now, *before} <= {0.0, 1.0} else _TWENTY
    plot = _Plot(bins, bins.counted(now), bins.counted(before), _LEGEND + _LANE * (4 if before else 3))
    marked = threshold if bins is _TWENTY else None
    parts = [
        *legend(list(_keys(now, before, marked)), _MARGIN, _LEGEND),
        *_axes(plot),
        *_lanes(plot, baseline=bool(before)),
        *_bars(plot),
    ]
    if before:
        parts.append(path("before", [_outline(plot)]))
    if marked is not None:
        parts.append(line("gate", (bins.x(marked), plot.base), (bins.x(marked), plot.top)))
    return Chart(
        svg=svg(title, _said(now, before, threshold), (_WIDTH, plot.base + 42), parts),
        title=shown(title),
        heads=("score", "now", "share", *(("baseline", "share of the baseline") if before else ())),
        rows=tuple(_cells(plot, number, baseline=bool(before)) for number in range(bins.number)),
    )


def _keys(now: Sequence[float], before: Sequence[float], threshold: float | None) -> Iterator[Key]:
    yield Key("bar", marks.box, f"now, {count(len(now), 'score')}")
    if before:
        yield Key("before", marks.dash, f"baseline, {count(len(before), 'score')}")
    if threshold is not None:
        yield Key("gate", marks.stroke, f"passes from {threshold:.4g}")


def _axes(plot: _Plot) -> Iterator[str]:
    bins = plot.bins
    for _, y in plot.upwards.ticks:
        yield line("grid", (bins.x(0), y), (bins.x(1), y))
    yield texts("end", "", (((_LEFT - 8, y + 4), words) for words, y in plot.upwards.ticks))
    named = zip(bins.middles, ("0", "1"), strict=True) if bins is _TWO else ((bins.x(at), f"{at:g}") for at in _EDGES)
    yield texts("middle", "", (((x, plot.base + 18), words) for x, words in named))
    yield text((bins.x(0.5), plot.base + 34), "score", anchor="middle")


def _lanes(plot: _Plot, *, baseline: bool) -> Iterator[str]:
    """Write the counts above the plot, where no bar, outline or threshold crosses them."""
    lanes = [("baseline", plot.before), ("now", plot.now)] if baseline else [("now", plot.now)]
    for row, (words, counts) in enumerate(lanes):
        y = plot.top - _LANE * (row + 1)
        yield text((_LEFT - 8, y), words, anchor="end")
        placed = zip(plot.bins.middles, counts, strict=True)
        yield texts("middle", "small", (((x, y), _short(one)) for x, one in placed if one))


def _bars(plot: _Plot) -> Iterator[str]:
    bins = plot.bins
    for number, counted in enumerate(plot.now):
        if counted:
            left, top = bins.x(number / bins.number) + bins.inset, plot.y(plot.now, number)
            yield rect("bar", (left, top), (bins.width - 2 * bins.inset, plot.base - top))


def _outline(plot: _Plot) -> str:
    """Return the skyline of the baseline, from base to base."""
    edges = (_spot(plot, number) for number in range(plot.bins.number))
    return f"M{_LEFT} {plot.base}" + "".join(f"V{px(y)}H{px(x)}" for x, y in edges) + f"V{plot.base}"


def _spot(plot: _Plot, number: int) -> Spot:
    return plot.bins.x((number + 1) / plot.bins.number), plot.y(plot.before, number)


def _said(now: Sequence[float], before: Sequence[float], threshold: float | None) -> str:
    told = [f"{count(len(now), 'score')} now, mean {math.fsum(now) / len(now):.3f}."]
    if before:
        told.append(f"Baseline: {count(len(before), 'score')}, mean {math.fsum(before) / len(before):.3f}.")
    if threshold is not None:
        reached = sum(score >= threshold for score in now)
        told.append(f"{reached:,} of {len(now):,} reach the threshold of {threshold:.4g}.")
    return " ".join(told)


def _cells(plot: _Plot, number: int, *, baseline: bool) -> tuple[str, ...]:
    kept = (plot.now, plot.before) if baseline else (plot.now,)
    cells = [cell for counts in kept for cell in (f"{counts[number]:,}", percent(_share(counts, counts[number])))]
    return plot.bins.name(number), *cells


def _share(counts: Sequence[int], one: int) -> float:
    return one / (sum(counts) or 1)


def _short(number: int) -> str:
    """Write a count in at most four characters: ``999``, ``1.2k``, ``12k``, ``3.4M``."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= 0.9995 * size:  # what would round to a thousand of the next smaller unit
            value = number / size
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"  # noqa: PLR2004 - rounds to ten
    return str(number)

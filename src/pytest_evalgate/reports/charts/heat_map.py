"""Heat map of slices over runs: one row for each slice, one column for each run, darker for a lower pass rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.svg import Chart, px, shown, svg, text, texts
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_RUNS: Final = 12
"""Runs of a heat map: each cell shows its number, which needs 40 pixels."""

MOST_SLICES: Final = 40
_CELL: Final = 40
_ROW: Final = 24
_NAMES: Final = 170
_NAME: Final = 22
_HEAD: Final = 76
_DARKEST: Final = 0.6  # with a darker cell, its number would be hard to read (contrast 4.5)
_LEGEND: Final = 46
_MONTH: Final = slice(5, 10)  # of 2026-11-21


@dataclass(frozen=True, slots=True)
class HeatColumn:
    """One run: its id, its start, and the pass rate and the number of cases of each slice."""

    run_id: str
    created: str
    rates: Mapping[str, tuple[float, int]]


def slice_heat_map(title: str, columns: Sequence[HeatColumn]) -> Chart:
    """Draw the pass rates of the slices in the last twelve runs, at least one, oldest first.

    The slices with the lowest rate in the last run come first. The shades span the rates that are drawn.
    """
    columns = columns[-MOST_RUNS:]
    names = _ordered(columns)
    drawn = names[:MOST_SLICES]
    rates = [rate for column in columns for name, (rate, _) in column.rates.items() if name in set(drawn)]
    low, high = min(rates, default=0.0), max(rates, default=1.0)
    width = max(_NAMES + _CELL * len(columns) + 16, 420)
    size = width, _HEAD + _ROW * len(drawn) + 14
    more = f" {count(len(names) - len(drawn), 'slice')} more in the table." if len(names) > len(drawn) else ""
    parts = [
        text((16, _LEGEND), f"pass rate in %; darker is lower: {percent(low)} to {percent(high)}"),
        *_heads(columns),
        *_cells(columns, drawn, low, high),
        texts(
            "end",
            "name",
            (((_NAMES - 10, _y(at) + 16), truncate_columns(shown(name), _NAME)) for at, name in enumerate(drawn)),
        ),
    ]
    described = (
        f"{count(len(names), 'slice')} in {count(len(columns), 'run')}, from {percent(low)} to {percent(high)}."
    )
    return Chart(
        svg=svg(title, f"{described}{more}", size, parts),
        title=shown(title),
        headings=("slice", *(shown(f"{column.created[:10]} {column.run_id}") for column in columns)),
        rows=tuple((shown(name), *(_words(column, name) for column in columns)) for name in names),
    )


def _ordered(columns: Sequence[HeatColumn]) -> list[str]:
    names = dict.fromkeys(name for column in columns[::-1] for name in column.rates)
    last = columns[-1].rates
    return sorted(names, key=lambda name: (name not in last, last.get(name, (0.0, 0))[0], name))


def _y(row: int) -> float:
    return _HEAD + _ROW * row


def _heads(columns: Sequence[HeatColumn]) -> Iterator[str]:
    """Yield the day of each column, unless it is that of the column before."""
    days = [shown(column.created)[_MONTH] for column in columns]
    placed = [(at, day) for at, day in enumerate(days) if at == 0 or days[at - 1] != day]
    yield texts("middle", "small", (((_NAMES + _CELL * (at + 0.5), _HEAD - 8), day) for at, day in placed))


def _cells(columns: Sequence[HeatColumn], names: Sequence[str], low: float, high: float) -> Iterator[str]:
    spread = max(high - low, 1e-9)
    numbers = []
    for row, name in enumerate(names):
        for at, column in enumerate(columns):
            if name not in column.rates:
                continue
            rate, _ = column.rates[name]
            shade = _DARKEST * (high - rate) / spread
            x, y = _NAMES + _CELL * at, _y(row)
            box = f'x="{px(x + 1)}" y="{px(y + 1)}" width="{_CELL - 2}" height="{_ROW - 2}"'
            yield f'<rect class="bad" {box} fill-opacity="{shade:.2f}"/>'
            numbers.append(((x + _CELL / 2, y + 16), f"{100 * rate:.0f}"))
    yield texts("middle", "", numbers)


def _words(column: HeatColumn, name: str) -> str:
    if name not in column.rates:
        return "-"
    rate, n = column.rates[name]
    return f"{percent(rate)} of {n:,}"

"""Charts of a suite's metrics: the confusion matrix, and the reliability diagram of stated confidences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts import svg as charts_svg
from pytest_evalgate.reports.charts.svg import Chart, path, polyline, px, rect, shown, svg, text, texts
from pytest_evalgate.reports.charts.unit_square import AXES, BARS, DIAGONAL, LEFT, WIDTH, X, Y, axes
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.measured import ConfusionMatrix, MetricResult, ReliabilityBin

_CELL: Final = 44
_NAMES: Final = 150
_NAME: Final = 18
"""Characters of a class beside and above the matrix."""

_HEAD: Final = 132
_SLANT: Final = 40
"""Degrees by which the names above the columns are turned, so that they do not overlap."""

_MOST: Final = 30
"""Classes of a matrix that is drawn; the cells of a larger one would be too small to read."""


def metric_charts(suite: str, metric: MetricResult) -> Iterator[Chart]:
    """Draw the charts of a metric, as far as it has their data."""
    if metric.matrix is not None and len(metric.matrix.labels) <= _MOST:
        yield confusion(f"{suite}: {metric.name}", metric.matrix)
    if metric.bins:
        yield stated_reliability(f"{suite}: {metric.name}", metric.bins)


def confusion(title: str, matrix: ConfusionMatrix) -> Chart:
    """Draw a confusion matrix: a row for each true class, darker for a larger share of its cases."""
    labels, rows = matrix.labels, [*enumerate(zip(matrix.labels, matrix.counts, strict=True))]
    right = sum(cells[at] for at, (_, cells) in rows)
    total = sum(map(sum, matrix.counts))
    size = _NAMES + _CELL * len(labels) + 100, _HEAD + _CELL * len(labels) + 40
    parts = [
        *(_cell(row, column, n, sum(cells)) for row, (_, cells) in rows for column, n in enumerate(cells) if n),
        texts("end", "name", (((_NAMES - 8, _middle(row) + 4), _short(label)) for row, (label, _) in rows)),
        *(_column_name(at, label) for at, label in enumerate(labels)),
        text((_NAMES, 44), "predicted"),
        text((16, _HEAD - 8), "true"),
        texts(
            "middle",
            "",
            (
                ((_across(column), _middle(row) + 4), f"{n:,}")
                for row, (_, cells) in rows
                for column, n in enumerate(cells)
                if n
            ),
        ),
    ]
    described = f"{right:,} of {count(total, 'prediction')} are right ({percent(right / max(total, 1))})."
    return Chart(
        svg=svg(f"{title}: confusion matrix", described, size, parts),
        title=shown(f"{title}: confusion matrix"),
        headings=("true", "predicted", "predictions"),
        rows=tuple(
            (shown(label), shown(labels[column]), f"{n:,}")
            for _, (label, cells) in rows
            for column, n in enumerate(cells)
            if n
        ),
    )


def _cell(row: int, column: int, n: int, of: int) -> str:
    """Draw one cell; its colour says whether the prediction is right, its darkness the share of the true class."""
    kind = "cell" if row == column else "cell wrong"
    x, y = _NAMES + _CELL * column + 1, _HEAD + _CELL * row + 1
    size = px(_CELL - 2)
    opacity = f"{0.15 + 0.5 * n / of:.2f}"
    return f'<rect class="{kind}" x="{px(x)}" y="{px(y)}" width="{size}" height="{size}" fill-opacity="{opacity}"/>'


def _middle(row: int) -> float:
    return _HEAD + _CELL * (row + 0.5)


def _across(column: int) -> float:
    return _NAMES + _CELL * (column + 0.5)


def _short(label: str) -> str:
    return truncate_columns(shown(label), _NAME)


def _column_name(column: int, label: str) -> str:
    turned = f"translate({px(_across(column))} {px(_HEAD - 8)}) rotate(-{_SLANT})"
    return f'<g class="name" transform="{turned}">{text((0, 0), _short(label))}</g>'


def stated_reliability(title: str, bins: Sequence[ReliabilityBin]) -> Chart:
    """Draw the share of outputs that passed by stated confidence, with the number of outputs of each bin below."""
    spots = [(X.at(one.confidence), Y.at(one.accuracy)) for one in bins]
    most = max(one.n for one in bins)
    base = AXES + 10 + BARS
    bars = (
        rect("count", (x - 5, base - BARS * one.n / most), (10, BARS * one.n / most))
        for (x, _), one in zip(spots, bins, strict=True)
    )
    parts = [
        *axes("stated confidence", "share that passed"),
        DIAGONAL,
        polyline("curve", spots),
        path("now", (charts_svg.circle(*spot) for spot in spots)),
        *bars,
        text((LEFT - 8, base), "outputs", anchor="end"),
    ]
    described = "; ".join(f"confidence {one.confidence:.2f}: {one.accuracy:.0%} of {one.n:,} passed" for one in bins)
    return Chart(
        svg=svg(f"{title}: reliability", described, (WIDTH, AXES + BARS + 34), parts),
        title=shown(f"{title}: reliability"),
        headings=("mean confidence", "passed", "outputs"),
        rows=tuple((f"{one.confidence:.3f}", percent(one.accuracy), f"{one.n:,}") for one in bins),
    )

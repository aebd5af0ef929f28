"""Points of a series for its charts, from rows of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.metric_series import SeriesPoint, Unit, format_value, sparkline
from pytest_evalgate.store import StoreError, questions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from pytest_evalgate.server.view_sources import ViewSources
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

SPARK_RUNS: Final = 30
"""Runs of a sparkline: more are not distinguishable in 170 pixels."""

_UNITS: Final[Mapping[str, Unit]] = {
    "pass_rate": "share",
    "error_rate": "share",
    "cost_usd": "usd",
    "latency_p50_s": "seconds",
    "latency_p95_s": "seconds",
}
_SHARES: Final = ("score.",)
_CHANGED: Final = " changed"
_PROMOTED: Final = "promoted"


def unit_of(metric: str) -> Unit:
    """Return the unit of a metric."""
    return "share" if metric.startswith(_SHARES) else _UNITS.get(metric, "number")


def read_points(sources: ViewSources, suite: str, metric: str, chosen: RunFilter, limit: int) -> list[SeriesPoint]:
    """Return the newest points of a metric, oldest first; none if no run that matches has it."""
    try:
        rows = questions.series(sources.database, suite, metric, replace(chosen, limit=limit, after=None)).rows
    except StoreError:
        return []
    return list(map(point_of, rows))


def point_of(row: Row) -> SeriesPoint:
    """Return the point of a row of a series."""
    lower, upper = row["lower_bound"], row["upper_bound"]
    bounds = None if lower is None or upper is None else (lower, upper)
    marks = tuple(dict.fromkeys(map(_mark, row.get("marks", ()))))
    names = row["run_id"], row["created"], row["commit_id"]
    return SeriesPoint(*names, row["value"], bounds, row["n"], row["verdict"] or "", marks)


def _mark(mark: str) -> str:
    return mark.removesuffix(_CHANGED) if mark.endswith(_CHANGED) else _PROMOTED


@dataclass(frozen=True, slots=True)
class MetricRow:
    """The newest value of a metric with its recent series."""

    metric: str
    value: str
    bounds: tuple[float, float] | None
    n: int
    change: str
    spark: Markup


def metric_row(title: str, metric: str, points: Sequence[SeriesPoint]) -> MetricRow:
    """Return the row of a metric; ``points`` are at least one, oldest first."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    unit, last = unit_of(metric), points[-1]
    change = "" if len(points) == 1 else _change(last.value - points[-2].value, unit)
    spark = Markup(sparkline(title, points, unit))  # noqa: S704 - its texts are escaped
    bounds = last.bounds if unit == "share" else None
    return MetricRow(metric, format_value(last.value, unit), bounds, last.n, change, spark)


def _change(difference: float, unit: Unit) -> str:
    if unit == "share":
        rounded = round(100 * difference, 1)
        return f"{rounded:+.1f} pp" if rounded else "0.0 pp"
    sign = "+" if difference > 0 else "-" if difference < 0 else ""
    return f"{sign}{format_value(abs(difference), unit)}"

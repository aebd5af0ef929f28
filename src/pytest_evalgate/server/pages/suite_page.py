"""Suite: its metrics over the runs with bounds and markers, its slices, unstable cases, promotions and judges."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import calibration
from pytest_evalgate.reports.charts.heat_map import MOST_RUNS, HeatColumn, slice_heat_map
from pytest_evalgate.reports.charts.metric_series import RUNS_DRAWN, series_chart
from pytest_evalgate.reports.charts.sections import as_markup
from pytest_evalgate.server.pages.page_frame import SERVED, render, require_suite
from pytest_evalgate.server.pages.series_points import SPARK_RUNS, metric_row, point_of, read_points, unit_of
from pytest_evalgate.store import StoreError, questions
from pytest_evalgate.store.movement import Movement, movement
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.reports.charts.svg import Chart
    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.pages.series_points import MetricRow
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

_CHARTS: Final = {"pass_rate": "pass rate", "latency_p95_s": "latency, 95th percentile", "cost_usd": "cost of a run"}
_METRICS: Final = 24
_RUNS: Final = 15
_FLAKY: Final = 15
_MISSED: Final = 30
_PROMOTIONS: Final = 8
_FINGERPRINT: Final = 12
_TREND_RUNS: Final = 30
"""Runs in which a change is looked for: the test reads the outcome of each case, 2 ms a run of 1,000 cases."""


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML.

    Raises:
        NotStoredError: No stored run has the suite.
    """
    suite = query.names["suite"]
    known = require_suite(sources, suite)
    chosen = replace(query.runs, suite=suite, after=None)
    database = sources.database
    runs = database.query("runs_of_suite", **replace(chosen, limit=_RUNS).parameters())
    newest = runs[0] if runs else None
    metric = query.values.get("metric", "")
    key = {"run_id": None if newest is None else newest["run_id"], "suite": suite}
    values = {
        "suite": suite,
        "about": [text for text in (known.get("owner"), known.get("description")) if text],
        "newest": newest,
        "charts": as_markup(_charts(sources, suite, metric, chosen)),
        "metrics": list(_metric_rows(sources, suite, chosen)),
        "heat": as_markup(_heat(sources, suite, chosen)),
        "runs": runs,
        "pairs": [*zip_longest(runs, runs[1:])],
        "flaky": questions.flaky(database, suite, replace(chosen, limit=_FLAKY)),
        "trend": _trend(sources, suite, chosen),
        "tiers": [row["tier"] for row in database.query("tiers", project=sources.name)],
        "values": {name: query.values.get(name, "") for name in ("tier", "branch", "label", "since")},
        "missed": database.query("missed_cases", **key, limit=_MISSED),
        "promotions": [*_promotions(sources, suite)],
        "judges": [*_judges(sources, key, newest)],
    }
    return render("suite.html.j2", sources, to, values)


def _trend(sources: ViewSources, suite: str, chosen: RunFilter) -> Movement:
    try:
        return movement(sources.database, suite, "pass_rate", replace(chosen, limit=_TREND_RUNS))
    except StoreError:  # no run that matches has a pass rate
        return Movement("unknown", 0, None)


def _charts(sources: ViewSources, suite: str, metric: str, chosen: RunFilter) -> Iterator[Chart]:
    wanted = {**({metric: metric} if metric else {}), **_CHARTS}
    for name, title in wanted.items():
        points = read_points(sources, suite, name, chosen, RUNS_DRAWN)
        if any(point.value for point in points) or (points and name == "pass_rate"):
            yield series_chart(f"{suite}: {title}", points, unit_of(name))


def _metric_rows(sources: ViewSources, suite: str, chosen: RunFilter) -> Iterator[MetricRow]:
    """Yield the metrics of the newest run, each with its recent values."""
    last = {**chosen.parameters(), "last_runs": SPARK_RUNS}
    rows = sources.database.query("recent_metrics", **last)
    newest = max(((row["created"], row["run_id"]) for row in rows), default=None)
    for metric, found in [(name, [*of]) for name, of in groupby(rows, key=itemgetter("metric"))][:_METRICS]:
        if (found[-1]["created"], found[-1]["run_id"]) == newest:
            yield metric_row(f"{metric} of {suite}", metric, [point_of(row) for row in found])


def _heat(sources: ViewSources, suite: str, chosen: RunFilter) -> Iterator[Chart]:
    """Yield the heat map of each key of slices."""
    last = {**replace(chosen, suite=suite).parameters(), "last_runs": MOST_RUNS}
    rows = sorted(sources.database.query("slice_series", **last), key=itemgetter("slice_by"))  # stable: oldest first
    for by, of_key in groupby(rows, key=itemgetter("slice_by")):
        columns = [
            HeatColumn(run_id, created, {row["slice_value"]: (row["pass_rate"], row["n"]) for row in of_run})
            for (run_id, created), of_run in groupby(of_key, key=itemgetter("run_id", "created"))
        ]
        yield slice_heat_map(f"{suite}: slices by {by}", columns)


def _promotions(sources: ViewSources, suite: str) -> Iterator[Row]:
    found = sources.database.query("promotions", project=sources.name, suite=suite)
    for row in found[::-1][:_PROMOTIONS]:
        worse = json.loads(row["worse"])
        yield {**row, "worse": count(len(worse), "case") if worse else "none"}


@dataclass(frozen=True, slots=True)
class JudgeLine:
    """A judge in the newest run, and the age of its calibration in that run."""

    row: Row
    fingerprint: str
    calibrated: str
    limit: str


def _judges(sources: ViewSources, key: Row, newest: Row | None) -> Iterator[JudgeLine]:
    if newest is None:
        return
    for row in sources.database.query("judges_of_run", run_id=key["run_id"]):
        if row["suite"] == key["suite"]:
            yield JudgeLine(row, row["fingerprint"][:_FINGERPRINT], *_age(sources, row["judge"], newest["created"]))


def _age(sources: ViewSources, judge: str, created: str) -> tuple[str, str]:
    """Return the age of the calibration of a judge on the day of a run, and its limit."""
    configured = sources.project.settings.judges.get(judge)
    if configured is None or configured.calibration is None:
        return "never", ""
    limit = f"limit {configured.max_age_days} days"
    try:
        path = files.existing_path(sources.root, configured.calibration, f"judges.{judge}.calibration")
        day = calibration.read(path).created[:10]
        age = (date.fromisoformat(created[:10]) - date.fromisoformat(day)).days
    except (UserError, ValueError):
        return "its file cannot be read", limit
    return f"{count(max(age, 0), 'day')} old, of {day}", limit

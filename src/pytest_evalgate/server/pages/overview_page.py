"""Overview: the verdict of the release tier, the trend of each suite, cost, and what failed lately, on one screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.metric_series import SeriesPoint, sparkline
from pytest_evalgate.server.pages.page_frame import SERVED, render
from pytest_evalgate.server.pages.series_points import SPARK_RUNS, MetricRow, metric_row, read_points
from pytest_evalgate.store import StoreError, questions
from pytest_evalgate.store.filters import time_of
from pytest_evalgate.text.wording import count, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup

    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

_RELEASE: Final = "release"
_DAYS: Final = 30
_INCIDENTS: Final = 6
_LABELS: Final = 6
_SUITES: Final = 50
_UNDECIDED: Final = frozenset({"inconclusive", "incomplete", "not_evaluated"})


@dataclass(frozen=True, slots=True)
class SuiteLine:
    """One suite: its newest verdict and pass rate with its trend, and its cost in the newest run."""

    suite: str
    run: Row | None
    rate: MetricRow | None


@dataclass(frozen=True, slots=True)
class Spending:
    """The cost of the runs of the last 30 days before the newest run."""

    since: str
    total: str
    runs: str
    unknown: str
    spark: Markup | None
    labels: Sequence[Row]


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML.

    Raises:
        StoreError: No run is stored with its results.
    """
    chosen, tier = _release(sources, query.runs)
    newest = questions.find_run(sources.database, chosen)
    detail = questions.run_detail(sources.database, newest)
    failed = sources.database.query("failed_gates", **replace(query.runs, limit=_INCIDENTS).parameters())
    values = {
        "run": detail,
        "tier": tier,
        "summary": _summary(detail),
        "suites": list(_suites(sources, query.runs, detail)),
        "undecided": [gate for gate in detail["gates"] if gate["result"] in _UNDECIDED],
        "incidents": failed,
        "spending": _spending(sources, query.runs),
    }
    return render("overview.html.j2", sources, to, values)


def _release(sources: ViewSources, chosen: RunFilter) -> tuple[RunFilter, str]:
    """Return the filter of the release tier, else that of the default tier, if runs of it are stored."""
    stored = {row["tier"] for row in sources.database.query("tiers", project=sources.name)}
    if chosen.tier is not None:
        return chosen, chosen.tier
    for tier in (_RELEASE, sources.project.settings.default_tier):
        if tier in stored:
            try:
                questions.find_run(sources.database, replace(chosen, tier=tier))
            except StoreError:  # the other filters match none of its runs
                continue
            return replace(chosen, tier=tier), tier
    return chosen, ""


def _summary(run: Mapping[str, Any]) -> str:
    """Return one sentence on the suites: ``1 of 3 suites failed: support (no-regression)``."""
    failed = [suite["suite"] for suite in run["suites"] if suite["verdict"] == "fail"]
    total = count(len(run["suites"]), "suite")
    if failed:
        gates = {name: [gate["kind"] for gate in run["gates"] if _is_failed(gate, name)] for name in failed}
        named = ", ".join(f"{name} ({', '.join(dict.fromkeys(gates[name])) or 'no gate'})" for name in failed)
        return f"{len(failed):,} of {total} failed: {named}"
    open_suites = [suite["suite"] for suite in run["suites"] if suite["verdict"] in _UNDECIDED]
    if open_suites:
        return f"{len(open_suites):,} of {total} not decided: {', '.join(open_suites)}"
    return f"{total} passed" if run["suites"] else "no suite was decided"


def _is_failed(gate: Mapping[str, Any], suite: str) -> bool:
    return bool(gate["suite"] == suite and gate["result"] == "fail")


def _suites(sources: ViewSources, chosen: RunFilter, run: Mapping[str, Any]) -> Iterator[SuiteLine]:
    decided = {suite["suite"]: suite for suite in run["suites"]}
    stored = [row["suite"] for row in sources.database.query("suite_names", project=sources.name)]
    names = dict.fromkeys([*decided, *stored])  # those of the run that is shown come first
    for suite in list(names)[:_SUITES]:
        points = read_points(sources, suite, "pass_rate", replace(chosen, suite=suite), SPARK_RUNS)
        rate = metric_row(f"pass rate of {suite}", "pass_rate", points) if points else None
        if rate is not None or suite in decided:
            yield SuiteLine(suite, decided.get(suite) or _line_of(points), rate)


def _line_of(points: Sequence[SeriesPoint]) -> Row | None:
    """Return the verdict of a suite that is not in the run that is shown, from its own newest run."""
    return {"verdict": points[-1].verdict or None, "finding": None, "delta": None, "cases": points[-1].n}


def _spending(sources: ViewSources, chosen: RunFilter) -> Spending:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    newest = questions.runs(sources.database, replace(chosen, limit=1)).rows[0]["created"]
    since = time_of(f"{_DAYS}d", datetime.fromisoformat(newest).astimezone(UTC))
    within = replace(chosen, since=max(filter(None, (since, chosen.since))), limit=_LABELS, after=None)
    days = sources.database.query("cost_by_day", **within.parameters())
    total, unknown = sum(day["cost_usd"] for day in days), sum(day["unknown_price"] for day in days)
    points = [SeriesPoint("", day["day"], None, day["cost_usd"], None, day["runs"], "") for day in days]
    return Spending(
        since=since[:10],
        total=usd(total),
        runs=count(sum(day["runs"] for day in days), "run"),
        unknown=f"{count(unknown, 'call')} of unknown price" if unknown else "",
        spark=Markup(sparkline("cost by day", points, "usd")) if len(points) > 1 and total else None,  # noqa: S704
        labels=sources.database.query("cost_by_label", **within.parameters()),
    )

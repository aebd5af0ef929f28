"""Answers to questions: the rows of a table, for the screen, JSON, CSV and HTTP alike.

Each pattern is one function: ``runs``, ``point``, ``series``, ``slices``, ``cases`` and the history of one case.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.drivers import Row

FLAKY_RUNS: Final = 20
"""Runs in which flaky cases are looked for."""

_LIST: Final = "list the runs with: pytest-evalgate runs list"
_NO_RUN: Final = f"no stored run matches: {_LIST}"
COMPARED: Final = (
    ("golden_sha256", "golden set"),
    ("scorers_sha256", "scorers"),
    ("model", "model"),
    ("target", "target"),
    ("baseline_run_id", "baseline"),
)
"""Fields of a point whose change is a marker of the series."""


class NotStoredError(StoreError):
    """A name that is not in the store. The message has the names near it, or the command that lists them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A table. ``after`` is the value of ``--after`` for the next page; None if this is the last one."""

    rows: tuple[Row, ...]
    after: str | None = None
    notes: tuple[str, ...] = ()


def runs(database: Database, chosen: RunFilter) -> Answer:
    """Return the runs, the newest first."""
    found = database.query("runs", **_one_more(chosen))
    shown = found[: chosen.limit]
    labels = _labels(database, chosen.project, shown)
    rows = tuple(
        {
            **{name: row[name] for name in ("run_id", "created", "verdict", "tier", "branch", "commit_id")},
            **{name: row[name] for name in ("duration_s", "cost_usd", "tokens_in", "tokens_out", "source")},
            "labels": labels[row["run_id"]],
        }
        for row in shown
    )
    return Answer(rows, _after(chosen, found))


def _labels(database: Database, project: str, shown: Sequence[Row]) -> Mapping[str, list[str]]:
    """Return the labels of the runs of a page, by one query: a server is a millisecond away."""
    found: dict[str, list[str]] = defaultdict(list)
    if shown:
        span = {"first": shown[-1]["created"], "last": shown[0]["created"]}
        for row in database.query("labels_of_page", project=project, **span):
            found[row["run_id"]].append(row["label"])
    return found


def find_run(database: Database, chosen: RunFilter, *, skip: int = 0) -> Row:
    """Return the newest run that matches, or the one after ``skip`` newer ones, with its results.

    Raises:
        NotStoredError: There is none.
    """
    found = [
        row for row in database.query("runs", **replace(chosen, limit=skip + 50).parameters()) if _has_results(row)
    ]
    if len(found) <= skip:
        raise NotStoredError(_missing_run(database, chosen))
    return found[skip]


def _missing_run(database: Database, chosen: RunFilter) -> str:
    """Return the reason why no run matches; raises NotStoredError itself if no run has the suite."""
    if chosen.suite is not None:
        check_suite(database, chosen.suite, chosen.project)
    if chosen.run_id is None:
        return _NO_RUN
    every = RunFilter(chosen.project)
    if any(map(_has_results, database.query("runs", **replace(every, run_id=chosen.run_id).parameters()))):
        return f"run {quote_text(chosen.run_id)} does not match the suite and the filters: {_LIST}"
    near = did_you_mean(chosen.run_id, [row["run_id"] for row in database.query("runs", **every.parameters())])
    return f"run {quote_text(chosen.run_id)} is not stored with its results{near or f': {_LIST}'}"


def _has_results(row: Row) -> bool:
    return bool(row["source"] == "run")


def run_detail(database: Database, run: Row) -> dict[str, Any]:
    """Return the accounting of one run: its facts, suites, gates and judges."""
    key = {"run_id": run["run_id"]}
    return {
        **run,
        "facts": json.loads(run["facts"]),
        "problems": json.loads(run["problems"]),
        "labels": [row["label"] for row in database.query("run_labels", **key)],
        "suites": database.query("suites_of_run", **key),
        "gates": database.query("gates_of_run", **key),
        "judges": database.query("judges_of_run", **key),
    }


def series(database: Database, suite: str, metric: str, chosen: RunFilter, *, by_day: bool = False) -> Answer:
    """Return the points of one metric, oldest first, each with its interval and its markers.

    A marker is a promotion, or a change of what was compared since the point before. ``by_day`` keeps the last run of
    each day.

    Raises:
        NotStoredError: The suite or the metric is not stored.
    """
    found = database.query("series", metric=metric, **_one_more(replace(chosen, suite=suite)))
    shown = found[: chosen.limit][::-1]
    if not shown:
        _check_names(database, suite, metric, chosen)
    promotions = database.query("promotions", project=chosen.project, suite=suite)
    points = list(_points(shown, promotions))
    if by_day:
        points = [_last_of_day(list(of_day)) for _, of_day in groupby(points, lambda row: row["created"][:10])]
    return Answer(tuple(points), _after(chosen, found), tuple(_about(database, suite, chosen.project)))


def _about(database: Database, suite: str, project: str) -> Iterator[str]:
    """Yield what is known about the suite: its owner and its description."""
    for row in database.query("suite_names", project=project):
        if row["suite"] == suite:
            yield from (f"{name}: {row[name]}" for name in ("owner", "description") if row[name])


def points(database: Database, suite: str, metric: str, chosen: RunFilter) -> list[Row]:
    """Return the newest values of a metric with all that is known about their runs, oldest first.

    Raises:
        NotStoredError: As `series`.
    """
    found = database.query("series", metric=metric, **replace(chosen, suite=suite).parameters())
    if not found:
        _check_names(database, suite, metric, chosen)
    return found[::-1]


def _points(found: Sequence[Row], promotions: Sequence[Row]) -> Iterator[Row]:
    promoted = defaultdict(list)
    for row in promotions:
        promoted[row["run_id"]].append(f"promoted by {row['author']}: {row['reason']}")
    for before, row in zip([*found[:1], *found], found, strict=False):
        marks = [f"{name} changed" for key, name in COMPARED if before[key] != row[key]]
        yield {
            **{name: row[name] for name in ("created", "run_id", "value", "lower_bound", "upper_bound", "n")},
            **{name: row[name] for name in ("verdict", "commit_id", "branch", "tier")},
            "marks": [*marks, *promoted[row["run_id"]]],
        }


def _last_of_day(points: Sequence[Row]) -> Row:
    marks = list(dict.fromkeys(mark for point in points for mark in point["marks"]))
    return {**points[-1], "marks": marks, "runs": len(points)}


def point(database: Database, suite: str, metric: str, chosen: RunFilter) -> Answer:
    """Return the newest value of a metric: value, interval, n, run, and when; raises as `series`."""
    return replace(series(database, suite, metric, replace(chosen, limit=1)), after=None)


def check_suite(database: Database, suite: str, project: str) -> None:
    """Raise NotStoredError if no run of the project has the suite."""
    suites = [row["suite"] for row in database.query("suite_names", project=project)]
    if suite not in suites:
        near = did_you_mean(suite, suites) or f"; stored are: {', '.join(suites) or 'none'}"
        raise NotStoredError(f"no run has a suite {quote_text(suite)}{near}")


def _check_names(database: Database, suite: str, metric: str, chosen: RunFilter) -> None:
    check_suite(database, suite, chosen.project)
    metrics = [row["metric"] for row in database.query("metric_names", project=chosen.project, suite=suite)]
    if metric not in metrics:
        near = did_you_mean(metric, metrics) or f"; its metrics are: {', '.join(metrics) or 'none'}"
        raise NotStoredError(f"suite {suite} has no metric {quote_text(metric)}{near}")
    raise NotStoredError(_NO_RUN)


def slices(database: Database, suite: str, by: Sequence[str], run: Row) -> Answer:
    """Return the cube of the slices ``by`` of one run; each value counts for its parents too (``en_US`` for ``en``).

    A slice that the gates tested has its change and p. A cell with several parts has none.
    """
    tested = {
        (row["slice_by"], row["slice_value"]): row
        for row in database.query("slices_of_suite", run_id=run["run_id"], suite=suite)
    }
    known = sorted({row["slice_by"] for row in tested.values()})
    unknown = [name for name in by if name not in known]
    if unknown:
        raise NotStoredError(
            f"run {run['run_id']} has no slices by {quote_text(unknown[0])}: it has {', '.join(known) or 'none'}"
        )
    found = database.query("results_of_suite", run_id=run["run_id"], suite=suite)
    cells: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for row in found:
        for cell in _cells(json.loads(row["planned"]).get("slices", ()), by):
            cells[cell][row["place"]] = row["outcome"]
    return Answer(tuple(filter(None, (_cell_row(cell, cells[cell], by, tested) for cell in sorted(cells)))))


def _cells(pairs: Iterable[Sequence[str]], by: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the cells that a case counts for: every combination of its values and their parents."""
    values = [sorted({name for key, value in pairs if key == each for name in _with_parents(value)}) for each in by]
    cells: list[tuple[str, ...]] = [()]
    for column in values:
        cells = [(*cell, value) for cell in cells for value in column]
    return set(cells)


def _with_parents(value: str) -> Iterator[str]:
    """Yield a value and its parents: ``a.b`` and ``a``, ``en_US`` and ``en``."""
    yield value
    for at, char in enumerate(value):
        if char in "._" and at:
            yield value[:at]


def _cell_row(
    cell: tuple[str, ...], outcomes: Mapping[int, str], by: Sequence[str], tested: Mapping[tuple[str, str], Row]
) -> Row | None:
    counted = [outcome for outcome in outcomes.values() if outcome in ("passed", "missed", "errored")]
    if not counted:
        return None
    passed = counted.count("passed")
    interval = wilson_interval(passed, len(counted))
    gate = tested.get((by[0], cell[0]), {}) if len(by) == 1 else {}
    return {
        **dict(zip(by, cell, strict=True)),
        "n": len(counted),
        "passed": passed,
        "value": passed / len(counted),
        "lower_bound": interval.lower,
        "upper_bound": interval.upper,
        "delta": gate.get("delta"),
        "p": gate.get("p"),
    }


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """The cases of a run that count: all, those with an outcome, or one."""

    outcome: str | None = None
    case_id: str | None = None
    limit: int = 100
    skip: int = 0


def cases(database: Database, suite: str, run: Row, chosen: CaseFilter) -> Answer:
    """Return cases of one run with their scores, the worst first.

    Raises:
        NotStoredError: No run has the suite.
    """
    found = database.query(
        "cases_of_suite",
        run_id=run["run_id"],
        suite=suite,
        outcome=chosen.outcome,
        case_id=chosen.case_id,
        limit=chosen.limit + 1,
        skip=chosen.skip,
    )
    if not found:
        check_suite(database, suite, run["project"])
    rows = [_case(list(of_case)) for _, of_case in groupby(found, lambda row: row["rank"])]
    more = len(rows) > chosen.limit
    return Answer(tuple(rows[: chosen.limit]), str(chosen.skip + chosen.limit) if more else None)


def _case(found: Sequence[Row]) -> Row:
    first = found[0]
    names = ("case_id", "outcome", "trials", "passed", "latency_s", "cost_usd", "attempts", "error", "file", "line")
    return {
        **{name: first[name] for name in (*names, "input", "output")},
        "scores": [
            {
                **{name: row[name] for name in ("trial", "scorer", "value", "reason")},
                "passed": None if row["score_passed"] is None else bool(row["score_passed"]),
            }
            for row in found
            if row["scorer"] is not None
        ],
    }


def flaky(database: Database, suite: str, chosen: RunFilter) -> Answer:
    """Return the cases that both passed and missed, unchanged, in the last 20 runs, the least certain first.

    Raises:
        NotStoredError: No run has the suite.
    """
    found = database.query("flaky_cases", **replace(chosen, suite=suite).parameters(), last_runs=FLAKY_RUNS)
    if not found:
        check_suite(database, suite, chosen.project)
    return Answer(tuple(found), None, (f"in the last {FLAKY_RUNS} runs",))


def case_history(database: Database, suite: str, case_id: str, chosen: RunFilter) -> Answer:
    """Return one case over the runs, the newest first.

    Raises:
        NotStoredError: No run contains it.
    """
    found = database.query("case_history", case_id=case_id, **_one_more(replace(chosen, suite=suite)))
    if not found:
        check_suite(database, suite, chosen.project)
        (around,) = database.query("near_cases", project=chosen.project, suite=suite, case_id=case_id)
        near = ", ".join(quote_text(name) for name in around.values() if name is not None)
        raise NotStoredError(
            f"no stored run of suite {suite} that matches has a case {quote_text(case_id)}"
            f"{f'; near it are: {near}' if near else ''}"
        )
    return Answer(tuple(found[: chosen.limit]), _after(chosen, found))


def _one_more(chosen: RunFilter) -> dict[str, Any]:
    """Return the parameters with a limit that shows whether there is another page."""
    return replace(chosen, limit=chosen.limit + 1).parameters()


def _after(chosen: RunFilter, found: Sequence[Row]) -> str | None:
    return found[chosen.limit - 1]["run_id"] if len(found) > chosen.limit else None

from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.store import Database, StoreError, StorePlace, questions
from pytest_evalgate.store.filters import RunFilter, time_of
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.questions import CaseFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]

ALL = RunFilter("shop")
HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE runs; --",
    'faq" OR 1=1 --',
    "%",
    "_",
    "\\",
    "$1",
    "%(suite)s",
    ":suite",
    "?",
    "faq'/*",
    "*/ UNION SELECT * FROM runs --",
    "\u2019 OR 1=1",
    "{suite}",
)


@pytest.fixture
def database(place: StorePlace, make_source: Make) -> Iterator[Database]:
    """Three runs of one suite, a day apart."""
    runs: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("r1", "PPPPPPPm", {"branch": "main", "labels": {"team": "search"}}),
        ("r2", "PPPPPPmm", {"branch": "feature", "tier": "nightly", "golden_sha256": "h" * 64}),
        (
            "r3",
            "PPPPPmP?",
            {"branch": "main", "labels": {"team": "search", "region": "eu"}, "golden_sha256": "h" * 64},
        ),
    )
    with Database.open(place) as database:
        for number, (run_id, letters, fields) in enumerate(runs, 1):
            push(database, make_source(letters, run_id, created=f"2026-01-0{number}T00:00:00Z", **fields))
    with Database.reading(place) as database:
        yield database


def _ids(answer: questions.Answer) -> list[str]:
    return [row["run_id"] for row in answer.rows]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["r3", "r2", "r1"]),
        ({"branch": "main"}, ["r3", "r1"]),
        ({"tier": "nightly"}, ["r2"]),
        ({"labels": ("team=search",)}, ["r3", "r1"]),
        ({"labels": ("team=search", "region=eu")}, ["r3"]),
        ({"since": "2026-01-02T00:00:00Z"}, ["r3", "r2"]),
        ({"until": "2026-01-02T00:00:00Z"}, ["r1"]),
        ({"suite": "faq", "run_id": "r2"}, ["r2"]),
        ({"suite": "other"}, []),
        ({"model": "gpt"}, []),
        ({"project": "elsewhere"}, []),
    ],
)
def test_filters_choose_runs(database: Database, fields: dict[str, Any], expected: list[str]) -> None:
    assert _ids(questions.runs(database, replace(ALL, **fields))) == expected


def test_pages_follow_each_other(database: Database) -> None:
    first = questions.runs(database, replace(ALL, limit=2))
    assert (_ids(first), first.after) == (["r3", "r2"], "r2")
    rest = questions.runs(database, replace(ALL, limit=2, after=first.after))
    assert (_ids(rest), rest.after) == (["r1"], None)


def test_a_point_is_the_newest_value_with_its_interval(database: Database) -> None:
    (point,) = questions.point(database, "faq", "pass_rate", ALL).rows
    assert (point["run_id"], point["n"], point["value"]) == ("r3", 8, 0.75)
    assert 0.3 < point["lower_bound"] < 0.75 < point["upper_bound"] < 1
    (errors,) = questions.point(database, "faq", "error_rate", ALL).rows
    assert (errors["run_id"], errors["value"]) == ("r3", 0.125)


def test_a_series_is_ordered_and_marks_what_changed(database: Database) -> None:
    found = questions.series(database, "faq", "error_rate", ALL)
    assert [(row["run_id"], row["marks"]) for row in found.rows] == [
        ("r1", []),
        ("r2", ["golden set changed"]),
        ("r3", []),
    ]


def test_a_series_by_day_keeps_the_last_run_of_each_day(place: StorePlace, make_source: Make) -> None:
    with Database.open(place) as database:
        for hour in (1, 2):
            push(database, make_source("P" * hour, f"r{hour}", created=f"2026-01-01T0{hour}:00:00Z"))
        (row,) = questions.series(database, "faq", "pass_rate", ALL, by_day=True).rows
    assert (row["run_id"], row["runs"], row["n"]) == ("r2", 2, 2)


@pytest.mark.parametrize(
    ("suite", "metric", "message"),
    [
        ("fqa", "pass_rate", 'no run has a suite "fqa"; did you mean "faq"'),
        ("faq", "pass_rat", 'suite faq has no metric "pass_rat"; did you mean "pass_rate"'),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(
    database: Database, suite: str, metric: str, message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        questions.series(database, suite, metric, ALL)


def test_slices_count_for_their_parents_too(database: Database) -> None:
    run = questions.find_run(database, replace(ALL, run_id="r2"))
    rows = {row["lang"]: (row["passed"], row["n"]) for row in questions.slices(database, "faq", ["lang"], run).rows}
    assert rows == {"de": (3, 4), "en": (3, 4), "en_US": (3, 4)}
    with pytest.raises(StoreError, match='no slices by "language": it has lang'):
        questions.slices(database, "faq", ["language"], run)


def test_the_worst_cases_come_first_with_their_scores(database: Database) -> None:
    run = questions.find_run(database, ALL)
    found = questions.cases(database, "faq", run, CaseFilter(limit=2))
    assert [row["case_id"] for row in found.rows] == ["c5", "c0"]
    assert found.rows[0]["scores"] == [{"trial": 1, "scorer": "exact", "value": 0, "reason": None, "passed": False}]
    assert found.after == "2"
    rest = questions.cases(database, "faq", run, CaseFilter(limit=20, skip=2))
    assert [row["case_id"] for row in rest.rows] == ["c1", "c2", "c3", "c4", "c6", "c7"]


def test_cases_without_an_output_name_the_reason(database: Database) -> None:
    (case,) = questions.cases(database, "faq", questions.find_run(database, ALL), CaseFilter("errored")).rows
    assert (case["case_id"], case["error"], case["scores"]) == ("c7", "timeout", [])


def test_flaky_cases_passed_and_missed_unchanged(database: Database) -> None:
    rows = questions.flaky(database, "faq", ALL).rows
    assert [(row["case_id"], row["passes"], row["trials"]) for row in rows] == [("c5", 2, 3), ("c6", 2, 3)]
    assert questions.flaky(database, "faq", replace(ALL, branch="feature")).rows == ()


def test_the_history_of_a_case(database: Database) -> None:
    rows = questions.case_history(database, "faq", "c6", ALL).rows
    assert [(row["run_id"], row["outcome"]) for row in rows] == [("r3", "passed"), ("r2", "missed"), ("r1", "passed")]
    with pytest.raises(StoreError, match='has a case "c99"'):
        questions.case_history(database, "faq", "c99", ALL)


def _questions(text: str) -> Iterator[tuple[str, Callable[[Database], Any]]]:
    fields: tuple[dict[str, Any], ...] = tuple(
        {name: text} for name in ("project", "suite", "run_id", "tier", "branch", "model", "since", "until", "after")
    )
    for field in fields:
        (name,), chosen = field, replace(ALL, **field)
        yield name, partial(_rows, questions.runs, chosen)
        if name != "suite":
            yield f"series {name}", partial(_rows, questions.series, "faq", "pass_rate", chosen)
            yield f"case {name}", partial(_rows, questions.case_history, "faq", "c1", chosen)
        if name not in {"suite", "after"}:
            yield f"flaky {name}", partial(_rows, questions.flaky, "faq", chosen)
    yield "labels", partial(_rows, questions.runs, replace(ALL, labels=(text, text, text)))
    yield "suite of a series", partial(_rows, questions.series, text, "pass_rate", ALL)
    yield "metric", partial(_rows, questions.series, "faq", text, ALL)
    yield "case", partial(_rows, questions.case_history, "faq", text, ALL)
    yield "flaky suite", partial(_rows, questions.flaky, text, ALL)
    newest = {"run_id": "r3", "project": "shop"}
    yield "slice", partial(_rows, questions.slices, "faq", [text], newest)
    yield "cases", partial(_rows, questions.cases, text, newest, CaseFilter(text, text))


def _rows(question: Callable[..., questions.Answer], *arguments: Any) -> Any:
    *arguments_of_question, database = arguments
    return question(database, *arguments_of_question).rows


@pytest.mark.parametrize("text", HOSTILE)
def test_sql_in_a_filter_is_a_value(database: Database, text: str) -> None:
    """Values reach the database as parameters: they match nothing, and change nothing."""
    for name, question in _questions(text):
        with contextlib.suppress(StoreError):  # nothing matches
            found = question(database)
            assert not found or name.split()[-1] in {"since", "until"}, name  # times are compared as texts
    assert len(questions.runs(database, ALL).rows) == 3


def test_every_filter_is_attacked() -> None:
    attacked = {name for name, _ in _questions("x")} | {"limit"}
    assert set(inspect.signature(RunFilter).parameters) <= attacked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", "2026-01-01T12:00:00Z"),
        ("12h", "2026-01-31T00:00:00Z"),
        ("2w", "2026-01-17T12:00:00Z"),
        ("2026-01-05", "2026-01-05T00:00:00Z"),
        ("2026-01-05T02:00:00+02:00", "2026-01-05T00:00:00Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert time_of(text, datetime(2026, 1, 31, 12, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["", "soon", "30", "-1d", "999999w", "2026-13-01"])
def test_a_time_that_is_none(text: str) -> None:
    with pytest.raises(StoreError, match="is no time: write 30d"):
        time_of(text, datetime(2026, 1, 31, tzinfo=UTC))


def test_there_are_at_most_three_labels(database: Database) -> None:
    with pytest.raises(StoreError, match="label is given 4 times: give at most 3"):
        questions.runs(database, replace(ALL, labels=("a=1", "b=1", "c=1", "d=1")))

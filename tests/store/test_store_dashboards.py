"""Queries of the pages, on both databases: aggregates, and single cases by their key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.store.test_store_questions import ALL, HOSTILE

from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]

LAST = {**replace(ALL, suite="faq").parameters(), "last_runs": 2}
CASE = {"run_id": "r3", "suite": "faq", "place": 5, "project": "shop"}
CASES = {**CASE, **{f"case_{number}": None for number in range(1, 41)}, "case_7": "c5", "case_40": "c7"}


@pytest.fixture
def database(place: StorePlace, make_source: Make) -> Iterator[Database]:
    with Database.open(place) as database:
        for number, letters in enumerate(("PPPPPPPm", "PPPPPPmm", "PPPPPmP?"), 1):
            fields: dict[str, Any] = {"labels": {"team": "search" if number > 1 else "care"}}
            source = make_source(letters, f"r{number}", created=f"2026-01-0{number}T0{number}:00:00Z", **fields)
            calls = replace(source.verdict.calls, cost_usd=number / 4, tokens_in=100)
            ((name, suite),) = source.verdict.suites.items()
            gates = tuple(replace(gate, result="fail" if number == 2 else gate.result) for gate in suite.gates)
            verdict = replace(source.verdict, calls=calls, suites={name: replace(suite, gates=gates)})
            push(database, replace(source, verdict=verdict))
    with Database.reading(place) as database:
        yield database


def test_tiers(database: Database) -> None:
    assert database.query("tiers", project="shop") == [
        {"tier": "default", "runs": 3, "newest": "2026-01-03T03:00:00Z"}
    ]


def test_failed_gates_are_those_that_failed(database: Database) -> None:
    found = database.query("failed_gates", **ALL.parameters())
    assert {(row["run_id"], row["suite"], row["kind"]) for row in found} == {("r2", "faq", "no-regression")}
    assert database.query("failed_gates", **replace(ALL, suite="other").parameters()) == []


def test_cost_by_day_and_label(database: Database) -> None:
    days = database.query("cost_by_day", **replace(ALL, since="2026-01-02T00:00:00Z").parameters())
    assert [(row["day"], row["runs"], row["cost_usd"], row["tokens"]) for row in days] == [
        ("2026-01-02", 1, 0.5, 100),
        ("2026-01-03", 1, 0.75, 100),
    ]
    labels = database.query("cost_by_label", **ALL.parameters())
    assert [tuple(row.values()) for row in labels] == [("team=search", 2, 1.25), ("team=care", 1, 0.25)]


def test_the_last_runs_have_their_slices_and_metrics(database: Database) -> None:
    slices = database.query("slice_series", **LAST)
    assert {row["run_id"] for row in slices} <= {"r2", "r3"}
    metrics = database.query("recent_metrics", **LAST)
    rates = [(row["run_id"], row["value"]) for row in metrics if row["metric"] == "pass_rate"]
    assert rates == [("r2", 0.75), ("r3", 0.75)]
    assert {row["metric"] for row in metrics} >= {"pass_rate", "score.exact", "error_rate"}


def test_runs_of_a_suite_are_newest_first(database: Database) -> None:
    found = database.query("runs_of_suite", **replace(ALL, suite="faq", limit=2).parameters())
    assert [(row["run_id"], row["cases"]) for row in found] == [("r3", 8), ("r2", 8)]


def test_missed_cases_have_their_reason(database: Database) -> None:
    found = database.query("missed_cases", run_id="r3", suite="faq", limit=9)
    assert [(row["case_id"], row["outcome"], row["error"]) for row in found] == [
        ("c5", "missed", None),
        ("c7", "errored", "timeout"),
    ]


def test_a_case_in_the_last_runs_and_in_one(database: Database) -> None:
    last = database.query("trials_of_case", **LAST, case_id="c5")
    assert [(row["run_id"], row["trial"], row["passed"]) for row in last] == [("r3", 1, 0.0), ("r2", 1, 1.0)]
    found = database.query("cases_of_run", **CASES)
    assert [(row["case_id"], row["trial"], row["passed"], row["error"]) for row in found] == [
        ("c5", 1, 0.0, None),
        ("c7", 1, None, "timeout"),
    ]
    assert found[0] == {name: last[0].get(name, "c5") for name in found[0]}
    scores = database.query("scores_of_case", **CASE)
    assert [(row["scorer"], row["value"], row["passed"]) for row in scores] == [("exact", 0.0, 0)]
    assert database.query("scores_of_cases", **CASES) == [{"place": 5, **scores[0]}]


def test_runs_of_a_judge(database: Database) -> None:
    assert database.query("runs_of_judge", judge="faq", project="shop", limit=5) == []


def test_the_trials_of_a_case_are_found_by_their_index(database: Database) -> None:
    """A plan that reads all results of the suite took 11 s in a store of 1,000 runs of 1,000 cases."""
    if database.place.url:
        pytest.skip("the plan of PostgreSQL depends on the size of the tables")
    from pytest_evalgate.store.database import query_text  # noqa: PLC0415 - of this test alone

    def read(name: str, parameters: dict[str, Any]) -> list[str]:
        used = {key: value for key, value in parameters.items() if f":{key}" in query_text(name)}
        plan = [row["detail"] for row in database.driver.rows(f"EXPLAIN QUERY PLAN {query_text(name)}", used)]
        return [step for step in plan if "results_by_case" in step or step.startswith(("SEARCH x", "SEARCH s "))]

    by_index, by_key = read("trials_of_case", {**LAST, "case_id": "c5"})
    assert "suite=? AND case_id=?" in by_index
    assert "PRIMARY KEY (run_id=? AND suite=? AND place=?)" in by_key
    for name in ("cases_of_run", "scores_of_cases"):
        by_index, by_key = read(name, CASES)
        assert "suite=? AND case_id=? AND run_id=?" in by_index
        assert "PRIMARY KEY (run_id=? AND suite=? AND place=?)" in by_key


@pytest.mark.parametrize("text", HOSTILE)
def test_sql_in_a_value_is_a_value(database: Database, text: str) -> None:
    hostile = replace(ALL, suite=text, tier=text, branch=text, model=text, labels=(text,) * 3).parameters()
    for name in ("failed_gates", "cost_by_day", "cost_by_label", "runs_of_suite"):
        assert database.query(name, **hostile) == []
    for name in ("slice_series", "recent_metrics", "trials_of_case"):
        assert database.query(name, **hostile, case_id=text, last_runs=5) == []
    hostile_cases = {name: text for name in CASES if name.startswith("case_")}
    for name in ("missed_cases", "cases_of_run", "scores_of_case", "scores_of_cases", "runs_of_judge", "tiers"):
        named = {"run_id": text, "suite": text, "judge": text, "project": text, **hostile_cases}
        assert database.query(name, **named, place=0, limit=5) == []
    assert database.query("cases_of_run", **{**CASES, **hostile_cases}) == []

"""Plans of the queries: none reads all results or all scores of a store, however many runs it has."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.database import query_text
from pytest_evalgate.store.drivers import PLACEHOLDER

_LARGE = re.compile(r"\b(?:FROM|JOIN) (results|scores)(?: (?!ON|WHERE|GROUP|ORDER|JOIN|LEFT)(\w+))?")
_QUERIES = sorted(
    file.name.removesuffix(".sql")
    for file in resources.files("pytest_evalgate.store").joinpath("queries").iterdir()
    if not file.name.startswith("check_")  # of a command that reads everything
)


def _asked() -> list[str]:
    """Return the queries that read a large table."""
    return [name for name in _QUERIES if _LARGE.search(query_text(name)) and "DELETE" not in query_text(name)]


@pytest.fixture(scope="module")
def small_numbers() -> dict[str, int]:
    return {"limit": 5, "skip": 0, "last_runs": 20, "place": 1}


@pytest.mark.parametrize("name", _asked())
def test_no_query_reads_a_large_table_whole(place: StorePlace, name: str, small_numbers: dict[str, int]) -> None:
    sql = query_text(name)
    parameters = {each: small_numbers.get(each, "x") for each in PLACEHOLDER.findall(sql)}
    with Database.open(place) as database:
        if place.file is None:
            database.driver.script("SET enable_seqscan = off")  # of small tables it would be the faster one
            plan = [str(row["QUERY PLAN"]) for row in database.driver.rows(f"EXPLAIN {sql}", parameters)]
            whole = [step for step in plan if re.search(r"Seq Scan on (results|scores)\b", step)]
        else:
            names = {alias or table for table, alias in _LARGE.findall(sql)}
            plan = [row["detail"] for row in database.driver.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            whole = [step for step in plan if step.startswith("SCAN ") and step.split()[1] in names]
    assert plan
    assert whole == []


def test_a_query_that_reads_all_scores_would_be_found() -> None:
    assert _LARGE.findall("FROM scores s WHERE") == [("scores", "s")]
    assert _LARGE.findall("JOIN results ON") == [("results", "")]
    assert {"cases_of_suite", "flaky_cases", "case_history", "scores_of_suite"} <= set(_asked())

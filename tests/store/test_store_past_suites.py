"""Past runs for trends and reports: the store has the same rows as the history file, on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.past_runs import past_runs, within
from pytest_evalgate.config import Settings
from pytest_evalgate.runs import history
from pytest_evalgate.store import Database, StoreError, StorePlace
from pytest_evalgate.store.ingest import push, push_history
from pytest_evalgate.store.past_suites import past_suites

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.records.verdicts import HistoryRow
    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]


def _row(source: StoredSource) -> HistoryRow:
    (suite,) = source.run.suites
    found = history.row_of(source.run, suite, source.verdict.suites["faq"], None)
    assert found is not None
    return replace(found, golden_sha256=history.plan_sha256(suite.plan))


def test_stored_runs_are_the_rows_of_their_history(place: StorePlace, make_source: Make) -> None:
    first = make_source("PPm", "r1", created="2026-01-01T00:00:00Z")
    sampled = make_source("Pm", "r2", created="2026-01-02T00:00:00Z")
    (suite,) = sampled.run.suites
    plan = replace(suite.plan, drawn_from=50)
    sampled = replace(sampled, run=replace(sampled.run, suites=(replace(suite, plan=plan),)))
    incomplete = make_source("P?", "r3", created="2026-01-03T00:00:00Z")
    with Database.open(place) as database:
        for source in (sampled, first, incomplete):
            push(database, source)
        rows = past_suites(database, "shop")
        assert past_suites(database, "other") == ()
    assert rows == (_row(first), _row(sampled))
    assert rows[1].golden_sha256 != "g" * 64


def test_rows_of_an_imported_history_are_returned_unchanged(place: StorePlace, make_source: Make) -> None:
    rows = [_row(make_source("PPm", f"r{number}", created=f"2026-01-0{number}T00:00:00Z")) for number in (1, 2)]
    with Database.open(place) as database:
        push_history(database, "shop", rows)
        assert past_suites(database, "shop") == tuple(rows)


def test_past_runs_are_those_of_the_store_and_of_the_file_before_it_has_any(
    make_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, state, settings = tmp_path / "shop", tmp_path / "shop" / ".evalgate", Settings()
    state.mkdir(parents=True)
    assert past_runs(settings, root=root, state=state).rows == ()
    old, new = _row(make_source("Pm", "r1")), make_source("PP", "r2")
    history.append(state / "history.jsonl", [old])
    assert past_runs(settings, root=root, state=state).rows == (old,)
    with Database.open(StorePlace.at(state / "store.db")) as database:
        push(database, new)
    assert past_runs(settings, root=root, state=state).rows == (_row(new),)
    assert past_runs(Settings(store="off"), root=root, state=state).rows == ()
    monkeypatch.delenv("EVALGATE_STORE", raising=False)
    assert past_runs(Settings(store_env="EVALGATE_STORE"), root=root, state=state).rows == ()
    (state / "store.db").write_bytes(b"no database" * 100)
    assert past_runs(settings, root=root, state=state).rows == ()


def test_a_store_of_an_older_schema_has_no_past_runs_until_it_is_migrated(make_source: Make, tmp_path: Path) -> None:
    root, state = tmp_path / "shop", tmp_path / "shop" / ".evalgate"
    with Database.open(StorePlace.at(state / "store.db")) as database:
        push(database, make_source("PP", "r1"))
    with closing(sqlite3.connect(state / "store.db")) as connection:
        connection.execute("DELETE FROM schema_versions WHERE version > 1")
        connection.commit()
    assert past_runs(Settings(), root=root, state=state).rows == ()


def test_past_runs_come_from_a_server(
    postgres: StorePlace, make_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source("PP", "r1")
    with Database.open(postgres) as database:
        push(database, source)
    monkeypatch.setenv("EVALGATE_STORE", postgres.url)
    found = past_runs(Settings(store_env="EVALGATE_STORE"), root=tmp_path / "shop", state=tmp_path)
    assert found.rows == (_row(source),)


def test_a_session_without_a_store_imports_none(tmp_path: Path) -> None:
    (tmp_path / "evalgate.toml").write_text('store = "off"\n[suites.faq]\ngolden = "g.jsonl"\n')
    (tmp_path / "g.jsonl").write_text('{"id": "a", "input": "x", "expected": "x", "output": "x"}\n')
    program = (
        "import sys, pytest; code = pytest.main(['-q', '--eval-gate', '-p', 'no:cacheprovider'])\n"
        "print(code, [name for name in sys.modules if name.startswith('pytest_evalgate.store')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_wait_has_a_bound_and_passes_errors_on() -> None:
    place = StorePlace("$EVALGATE_STORE", None, "postgresql://x")
    assert within(5, place, lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        within(5, place, lambda: 1 // 0)
    done = threading.Event()
    with pytest.raises(StoreError, match="no answer within 0 s"):
        within(0, place, done.wait)
    done.set()

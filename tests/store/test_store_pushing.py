from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import planned, result_of, run_of, suite_of
from tests.store.conftest import source_of

from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.store import Database, StoreError, StorePlace, ingest
from pytest_evalgate.store import database as database_module
from pytest_evalgate.store.database import migrations
from pytest_evalgate.store.ingest import push, push_history
from pytest_evalgate.store.restored import RestoredRuns
from pytest_evalgate.store.soundness import damaged_runs
from pytest_evalgate.store.stored_run import TextRule
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]

_FORK = multiprocessing.get_context("fork")


def _counts(place: StorePlace) -> dict[str, int]:
    with Database.reading(place) as database:
        return database.query("check_counts")[0]


def _rows(place: StorePlace, sql: str) -> list[dict[str, Any]]:
    with Database.reading(place) as database:
        return database.driver.rows(sql, {})


def test_a_run_is_stored_as_a_whole(place: StorePlace, make_source: Make) -> None:
    with Database.open(place) as database:
        assert push(database, make_source("PPm?", labels={"team": "search"}, branch="main"))
        assert list(damaged_runs(database)) == []
    assert _counts(place) == {"runs": 1, "suites": 1, "results": 4, "scores": 3, "promotions": 0}
    assert _rows(place, "SELECT label FROM labels") == [{"label": "team=search"}]
    assert _rows(place, "SELECT branch, tier, verdict FROM runs") == [
        {"branch": "main", "tier": "default", "verdict": "incomplete"}
    ]
    assert [row["error"] for row in _rows(place, "SELECT error FROM results ORDER BY place")] == [
        *(None, None, None),
        "timeout",
    ]


def test_the_same_run_pushed_twice_is_one(place: StorePlace, make_source: Make) -> None:
    source = make_source("PPm")
    with Database.open(place) as database:
        assert push(database, source)
        assert not push(database, source)
    with Database.open(place) as database:
        assert not push(database, source)
    assert _counts(place)["results"] == 3


def test_a_case_is_stored_once_for_all_runs(place: StorePlace, make_source: Make) -> None:
    with Database.open(place) as database:
        push(database, make_source("PPm", "r1"))
        push(database, make_source("PmP", "r2"))
    assert _rows(place, "SELECT count(*) AS cases FROM cases") == [{"cases": 3}]


def test_an_id_of_another_run_is_refused_by_name(place: StorePlace, make_source: Make) -> None:
    source = make_source("PPm")
    with Database.open(place) as database:
        push(database, source)
        with pytest.raises(StoreError, match="run r1 is stored already, of project shop"):
            push(database, replace(source, project="other"))


def test_a_push_that_fails_in_the_middle_leaves_nothing(place: StorePlace, make_source: Make) -> None:
    source = make_source("PPPPPP")

    def rows() -> Iterator[Mapping[str, Json]]:
        yield from list(source.rows())[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Database.open(place) as database:
        push(database, replace(source, rows=rows))
    assert set(_counts(place).values()) == {0}


def _killed_while_it_stores(place: StorePlace, source: StoredSource) -> None:
    def rows() -> Iterator[Mapping[str, Json]]:
        for number, row in enumerate(list(source.rows()) * 1_100):
            if number == 6_000:  # batches of 2,000 have been sent
                os.kill(os.getpid(), signal.SIGKILL)
            yield row

    with Database.open(place) as database:
        push(database, replace(source, rows=rows))


def test_a_process_killed_while_it_stores_leaves_nothing_half(place: StorePlace, make_source: Make) -> None:
    source = make_source("PPPPPP")
    with Database.open(place) as database:
        push(database, make_source("P", "before"))
    process = _FORK.Process(target=_killed_while_it_stores, args=(place, source))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert _counts(place)["results"] == 1
    with Database.open(place) as database:  # the next one finds a sound store
        assert push(database, source)
        assert database.driver.damage() == []
        assert list(damaged_runs(database)) == []


def _push_all(place: StorePlace, sources: list[StoredSource]) -> None:
    for source in sources:
        with Database.open(place) as database:
            push(database, source)


def test_processes_push_at_once_into_a_new_store(place: StorePlace, make_source: Make) -> None:
    sources = [make_source("PPm" * 20, f"r{number}") for number in range(6)]
    started = [
        _FORK.Process(target=_push_all, args=(place, sources[start:] + sources[:start])) for start in (0, 2, 3, 5)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 4
    assert _counts(place) == {"runs": 6, "suites": 6, "results": 360, "scores": 360, "promotions": 0}
    assert _rows(place, "SELECT count(*) AS cases FROM cases") == [{"cases": 60}]


def test_writers_that_wait_for_each_other_both_succeed(
    postgres: StorePlace, make_source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a case that the other one inserts next: PostgreSQL ends one of the two, which begins again."""
    monkeypatch.setattr(ingest, "_BATCH", 1)
    place = replace(postgres, url=f"{postgres.url}%20-cdeadlock_timeout%3D20ms")
    first_case_inserted = threading.Barrier(2)
    passes: list[str] = []

    def crossing(source: StoredSource, order: int) -> StoredSource:
        def rows() -> Iterator[Mapping[str, Json]]:
            passes.append(source.run.id)
            for number, row in enumerate(list(source.rows())[::order]):
                if number == 1 and passes.count(source.run.id) == 1:
                    first_case_inserted.wait(timeout=30)
                yield row

        return replace(source, rows=rows)

    with Database.open(place):
        pass
    sources = [crossing(make_source("PP", "r1"), 1), crossing(make_source("PP", "r2"), -1)]
    threads = [threading.Thread(target=_push_all, args=(place, [source])) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passes) == 3
    assert _counts(place) == {"runs": 2, "suites": 2, "results": 4, "scores": 4, "promotions": 0}
    with Database.reading(place) as database:
        assert list(damaged_runs(database)) == []


def test_migrations_are_numbered_without_a_gap() -> None:
    """Numbers are what a store remembers: of two branches that add one, the later to land takes the next number."""
    assert [int(name[:4]) for name in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_store_of_the_first_schema_is_migrated(
    place: StorePlace, make_source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, every = make_source("PPm?"), migrations()
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "migrations", lambda: every[:1])
        with Database.open(place):
            pass
    with pytest.raises(StoreError, match="schema 1 is old; migrate it with: pytest-evalgate store check"):
        _counts(place)
    with Database.open(place) as database:
        assert database.version == len(every)
        assert push(database, source)
        assert list(damaged_runs(database)) == []


def test_a_newer_schema_is_refused_by_name(place: StorePlace) -> None:
    with Database.open(place) as database:
        database.insert("schema_versions", ("version", "file"), [(len(migrations()) + 1, "later.sql")])
    number = len(migrations())
    for opened in (Database.open, Database.reading):
        with pytest.raises(StoreError, match=f"schema {number + 1} is newer than {number}: upgrade"), opened(place):
            pass


def test_the_restored_run_is_the_stored_one(place: StorePlace, make_source: Make) -> None:
    source = make_source("PPm?P")
    with Database.open(place) as database:
        push(database, source)
        restored = RestoredRuns(database).run(database.driver.rows("SELECT * FROM runs", {})[0])
    (suite,) = restored.suites
    (stored,) = source.run.suites
    assert suite.plan == stored.plan
    assert [(one.outcome, [trial.value for trial in one.trials]) for one in suite.results] == [
        (one.outcome, [trial.value for trial in one.trials]) for one in stored.results
    ]
    assert [trial.scores[0].value for one in suite.results for trial in one.trials if trial.scores] == [1, 1, 0, 1]


def test_weights_trials_and_variants_of_cases_are_restored(place: StorePlace, tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [{"weight": 3.0}, {"trials": 2}, {"variant_of": "c0"}, {}]
    run = run_of(suite_of([result_of("P", planned(f"c{at}", at + 1, **each)) for at, each in enumerate(fields)]))
    with Database.open(place) as database:
        push(database, source_of(run, tmp_path / "run"))
        restored = RestoredRuns(database).run(database.driver.rows("SELECT * FROM runs", {})[0])
    assert restored.suites[0].plan.cases == run.suites[0].plan.cases


@pytest.mark.parametrize("texts", [False, True])
def test_texts_are_stored_only_if_wanted(place: StorePlace, make_source: Make, *, texts: bool) -> None:
    rule = TextRule(lambda _, value: str(value)) if texts else TextRule()
    with Database.open(place) as database:
        push(database, make_source("m", texts=rule))
    assert _rows(place, "SELECT reason FROM scores") == [{"reason": "wanted more" if texts else None}]


def test_keys_are_redacted_in_messages(place: StorePlace, make_source: Make) -> None:
    source = make_source("m")
    run = replace(source.run, problems=("the key sk-1234567890 is wrong",))
    with Database.open(place) as database:
        push(database, replace(source, run=run, redactor=Redactor(("sk-1234567890",))))
    assert _rows(place, "SELECT problems FROM runs") == [{"problems": '["the key *** is wrong"]'}]


def test_texts_that_a_database_refuses_are_escaped(place: StorePlace, make_source: Make) -> None:
    source = make_source("mm")
    first, second = source.rows()

    def rows() -> Iterator[Mapping[str, Json]]:
        yield {**first, "id": "nul\0"}
        yield {**second, "id": "half \ud800, whole \U0001f600"}

    with Database.open(place) as database:
        push(database, replace(source, rows=rows))
    assert [row["case_id"] for row in _rows(place, "SELECT case_id FROM results ORDER BY place")] == [
        "nul\\0",
        "half \\ud800, whole \U0001f600",
    ]


def _history(run_id: str) -> HistoryRow:
    return HistoryRow(run_id, "2026-01-03T00:00:00Z", None, "faq", 3, 1, 0.5, None, "g", "s", None, "pass")


def test_the_history_is_imported_once_and_replaced_by_the_run_itself(place: StorePlace, make_source: Make) -> None:
    with Database.open(place) as database:
        assert push_history(database, "shop", [_history("r0"), _history("r1")]) == 2
        assert push_history(database, "shop", [_history("r9")]) == 0
        assert push(database, make_source("PPm", "r1"))
    assert _rows(place, "SELECT run_id, source FROM runs ORDER BY run_id") == [
        {"run_id": "r0", "source": "history"},
        {"run_id": "r1", "source": "run"},
    ]


def test_pruning_removes_old_runs_and_their_own_cases(place: StorePlace, make_source: Make) -> None:
    with Database.open(place) as database:
        push(database, make_source("PPm", "old", created="2025-01-01T00:00:00Z"))
        push(database, make_source("P", "new", created="2026-01-01T00:00:00Z"))
        with database.transaction(exclusive=True):
            assert database.change("prune", project="shop", before="2025-06-01T00:00:00Z") == 1
        assert list(damaged_runs(database)) == []
    assert _counts(place) == {"runs": 1, "suites": 1, "results": 1, "scores": 1, "promotions": 0}
    assert _rows(place, "SELECT count(*) AS cases FROM cases") == [{"cases": 1}]


def test_a_file_that_is_no_store_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database at all" * 100)
    with (
        pytest.raises(StoreError, match=r"store\.db: file is not a database: move the file away"),
        Database.open(StorePlace.at(tmp_path / "store.db")),
    ):
        pass


def test_an_empty_store_names_the_command_that_fills_it(place: StorePlace) -> None:
    with (
        pytest.raises(StoreError, match="no run is stored there; store runs with: pytest-evalgate store push"),
        Database.reading(place),
    ):
        pass


@pytest.mark.parametrize("url", ["", "mysql://x", "sk-secret-value"])
def test_the_value_of_the_variable_is_never_printed(url: str) -> None:
    with pytest.raises(StoreError) as raised:
        StorePlace.of_variable("EVALGATE_STORE", {"EVALGATE_STORE": url})
    assert "$EVALGATE_STORE" in str(raised.value)
    assert not url or url not in str(raised.value)


def test_a_password_is_hidden_in_messages_of_the_database() -> None:
    place = StorePlace.of_variable("S", {"S": "postgresql://me:hunter%202hunter@db/x"})
    assert place.hide("password hunter 2hunter is wrong") == "password *** is wrong"
    assert "hunter" not in repr(place)

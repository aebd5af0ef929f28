"""Damage of a store: each is found by ``store check``, and mended by storing the run again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.store import Database, StoreError, StorePlace
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.soundness import damaged_cases, damaged_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]

_KEYS = {"labels": {"team": "search"}}


def _damage(database: Database) -> list[str]:
    return [*(f"{run_id}: {damage}" for run_id, damage in damaged_runs(database)), *damaged_cases(database)]


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("DELETE FROM labels WHERE run_id = 'r1'", "r1: 0 of 1 row of labels"),
        ("DELETE FROM suites WHERE run_id = 'r1'", "r1: 0 of 1 row of suites"),
        ("DELETE FROM metrics WHERE run_id = 'r1' AND metric = 'cost_usd'", r"r1: \d+ of \d+ rows of metrics"),
        ("DELETE FROM slices WHERE run_id = 'r1' AND slice_value = 'de'", "r1: 1 of 2 rows of slices"),
        ("DELETE FROM gates WHERE run_id = 'r1'", "r1: 0 of 1 row of gates"),
        ("DELETE FROM scores WHERE run_id = 'r1' AND place = 2", "r1: 2 of 3 rows of scores"),
        ("DELETE FROM results WHERE run_id = 'r1' AND place = 3", "r1: 3 of 4 rows of results"),
        ("DELETE FROM results WHERE run_id = 'r1' AND place = 0", "r1: 1 row of scores without results"),
        ("DELETE FROM contents WHERE run_id = 'r1'", "r1: 1 row of runs without contents"),
        ("DELETE FROM runs WHERE run_id = 'r1'", r"r1: \d+ rows of contents without runs"),
        ("DELETE FROM evals", "r1: 1 row of suites without evals"),
        ("DELETE FROM cases WHERE case_id = 'c1'", "r1: 1 row of results without cases"),
        ("UPDATE scores SET place = 9 WHERE run_id = 'r1' AND place = 1", "r1: 1 row of scores without results"),
        (
            "UPDATE results SET outcome = 'passed' WHERE run_id = 'r1'",
            "r1: suite faq: 2 of 4 cases passed when it was stored, 4 of 4 in its results",
        ),
        ("UPDATE suites SET errored = 0 WHERE run_id = 'r1'", "r1: suite faq: 2 of 4 cases passed when it was stored"),
        ("UPDATE cases SET planned = '{}' WHERE case_id = 'c2'", 'case "c2" of suite faq has changed since it was'),
        ("INSERT INTO labels (run_id, label) VALUES ('r1', 'a=b')", "r1: 2 of 1 row of labels"),
        ("INSERT INTO labels (run_id, label) VALUES ('r9', 'a=b')", "r9: 1 of 0 rows of labels"),
    ],
)
def test_damage_is_found_and_mended(place: StorePlace, make_source: Make, planted: str, found: str) -> None:
    source = make_source("PPm?", "r1", **_KEYS)
    with Database.open(place) as database:
        for each in (source, make_source("PPPP", "r2")):
            push(database, each)
        assert _damage(database) == []
        database.driver.change(planted, {})
        assert any(re.match(found, line) for line in _damage(database)), _damage(database)
        assert push(database, source, again=True)
        assert [line for line in _damage(database) if not line.startswith("r9")] == []


def test_pages_of_the_file_that_were_overwritten_are_found(tmp_path: Path, make_source: Make) -> None:
    """A server checks its own files."""
    path = tmp_path / "store.db"
    place = StorePlace.at(path)
    with Database.open(place) as database:
        push(database, make_source("PPm?" * 200))
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        for at in range(8192, size, 4096 * 7):
            file.seek(at)
            file.write(b"\xaa" * 512)
    try:
        with Database.open(place) as database:
            found = database.driver.damage()
    except StoreError as error:
        found = [str(error)]
    assert found
    assert "ok" not in found

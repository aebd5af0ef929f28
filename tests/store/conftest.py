"""Stores for the tests: each test of a store runs on SQLite and on PostgreSQL, where it is installed."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import planned, run_of, suite_of

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import Score, Trial
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.store import StorePlace
from pytest_evalgate.store.stored_run import StoredSource, TextRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.records.results import Run

Source = "Callable[..., StoredSource]"
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
_NAMES = itertools.count()


def _as_postgres(command: list[str | Path]) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *map(str, command)], check=True, capture_output=True, cwd="/")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL server that listens on a socket in a folder; its address without a database."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'pytest-evalgate[postgres]'")
    if not _BINARIES:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="evalgate-pg."))  # short: it contains a socket, and another user reads it
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    settings = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
    try:
        _as_postgres([_BINARIES[-1] / "initdb", "-D", data, "-A", "trust", "-U", "evalgate", "--no-sync"])
        _as_postgres([_BINARIES[-1] / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start"])
        try:
            yield f"postgresql://evalgate@/{{}}?host={folder}"
        finally:
            _as_postgres([_BINARIES[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres(postgres_server: str) -> StorePlace:
    import psycopg  # noqa: PLC0415 - skipped above where it is missing

    name = f"t{os.getpid()}_{next(_NAMES)}"
    with psycopg.connect(postgres_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return StorePlace("$EVALGATE_STORE", None, postgres_server.format(name))


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

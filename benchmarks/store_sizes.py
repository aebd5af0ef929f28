"""Figures of the store on SQLite and PostgreSQL: storing a run of 1,000 and of 100,000 cases, and each query.

RUNS=1000 fills the store with 3,000,000 scores (two minutes each); by default it has 100 runs.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.builders import planned, run_of, suite_of
from tests.support.postgres import BINARIES, postgres_running

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import Score, Trial
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.store import Database, StorePlace, questions
from pytest_evalgate.store.database import query_text
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.movement import movement
from pytest_evalgate.store.questions import CaseFilter
from pytest_evalgate.store.stored_run import StoredSource

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = int(os.environ.get("RUNS", "100"))
REPEATS = 20
PASS_RATE = 0.85
ALL = RunFilter("bench")


def make_source(cases: int, folder: Path) -> StoredSource:
    rng = np.random.default_rng(0)
    results = []
    for at in range(cases):
        value = float(rng.random() < PASS_RATE)
        scores = tuple(Score(name, value, bool(value)) for name in ("exact", "length", "json"))
        case = planned(f"case-{at:06}", at + 1, slices=(("lang", ("de", "en_US", "fr")[at % 3]),))
        results.append(combine_trials(case, [Trial(0, value, scores=scores)]))
    run = run_of(suite_of(results), run_id="r")
    file = folder / f"{cases}.jsonl"
    run_file.write(run, file)
    lean = replace(run, suites=tuple(replace(suite, results=()) for suite in run.suites))
    verdict = decide(run, {"faq": SuiteRules(record_without_baseline=True)}, warn_inconclusive=True)
    return StoredSource("bench", lean, RunInfo(), verdict, rows=lambda: run_file.rows(file))


def renamed(source: StoredSource, number: int) -> StoredSource:
    created = f"2026-{1 + number // 28 % 12:02}-{1 + number % 28:02}T{number // 336:02}:00:00Z"
    return replace(source, run=replace(source.run, id=f"20260101T{number:06}Z-abcd", created=created))


def cpu() -> float:
    return time.process_time()


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def small(place: StorePlace, source: StoredSource) -> None:
    used = []
    for number in range(11):
        before = cpu()
        with Database.open(place) as database:
            push(database, renamed(source, number))
        used.append(1000 * (cpu() - before))
    print(f"  1,000 cases stored: {statistics.median(used[1:]):.0f} ms CPU, {used[0]:.0f} ms the first time")


def large(place: StorePlace, source: StoredSource) -> None:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak begins again
    before, started, used = peak_mb(), time.perf_counter(), cpu()
    with Database.open(place) as database:
        push(database, renamed(source, 900_000))
    took, used = time.perf_counter() - started, cpu() - used
    more = peak_mb() - before
    print(f"  100,000 cases x 3 scores: {took:.1f} s ({used:.1f} s CPU here), +{more:.0f} MB RSS")


def asked(database: Database) -> dict[str, Callable[[], Any]]:
    run = questions.find_run(database, ALL)
    return {
        "runs": lambda: questions.runs(database, ALL),
        "point": lambda: questions.point(database, "faq", "pass_rate", ALL),
        "series": lambda: questions.series(database, "faq", "pass_rate", replace(ALL, limit=1000)),
        "slices": lambda: questions.slices(database, "faq", ["lang"], run),
        "cases --worst 100": lambda: questions.cases(database, "faq", run, CaseFilter()),
        "cases --flaky": lambda: questions.flaky(database, "faq", ALL),
        "cases --case": lambda: questions.case_history(database, "faq", "case-000007", ALL),
        "trend": lambda: movement(database, "faq", "pass_rate", replace(ALL, limit=100)),
    }


def queries(place: StorePlace, source: StoredSource) -> None:
    started = time.perf_counter()
    with Database.open(place) as database:
        for number in range(RUNS):
            push(database, renamed(source, number))
    scores = RUNS * 3000
    print(f"  store of {RUNS:,} runs, {scores:,} scores: filled in {time.perf_counter() - started:.0f} s")
    if place.url:
        import psycopg  # noqa: PLC0415 - only for this database

        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute("ANALYZE")
    with Database.reading(place) as database:
        for name, ask in asked(database).items():
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                ask()
                times.append(1000 * (time.perf_counter() - started))
            p95, median = sorted(times)[int(0.95 * REPEATS)], statistics.median(times)
            print(f"    {name:18} p95 {p95:6.1f} ms, median {median:.1f}")
        prefix = "EXPLAIN " if place.url else "EXPLAIN QUERY PLAN "
        parameters = replace(ALL, suite="faq").parameters() | {"metric": "pass_rate"}
        for row in database.driver.rows(prefix + query_text("series"), parameters):
            print("      plan of series:", row.get("detail") or row.get("QUERY PLAN"))


def main() -> None:
    if len(sys.argv) > 1:  # one size in a process of its own, so that its memory is known
        place = (
            StorePlace(sys.argv[1], None, sys.argv[1]) if "://" in sys.argv[1] else StorePlace.at(Path(sys.argv[1]))
        )
        with tempfile.TemporaryDirectory() as work:
            large(place, make_source(100_000, Path(work)))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = {"SQLite": [str(folder / f"{size}.db") for size in ("small", "large", "full")]}
        if BINARIES:
            address = stack.enter_context(postgres_running())
            import psycopg  # noqa: PLC0415 - only for this database

            with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
                for name in ("small", "large", "full"):
                    connection.execute(f'CREATE DATABASE "{name}"'.encode())
            stores["PostgreSQL"] = [address.format(name) for name in ("small", "large", "full")]
        source = make_source(1000, folder)
        for name, (first, second, third) in stores.items():
            print(name, flush=True)
            for at, measure in ((first, small), (third, queries)):
                place = StorePlace(at, None, at) if "://" in at else StorePlace.at(Path(at))
                measure(place, source)
            sys.stdout.flush()
            subprocess.run([sys.executable, __file__, second], check=True)


if __name__ == "__main__":
    main()

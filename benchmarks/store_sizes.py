"""Figures of the store on SQLite and PostgreSQL: storing runs of 1,000 and 100,000 cases, and queries with plans.

RUNS=1000 fills the store with 3,000,000 scores (one to two minutes each); by default it has 100 runs. KEEP=FOLDER
keeps the filled SQLite store as FOLDER/store.db. With STORE, the SQLite file or the address of a PostgreSQL database
that was filled before, only its queries are measured. Times are of this process: wall, and CPU; on PostgreSQL also
the CPU of the server's process for the connection.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `pytest-evalgate query` does

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.builders import planned, run_of, suite_of
from tests.support.postgres import BINARIES, postgres_running

from pytest_evalgate.app.compared_sides import Side
from pytest_evalgate.app.comparing import CompareOptions, compare
from pytest_evalgate.app.project import Project
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import Score, Trial
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.store import Database, StorePlace, questions
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.movement import movement
from pytest_evalgate.store.questions import CaseFilter
from pytest_evalgate.store.restored import RestoredRuns
from pytest_evalgate.store.stored_run import StoredSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

RUNS = int(os.environ.get("RUNS", "100"))
STORE = os.environ.get("STORE", "")
CASES = 100_000
REPEATS = 40
SLOWEST_MS = 100
PLANNED_RUNS = 100
"""Runs from which on PostgreSQL uses its indexes: it reads small tables whole."""
PASS_RATE = 0.85
SOURCES = 20
ROUNDS = 3
ALL = RunFilter("bench")
_TICKS = os.sysconf("SC_CLK_TCK")
_CONFIG = '[suites.faq]\ngolden = "faq.jsonl"\ntarget = { recorded = "outputs.jsonl" }\nscorers = ["exact"]\n'


def make_source(cases: int, file: Path, seed: int = 0) -> StoredSource:
    rng = np.random.default_rng(seed)
    results = []
    for at in range(cases):
        value = float(rng.random() < PASS_RATE)
        scores = tuple(Score(name, value, bool(value)) for name in ("exact", "length", "json"))
        case = planned(f"case-{at:06}", at + 1, slices=(("lang", ("de", "en_US", "fr")[at % 3]),))
        results.append(combine_trials(case, [Trial(0, value, scores=scores)]))
    run = run_of(suite_of(results), run_id="r")
    run_file.write(run, file)
    lean = replace(run, suites=tuple(replace(suite, results=()) for suite in run.suites))
    verdict = decide(run, {"faq": SuiteRules(record_without_baseline=True)}, warn_inconclusive=True)
    return source_at(file, (lean, verdict))


def source_at(file: Path, decided: tuple[Any, Any]) -> StoredSource:
    run, verdict = decided
    return StoredSource("bench", run, RunInfo(), verdict, rows=lambda: run_file.rows(file))


def renamed(source: StoredSource, number: int) -> StoredSource:
    created = f"2026-{1 + number // 28 % 12:02}-{1 + number % 28:02}T{number // 336:02}:00:00Z"
    return replace(source, run=replace(source.run, id=f"20260101T{number:06}Z-abcd", created=created))


def place_at(text: str) -> StorePlace:
    return StorePlace(text, None, text) if "://" in text else StorePlace.at(Path(text))


# -- measuring


@dataclass
class Used:
    wall: float = 0.0
    here: float = 0.0
    server: float = 0.0

    @property
    def cpu(self) -> float:
        return self.here + self.server

    def __str__(self) -> str:
        server = f" + {self.server:.1f} s of the server" if self.server else ""
        return f"{self.wall:.1f} s wall, {self.here:.1f} s CPU{server}"


def server_process(database: Database) -> int | None:
    """Return the id of the server's process for this connection."""
    if not database.place.url:
        return None
    return int(database.driver.rows("SELECT pg_backend_pid() AS pid", {})[0]["pid"])


def cpu_of(process: int | None) -> float:
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def measured(process: int | None) -> Iterator[Used]:
    used = Used()
    started, here, server = time.perf_counter(), time.process_time(), cpu_of(process)
    yield used
    used.wall, used.here = time.perf_counter() - started, time.process_time() - here
    used.server = cpu_of(process) - server


def begin_peak() -> float:
    """Let the peak of memory begin again, and return the memory in use in MB."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free must not hide what comes
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return memory_mb("VmRSS")


def memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) / 1024


# -- storing


def small(place: StorePlace, source: StoredSource) -> None:
    used = []
    for number in range(11):
        before = time.process_time()
        with Database.open(place) as database:
            push(database, renamed(source, number))
        used.append(1000 * (time.process_time() - before))
    print(f"  1,000 cases stored: {statistics.median(used[1:]):.0f} ms CPU, {used[0]:.0f} ms the first time")


def large(places: Sequence[StorePlace], source: StoredSource) -> None:
    """Store one run in a process that has done nothing else; then its rows in a bare loop, and the run again."""
    before = begin_peak()
    tables: list[Table] = []
    for number in range(ROUNDS):
        with Database.open(places[2 * number]) as database:
            with measured(server_process(database)) as used:
                push(database, source)
            if not number:
                peak = memory_mb("VmHWM")
                print(f"  {CASES:,} cases x 3 scores: {used}, {before:.0f} + {peak - before:.0f} MB RSS", flush=True)
                tables = [*rows_of(database)]
        with Database.open(places[2 * number + 1]) as database, measured(server_process(database)) as bare:
            insert_bare(database, tables)
        more = "executemany" if places[0].file else "COPY"
        print(f"    bare {more} of the same rows: {bare}: {used.cpu / bare.cpu:.1f} times its CPU", flush=True)


Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]


def rows_of(database: Database) -> Iterator[Table]:
    for table in ("runs", "suites", "metrics", "histograms", "slices", "cases", "results", "scores", "evals"):
        rows = database.driver.rows(f"SELECT * FROM {table}", {})  # noqa: S608 - the names above
        if rows:
            yield table, tuple(rows[0]), [tuple(row.values()) for row in rows]


def insert_bare(database: Database, tables: Iterable[Table]) -> None:
    connection: Any = database.driver._connection  # noqa: SLF001 - the bare driver
    connection.execute("BEGIN")
    for table, columns, rows in tables:
        names = ", ".join(columns)
        if database.place.file is not None:
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608 - as above
        else:
            with closing(connection.cursor()) as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
    connection.execute("COMMIT")


# -- queries


def fill(place: StorePlace, sources: Sequence[StoredSource]) -> None:
    with Database.open(place) as database:
        with measured(server_process(database)) as used:
            for number in range(RUNS):
                push(database, renamed(sources[number % len(sources)], number))
        if place.url:
            database.driver.script("ANALYZE")
    print(f"  store of {RUNS:,} runs, {RUNS * 3000:,} scores: {used}", flush=True)


def asked(database: Database, project: Project) -> dict[str, Callable[[], Any]]:
    run = questions.find_run(database, ALL)

    def side(skip: int) -> Side:
        restored = RestoredRuns(database).run(questions.find_run(database, ALL, skip=skip))
        suites = {suite.plan.name: suite for suite in restored.suites}
        return Side(str(skip), tuple(suites), suites.get, restored)

    return {
        "point": lambda: questions.point(database, "faq", "pass_rate", ALL),
        "series": lambda: questions.series(database, "faq", "pass_rate", replace(ALL, limit=1000)),
        "slices": lambda: questions.slices(database, "faq", ["lang"], run),
        "cases --worst 100": lambda: questions.cases(database, "faq", run, CaseFilter()),
        "cases --failed": lambda: questions.cases(database, "faq", run, CaseFilter("missed")),
        "cases --flaky": lambda: questions.flaky(database, "faq", ALL),
        "cases --case": lambda: questions.case_history(database, "faq", "case-000007", ALL),
        "compare": lambda: compare(project, side(1), side(0), CompareOptions()),
        "trend": lambda: movement(database, "faq", "pass_rate", replace(ALL, limit=100)),
        "runs list": lambda: questions.runs(database, ALL),
    }


def queries(place: StorePlace, project: Project) -> bool:
    """Print the times of each query and its plan; return whether all are fast enough and none scans a large table."""
    holds = True
    with Database.reading(place) as database:
        recorder = Recorder(database.driver)
        recorded = replace(database, driver=recorder)  # type: ignore[arg-type]
        for name, ask in asked(recorded, project).items():
            times, cpu = [], []
            for _ in range(REPEATS):
                recorder.statements.clear()
                with measured(None) as used:
                    ask()
                times.append(1000 * used.wall)
                cpu.append(1000 * used.here)
            p95 = sorted(times)[int(0.95 * REPEATS) - 1]
            plans = list(dict.fromkeys(plan_of(recorder.statements, place)))
            whole = [step for step in plans if RUNS >= PLANNED_RUNS and is_whole(step)]
            fast = p95 <= SLOWEST_MS
            holds &= fast and not whole
            print(
                f"    {name:18} p95 {p95:6.1f} ms, median {statistics.median(times):5.1f}, CPU here "
                f"{statistics.median(cpu):5.1f} {'' if fast else 'TOO SLOW'}{'SCANS' if whole else ''}"
            )
            print("\n".join(f"        {step}" for step in plans), flush=True)
    return holds


class Recorder:
    """Driver that records its queries."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.statements: list[tuple[str, Mapping[str, Any]]] = []

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        self.statements.append((sql, parameters))
        return self._driver.rows(sql, parameters)

    def tuples(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        self.statements.append((sql, parameters))
        return self._driver.tuples(sql, parameters)

    def plan(self, sql: str, parameters: Mapping[str, Any], place: StorePlace) -> list[str]:
        found = self._driver.rows(f"{'EXPLAIN' if place.url else 'EXPLAIN QUERY PLAN'} {sql}", parameters)
        return [str(row.get("detail") or row.get("QUERY PLAN")).strip() for row in found]


def plan_of(statements: Sequence[tuple[str, Mapping[str, Any]]], place: StorePlace) -> Iterator[str]:
    """Yield the steps that read a table, once for each text of a query."""
    with Database.reading(place) as database:
        for _, group in groupby(sorted(statements, key=lambda each: each[0]), lambda each: each[0]):
            sql, parameters = next(iter(group))
            for step in Recorder(database.driver).plan(sql, parameters, place):
                if "Scan" in step or step.startswith(("SEARCH", "SCAN")):
                    yield step.removeprefix("->").strip()


def is_whole(step: str) -> bool:
    """Return whether a step reads all rows of results or scores."""
    return any(
        text in step for text in ("Seq Scan on results", "Seq Scan on scores", "SCAN results", "SCAN scores", "SCAN x")
    )


def main() -> None:
    if len(sys.argv) > 1:  # the run of 100,000 cases in a process of its own, so that its memory is known
        made, *places = sys.argv[1:]
        decided = pickle.loads((Path(made) / "decided").read_bytes())  # noqa: S301 - of the process that waits
        large([place_at(place) for place in places], source_at(Path(made) / "large.jsonl", decided))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "evalgate.toml").write_text(_CONFIG, "utf-8")
        with chdir(folder):
            project = Project.find()
        if STORE:
            assert queries(place_at(STORE), project), (
                f"a query takes more than {SLOWEST_MS} ms, or reads a whole table"
            )
            return
        names = ("small", "full", *(f"large{number}" for number in range(2 * ROUNDS)))
        kept = Path(os.environ.get("KEEP", folder))
        stores = {"SQLite": [str(kept / "store.db" if name == "full" else folder / f"{name}.db") for name in names]}
        if BINARIES:
            address = stack.enter_context(postgres_running(""))
            import psycopg  # noqa: PLC0415 - only for this database

            with psycopg.connect(address.format("postgres"), autocommit=True) as connection:
                for name in names:
                    connection.execute(f'CREATE DATABASE "{name}"'.encode())
            stores["PostgreSQL"] = [address.format(name) for name in names]
        sources = [make_source(1000, folder / f"{seed}.jsonl", seed) for seed in range(SOURCES)]
        whole = make_source(CASES, folder / "large.jsonl")
        (folder / "decided").write_bytes(pickle.dumps((whole.run, whole.verdict)))
        holds = True
        for name, (first, second, *others) in stores.items():
            print(name, flush=True)
            small(place_at(first), sources[0])
            subprocess.run([sys.executable, __file__, folder, *others], check=True)
            fill(place_at(second), sources)
            holds &= queries(place_at(second), project)
        assert holds, f"a query takes more than {SLOWEST_MS} ms, or reads a whole table"


if __name__ == "__main__":
    main()

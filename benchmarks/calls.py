"""Calls through the engine, beside the same calls in a bare loop over the same client, and beside the limit.

Two calls a case at 200 ms each: the target's, and that of a judge that is shown its answer. ``--second trial`` makes
the second one by ``trials = 2``, which waits for nothing; ``--second none`` makes one call a case. The limit is
ceil(calls / c) latencies. Bare and ours run in turn, as whole processes; of the rounds the least is taken.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.processes import Counts, Server, Used

LATENCY_S: Final = 0.2
BOUND_SIZE: Final = 1000
"""The bounds are for so many cases; with fewer, the start-up weighs more."""

BOUNDS: Final = {
    ("openai", 32): ("bare", 1.08),
    ("openai", 64): ("bare", 1.15),
    ("http", 32): ("limit", 1.10),
    ("http", 64): ("limit", 1.15),
    ("http", 128): ("limit", 1.30),
}
CPU_BOUND_MS: Final = 1.0
WARM_BOUND_MS: Final = 1.0
HEAD: Final = """\
       N    c        limit   bare   ours  x limit  x bare  bound on the wall         CPU ms a case, start-up aside
                         s      s      s                                            bare  floor   ours   over (bound 1)
"""
SECONDS: Final = {
    "judge": "a target's and a judge's call a case",
    "trial": "2 calls a case, by trials = 2",
    "none": "1 call a case",
}


@dataclass(frozen=True, slots=True)
class Work:
    """So many cases by one client, so many calls at a time; ``second`` is what makes the second call of a case."""

    client: str
    cases: int
    concurrency: int
    second: str

    @property
    def calls(self) -> int:
        return self.chains * self.length

    @property
    def chains(self) -> int:
        return 2 * self.cases if self.second == "trial" else self.cases

    @property
    def length(self) -> int:
        return 2 if self.second == "judge" else 1

    @property
    def limit_s(self) -> float:
        return math.ceil(self.calls / self.concurrency) * LATENCY_S

    def one(self) -> Work:
        """Return the same with a single case: what it takes is the start-up."""
        return Work(self.client, 1, self.concurrency, self.second)


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took, and what the server saw of it."""

    used: Used
    seen: Counts


@dataclass(frozen=True, slots=True)
class Row:
    """The least of all rounds, for the bare loop, for ours cold and warm, and for pytest's floor."""

    work: Work
    bare: Used
    cold: Used
    warm: Used
    floor: Used
    seen: Counts
    warm_requests: int


def main() -> int:
    chosen = _arguments()
    print(f"calls: {LATENCY_S * 1000:.0f} ms each, {SECONDS[chosen.second]}")
    print(f"  {processes.machine()}; least of {chosen.rounds} rounds, bare and ours in turn")
    with processes.judging_server(LATENCY_S) as server:
        for client in chosen.clients.split(","):
            _print_client(server, client, chosen)
    print(f"  {processes.machine()}")
    return 0


def _print_client(server: Server, client: str, chosen: argparse.Namespace) -> None:
    works = [
        Work(client, int(size), int(concurrency), chosen.second)
        for size in chosen.sizes.split(",")
        for concurrency in (chosen.concurrency.split(",") if chosen.concurrency else _bounded(client))
    ]
    start = _row(server, works[0].one(), 2)
    told = ", ".join(
        f"{name} {used.wall_s:.2f} s (CPU {used.cpu_s:.2f})"
        for name, used in (("bare", start.bare), ("cold", start.cold), ("warm", start.warm), ("floor", start.floor))
    )
    print(f"  client = {client!r}, start-up with N = 1: {told}")
    print(HEAD, end="")
    for work in works:
        for line in _lines(_row(server, work, chosen.rounds), start):
            print(line, flush=True)


def _bounded(client: str) -> list[int]:
    return [concurrency for name, concurrency in BOUNDS if name == client]


def _row(server: Server, work: Work, rounds: int) -> Row:
    """Measure in turn; see to it that nothing was lost, and nothing sent twice."""
    runs: list[tuple[Run, Run, Run, Used]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            project = _project(Path(folder, str(number)), server, work)
            floor = processes.pytest_run(project, "-p", "floor", projects.GOLDEN)
            runs.append((_bare(server, project, work), _gate(server, project), _gate(server, project), floor))
    bare, cold, warm, floors = zip(*runs, strict=True)
    assert {run.seen.calls for run in (*bare, *cold)} == {work.calls}, f"not {work.calls} calls: {bare} {cold}"
    bare_used, cold_used, warm_used = (processes.least([run.used for run in each]) for each in (bare, cold, warm))
    warm_requests = max(run.seen.calls for run in warm)
    return Row(work, bare_used, cold_used, warm_used, processes.least(floors), cold[-1].seen, warm_requests)


def _project(folder: Path, server: Server, work: Work) -> Path:
    trials, judged = work.chains // work.cases, work.second == "judge"
    asked = projects.Asked(server.base_url, work.client, work.concurrency, trials, judged)
    return projects.write(folder, work.cases, asked.toml())


def _bare(server: Server, folder: Path, work: Work) -> Run:
    numbers = map(str, (work.chains, work.length, work.concurrency))
    used = processes.run([sys.executable, "-m", "benchmarks.bare", work.client, server.base_url, *numbers], folder)
    return Run(used, server.counts())


def _gate(server: Server, folder: Path) -> Run:
    used = processes.gate(folder, projects.GOLDEN)
    return Run(used, server.counts())


def _lines(row: Row, start: Row) -> Iterator[str]:
    work, limit = row.work, row.work.limit_s
    bare_ms, cold_ms, warm_ms, floor_ms = (
        1000 * (many.cpu_s - one.cpu_s) / max(1, work.cases - 1)
        for many, one in (
            (row.bare, start.bare),
            (row.cold, start.cold),
            (row.warm, start.warm),
            (row.floor, start.floor),
        )
    )
    over_ms = cold_ms - bare_ms
    cpu_held = _judged(work, held=over_ms <= CPU_BOUND_MS)
    yield (
        f"    {work.cases:>5,} {work.concurrency:>4}  cold {limit:6.2f} {row.bare.wall_s:6.2f} {row.cold.wall_s:6.2f} "
        f"{row.cold.wall_s / limit:8.2f} {row.cold.wall_s / row.bare.wall_s:7.3f}  {_wall_verdict(row):<24} "
        f"{bare_ms:5.2f} {floor_ms:6.2f} {cold_ms:6.2f} {over_ms:+6.2f} {cpu_held}"
    )
    yield (
        f"{'':22}{row.seen.calls:,} requests, {row.seen.peak_in_flight} in flight at the peak, "
        f"{row.seen.connections} connections; others kept {row.cold.others:.1f} cores busy"
    )
    whole_ms = 1000 * (row.warm.cpu_s - row.floor.cpu_s) / work.cases
    held = _judged(work, held=whole_ms <= WARM_BOUND_MS and row.warm_requests == 0)
    yield (
        f"{'':14}  warm {'':13} {row.warm.wall_s:6.2f} {'':48} {floor_ms:6.2f} {warm_ms:6.2f} "
        f"{warm_ms - floor_ms:+6.2f}  with the start-up {whole_ms:+.2f} {held}; {row.warm_requests} requests"
    )


def _wall_verdict(row: Row) -> str:
    beside, times = BOUNDS.get((row.work.client, row.work.concurrency), ("", 0.0))
    if not beside:
        return "no bound"
    bound_s = times * {"bare": row.bare.wall_s, "limit": row.work.limit_s}[beside]
    return f"{times} x {beside} = {bound_s:.2f} {_judged(row.work, held=row.cold.wall_s <= bound_s)}"


def _judged(work: Work, *, held: bool) -> str:
    if work.cases < BOUND_SIZE:
        return "-"
    return "ok" if held else "MISSED"


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000", help="cases, such as 200,1000")
    parser.add_argument("--concurrency", help="calls at a time; those that have a bound unless told")
    parser.add_argument("--clients", default="openai,http")
    parser.add_argument("--second", default="judge", choices=SECONDS, help="what makes the second call of a case")
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

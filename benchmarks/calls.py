"""Calls through the engine, beside the same calls in a bare loop, and beside the limit.

Two calls a case at 200 ms each: the target's, and that of a judge that is shown its answer. The limit is
ceil(cases / c) x 2 latencies: no client can be faster. Bare and ours run in turn, as whole processes with their
start-up; of the rounds the least is taken. The bare loop of ``http`` is aiohttp, that of ``openai`` is AsyncOpenAI.

With ``--sizes 1000`` (the usual size), each row of the table is for so many calls at a time: wall, CPU, the moment of
the first request, and the same run once more with everything cached. ``--saturated`` makes 10,000 cases of calls of
20 ms, 64 at a time, where the CPU is the limit.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.processes import Counts, Server, Used

LATENCY_S: Final = 0.2
BOUND_SIZE: Final = 1000
"""The bounds on walls are for so many cases; with fewer, the start-up weighs more."""

BOUNDS: Final = {
    ("http", 32): ("limit", 1.06),
    ("http", 64): ("limit", 1.12),
    ("http", 128): ("limit", 1.25),
    ("openai", 32): ("bare", 1.02),
    ("openai", 64): ("bare", 1.04),
    ("openai", 128): ("bare", 1.05),
}
BARE: Final = {"http": "aiohttp", "openai": "openai"}
WARM_BOUND_S: Final = 1.2
FIRST_BOUNDS_S: Final = {1_000: 0.5, 10_000: 0.8}

SATURATED_CASES: Final = 10_000
SATURATED_LATENCY_S: Final = 0.02
SATURATED_CONCURRENCY: Final = 64
SATURATED_TIMES: Final = 2.0
SATURATED_CPU_MS: Final = 0.7


@dataclass(frozen=True, slots=True)
class Work:
    """So many cases of two calls by one client, so many calls at a time."""

    client: str
    cases: int
    concurrency: int
    latency_s: float = LATENCY_S

    @property
    def limit_s(self) -> float:
        return math.ceil(self.cases / self.concurrency) * 2 * self.latency_s

    @property
    def name(self) -> str:
        return f"{self.client}, N = {self.cases:,}, c = {self.concurrency}"


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took, and what the server saw of it."""

    used: Used
    seen: Counts

    @property
    def first_s(self) -> float:
        """Seconds from the start of the process to its first request."""
        assert self.seen.first_at is not None, self.used.output
        return self.seen.first_at - self.used.started_at


@dataclass(frozen=True, slots=True)
class Measured:
    """The least of all rounds of the bare loop and of ours, cold and warm; ``seen`` is of a cold run."""

    work: Work
    bare: Used
    cold: Used
    warm: Used
    seen: Counts
    first_s: float
    warm_requests: int


def main() -> int:
    chosen = arguments()
    title = f"calls: a target's and a judge's call a case; {processes.machine()}; least of {chosen.rounds} rounds"
    return print_rows(rows(chosen), title)


def rows(chosen: argparse.Namespace | None = None) -> Iterator[Row]:
    chosen = chosen or arguments(["--saturated"])
    with processes.judging_server(LATENCY_S) as server:
        for client in chosen.clients.split(","):
            for size in map(int, chosen.sizes.split(",")):
                for concurrency in map(int, chosen.concurrency.split(",")):
                    yield from _cold_rows(server, Work(client, size, concurrency), chosen.rounds)
    if chosen.saturated:
        yield from _saturated_rows(chosen.rounds)


def _cold_rows(server: Server, work: Work, rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = _measure(server, work, rounds, folder)
        cold, bare, limit_s = found.cold, found.bare, work.limit_s
        profile = partial(_profile, server, work, folder / "profiled")
        beside, times = BOUNDS.get((work.client, work.concurrency), ("", math.nan))
        bounds = {"bare": times * bare.wall_s / limit_s, "limit": times}
        bound = bounds.get(beside) if work.cases >= BOUND_SIZE else None
        yield Row(
            work.name,
            cold.wall_s / limit_s,
            bound and round(bound, 3),
            "x limit",
            bare.wall_s / limit_s,
            f"{cold.wall_s:.2f} s = {cold.wall_s / bare.wall_s:.3f} x bare (limit {limit_s:.2f} s); "
            f"{found.seen.peak_in_flight} in flight, {found.seen.connections} connections; {_others(cold)}",
            profile=profile,
        )
        yield Row("  CPU", 1000 * cold.cpu_s / work.cases, None, "ms a case", 1000 * bare.cpu_s / work.cases)
        yield Row("  peak memory", cold.peak_mb, None, "MiB", bare.peak_mb)
        if work.client == "http":
            yield _first_row(found, profile)
        yield Row(
            "  warm",
            found.warm.wall_s,
            WARM_BOUND_S if work.cases == BOUND_SIZE else None,
            "s",
            note=f"CPU {found.warm.cpu_s:.2f} s",
            profile=lambda: again((*processes.GATE, projects.GOLDEN), folder / "0"),
        )
        yield Row("  warm", found.warm_requests, 0, "requests")


def _first_row(found: Measured, profile: Callable[[], str]) -> Row:
    return Row(
        "  first request",
        found.first_s,
        FIRST_BOUNDS_S.get(found.work.cases),
        "s",
        note="from the start of the process",
        profile=profile,
    )


def _saturated_rows(rounds: int) -> Iterator[Row]:
    """Yield the rows of calls that are so short that the client's CPU is the limit."""
    work = Work("http", SATURATED_CASES, SATURATED_CONCURRENCY, SATURATED_LATENCY_S)
    with processes.judging_server(work.latency_s) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = _measure(server, work, rounds, folder, warm=False)
        cold, bare, calls = found.cold, found.bare, 2 * work.cases
        profile = partial(_profile, server, work, folder / "profiled")
        yield Row(
            f"{work.name}, {1000 * work.latency_s:.0f} ms",
            cold.wall_s / bare.wall_s,
            SATURATED_TIMES,
            "x bare",
            1.0,
            f"{cold.wall_s:.2f} s, bare {bare.wall_s:.2f} s, limit {work.limit_s:.2f} s; {_others(cold)}",
            profile=profile,
        )
        cpu_ms = 1000 * cold.cpu_s / calls
        yield Row("  CPU", cpu_ms, SATURATED_CPU_MS, "ms a call", 1000 * bare.cpu_s / calls, profile=profile)
        yield Row("  peak memory", cold.peak_mb, None, "MiB", bare.peak_mb)
        yield _first_row(found, profile)


def _measure(server: Server, work: Work, rounds: int, folder: Path, *, warm: bool = True) -> Measured:
    """Measure in turn; check that nothing was lost, and nothing sent twice."""
    bare, cold, warmed = [], [], []
    for number in range(rounds):
        project = _project(folder / str(number), server, work)
        bare.append(_bare(server, project, work))
        cold.append(_gate(server, project))
        warmed.append(_gate(server, project) if warm else cold[-1])
    assert {run.seen.calls for run in (*bare, *cold)} == {2 * work.cases}, f"not {2 * work.cases} calls: {bare} {cold}"
    bare_used, cold_used, warm_used = (processes.least([run.used for run in each]) for each in (bare, cold, warmed))
    first_s, warm_requests = min(run.first_s for run in cold), max(run.seen.calls for run in warmed)
    return Measured(work, bare_used, cold_used, warm_used, cold[-1].seen, first_s, warm_requests)


def _others(used: Used) -> str:
    """Return how busy the server and the rest of the machine were meanwhile."""
    return f"others {used.others:.1f} cores"


def _profile(server: Server, work: Work, folder: Path) -> str:
    text = again((*processes.GATE, projects.GOLDEN), _project(folder, server, work))
    server.counts()
    return text


def _project(folder: Path, server: Server, work: Work) -> Path:
    asked = projects.Asked(server.base_url, work.client, work.concurrency, judged=True)
    return projects.write(folder, work.cases, asked.toml())


def _bare(server: Server, folder: Path, work: Work) -> Run:
    numbers = map(str, (work.cases, 2, work.concurrency))
    used = processes.python_run(folder, "-m", "benchmarks.bare", BARE[work.client], server.base_url, *numbers)
    return Run(used, server.counts())


def _gate(server: Server, folder: Path) -> Run:
    used = processes.gate(folder, projects.GOLDEN)
    return Run(used, server.counts())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000", help="cases, such as 200,1000")
    parser.add_argument("--concurrency", default="32,64,128", help="calls at a time")
    parser.add_argument("--clients", default="http,openai")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--saturated", action="store_true", help="10,000 cases of calls of 20 ms as well")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())

"""One engine under pytest-xdist: a run of 400 cases at 200 ms, 32 at a time, in every distribution.

Each wall is held against that of the serial run and what it takes to start the workers. That is measured with a single
case that is answered at once: a call of 200 ms is on its way while the other workers start, and would hide as much of
it. Calls and calls in flight are those that the server counted: they have to be those of the serial run.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects

if TYPE_CHECKING:
    from benchmarks.processes import Counts, Server

CASES: Final = 400
CONCURRENCY: Final = 32
LATENCY_S: Final = 0.2
WORKERS: Final = ("-n", "4")
DISTRIBUTIONS: Final = ("load", "loadfile", "loadscope", "loadgroup", "worksteal")
ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """The wall of a run, the least of all rounds, and what the server counted in the last one."""

    wall_s: float
    seen: Counts


def main() -> int:
    print(f"distributions: {CASES} cases, {LATENCY_S * 1000:.0f} ms each, {CONCURRENCY} at a time, client = 'http'")
    print(f"  {processes.machine()}; least of {ROUNDS} rounds")
    with processes.scripted_server(0) as prompt, tempfile.TemporaryDirectory() as folder:
        one = _row(prompt, Path(folder), 1)
        workers = _row(prompt, Path(folder), 1, *WORKERS, "--dist", "load").wall_s - one.wall_s
    with processes.scripted_server(LATENCY_S) as server, tempfile.TemporaryDirectory() as folder:
        serial = _row(server, Path(folder), CASES)
        bound = serial.wall_s + workers
        print(f"  {'serial':<10} {_told(serial)}; the workers take {workers:.2f} s to start: bound {bound:.2f} s")
        held = [_held(server, Path(folder), dist, serial, bound) for dist in DISTRIBUTIONS]
    return 0 if all(held) else 1


def _held(server: Server, folder: Path, dist: str, serial: Row, bound: float) -> bool:
    row = _row(server, folder, CASES, *WORKERS, "--dist", dist)
    same = row.seen.calls == serial.seen.calls and row.seen.peak_in_flight <= CONCURRENCY
    held = same and row.wall_s <= bound
    print(f"  {dist:<10} {_told(row)}   {'ok' if held else 'MISSED'}", flush=True)
    return held


def _told(row: Row) -> str:
    return f"{row.wall_s:5.2f} s   {row.seen.calls} calls, {row.seen.peak_in_flight} in flight at the peak"


def _row(server: Server, folder: Path, cases: int, *arguments: str) -> Row:
    walls: list[float] = []
    for _ in range(ROUNDS):
        asked = projects.Asked(server.base_url, "http", CONCURRENCY)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            project = projects.write(Path(place, "project"), cases, asked.toml())
            plugins = ("-p", "xdist") if arguments else ()
            walls.append(processes.gate(project, *plugins, *arguments, projects.GOLDEN).wall_s)
        seen = server.counts()
    return Row(min(walls), seen)


if __name__ == "__main__":
    sys.exit(main())

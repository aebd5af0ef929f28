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
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """The wall of a run, or the least of several, and what the server counted."""

    wall_s: float
    seen: Counts


def main() -> int:
    print(f"distributions: {CASES} cases, {LATENCY_S * 1000:.0f} ms each, {CONCURRENCY} at a time, client = 'http'")
    print(f"  {processes.machine()}; least of {ROUNDS} rounds, all in turn", flush=True)
    distributed = {name: (*WORKERS, "--dist", name) for name in DISTRIBUTIONS}
    with processes.scripted_server(0) as prompt, processes.scripted_server(LATENCY_S) as server:
        rounds = [
            {
                "one": _run(prompt, 1),
                "one, distributed": _run(prompt, 1, *distributed["load"]),
                "serial": _run(server, CASES),
                **{name: _run(server, CASES, *arguments) for name, arguments in distributed.items()},
            }
            for _ in range(ROUNDS)
        ]
    rows = {name: Row(min(each[name].wall_s for each in rounds), rounds[-1][name].seen) for name in rounds[0]}
    serial, workers_s = rows["serial"], rows["one, distributed"].wall_s - rows["one"].wall_s
    bound_s = serial.wall_s + workers_s
    print(f"  {'serial':<10} {_told(serial)}; the workers take {workers_s:.2f} s to start: bound {bound_s:.2f} s")
    held = [_held(name, rows[name], serial, bound_s) for name in DISTRIBUTIONS]
    return 0 if all(held) else 1


def _held(name: str, row: Row, serial: Row, bound_s: float) -> bool:
    same = row.seen.calls == serial.seen.calls and row.seen.peak_in_flight <= CONCURRENCY
    held = same and row.wall_s <= bound_s
    print(f"  {name:<10} {_told(row)}   {'ok' if held else 'MISSED'}")
    return held


def _told(row: Row) -> str:
    return f"{row.wall_s:5.2f} s   {row.seen.calls} calls, {row.seen.peak_in_flight} in flight at the peak"


def _run(server: Server, cases: int, *arguments: str) -> Row:
    asked = projects.Asked(server.base_url, "http", CONCURRENCY)
    with tempfile.TemporaryDirectory() as folder:
        project = projects.write(Path(folder, "project"), cases, asked.toml())
        plugins = ("-p", "xdist") if arguments else ()
        return Row(processes.gate(project, *plugins, *arguments, projects.GOLDEN).wall_s, server.counts())


if __name__ == "__main__":
    sys.exit(main())

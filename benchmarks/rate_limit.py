"""Servers that refuse: 50 requests a second with a burst of 50, once told and once found out, and 20 at a time.

All calls have to be answered in the end, in little more than the ideal time, with few requests in vain.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY_S: Final = 0.2
RATE: Final = 50
BURST: Final = 50
CAPACITY: Final = 20
CASES: Final = 200
CALLS: Final = 2 * CASES

BY_RATE: Final = ("--requests-per-second", str(RATE), "--burst", str(BURST))
BY_CAPACITY: Final = ("--capacity", str(CAPACITY))


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked of which server; ``ideal_s`` is from the first call to the last answer.

    ``bound_s`` is from the first request to the end of the process, since the start-up has a row of its own: with it
    and the latency of the last call, no client reaches 7.7 s. ``refused`` is for requests in vain; None: only shown.
    """

    name: str
    limits: tuple[str, ...]
    ideal_s: float
    bound_s: float
    refused: int | None
    requests_per_minute: int | None = None


TRIALS: Final = (
    Trial("50/s, told", BY_RATE, (CALLS - BURST) / RATE, 7.7, refused=0, requests_per_minute=60 * RATE),
    Trial("50/s, found out", BY_RATE, (CALLS - BURST) / RATE, 7.8, refused=10),
    Trial("20 at a time", BY_CAPACITY, CALLS / CAPACITY * LATENCY_S, 4.8, refused=None),
)


def main() -> int:
    title = f"rate limits: {CASES} cases of two trials, 64 at a time wanted, client = 'http'"
    return print_rows(rows(), f"{title}; {processes.machine()}")


def rows() -> Iterator[Row]:
    for trial in TRIALS:
        yield from _rows(trial)


def _rows(trial: Trial) -> Iterator[Row]:
    with processes.scripted_server(LATENCY_S, *trial.limits) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = projects.Asked(server.base_url, "http", 64, trials=2, requests_per_minute=trial.requests_per_minute)
        project = projects.write(folder / "project", CASES, asked.toml())
        used = processes.gate(project, projects.GOLDEN)
        seen = server.counts()
        assert seen.first_at is not None, used.output
        calls_s = used.wall_s - (seen.first_at - used.started_at)
        yield Row(
            f"{trial.name}, N = {CASES}",
            calls_s,
            trial.bound_s,
            "s",
            trial.ideal_s,
            f"bare: the ideal; {calls_s / trial.ideal_s:.2f} x; with the start-up {used.wall_s:.2f} s; "
            f"peak {seen.peak_in_flight} in flight; others {used.others:.1f} cores",
            profile=lambda: again(
                (*processes.GATE, projects.GOLDEN), projects.write(folder / "profiled", CASES, asked.toml())
            ),
        )
        yield Row("  lost", CASES - _answered(project), 0, "cases", 0)
        yield Row("  refused", seen.refused, trial.refused, "requests", 0, f"of {seen.calls}")


def _answered(project: Path) -> int:
    """Return how many cases were answered in every trial."""
    verdict = json.loads((project / ".evalgate" / "verdict.json").read_text(encoding="utf-8"))
    return int(verdict["accounting"]["passed"])


if __name__ == "__main__":
    sys.exit(main())

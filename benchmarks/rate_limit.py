"""Servers that refuse: 50 requests a second with a burst of 50, once told and once found out, and 20 at a time.

All calls have to be answered in the end, in little more than the ideal time, with few requests in vain.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import processes, projects

LATENCY_S: Final = 0.2
RATE: Final = 50
BURST: Final = 50
CAPACITY: Final = 20
TIME_BOUND: Final = 1.15
WASTE_BOUND: Final = 0.05

BY_RATE: Final = ("--requests-per-second", str(RATE), "--burst", str(BURST))
BY_CAPACITY: Final = ("--capacity", str(CAPACITY))


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked of which server; ``ideal_s`` is from the first call to the last answer."""

    name: str
    limits: tuple[str, ...]
    cases: int
    ideal_s: float
    requests_per_minute: int | None = None
    times: float | None = TIME_BOUND
    waste: float | None = WASTE_BOUND

    @property
    def calls(self) -> int:
        return 2 * self.cases


TRIALS: Final = (
    Trial("50/s, told", BY_RATE, 200, (400 - BURST) / RATE, requests_per_minute=60 * RATE),
    Trial("50/s, found out", BY_RATE, 200, (400 - BURST) / RATE),
    Trial("20 at a time", BY_CAPACITY, 500, 1000 / CAPACITY * LATENCY_S, times=None, waste=None),
)


def main() -> int:
    print("rate limits: two trials a case, 64 at a time wanted, client = 'http'")
    print(f"  {processes.machine()}")
    for trial in TRIALS:
        _measure(trial)
    return 0


def _measure(trial: Trial) -> None:
    with processes.scripted_server(LATENCY_S, *trial.limits) as server, tempfile.TemporaryDirectory() as folder:
        asked = projects.Asked(server.base_url, "http", 64, trials=2, requests_per_minute=trial.requests_per_minute)
        once = processes.gate(projects.write(Path(folder, "one"), 1, asked.toml()), projects.GOLDEN)
        server.counts()
        project = projects.write(Path(folder, "many"), trial.cases, asked.toml())
        used = processes.gate(project, projects.GOLDEN)
        seen = server.counts()
        lost = trial.cases - _answered(project)
    start_s = once.wall_s - LATENCY_S
    times, waste = used.wall_s / trial.ideal_s, seen.refused / seen.calls
    print(
        f"  {trial.name:<15}{trial.calls:>5,} calls   lost {lost} {_word(held=lost == 0)}   wall {used.wall_s:5.2f} s "
        f"= {times:.2f} x the ideal {trial.ideal_s:.1f} {_held(times, trial.times)}, without the start-up "
        f"({start_s:.2f} s) {(used.wall_s - start_s) / trial.ideal_s:.2f} x   refused {seen.refused} = {waste:.1%} "
        f"{_held(waste, trial.waste)}   peak {seen.peak_in_flight}",
        flush=True,
    )


def _answered(project: Path) -> int:
    """Return how many cases were answered in every trial."""
    verdict = json.loads((project / ".evalgate" / "verdict.json").read_text(encoding="utf-8"))
    return int(verdict["accounting"]["passed"])


def _held(value: float, bound: float | None) -> str:
    return "" if bound is None else f"(bound {bound:g}) {_word(held=value <= bound)}"


def _word(*, held: bool) -> str:
    return "ok" if held else "MISSED"


if __name__ == "__main__":
    sys.exit(main())

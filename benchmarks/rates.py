"""How often each gate fails a build: our gates, and the naive ones beside them on the same simulated builds."""

from __future__ import annotations

import math
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds

from pytest_evalgate.config import NoRegressionGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.builds import Build

DROPS: Final = (0.0, 0.01, 0.02, 0.05, 0.10)
"""How much worse the candidate is, as a share: in the first column a gate that fails is a false alarm."""

SEED: Final = 20_261_121
CHUNK: Final = 100
"""So many builds share a seed: the table is the same however many processes make it."""

ONE_SIDED_5_PERCENT: Final = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Table2x2:
    """What a naive gate looks at."""

    cases: int
    baseline_passes: int
    losses: int
    gains: int

    @property
    def dropped(self) -> int:
        return self.losses - self.gains


@dataclass(frozen=True, slots=True)
class OurGate:
    """A gate of the project and the number of trials that both runs have."""

    gate: NoRegressionGate
    trials: int = 1


def drops_more_than(points: int) -> Callable[[Table2x2], bool]:
    return lambda table: 100 * table.dropped > points * table.cases


def _unpaired_z(table: Table2x2) -> bool:
    """Compare the two pass rates as if they were of different cases."""
    pooled = (table.baseline_passes - table.dropped / 2) / table.cases
    se = math.sqrt(2 * pooled * (1 - pooled) / table.cases)
    return table.dropped / table.cases > ONE_SIDED_5_PERCENT * se


NAIVE: Final[Mapping[str, Callable[[Table2x2], bool]]] = {
    "any drop": drops_more_than(0),
    "drop > 2 points": drops_more_than(2),
    "drop > 5 points": drops_more_than(5),
    "any previously passing case fails": lambda table: table.losses > 0,
    "unpaired two-proportion z, 5%": _unpaired_z,
}

OURS: Final[Mapping[str, OurGate]] = {
    "no-regression (default)": OurGate(NoRegressionGate(kind="no-regression")),
    "no-regression, 3 trials": OurGate(NoRegressionGate(kind="no-regression"), trials=3),
    "tolerance 2 points": OurGate(NoRegressionGate(kind="no-regression", fail_on="tolerance", margin=0.02)),
    "not_proven, margin 5 points": OurGate(NoRegressionGate(kind="no-regression", fail_on="not_proven", margin=0.05)),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some builds of one cell, and what they are drawn from."""

    cases: int
    drop: float
    first: int
    builds: int

    def rng(self) -> np.random.Generator:
        return np.random.default_rng([SEED, self.cases, round(1000 * self.drop), self.first])


@dataclass(frozen=True, slots=True)
class Rates:
    """How many of so many builds each gate failed, by (gate, cases, drop)."""

    builds: int
    sizes: tuple[int, ...]
    failed: Mapping[tuple[str, int, float], int]
    processes: int
    seconds: float

    def wrong(self, gate: str, cases: int, drop: float) -> float:
        """Return the share of wrong answers: false alarms where nothing dropped, misses where something did."""
        share = self.failed[gate, cases, drop] / self.builds
        return 1 - share if drop else share

    def cell(self, gate: str, cases: int) -> str:
        alarms, *misses = (f"{100 * self.wrong(gate, cases, drop):.0f}" for drop in DROPS)
        return f"{alarms}; {'/'.join(misses)}"


def measure(builds_each: int, sizes: Sequence[int], processes: int) -> Rates:
    chunks = list(_chunks(builds_each, sizes))
    failed: Counter[tuple[str, int, float]] = Counter()
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        for chunk, counts in zip(chunks, pool.map(failures, chunks), strict=True):
            failed.update({(gate, chunk.cases, chunk.drop): count for gate, count in counts.items()})
    return Rates(builds_each, tuple(sizes), failed, processes, time.monotonic() - started)


def _chunks(builds_each: int, sizes: Sequence[int]) -> Iterator[Chunk]:
    for cases in sorted(sizes, reverse=True):  # the long ones first, so that the processes end together
        for drop in DROPS:
            for first in range(0, builds_each, CHUNK):
                yield Chunk(cases, drop, first, min(CHUNK, builds_each - first))


def failures(chunk: Chunk) -> Counter[str]:
    """Count the builds of a chunk that each gate fails."""
    rng, planned = chunk.rng(), builds.plan(chunk.cases)
    records = {trials: builds.records(planned, trials) for trials in {our.trials for our in OURS.values()}}
    failed: Counter[str] = Counter()
    for _ in range(chunk.builds):
        build = builds.simulate(rng, chunk.cases, chunk.drop, max(records))
        failed.update(gate for gate, fails in NAIVE.items() if fails(_table(build)))
        of_trials = {1: build.first_trials(), build.baseline.shape[0]: build}
        failed.update(
            name
            for name, our in OURS.items()
            if records[our.trials].judge(of_trials[our.trials], [our.gate]).verdict == "fail"
        )
    return failed


def _table(build: Build) -> Table2x2:
    changes = build.changes
    return Table2x2(
        cases=len(changes),
        baseline_passes=int(build.baseline[0].sum()),
        losses=int((changes < 0).sum()),
        gains=int((changes > 0).sum()),
    )

"""How long the judgement of a large suite takes: 100,000 cases in 20 slices, with a baseline of as many.

The seconds are CPU of ``gates.decide`` alone, the least of the rounds. The shares are those of one more round under
the profiler, which makes short functions look slower than they are; a part holds the parts that it calls.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.config import MustPassGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.records.results import PlannedCase
    from pytest_evalgate.records.verdicts import Verdict

CASES: Final = 100_000
SLICES: Final = 20
DROP: Final = 0.002
SAFETY_EVERY: Final = 1_000
ROUNDS: Final = 3
BOUND_S: Final = 2.0
LEAST_SHARE: Final = 0.1

GATES: Final = (
    PassRateGate(kind="pass-rate", min=0.75),
    NoRegressionGate(kind="no-regression", margin=0.01),
    SliceGate(kind="slice", by="group"),
    MustPassGate(kind="must-pass", tags=("safety",)),
)


def main() -> int:
    records = builds.records([_sliced(index, case) for index, case in enumerate(builds.plan(CASES))])
    build = builds.simulate(np.random.default_rng(0), CASES, DROP)
    run, rules = records.run(build.candidate), records.rules(build.baseline, GATES)

    def judge() -> Verdict:
        return decide(run, rules, warn_inconclusive=True)

    verdict, cpu_s = min((_timed(judge) for _ in range(ROUNDS)), key=lambda timed: timed[1])
    assert len(verdict.suites["simulated"].slices) == SLICES, verdict
    held = cpu_s <= BOUND_S
    print(f"the judgement of {CASES:,} cases in {SLICES} slices, with a baseline of as many")
    print(f"  {processes.machine()}")
    print(f"  {cpu_s:.2f} s CPU, least of {ROUNDS} rounds (bound {BOUND_S:.0f} s): {'held' if held else 'NOT HELD'}")
    for line in _parts(judge):
        print(f"  {line}")
    return 0 if held else 1


def _sliced(index: int, case: PlannedCase) -> PlannedCase:
    tags = () if index % SAFETY_EVERY else ("safety",)
    return replace(case, tags=tags, slices=(("group", f"{index % SLICES:02}"),))


def _timed(judge: Callable[[], Verdict]) -> tuple[Verdict, float]:
    started = time.process_time()
    verdict = judge()
    return verdict, time.process_time() - started


def _parts(judge: Callable[[], Verdict]) -> Iterator[str]:
    """Name the functions of the gates that take a tenth or more, the longest first."""
    profile = cProfile.Profile()
    profile.runcall(judge)
    stats = pstats.Stats(profile)
    functions = {where: row[3] for where, row in stats.stats.items()}  # type: ignore[attr-defined]
    whole = max(seconds for (_, _, name), seconds in functions.items() if name == "decide")
    for (file, _, name), seconds in sorted(functions.items(), key=lambda item: -item[1]):
        if Path(file).parent.name == "gates" and not name.startswith("<") and seconds >= LEAST_SHARE * whole:
            yield f"{seconds / whole:6.0%}  {Path(file).stem}.{name}"


if __name__ == "__main__":
    sys.exit(main())

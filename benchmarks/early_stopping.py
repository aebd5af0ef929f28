"""How many calls early stopping saves, and what it does to the verdict, beside the figures of STATISTICS section 5.

Builds of the reference scenario are simulated (``builds``) and judged whole by ``gates.decide``; beside it stands what
certainty says at the case where it stops. Each cell reads "builds failed in percent / share of the calls made".
The cases that the baseline failed are taken first.
"""

from __future__ import annotations

import argparse
import bisect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.stats.paired import mcnemar_midp, tango_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from benchmarks.builds import Build, Records

DROPS: Final = (0.0, 0.02, 0.05, 0.10, 0.20)
CASES: Final = 500
MARGIN: Final = 0.05
SEED: Final = 20_261_121

ALPHA: Final = 0.05

DROP: Final = NoRegressionGate(kind="no-regression", alpha=ALPHA)
BEYOND: Final = NoRegressionGate(kind="no-regression", alpha=ALPHA, margin=MARGIN)

WITH_MARGIN: Final = "certainty, margin 5 points"
EXPECTED: Final = {
    "full run": "4.7/1.00 38/1.00 92/1.00 100/1.00 100/1.00",
    "certainty": "4.7/.97 38/.94 92/.79 100/.58 100/.40",
    WITH_MARGIN: "",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a build in the middle of it: the changes so far, and the cases left by their baseline."""

    losses: int
    gains: int
    left_passed: int
    left_missed: int
    cases: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Whether a build failed, and after which share of its calls that was known."""

    failed: bool
    used: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One build by every rule, and what the gates say of the whole of it."""

    by_rule: Mapping[str, Ended]
    whole: Mapping[str, bool]

    @property
    def differs(self) -> bool:
        """Whether the verdict at the stop is another one than that of the whole run."""
        return any(self.by_rule[rule].failed != failed for rule, failed in self.whole.items())


def stops(so_far: Progress, gate: NoRegressionGate) -> Literal["fail", "pass"] | None:
    """Return the verdict that the remaining cases cannot change any more; None while they can."""
    best = so_far.losses, so_far.gains + so_far.left_missed
    worst = so_far.losses + so_far.left_passed, so_far.gains
    if not _fails(*worst, so_far.cases, gate):
        return "pass"
    return "fail" if _fails(*best, so_far.cases, gate) else None


def _fails(losses: int, gains: int, cases: int, gate: NoRegressionGate) -> bool:
    if mcnemar_midp(losses, gains) > gate.alpha:
        return False
    return gate.margin is None or tango_bounds(losses, gains, cases, gate.alpha).lower <= -gate.margin


def main() -> int:
    number = _arguments().builds
    print(f"early stopping: builds failed in percent / share of calls, n = {CASES}, {number:,} builds a column")
    print(f"  {processes.machine()}")
    records = builds.records(builds.plan(CASES))
    columns = {drop: _column(records, drop, number) for drop in DROPS}
    print(f"  {'true drop':<37}" + "".join(f"{f'{100 * drop:.0f} points':<12}" for drop in DROPS).rstrip())
    for rule, expected in EXPECTED.items():
        print(f"  {rule:<26} measured  {''.join(f'{_cell(columns[drop], rule):<12}' for drop in DROPS).rstrip()}")
        if expected:
            print(f"  {'':26} expected  {''.join(f'{cell:<12}' for cell in expected.split()).rstrip()}")
    differing = sum(judged.differs for column in columns.values() for judged in column)
    print(f"  standard error of a share of builds: at most {100 * 0.5 / number**0.5:.1f} points")
    print(f"  verdicts that certainty changed: {differing} of {2 * number * len(DROPS):,} (bound 0)")
    return 1 if differing else 0


def _column(records: Records, drop: float, number: int) -> list[Judged]:
    rng = np.random.default_rng([SEED, round(100 * drop)])
    return [_judge(records, builds.simulate(rng, CASES, drop)) for _ in range(number)]


def _cell(column: list[Judged], rule: str) -> str:
    ended = [judged.by_rule[rule] for judged in column]
    failed, used = np.mean([end.failed for end in ended]), np.mean([end.used for end in ended])
    return f"{100 * failed:.1f}/{used:.2f}"


def _judge(records: Records, build: Build) -> Judged:
    drop, beyond = (records.judge(build, [gate]).verdict == "fail" for gate in (DROP, BEYOND))
    rules = {
        "full run": Ended(drop, 1.0),
        "certainty": _certain(build, DROP),
        WITH_MARGIN: _certain(build, BEYOND),
    }
    return Judged(rules, {"certainty": drop, WITH_MARGIN: beyond})


def _certain(build: Build, gate: NoRegressionGate) -> Ended:
    """Find the first case after which the verdict is certain: from there on it stays so, hence the bisection."""
    order = np.argsort(build.baseline[0], kind="stable")
    passed, changes = build.baseline[0][order], build.changes[order]

    def verdict(done: int) -> str | None:
        return stops(_progress(passed, changes, done), gate)

    done = bisect.bisect_left(range(CASES), x=True, key=lambda done: verdict(done) is not None)
    return Ended(verdict(done) == "fail", done / CASES)


def _progress(passed: npt.NDArray[np.bool_], changes: npt.NDArray[np.int8], done: int) -> Progress:
    left = int(passed[done:].sum())
    return Progress(
        losses=int((changes[:done] < 0).sum()),
        gains=int((changes[:done] > 0).sum()),
        left_passed=left,
        left_missed=len(passed) - done - left,
        cases=len(passed),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=1_000, help="builds a column (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

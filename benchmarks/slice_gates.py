"""Gates on the whole and on each of eight slices, beside naive ones and the figures of STATISTICS section 3.

Builds are simulated (``builds``) and judged by ``gates.decide``, which shares one alpha among the tests of a build.
Each cell is the share of builds that a gate fails, in percent: in the first column these are false alarms.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.config import NoRegressionGate, SliceGate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from benchmarks.builds import Build, Records

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.results import PlannedCase

SEED: Final = 20_261_121
SIZES: Final = (150, 100, 80, 60, 40, 30, 20, 20)
CASES: Final = sum(SIZES)
SLICE_OF_60: Final = 3
SLICE_OF_20: Final = 6
NAIVE_DROP: Final = 0.1

WHOLE: Final = NoRegressionGate(kind="no-regression")
SLICES: Final = SliceGate(kind="slice", by="group")

OURS: Final[Mapping[str, tuple[Gate, ...]]] = {
    "no-regression alone": (WHOLE,),
    "no-regression and slice": (WHOLE, SLICES),
}
NAIVE: Final = "worst slice drops > 10 points"
EXPECTED: Final = {
    NAIVE: (10, 94, 99, 65),
    "no-regression alone": (5, 47, 28, 92),
    "no-regression and slice": (3, 69, 54, 86),
}


def main() -> int:
    number = _arguments().builds
    print(f"gates on the whole and on 8 slices of {', '.join(map(str, SIZES))} cases: builds failed in percent")
    print(f"  {processes.machine()}; {number:,} builds a cell")
    records = builds.records(_sliced(builds.plan(CASES)))
    failed = {defect: _failed(records, drop, number, place) for place, (defect, drop) in enumerate(_defects().items())}
    print(f"  {'':39}" + "".join(f"{defect:<20}" for defect in failed).rstrip())
    for gate, expected in EXPECTED.items():
        measured = "".join(f"{100 * counts[gate] / number:<20.1f}" for counts in failed.values())
        print(f"  {gate:<29} measured {measured.rstrip()}")
        print(f"  {'':29} expected {''.join(f'{figure:<20}' for figure in expected).rstrip()}")
    print(f"  standard error: at most {100 * 0.5 / number**0.5:.1f} points")
    return 0


def _defects() -> Mapping[str, npt.NDArray[np.float64]]:
    """Name what may be wrong with a candidate, with the drop of each case, shape (500,)."""
    slice_of = np.repeat(np.arange(len(SIZES)), SIZES)
    return {
        "no change": np.zeros(CASES),
        "slice of 60 at -20": np.where(slice_of == SLICE_OF_60, 0.2, 0.0),
        "slice of 20 at -40": np.where(slice_of == SLICE_OF_20, 0.4, 0.0),
        "all at -5": np.full(CASES, 0.05),
    }


def _sliced(planned: tuple[PlannedCase, ...]) -> tuple[PlannedCase, ...]:
    names = [f"{place}" for place, size in enumerate(SIZES) for _ in range(size)]
    return tuple(replace(case, slices=(("group", name),)) for case, name in zip(planned, names, strict=True))


def _failed(records: Records, drop: npt.NDArray[np.float64], number: int, place: int) -> Counter[str]:
    rng = np.random.default_rng([SEED, place])
    failed: Counter[str] = Counter()
    for _ in range(number):
        build = builds.simulate(rng, CASES, drop)
        failed[NAIVE] += _worst_slice_drops(build)
        failed.update(name for name, gates in OURS.items() if records.judge(build, gates).verdict == "fail")
    return failed


def _worst_slice_drops(build: Build) -> bool:
    starts = [0, *accumulate(SIZES)][:-1]
    changes = np.add.reduceat(build.changes.astype(np.int64), starts)
    return bool((-changes > NAIVE_DROP * np.asarray(SIZES)).any())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a cell (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Rates corrected for a judge's errors: how often their intervals hold the truth, and what the errors cost in power.

Labels, run and judge are simulated; the interval is the one that the gates compute (``stats.judged_rate``, stated at
95 %). Beside it stand the judge's own rate with Wilson's interval, and the bootstrap of the labels alone, which takes
the rate of the run for exact. Builds in which the judge may not gate, as its J cannot be told from 0, are left out.

The second table judges simulated builds (``builds``) by the test of the gates after a judge has read them.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import JudgeErrors, judged_rate
from pytest_evalgate.stats.paired import mcnemar_midp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.builds import Passes

SEED: Final = 20_261_121
RATES: Final = (0.7, 0.9)
JUDGES: Final = ((0.95, 0.95), (0.9, 0.8), (0.8, 0.9), (0.7, 0.8), (0.6, 0.6))
LABELS: Final = (50, 200)
CASES: Final = 500
SMALL_DRAWS: Final = 400
HEADS: Final = {
    "rate": 6,
    "TPR": 6,
    "TNR": 6,
    "J": 7,
    "labels": 9,
    "corrected": 12,
    "its lower": 12,
    "judge alone": 13,
    "labels only": 13,
    "refused": 0,
}

READERS: Final = ((1.0, 1.0), (0.95, 0.95), (0.9, 0.8), (0.8, 0.7), (0.7, 0.6))
DROPS: Final = (0.0, 0.02, 0.05, 0.1)
ALPHA: Final = 0.05
EXPECTED_AT_FIVE: Final = {(1.0, 1.0): 91, (0.9, 0.8): 43, (0.8, 0.7): 24}
"""Detection of a drop of 5 points in STATISTICS section 6, in percent."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A true pass rate, a judge, and so many labels of each class."""

    rate: float
    tpr: float
    tnr: float
    labels: int


def main() -> int:
    chosen = _arguments()
    print(f"  {processes.machine()}")
    print(f"coverage in percent of {chosen.builds:,} builds of {CASES} cases, stated 95")
    heads = (f"{head:<{width}}" for head, width in HEADS.items())
    print(f"  {''.join(heads).rstrip()}")
    for number, setting in enumerate(_settings()):
        print(f"  {_line(setting, chosen.builds, np.random.default_rng((SEED, number)))}")
    print(f"  standard error: {100 * (0.95 * 0.05 / chosen.builds) ** 0.5:.1f} points at 95")
    print(f"builds failed in percent, {CASES} cases, one trial, by the J of the judge that reads both runs")
    print(f"  {'TPR':<6}{'TNR':<6}{'J':<6}" + "".join(f"{_drop(drop):<14}" for drop in DROPS) + "expected at -5")
    for number, (tpr, tnr) in enumerate(READERS):
        rng = np.random.default_rng((SEED, 1, number))
        cells = "".join(f"{100 * _failed(rng, (tpr, tnr), drop, chosen.builds):<14.1f}" for drop in DROPS)
        print(f"  {tpr:<6g}{tnr:<6g}{tpr + tnr - 1:<6.1f}{cells}{EXPECTED_AT_FIVE.get((tpr, tnr), '')}".rstrip())
    return 0


def _settings() -> Iterator[Setting]:
    for rate, (tpr, tnr), labels in itertools.product(RATES, JUDGES, LABELS):
        yield Setting(rate, tpr, tnr, labels)


def _line(setting: Setting, number: int, rng: np.random.Generator) -> str:
    held: Counter[str] = Counter()
    for _ in range(number):
        held.update(_covers(setting, rng))
    asked = number - held["refused"]
    shares = [100 * held[name] / max(asked, 1) for name in ("corrected", "lower", "alone", "labels")]
    youden = setting.tpr + setting.tnr - 1
    head = f"{setting.rate:<6g}{setting.tpr:<6g}{setting.tnr:<6g}{youden:<7.2f}{f'2 x {setting.labels}':<9}"
    cells = f"{shares[0]:<12.1f}{shares[1]:<12.1f}{shares[2]:<13.1f}{shares[3]:<13.1f}"
    return f"{head}{cells}{100 * held['refused'] / number:.1f}"


def _covers(setting: Setting, rng: np.random.Generator) -> Iterator[str]:
    """Draw one run and one set of labels, and name the intervals that hold the true rate."""
    judged = setting.rate * setting.tpr + (1 - setting.rate) * (1 - setting.tnr)
    passed = int(rng.binomial(CASES, judged))
    right = [int(rng.binomial(setting.labels, rate)) for rate in (setting.tpr, setting.tnr)]
    errors = JudgeErrors(setting.labels, right[0], setting.labels, right[1])
    if errors.youden_lower <= 0:
        yield "refused"
        return
    found = judged_rate(n=CASES, passed=passed / CASES, refused=1 - passed / CASES, errors=errors)
    if found.interval.lower <= setting.rate <= found.interval.upper:
        yield "corrected"
    if found.lower <= setting.rate:
        yield "lower"
    alone = wilson_interval(passed, CASES)
    if alone.lower <= setting.rate <= alone.upper:
        yield "alone"
    low, high = _of_labels_alone(passed / CASES, errors, rng)
    if low <= setting.rate <= high:
        yield "labels"


def _of_labels_alone(passed: float, errors: JudgeErrors, rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval of a bootstrap that draws the labels anew and keeps the rate of the run."""
    tpr = rng.binomial(int(errors.human_pass), errors.tpr, SMALL_DRAWS) / errors.human_pass
    tnr = rng.binomial(int(errors.human_fail), errors.tnr, SMALL_DRAWS) / errors.human_fail
    youden = tpr + tnr - 1
    usable = youden > 0
    drawn = np.clip((passed + tnr[usable] - 1) / youden[usable], 0, 1)
    low, high = np.percentile(drawn, (2.5, 97.5)).tolist()
    return low, high


def _failed(rng: np.random.Generator, judge: tuple[float, float], drop: float, number: int) -> float:
    """Return the share of builds in which the paired test finds a drop in what the judge says."""
    found = 0
    for _ in range(number):
        build = builds.simulate(rng, CASES, drop)
        before, now = (_read(rng, passes[0], *judge) for passes in (build.baseline, build.candidate))
        losses, gains = int(np.count_nonzero(before & ~now)), int(np.count_nonzero(now & ~before))
        found += mcnemar_midp(losses, gains) <= ALPHA
    return found / number


def _read(rng: np.random.Generator, passed: Passes, tpr: float, tnr: float) -> Passes:
    """Return what a judge says of these outputs."""
    return np.where(passed, rng.random(len(passed)) < tpr, rng.random(len(passed)) >= tnr)


def _drop(drop: float) -> str:
    return "no change" if drop == 0 else f"{-100 * drop:g} points"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a cell (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Rates corrected by labels that ``label sample`` drew: how often their intervals hold the truth, and their width.

A run of N outputs is simulated and judged; equally many of the judge's passes and fails are labelled, as ``label
sample`` draws them. The corrected rate is then computed for the run itself ("same") and for another run of N outputs
of the same application ("fresh"), by the interval of the gates (``stats.judged_rate``, stated at 95 %). Beside it
stands the interval that the same labels had before: TPR and TNR as independent rates, with a rounded effective number
of labels.

Builds in which the judge may not gate, as its J cannot be told from 0, are left out.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import processes

from pytest_evalgate.judges.label_sample import allocate
from pytest_evalgate.judges.rates import WeightedRow, rates_of
from pytest_evalgate.stats.judged import JudgeErrors, judged_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from pytest_evalgate.stats.judged import JudgedRate

    Passes = npt.NDArray[np.bool_]

SEED: Final = 20_261_201
RUNS: Final = (200, 500, 1000)
LABELS: Final = (60, 150, 300)
POPULATIONS: Final = ((0.86, 0.92, 0.85), (0.7, 0.9, 0.8), (0.85, 0.95, 0.7))
"""Rate of good outputs, TPR and TNR of the judge. The first is that of STATISTICS section 12."""

COLUMNS: Final = ("same", "fresh", "before")


@dataclass
class Cell:
    """Intervals of one setting: how many held the truth, how many lower bounds did, and their widths."""

    builds: int = 0
    held: int = 0
    lower: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, found: JudgedRate, truth: float) -> None:
        """Count one interval."""
        self.builds += 1
        self.held += found.interval.lower <= truth <= found.interval.upper
        self.lower += found.lower <= truth
        self.widths.append(found.interval.upper - found.interval.lower)

    def __str__(self) -> str:
        """Format coverage of the interval and of the lower bound, and the mean width, in percent."""
        if not self.builds:
            return "-"
        shares = (100 * count / self.builds for count in (self.held, self.lower))
        return " ".join([*(f"{share:5.1f}" for share in shares), f"{100 * float(np.mean(self.widths)):5.1f}"])


def main() -> int:
    """Print one line for each setting."""
    chosen = _arguments()
    print(f"  {processes.machine()}")
    print(f"coverage, coverage of the lower bound and width in percent of {chosen.builds:,} builds, stated 95")
    heads = "".join(f"{head:<20}" for head in ("same run", "fresh run", "before, fresh run"))
    print(f"  {'rate TPR  TNR':<16}{'N':<6}{'labels':<8}{heads}left out")
    settings = itertools.product(POPULATIONS, RUNS, LABELS)
    for number, (population, n, labels) in enumerate(settings):
        cells, refused = simulate(population, n, labels, chosen.builds, np.random.default_rng((SEED, number)))
        head = f"{population[0]:<5g}{population[1]:<5g}{population[2]:<6g}{n:<6}{labels:<8}"
        shown = "".join(f"{cells[name]!s:<20}" for name in COLUMNS)
        print(f"  {head}{shown}{100 * refused / chosen.builds:.1f}", flush=True)
    print(f"  standard error: {100 * (0.95 * 0.05 / chosen.builds) ** 0.5:.1f} points at 95")
    return 0


def simulate(
    population: tuple[float, float, float], n: int, labels: int, builds: int, rng: np.random.Generator
) -> tuple[dict[str, Cell], int]:
    """Return the cell of each column, and the number of builds that were left out."""
    truth = population[0]
    cells = {name: Cell() for name in COLUMNS}
    refused = 0
    for _ in range(builds):
        human, judge = _run(population, n, rng)
        rows = list(_sample(human, judge, labels, rng))
        errors = _errors(rows)
        if errors is None or errors.youden_lower <= 0:
            refused += 1
            continue
        passed = float(judge.mean())
        fresh = float(_run(population, n, rng)[1].mean())
        cells["same"].add(judged_rate(n=n, passed=passed, refused=1 - passed, errors=errors, own_labels=True), truth)
        cells["fresh"].add(judged_rate(n=n, passed=fresh, refused=1 - fresh, errors=errors), truth)
        earlier = _earlier_errors(rows)
        if earlier.youden > 0:
            cells["before"].add(judged_rate(n=n, passed=fresh, refused=1 - fresh, errors=earlier), truth)
    return cells, refused


def _run(population: tuple[float, float, float], n: int, rng: np.random.Generator) -> tuple[Passes, Passes]:
    rate, tpr, tnr = population
    human = rng.random(n) < rate
    return human, np.where(human, rng.random(n) < tpr, rng.random(n) >= tnr)


def _sample(human: Passes, judge: Passes, labels: int, rng: np.random.Generator) -> Iterator[WeightedRow]:
    strata = {name: np.flatnonzero(judge == verdict) for name, verdict in (("pass", True), ("fail", False))}
    sizes = {name: len(members) for name, members in strata.items() if len(members)}
    shares = allocate(sizes, dict.fromkeys(sizes, 0), labels)
    for name, size in sizes.items():
        for at in rng.choice(strata[name], shares[name], replace=False):
            yield WeightedRow(bool(human[at]), bool(judge[at]), size / shares[name], None, (name, size))


def _errors(rows: list[WeightedRow]) -> JudgeErrors | None:
    found = rates_of(rows)
    if found.tpr is None or found.tnr is None:
        return None
    (judge_pass, human_pass), (judge_fail, human_fail) = found.tpr.counts, found.tnr.counts
    return JudgeErrors(human_pass, judge_pass, human_fail, judge_fail, found.design)


def _earlier_errors(rows: list[WeightedRow]) -> JudgeErrors:
    """Return the rates as they were computed before: smoothed shares of the strata, counts rounded to whole ones."""
    counts: list[float] = []
    for human in (True, False):
        right = wrong = right_variance = wrong_variance = 0.0
        for judge in (True, False):
            members = [row for row in rows if row.judge is judge]
            if not members:
                continue
            k, outputs = len(members), sum(row.weight for row in members)
            share = (sum(row.human is human for row in members) + 0.5) / (k + 1)
            variance = outputs**2 * share * (1 - share) / (k + 2)
            if judge is human:
                right, right_variance = right + outputs * share, right_variance + variance
            else:
                wrong, wrong_variance = wrong + outputs * share, wrong_variance + variance
        value = right / (right + wrong)
        spread = (wrong**2 * right_variance + right**2 * wrong_variance) / (right + wrong) ** 4
        labelled = sum(row.human is human for row in rows)
        worth = max(1, math.floor(min(labelled, value * (1 - value) / spread)))
        counts += [worth, round(value * worth)]
    human_pass, judge_pass, human_fail, judge_fail = counts
    return JudgeErrors(human_pass, judge_pass, human_fail, judge_fail)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a cell (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

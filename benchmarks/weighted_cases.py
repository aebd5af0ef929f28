"""Weights of cases: bias and coverage of weighted samples of a known population, false alarms of weighted gates.

First: samples are drawn from a population of 20,000 cases whose pass rate is known, with unequal probabilities, and
weighted by their inverse. A design is *related* if the probability of a case depends on how hard it is. Then: builds
without a change (``builds``) are judged by ``gates.decide`` with weights; a failed one is a false alarm.

The bias is that of a ratio of two means: ``(R Var(w) - Cov(w, w y)) / (n mean(w)²)``, of order 1/n; 0.18 points in the
last design at n = 100. The mean error of 2,000 draws has a standard error of 0.13 points there, so it cannot show
that. The second column therefore subtracts from each error its linear part, ``mean(w (y - R)) / E[w]``, of which the
mean is exactly 0 (a control variate): its standard error is at most 0.02 points.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.gates.evidence import Cases, rate_of
from pytest_evalgate.stats.weights import kish_n

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

SEED: Final = 20_261_201
POPULATION: Final = 20_000
SIZES: Final = (100, 300, 1_000)
HARD: Final = 0.25
"""Share of hard cases, of which 45 % pass; of the others 85 % do."""

GATE: Final = NoRegressionGate(kind="no-regression")


@dataclass(frozen=True, slots=True)
class Population:
    """Cases with their result, 1 or 0, and the size to which the probability of being drawn is proportional."""

    passes: Numbers
    size: Numbers


def populations(rng: np.random.Generator) -> Mapping[str, Population]:
    hard = rng.random(POPULATION) < HARD
    rates = np.where(hard, 0.45, 0.85)
    passes = (rng.random(POPULATION) < rates).astype(np.float64)
    return {
        "unrelated, lognormal .5": Population(passes, rng.lognormal(0.0, 0.5, POPULATION)),
        "unrelated, lognormal 1": Population(passes, rng.lognormal(0.0, 1.0, POPULATION)),
        "related, hard x2": Population(passes, np.where(hard, 2.0, 1.0)),
        "related, hard x4": Population(passes, np.where(hard, 4.0, 1.0)),
        "related, hard x1/4": Population(passes, np.where(hard, 0.25, 1.0)),
    }


def main() -> int:
    given = _arguments()
    print(f"weighted cases; {processes.machine()}; {given.draws:,} draws and {given.builds:,} builds a row")
    heads = f"{'n':>6}{'n_eff':>8}{'mean error':>20}{'bias, points':>20}{'coverage':>10}{'below':>8}"
    print(f"  {'weighted samples':<26}{heads}")
    for name, population in populations(np.random.default_rng(SEED)).items():
        for size in SIZES:
            _print_sampling(name, population, size, given.draws)
    print(f"  {'builds without a change':<26}{'n':>6}{'n_eff':>8}{'false alarms':>14}")
    for spread in (0.0, 0.5, 1.0, 1.5):
        for cases in (50, 200, 500):
            _print_builds(spread, cases, given.builds)
    return 0


def _print_sampling(name: str, population: Population, size: int, draws: int) -> None:
    rng = np.random.default_rng([SEED, size])
    truth, chance = population.passes.mean(), population.size / population.size.sum()
    expected_weight = float((chance / population.size).sum())
    covered, too_high, errors, linear, effective = 0, 0, [], [], []
    for _ in range(draws):
        drawn = rng.choice(POPULATION, size, p=chance)
        passes, weights = population.passes[drawn], 1 / population.size[drawn]
        found = rate_of(Cases(passes, np.ones(size), weights=weights))
        covered += found.interval[0] <= truth <= found.interval[1]
        too_high += found.lower > truth
        errors.append(found.value - truth)
        linear.append(float(np.mean(weights * (passes - truth))) / expected_weight)
        effective.append(found.n_eff)
    bias = np.array(errors) - np.array(linear)
    print(
        f"  {name:<26}{size:>6}{np.mean(effective):>8.0f}{_points(np.array(errors)):>20}{_points(bias):>20}"
        f"{covered / draws:>10.3f}{too_high / draws:>8.3f}",
        flush=True,
    )


def _points(errors: Numbers) -> str:
    """Format the mean of errors and its standard error, in points."""
    return f"{100 * errors.mean():.3f} (se {100 * errors.std(ddof=1) / len(errors) ** 0.5:.3f})"


def _print_builds(spread: float, cases: int, number: int) -> None:
    rng = np.random.default_rng([SEED, cases, round(10 * spread)])
    weights = rng.lognormal(0.0, spread, cases)
    planned = [replace(case, weight=float(one)) for case, one in zip(builds.plan(cases), weights, strict=True)]
    records = builds.records(planned)
    failed = sum(records.judge(builds.simulate(rng, cases, 0.0), (GATE,)).verdict == "fail" for _ in range(number))
    print(f"  {f'weights lognormal {spread}':<26}{cases:>6}{kish_n(weights):>8.0f}{failed / number:>14.3f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2_000, help="samples a row (default: %(default)s)")
    parser.add_argument("--builds", type=int, default=2_000, help="builds a row (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Simulated builds with a judge that errs more on one side: false alarms, detection and coverage of the change.

``python -m benchmarks.run_labels`` prints a table of 2,000 builds a cell; each row is a judge and a number of cases
and labels. A case passes with p ~ Beta of mean 0.8; two identical runs correlate by 0.7; a drop multiplies p. A row
without labels is what a calibration alone can see.

A build is arrays; its labels are drawn, and its change is estimated and tested, by the functions that `decide` calls.
``--decide`` makes records of each build and calls `decide` itself, which takes 60 times as long; both give the same
decision (tests/stats/test_stats_run_labels.py).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.run_labels import LabelledChange, PairLabel, RunLabels, pairs_frame
from pytest_evalgate.judges.label_pairs import FEWEST, SPREADS, draw_pairs
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance
from pytest_evalgate.stats.differences import LabelledDifferences, allocate_labels, ppi_difference
from pytest_evalgate.stats.paired import finding
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.records.verdicts import Delta
    from pytest_evalgate.stats.paired import Finding

    Decider = Callable[["Columns", int, int], Finding | Delta]

Column = npt.NDArray[np.bool_]

_MEAN: Final = 0.8
_CORRELATION: Final = 0.7
_BEFORE: Final = (0.9, 0.8)
JUDGES: Final = {"equal": _BEFORE, "harsher": (0.85, 0.8), "pleased": (0.95, 0.7)}
"""TPR and TNR of the judge on this run; on the baseline it has those of "equal"."""

DROP: Final = 0.1
_ALPHA: Final = 0.05
_TAIL: Final = 0.025
_PROVENANCE: Final = Provenance("base", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None, "x", "g", "s")


@dataclass(frozen=True, slots=True)
class Columns:
    """One build: the pairs that people and the judge would pass, before and now, each of shape (N,)."""

    good_before: Column
    good_now: Column
    seen_before: Column
    seen_now: Column

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.good_now)


def columns(n: int, drop: float, judge: tuple[float, float], random: np.random.Generator) -> Columns:
    """Simulate one build of ``n`` cases."""
    size = (1 - _CORRELATION) / _CORRELATION
    p = random.beta(_MEAN * size, (1 - _MEAN) * size, n)
    before = random.random(n) < p
    now = random.random(n) < p * (1 - drop / _MEAN)
    return Columns(before, now, _judged(before, _BEFORE, random), _judged(now, judge, random))


def _judged(good: Column, rates: tuple[float, float], random: np.random.Generator) -> Column:
    tpr, tnr = rates
    return np.where(good, random.random(len(good)) < tpr, random.random(len(good)) >= tnr)


def decide_columns(one: Columns, labels: int, seed: int) -> Finding:
    """Return the finding of a build by the functions that `decide` calls; its bounds are a 95 % interval."""
    if not labels:
        before, now = one.seen_before, one.seen_now
        cells = ((before & now).sum(), (before & ~now).sum(), (~before & now).sum(), (~before & ~now).sum())
        both_pass, losses, gains, both_fail = map(int, cells)
        return finding(both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail, alpha=_TAIL)
    strata = {name: places for name, places in _strata(one) if len(places)}
    shares = allocate([len(places) for places in strata.values()], tuple(strata), labels)
    random = np.random.default_rng((seed, 0))  # as `draw_pairs`
    human, judge = (now.astype(np.float64) - before for now, before in _sides(one))
    found = []
    for places, share in zip(strata.values(), shares, strict=True):
        drawn = places[random.permutation(len(places))[:share]]
        for _ in range(share):
            random.integers(2)  # the order of the two outputs
        found.append(LabelledDifferences(len(places), human[drawn], judge[drawn]))
    return LabelledChange(ppi_difference(judge, found), labels).finding(_TAIL)


def allocate(sizes: Sequence[int], strata: tuple[str, ...], labels: int) -> tuple[int, ...]:
    """Allocate labels to strata as `draw_pairs` does."""
    return _allocate(tuple(sizes), strata, labels)


@lru_cache(maxsize=100_000)
def _allocate(sizes: tuple[int, ...], strata: tuple[str, ...], labels: int) -> tuple[int, ...]:
    spreads = [SPREADS[name] for name in strata]
    return tuple(allocate_labels(sizes, spreads, labels, [0] * len(sizes), FEWEST))


def _strata(one: Columns) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    for name in SPREADS:
        before, now = (verdict == "pass" for verdict in name.split("-"))
        yield name, np.flatnonzero((one.seen_before == before) & (one.seen_now == now))


def _sides(one: Columns) -> tuple[tuple[Column, Column], tuple[Column, Column]]:
    return (one.good_now, one.good_before), (one.seen_now, one.seen_before)


def decide_records(one: Columns, labels: int, seed: int) -> Delta:
    """Return the change of a build by `decide`."""
    build = Build.of(one)
    found = build.labels(labels, seed) if labels else None
    gate = NoRegressionGate(kind="no-regression", alpha=_TAIL)
    run = Run("r", "2026-01-02T00:00:00Z", None, (build.suite,))
    verdict = decide(run, {"s": SuiteRules((gate,), build.baseline, run_labels=found)}, warn_inconclusive=True)
    delta = verdict.suites["s"].delta
    assert delta is not None
    return delta


@dataclass(frozen=True)
class Build:
    """The records of a build: a run, its baseline, and what people would say about each output."""

    suite: SuiteRun
    baseline: Baseline
    columns: Columns

    @classmethod
    def of(cls, one: Columns) -> Build:
        """Make the records of a build."""
        cases = tuple(PlannedCase(str(at), Place("g", at), "f") for at in range(len(one)))
        results = tuple(
            CaseResult(case, "passed" if seen else "missed", (Trial(0, float(seen), Output(f"now {case.id}")),))
            for case, seen in zip(cases, one.seen_now.tolist(), strict=True)
        )
        held = {str(at): BaselineCase("f", (float(seen),)) for at, seen in enumerate(one.seen_before.tolist())}
        plan = SuitePlan("s", ("g.jsonl",), "g", "s", 1, cases)
        return cls(SuiteRun(plan, results), Baseline("s", "file:b", _PROVENANCE, 1, held), one)

    def labels(self, n: int, seed: int) -> RunLabels:
        """Draw ``n`` pairs as ``label sample --against`` does, and label them."""
        outputs = {name: f"before {name}" for name in self.baseline.cases}
        sample = draw_pairs(self.suite.results, self.baseline, outputs, (), n, seed=seed)
        drawn = {row.case_id: row.drawn_from.split("/") for row in sample.rows}
        pairs = []
        for name, (_, letter, size) in drawn.items():
            at = int(name)
            passed = {
                jsonl.digest(f"before {name}"): bool(self.columns.good_before[at]),
                jsonl.digest(f"now {name}"): bool(self.columns.good_now[at]),
            }
            pairs.append(PairLabel(name, passed, letter, int(size)))
        frame = pairs_frame(self.suite.results, self.baseline.provenance.run_id)
        return RunLabels("labels.csv", frame, tuple(pairs))


@dataclass(frozen=True)
class Figures:
    """Share of builds that fail, share of 95 % intervals that contain the true change, and their mean width."""

    failed: float
    covered: float
    width: float


def simulate(  # noqa: PLR0913 - the settings of a cell, by name
    n: int, labels: int, judge: str, *, drop: float, builds: int, seed: int, by: Decider = decide_columns
) -> Figures:
    """Decide ``builds`` builds; without ``labels``, by the judge alone."""
    random = np.random.default_rng(seed)
    failed = covered = 0
    width = 0.0
    for at in range(builds):
        found = by(columns(n, drop, JUDGES[judge], random), labels, at)
        failed += found.p <= _ALPHA
        covered += found.lower <= -drop <= found.upper
        width += found.upper - found.lower
    return Figures(failed / builds, covered / builds, width / builds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a cell (default: %(default)s)")
    parser.add_argument("--n", type=int, nargs="*", default=[200, 500, 1000])
    parser.add_argument("--labels", type=int, nargs="*", default=[0, 60, 150, 300])
    parser.add_argument("--judges", nargs="*", choices=list(JUDGES), default=list(JUDGES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decide", action="store_true", help="make records of each build and call decide")
    args = parser.parse_args()
    by = decide_records if args.decide else decide_columns
    print(f"{'judge':8} {'cases':>5} {'labels':>6}  false alarms  coverage  width   at -10: detected  coverage")
    for judge in args.judges:
        for n in args.n:
            for labels in args.labels:
                same, worse = (
                    simulate(n, labels, judge, drop=drop, builds=args.builds, seed=args.seed, by=by)
                    for drop in (0.0, DROP)
                )
                print(
                    f"{judge:8} {n:5} {labels:6}  {same.failed:12.1%}  {same.covered:8.1%}  {same.width:5.3f}  "
                    f"{worse.failed:17.1%}  {worse.covered:8.1%}",
                    flush=True,
                )
    print(f"standard error of a coverage of 95 %: {(0.05 * 0.95 / args.builds) ** 0.5:.1%}")


if __name__ == "__main__":
    main()

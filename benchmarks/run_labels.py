"""Simulated builds with a judge that errs more on one side: false alarms, detection and coverage through `decide`.

``python -m benchmarks.run_labels --builds 2000`` prints a table; each row is a judge and a number of cases and labels.
A case passes with p ~ Beta of mean 0.8; two identical runs correlate by 0.7; a drop multiplies p. A row without labels
is what a calibration alone can see.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pytest_evalgate.config import NoRegressionGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.run_labels import PairLabel, RunLabels, pairs_frame
from pytest_evalgate.judges.label_pairs import draw_pairs
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance
from pytest_evalgate.text import jsonl

Column = npt.NDArray[np.bool_]

_MEAN: Final = 0.8
_CORRELATION: Final = 0.7
_BEFORE: Final = (0.9, 0.8)
JUDGES: Final = {"equal": _BEFORE, "harsher": (0.85, 0.8), "pleased": (0.95, 0.7)}
"""TPR and TNR of the judge on this run; on the baseline it has those of "equal"."""

DROP: Final = 0.1
_ALPHA: Final = 0.05
_PROVENANCE: Final = Provenance("base", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None, "x", "g", "s")


@dataclass(frozen=True)
class Build:
    """A run, its baseline, and what people would say about each output."""

    suite: SuiteRun
    baseline: Baseline
    good_before: Column
    good_now: Column

    def labels(self, n: int, seed: int) -> RunLabels:
        """Draw ``n`` pairs as ``label sample --against`` does, and label them."""
        outputs = {name: f"before {name}" for name in self.baseline.cases}
        sample = draw_pairs(self.suite.results, self.baseline, outputs, (), n, seed)
        drawn = {row.case_id: row.drawn_from.split("/") for row in sample.rows}
        pairs = []
        for name, (_, letter, size) in drawn.items():
            at = int(name)
            passed = {
                jsonl.digest(f"before {name}"): bool(self.good_before[at]),
                jsonl.digest(f"now {name}"): bool(self.good_now[at]),
            }
            pairs.append(PairLabel(name, passed, letter, int(size)))
        frame = pairs_frame(self.suite.results, self.baseline.provenance.run_id)
        return RunLabels("labels.csv", frame, tuple(pairs))


def build(n: int, drop: float, judge: tuple[float, float], random: np.random.Generator) -> Build:
    """Simulate one build of ``n`` cases."""
    size = (1 - _CORRELATION) / _CORRELATION
    p = random.beta(_MEAN * size, (1 - _MEAN) * size, n)
    before = random.random(n) < p
    now = random.random(n) < p * (1 - drop / _MEAN)
    plan = SuitePlan(
        "s", ("g.jsonl",), "g", "s", 1, tuple(PlannedCase(str(at), Place("g", at), "f") for at in range(n))
    )
    seen_before, seen_now = _judged(before, _BEFORE, random), _judged(now, judge, random)
    results = tuple(
        CaseResult(
            case, "passed" if seen_now[at] else "missed", (Trial(0, float(seen_now[at]), Output(f"now {case.id}")),)
        )
        for at, case in enumerate(plan.cases)
    )
    cases = {str(at): BaselineCase("f", (float(seen_before[at]),)) for at in range(n)}
    return Build(SuiteRun(plan, results), Baseline("s", "file:b", _PROVENANCE, 1, cases), before, now)


def _judged(good: Column, rates: tuple[float, float], random: np.random.Generator) -> Column:
    tpr, tnr = rates
    return np.where(good, random.random(len(good)) < tpr, random.random(len(good)) >= tnr)


@dataclass(frozen=True)
class Figures:
    """Share of builds that fail, share of 95 % intervals that contain the true change, and their mean width."""

    failed: float
    covered: float
    width: float


def simulate(n: int, labels: int, judge: str, *, drop: float, builds: int, seed: int) -> Figures:
    """Decide ``builds`` builds; without ``labels``, by the judge alone."""
    random = np.random.default_rng(seed)
    gate = NoRegressionGate(kind="no-regression", alpha=0.025)  # its bounds are a 95 % interval
    failed = covered = 0
    width = 0.0
    for at in range(builds):
        one = build(n, drop, JUDGES[judge], random)
        run = Run("r", "2026-01-02T00:00:00Z", None, (one.suite,))
        found = one.labels(labels, at) if labels else None
        verdict = decide(run, {"s": SuiteRules((gate,), one.baseline, run_labels=found)}, warn_inconclusive=True)
        delta = verdict.suites["s"].delta
        assert delta is not None
        failed += delta.p <= _ALPHA
        covered += delta.lower <= -drop <= delta.upper
        width += delta.upper - delta.lower
    return Figures(failed / builds, covered / builds, width / builds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=200)
    parser.add_argument("--n", type=int, nargs="*", default=[200, 500, 1000])
    parser.add_argument("--labels", type=int, nargs="*", default=[0, 60, 150, 300])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"{'judge':8} {'cases':>5} {'labels':>6}  false alarms  coverage  width   at -10: detected  coverage")
    for judge in JUDGES:
        for n in args.n:
            for labels in args.labels:
                same, worse = (
                    simulate(n, labels, judge, drop=drop, builds=args.builds, seed=args.seed) for drop in (0.0, DROP)
                )
                print(
                    f"{judge:8} {n:5} {labels:6}  {same.failed:12.1%}  {same.covered:8.1%}  {same.width:5.3f}  "
                    f"{worse.failed:17.1%}  {worse.covered:8.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""False alarms of builds with tests of the whole, of metrics, of slices and of gaps between groups together.

Builds are simulated (``builds``) and decided by ``gates.decide``: 500 cases of two classes in groups of 200, 150, 100
and 50, a baseline of the same system, and all gates of `GATES`. A case that passes is given its class, and one that
misses the other. Each cell is the share of builds that fail, in percent. With equal groups all of them are false
alarms, and also "at the limit": one group passes exactly as much less often as parity and the slice gate allow.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from benchmarks import builds, processes

from pytest_evalgate.config import ClassificationMetric, MetricGate, NoRegressionGate, ParityGate, SliceGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import CaseResult, Output, Reading, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.results import PlannedCase
    from pytest_evalgate.records.verdicts import SuiteVerdict

SEED: Final = 20_261_201
SIZES: Final = (200, 150, 100, 50)
CASES: Final = sum(SIZES)
LIMIT: Final = 0.1
CLASSES: Final = ("spam", "ham")
METRIC: Final = ClassificationMetric(kind="classification")
GATES: Final[tuple[Gate, ...]] = (
    NoRegressionGate(kind="no-regression"),
    MetricGate(kind="metric", name="macro-f1", max_drop=0.02),
    SliceGate(kind="slice", by="group"),
    ParityGate(kind="parity", by="group", max_gap=LIMIT),
    SliceGate(kind="slice", by="group", max_gap=LIMIT),
)
_PROVENANCE: Final = Provenance("r0", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", None, "first", "g", "s" * 64)
SHARE_OF_LAST: Final = {
    "equal groups": 0.0,
    "a group at the limit of parity": LIMIT,
    "a group 20 points below": 0.2,
}


def main() -> int:
    number = _arguments().builds
    print(f"builds of {CASES} cases in groups of {', '.join(map(str, SIZES))}: builds failed in percent")
    print(f"  {processes.machine()}; {number:,} builds a row")
    print(f"  {'':34}{'any gate':<12}" + "".join(f"{_name(gate):<22}" for gate in GATES).rstrip())
    for place, (name, gap) in enumerate(SHARE_OF_LAST.items()):
        failed = _failed(gap, number, place)
        cells = (f"{100 * failed[key] / number:<22.1f}" for key in map(_name, GATES))
        print(f"  {name:<34}{100 * failed['any'] / number:<12.1f}{''.join(cells).rstrip()}")
    print(f"  standard error: at most {100 * 0.5 / number**0.5:.1f} points")
    return 0


def _name(gate: Gate) -> str:
    return f"{gate.kind} max_gap" if isinstance(gate, SliceGate) and gate.max_gap is not None else gate.kind


def _failed(gap: float, number: int, place: int) -> Counter[str]:
    """Count failed builds. The last group passes ``gap`` less often, in the baseline as well: nothing changed."""
    rng = np.random.default_rng([SEED, place])
    cases = _grouped(builds.plan(CASES))
    failed: Counter[str] = Counter()
    for _ in range(number):
        gates = _decided(cases, _unchanged(rng, gap)).gates
        failed["any"] += any(gate.result == "fail" for gate in gates)
        failed.update(_name(gate) for gate, found in zip(GATES, gates, strict=True) if found.result == "fail")
    return failed


def _decided(cases: tuple[PlannedCase, ...], build: builds.Build) -> SuiteVerdict:
    results, before = [], {}
    for case, passed, passed_before in zip(cases, build.candidate[0], build.baseline[0], strict=True):
        reading = Reading(METRIC.key, _classes(case, passed=bool(passed)))
        trial = Trial(0, float(passed), Output(None), readings=(reading,))
        results.append(CaseResult(case, "passed" if passed else "missed", (trial,)))
        values = _classes(case, passed=bool(passed_before))
        before[case.id] = BaselineCase("f", (float(passed_before),), {}, readings={METRIC.key: (values,)})
    plan = SuitePlan("simulated", ("g.jsonl",), "g" * 64, "s" * 64, 1, cases)
    run = Run("r", "2026-01-03T00:00:00Z", None, (SuiteRun(plan, tuple(results)),))
    baseline = Baseline("simulated", "file:b.json", _PROVENANCE, 1, before)
    rules = SuiteRules(gates=GATES, baseline=baseline, metrics=(METRIC,))
    return decide(run, {"simulated": rules}, warn_inconclusive=True).suites["simulated"]


def _classes(case: PlannedCase, *, passed: bool) -> tuple[str, str]:
    """Return the true and the predicted class of a case."""
    label = dict(case.slices)["class"]
    other = CLASSES[1 - CLASSES.index(label)]
    return label, label if passed else other


def _unchanged(rng: np.random.Generator, gap: float) -> builds.Build:
    weight = 1 / builds.CORRELATION - 1
    rates: npt.NDArray[np.float64] = rng.beta(builds.PASS_RATE * weight, (1 - builds.PASS_RATE) * weight, CASES)
    rates[-SIZES[-1] :] *= 1 - gap / builds.PASS_RATE
    return builds.Build(rng.random((1, CASES)) < rates, rng.random((1, CASES)) < rates)


def _grouped(planned: tuple[PlannedCase, ...]) -> tuple[PlannedCase, ...]:
    names = [f"{place}" for place, size in enumerate(SIZES) for _ in range(size)]
    return tuple(
        replace(case, slices=(("group", name), ("class", CLASSES[at % 2])))
        for at, (case, name) in enumerate(zip(planned, names, strict=True))
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=2_000, help="builds a row (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

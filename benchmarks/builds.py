"""Simulated builds: a baseline run and a candidate run of one golden set, as the records that the gates judge.

Case i passes with probability p_i, drawn from a Beta distribution with mean .80; two runs of the same system correlate
at .70 per case, so one case in ten flips between them. A candidate that is worse by ``drop`` passes case i with
p_i (1 - drop / .80).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.config import Gate

    Passes = npt.NDArray[np.bool_]

PASS_RATE: Final = 0.80
CORRELATION: Final = 0.70

_SUITE: Final = "simulated"
_GOLDEN: Final = "golden/simulated.jsonl"
_SHA256: Final = "0" * 64
_TIME: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Build:
    """Which trials passed in the baseline and in the candidate; shape (trials, cases) each."""

    baseline: Passes
    candidate: Passes

    @property
    def changes(self) -> npt.NDArray[np.int8]:
        """The change of each case by its first trials: -1 is a loss, 1 a gain; shape (cases,)."""
        changes: npt.NDArray[np.int8] = self.candidate[0].astype(np.int8) - self.baseline[0].astype(np.int8)
        return changes

    def first_trials(self) -> Build:
        """Return the same build as if each case had been tried once."""
        return Build(self.baseline[:1], self.candidate[:1])


def simulate(rng: np.random.Generator, cases: int, drop: float | npt.NDArray[np.float64], trials: int = 1) -> Build:
    """Draw a build whose candidate is worse by ``drop``, one for all cases or one each."""
    weight = 1 / CORRELATION - 1
    rates = rng.beta(PASS_RATE * weight, (1 - PASS_RATE) * weight, cases)
    worse = rates * (1 - drop / PASS_RATE)
    return Build(rng.random((trials, cases)) < rates, rng.random((trials, cases)) < worse)


@dataclass(frozen=True, slots=True)
class Records:
    """A golden set, and for each of its cases every result that its trials can have.

    A result is found by the number whose bits are the trials: 5 for passed, missed, passed.
    """

    plan: SuitePlan
    results: tuple[tuple[CaseResult, ...], ...]
    before: tuple[BaselineCase, ...]

    def run(self, passes: Passes) -> Run:
        chosen = tuple(known[number] for known, number in zip(self.results, _numbers(passes), strict=True))
        return Run("candidate", _TIME, None, (SuiteRun(self.plan, chosen),))

    def baseline(self, passes: Passes) -> Baseline:
        numbers = zip(self.plan.cases, _numbers(passes), strict=True)
        cases = {case.id: self.before[number] for case, number in numbers}
        provenance = Provenance("baseline", _TIME, _TIME, None, "simulated", _SHA256, _SHA256)
        return Baseline(_SUITE, "file:baselines/simulated.json", provenance, self.plan.trials, cases)

    def rules(self, passes: Passes, gates: Iterable[Gate]) -> dict[str, SuiteRules]:
        """Return the rules of a suite with these gates and with a baseline of these passes."""
        return {_SUITE: SuiteRules(gates=tuple(gates), baseline=self.baseline(passes))}

    def judge(self, build: Build, gates: Iterable[Gate]) -> Verdict:
        """Judge a build as the plugin does."""
        return decide(self.run(build.candidate), self.rules(build.baseline, gates), warn_inconclusive=True)


def plan(cases: int) -> tuple[PlannedCase, ...]:
    return tuple(PlannedCase(f"case-{index:06}", Place(_GOLDEN, index + 1), "f") for index in range(cases))


def records(planned: Sequence[PlannedCase], trials: int = 1) -> Records:
    values = [combination[::-1] for combination in itertools.product((0.0, 1.0), repeat=trials)]
    known = [[Trial(index, value) for index, value in enumerate(each)] for each in values]
    return Records(
        SuitePlan(_SUITE, (_GOLDEN,), _SHA256, _SHA256, trials, tuple(planned)),
        tuple(tuple(combine_trials(case, each) for each in known) for case in planned),
        tuple(BaselineCase("f", each) for each in values),
    )


def _numbers(passes: Passes) -> list[int]:
    bits = 1 << np.arange(len(passes))
    return list((bits @ passes).tolist())

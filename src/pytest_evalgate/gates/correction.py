"""What takes the errors of the one judge that decides a suite's cases out of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.config import BudgetGate, MeanScoreGate, NoRegressionGate
from pytest_evalgate.stats.judged import judged_rate
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.rules import JudgeRule, SuiteRules
    from pytest_evalgate.records.results import CaseResult, SuiteRun, Trial
    from pytest_evalgate.stats.judged import JudgedRate, JudgeErrors


def unfit(gate: Gate, suite: SuiteRun, rules: SuiteRules) -> str | None:
    """Say why ``gate`` may not be judged by the judges that it rests on, if so."""
    return gate_problem(gate, rules) or (ungraded(suite.results, rules) if _counts_passes(gate) else None)


def judge_problems(rules: SuiteRules) -> tuple[str, ...]:
    """Say which judges may not gate, and which gates rest on one that cannot carry them; each reason once."""
    refused = [judge.problem for judge in rules.judges.values()]
    return tuple(
        filter(None, dict.fromkeys([*refused, *(gate_problem(gate, rules) for gate in rules.effective_gates)]))
    )


def gate_problem(gate: Gate, rules: SuiteRules) -> str | None:
    """Say which judge cannot carry ``gate`` whatever a run says, and why, if one cannot: known before it is run."""
    reasons = (judge_problem(judge) for judge in _rests_on(gate, rules))
    return next((reason for reason in reasons if reason is not None), None)


def judge_problem(judge: JudgeRule) -> str | None:
    """Say why no gate can rest on ``judge``, if so."""
    if judge.report_only:
        return f"judge {judge.name} only reports: no gate can rest on it; calibrate it, and leave out report_only"
    if judge.problem is not None:
        return judge.problem
    if judge.errors is None:
        return f"judge {judge.name} is not calibrated: pytest-evalgate calibrate {judge.name} --labels FILE"
    if judge.errors.youden_lower > 0:
        return None
    return (
        f"judge {judge.name} is not shown to be better than chance: TPR + TNR - 1 is {judge.errors.youden:.2f}, "
        f"with a lower bound of {judge.errors.youden_lower:.2f}: change its rubric, or label more"
    )


def ungraded(results: Iterable[CaseResult], rules: SuiteRules) -> str | None:
    """Say how many answers passed without the verdict of a judge that has to decide, if any did."""
    passed = (
        [trial for result in results for trial in result.trials if trial.value == 1] if rules.deciding_judges else []
    )
    for name, judge in rules.deciding_judges.items():
        lacking = sum(not any(score.name == name and score.counts for score in trial.scores) for trial in passed)
        if lacking:
            return f"{count(lacking, 'answer')} passed without a verdict of judge {judge.name}: run the suite again"
    return None


def _rests_on(gate: Gate, rules: SuiteRules) -> Iterable[JudgeRule]:
    if _counts_passes(gate):
        return rules.deciding_judges.values()
    scorer = gate.scorer if isinstance(gate, NoRegressionGate | MeanScoreGate) else None
    return (judge for score, judge in rules.judges.items() if score == scorer)


def _counts_passes(gate: Gate) -> bool:
    """Tell whether a gate rests on cases that pass, and so on every judge that decides them."""
    if isinstance(gate, NoRegressionGate):
        return gate.scorer is None
    return not isinstance(gate, BudgetGate | MeanScoreGate)


_LARGE_N = 1e12


@dataclass(frozen=True, slots=True)
class CorrectionDetails:
    """What a corrected rate was made of: ``raw`` is the rate as the judge has it.

    ``limit`` is the lower bound that endless cases of this kind would have: what is left of it is for want of labels.
    A rate that is not ``plausible`` does not come of a judge that errs as it did on its labels.
    """

    raw: float
    limit: float
    plausible: bool


@dataclass(frozen=True, slots=True)
class JudgeFailures:
    """The share of each case's trials that the judge alone failed, shape (n,), and how it errs."""

    shares: npt.NDArray[np.float64]
    errors: JudgeErrors

    def take(self, places: npt.NDArray[np.intp]) -> JudgeFailures:
        """Return those of some of the cases."""
        return JudgeFailures(self.shares[places], self.errors)

    def correct(self, passed: float, n_eff: float) -> tuple[JudgedRate, CorrectionDetails]:
        """Correct the rate ``passed`` of these cases, which are worth ``n_eff`` independent ones."""
        refused = min(float(self.shares.mean()), 1 - passed)
        found = judged_rate(n=n_eff, passed=passed, refused=refused, errors=self.errors)
        limit = judged_rate(n=_LARGE_N, passed=passed, refused=refused, errors=self.errors).lower
        return found, CorrectionDetails(passed, limit, -ROUNDING <= found.unclipped <= found.max_rate + ROUNDING)


@dataclass(frozen=True, slots=True)
class Correction:
    """The judge, the name of its scores, and how it errs."""

    judge: str
    score: str
    errors: JudgeErrors

    def judge_failures(self, results: Sequence[CaseResult]) -> JudgeFailures:
        """Return what the judge alone failed: where a rule had missed too, the miss is certain."""
        shares = (_share(map(self._alone_fails, result.trials), len(result.trials)) for result in results)
        return JudgeFailures(np.fromiter(shares, np.float64, len(results)), self.errors)

    def _alone_fails(self, trial: Trial) -> bool:
        failed = [score.name for score in trial.scores if score.counts and score.passed is False]
        return trial.value == 0 and failed == [self.score]


def correction_of(suite: SuiteRun, rules: SuiteRules) -> Correction | None:
    """Return the correction for a suite; None where no judge decides, or where none can be made."""
    if not rules.deciding_judges or uncorrected(suite, rules) is not None:
        return None
    [(score, judge)] = rules.deciding_judges.items()
    if judge.errors is None or judge_problem(judge) is not None or ungraded(suite.results, rules) is not None:
        return None
    return Correction(judge.name, score, judge.errors)


def uncorrected(suite: SuiteRun, rules: SuiteRules) -> str | None:
    """Say why the rate of a judged suite is not corrected although its judges may gate, if so."""
    if len(rules.deciding_judges) > 1:
        return f"{count(len(rules.deciding_judges), 'judge')} decide together"
    if rules.deciding_judges and rules.aggregate != "mean" and suite.plan.trials > 1:
        return f"what they do to the {rules.aggregate} of a case's trials is not known"
    if rules.deciding_judges and _are_weighted(suite.results):
        return "the scores are weighted, and no verdict decides a case by itself"
    return None


def _are_weighted(results: Iterable[CaseResult]) -> bool:
    scores = (score for result in results for trial in result.trials for score in trial.scores)
    return any(score.counts and score.weight is not None for score in scores)


def _share(found: Iterable[bool], trials: int) -> float:
    return sum(found) / trials if trials else 0.0

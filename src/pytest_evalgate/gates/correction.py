"""What takes the errors of the one judge that decides a suite's cases out of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.gates.fitness import ungraded, why_unfit
from pytest_evalgate.stats.judged import judged_rate
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.data import CaseResult, SuiteRun, Trial
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.stats.judged import JudgedRate, JudgeErrors

_ENDLESS = 1e12


@dataclass(frozen=True, slots=True)
class Judged:
    """What a corrected rate was made of: ``raw`` is the rate as the judge has it.

    ``limit`` is the lower bound that endless cases of this kind would have: what is left of it is for want of labels.
    A rate that is not ``plausible`` does not come of a judge that errs as it did on its labels.
    """

    raw: float
    limit: float
    plausible: bool


@dataclass(frozen=True, slots=True)
class Refusals:
    """The share of each case's trials that the judge alone failed, shape (n,), and how it errs."""

    shares: npt.NDArray[np.float64]
    errors: JudgeErrors

    def take(self, places: npt.NDArray[np.intp]) -> Refusals:
        """Return those of some of the cases."""
        return Refusals(self.shares[places], self.errors)

    def correct(self, passed: float, n_eff: float) -> tuple[JudgedRate, Judged]:
        """Correct the rate ``passed`` of these cases, which are worth ``n_eff`` independent ones."""
        refused = min(float(self.shares.mean()), 1 - passed)
        found = judged_rate(n=n_eff, passed=passed, refused=refused, errors=self.errors)
        limit = judged_rate(n=_ENDLESS, passed=passed, refused=refused, errors=self.errors).lower
        return found, Judged(passed, limit, -ROUNDING <= found.unclipped <= found.most + ROUNDING)


@dataclass(frozen=True, slots=True)
class Correction:
    """The judge, the name of its scores, and how it errs."""

    judge: str
    score: str
    errors: JudgeErrors

    def refusals(self, results: Sequence[CaseResult]) -> Refusals:
        """Return what the judge alone failed: where a rule had missed too, the miss is certain."""
        shares = (_share(map(self._alone_fails, result.trials), len(result.trials)) for result in results)
        return Refusals(np.fromiter(shares, np.float64, len(results)), self.errors)

    def _alone_fails(self, trial: Trial) -> bool:
        failed = [score.name for score in trial.scores if score.counts and score.passed is False]
        return trial.value == 0 and failed == [self.score]


def correction_of(suite: SuiteRun, rules: SuiteRules) -> Correction | None:
    """Return the correction for a suite; None where no judge decides, or where none can be made."""
    if not rules.counting or uncorrected(suite, rules) is not None:
        return None
    [(score, judge)] = rules.counting.items()
    if judge.errors is None or why_unfit(judge) is not None or ungraded(suite.results, rules) is not None:
        return None
    return Correction(judge.name, score, judge.errors)


def uncorrected(suite: SuiteRun, rules: SuiteRules) -> str | None:
    """Say why the rate of a judged suite is not corrected although its judges may gate, if so."""
    if len(rules.counting) > 1:
        return f"{count(len(rules.counting), 'judge')} decide together"
    if rules.counting and rules.aggregate != "mean" and suite.plan.trials > 1:
        return f"what they do to the {rules.aggregate} of a case's trials is not known"
    if rules.counting and _are_weighted(suite.results):
        return "the scores are weighted, and no verdict decides a case by itself"
    return None


def _are_weighted(results: Iterable[CaseResult]) -> bool:
    scores = (score for result in results for trial in result.trials for score in trial.scores)
    return any(score.counts and score.weight is not None for score in scores)


def _share(found: Iterable[bool], trials: int) -> float:
    return sum(found) / trials if trials else 0.0

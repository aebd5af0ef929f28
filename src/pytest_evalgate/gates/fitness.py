"""Which gates rest on which judges, and why these cannot carry them: the backstop behind the refusal before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.settings import BudgetGate, MeanScoreGate, NoRegressionGate
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.data import CaseResult, SuiteRun
    from pytest_evalgate.gates.rules import JudgeRule, SuiteRules
    from pytest_evalgate.settings import Gate


def unfit(gate: Gate, suite: SuiteRun, rules: SuiteRules) -> str | None:
    """Say why ``gate`` may not be judged by the judges that it rests on, if so."""
    return unfit_judge(gate, rules) or (ungraded(suite.results, rules) if _counts_passes(gate) else None)


def unfit_judges(rules: SuiteRules) -> tuple[str, ...]:
    """Say which judges may not gate, and which gates rest on one that cannot carry them; each reason once."""
    refused = [judge.refusal for judge in rules.judges.values()]
    return tuple(filter(None, dict.fromkeys([*refused, *(unfit_judge(gate, rules) for gate in rules.effective)])))


def unfit_judge(gate: Gate, rules: SuiteRules) -> str | None:
    """Say which judge cannot carry ``gate`` whatever a run says, and why, if one cannot: known before it is run."""
    reasons = (why_unfit(judge) for judge in _rests_on(gate, rules))
    return next((reason for reason in reasons if reason is not None), None)


def why_unfit(judge: JudgeRule) -> str | None:
    """Say why no gate can rest on ``judge``, if so."""
    if judge.report_only:
        return f"judge {judge.name} only reports: no gate can rest on it; calibrate it, and leave out report_only"
    if judge.refusal is not None:
        return judge.refusal
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
    passed = [trial for result in results for trial in result.trials if trial.value == 1] if rules.counting else []
    for name, judge in rules.counting.items():
        lacking = sum(not any(score.name == name and score.counts for score in trial.scores) for trial in passed)
        if lacking:
            return f"{count(lacking, 'answer')} passed without a verdict of judge {judge.name}: run the suite again"
    return None


def _rests_on(gate: Gate, rules: SuiteRules) -> Iterable[JudgeRule]:
    if _counts_passes(gate):
        return rules.counting.values()
    scorer = gate.scorer if isinstance(gate, NoRegressionGate | MeanScoreGate) else None
    return (judge for score, judge in rules.judges.items() if score == scorer)


def _counts_passes(gate: Gate) -> bool:
    """Tell whether a gate rests on cases that pass, and so on every judge that decides them."""
    if isinstance(gate, NoRegressionGate):
        return gate.scorer is None
    return not isinstance(gate, BudgetGate | MeanScoreGate)

"""Which suites may stop: their gates say the same however the cases turn out that have not run.

Gates get no better by a further miss and no worse by a further pass, so the two extremes speak for everything between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import BudgetGate, MeanScoreGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates.decide import decide_all
from pytest_evalgate.gates.evidence import Measure
from pytest_evalgate.gates.pairing import count_outcomes, not_skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.decide import SuiteDecision
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import Baseline, SuitePlan, SuiteRun

MIN_REMAINING_SHARE: Final = 0.1
"""The share of cases that has to be left: a run that is nearly whole is worth more whole, it can be promoted."""


def stoppable_suites(suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules]) -> frozenset[str]:
    """Name the suites whose every gate result is certain.

    Args:
        suites: All suites of the build, as far as they have run: the tests of their gates share one alpha.
        rules: For each suite how it is judged.

    """
    candidates = [suite for suite in suites if _is_candidate(suite, rules[suite.plan.name])]
    best = decide_all(suites, rules, "best") if candidates else {}
    return frozenset(
        suite.plan.name for suite in candidates if _is_certain(suite, rules[suite.plan.name], best[suite.plan.name])
    )


def supports_stopping(plan: SuitePlan, rules: SuiteRules) -> bool:
    """Tell whether the gates of a suite have extremes: passed and failed cases, one trial each, then and now.

    Costs and latencies only grow with the cases, and a t test may say less of a drop for one more outlier.
    """
    return (
        rules.stop != "never"
        and rules.baseline is not None
        and _is_single(rules.baseline)
        and plan.trials == Measure(rules.aggregate).trials == 1
        and all(case.cluster is None for case in plan.cases)
        and not any(_is_not_monotone(gate, rules) for gate in rules.effective_gates)
    )


def _is_single(baseline: Baseline) -> bool:
    return all(case.values in {(0.0,), (1.0,)} for case in baseline.cases.values())


def _is_not_monotone(gate: Gate, rules: SuiteRules) -> bool:
    if isinstance(gate, PassRateGate | SliceGate) and gate.min is not None:
        return bool(rules.deciding_judges)  # a corrected rate also rests on what rules decided before the judge
    return isinstance(gate, BudgetGate | MeanScoreGate) or (
        isinstance(gate, NoRegressionGate) and gate.scorer is not None
    )


def _is_candidate(suite: SuiteRun, rules: SuiteRules) -> bool:
    left = sum(result.outcome == "not_run" for result in not_skipped(suite.results))
    if suite.stopped is not None or left == 0 or left < MIN_REMAINING_SHARE * len(not_skipped(suite.results)):
        return False
    accounting = count_outcomes(suite.results)
    return accounting.errored / accounting.planned <= rules.max_error_rate and supports_stopping(suite.plan, rules)


def _is_certain(suite: SuiteRun, rules: SuiteRules, at_best: SuiteDecision) -> bool:
    """Hold the extremes against each other.

    At worst the suite has all of the alpha for itself: others may yet fall out of the family, for want of answers.
    A gate that is invalid wants a new baseline, for which the run has to be whole.
    """
    name = suite.plan.name
    at_worst = decide_all([suite], {name: rules}, "worst")[name]
    found = [gate.result for gate in at_worst.gates]
    return "invalid" not in found and found == [gate.result for gate in at_best.gates]

"""Early stopping by certainty: a suite may stop when the remaining cases can no longer change a gate result.

Gate results are monotone in the cases: no further miss improves one, no further pass worsens one. So it is enough to
decide twice, with all remaining cases missed and with all of them passed. The verdict equals that of the full run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import (
    BudgetGate,
    InvarianceGate,
    MeanScoreGate,
    MetricGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
    ViolationRateGate,
    has_gap_tests,
)
from pytest_evalgate.gates.decide import decide_all
from pytest_evalgate.gates.evidence import Measure
from pytest_evalgate.gates.pairing import count_outcomes, not_skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.decide import SuiteDecision
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import SuitePlan, SuiteRun

MIN_REMAINING_SHARE: Final = 0.1
"""Smallest share of remaining cases: a nearly complete run continues, because only full runs can be promoted."""


def stoppable_suites(suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules]) -> frozenset[str]:
    """Return the names of the suites whose gate results are all certain.

    ``suites`` are all suites of the build, including those that still run: the tests of their gates share one alpha.
    """
    candidates = [suite for suite in suites if _is_candidate(suite, rules[suite.plan.name])]
    best = decide_all(suites, rules, "best") if candidates else {}
    return frozenset(
        suite.plan.name for suite in candidates if _is_certain(suite, rules[suite.plan.name], best[suite.plan.name])
    )


def supports_stopping(plan: SuitePlan, rules: SuiteRules) -> bool:
    """Return whether the gates of a suite are monotone: one trial a case, of weight 1, passed or failed, in both runs.

    Costs and latencies only grow with the cases, a gap between groups grows with the passes of one of them, and a t
    test can become less significant by one more drop that is an outlier.
    """
    return (
        rules.stop != "never"
        and rules.baseline is not None
        and all(case.values in {(0.0,), (1.0,)} for case in rules.baseline.cases.values())
        and plan.trials == Measure(rules.aggregate).trials == 1
        and plan.is_uniform
        and all(case.cluster is None for case in plan.cases)
        and not any(_is_not_monotone(gate, rules) for gate in rules.effective_gates)
    )


def _is_not_monotone(gate: Gate, rules: SuiteRules) -> bool:
    if has_gap_tests(gate) or isinstance(gate, InvarianceGate):
        return True
    if isinstance(gate, ViolationRateGate) or (isinstance(gate, PassRateGate | SliceGate) and gate.min is not None):
        return bool(rules.deciding_judges)  # a corrected rate also depends on the cases that rules failed
    return isinstance(gate, BudgetGate | MeanScoreGate | MetricGate) or (
        isinstance(gate, NoRegressionGate) and gate.scorer is not None
    )


def _is_candidate(suite: SuiteRun, rules: SuiteRules) -> bool:
    left = sum(result.outcome == "not_run" for result in not_skipped(suite.results))
    if suite.stopped is not None or left == 0 or left < MIN_REMAINING_SHARE * len(not_skipped(suite.results)):
        return False
    accounting = count_outcomes(suite.results)
    return accounting.errored / accounting.planned <= rules.max_error_rate and supports_stopping(suite.plan, rules)


def _is_certain(suite: SuiteRun, rules: SuiteRules, at_best: SuiteDecision) -> bool:
    """Return whether both completions have the same gate results.

    In the worst completion the suite gets all of alpha: other suites may become incomplete and leave the family.
    An invalid gate asks for a new baseline, which needs a full run.
    """
    name = suite.plan.name
    at_worst = decide_all([suite], {name: rules}, "worst")[name]
    results = [gate.result for gate in at_worst.gates]
    return "invalid" not in results and results == [gate.result for gate in at_best.gates]

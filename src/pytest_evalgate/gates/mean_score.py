"""The mean-score gate: the mean of a scorer's scores, or its one-sided lower bound, reaches a minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import GateResult
from pytest_evalgate.gates.evidence import ONE_CLUSTER, rate_of
from pytest_evalgate.gates.measure import Measure
from pytest_evalgate.gates.pass_rate import verdict_of_rate
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.gates.evidence import Evidence
    from pytest_evalgate.settings import MeanScoreGate


def judge_mean_score(gate: MeanScoreGate, evidence: Evidence) -> GateResult:
    """Judge the mean score of at least one case; a scorer that does not grade every answer makes the gate invalid."""
    if (ungraded := evidence.ungraded(gate.scorer)) is not None:
        return GateResult(gate.kind, "invalid", None, None, gate.min, ungraded, gate.scorer)
    rate = rate_of(evidence.cases_by(Measure(scorer=gate.scorer)))
    if rate.is_one_cluster and gate.bound == "ci":
        return GateResult(gate.kind, "invalid", rate.value, None, gate.min, ONE_CLUSTER, gate.scorer)
    verdict = verdict_of_rate(rate, gate.min, gate.bound)
    bound = rate.lower if gate.bound == "ci" else None
    told = f"mean {gate.scorer} {rate.value:.3f} of {count(rate.n, 'case')}"
    least = "" if bound is None else f", at least {bound:.3f} with 95% confidence"
    message = f"{told}{least}; {gate.min:g} wanted"
    if verdict == "inconclusive":
        message += ": more cases, or cases that differ less, would decide it"
    return GateResult(gate.kind, verdict, rate.value, bound, gate.min, message, gate.scorer)

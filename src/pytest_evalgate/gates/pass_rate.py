"""Gates on one run without a baseline: pass rate, mean score, and cases that must pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.gates.evidence import CONFIDENCE, ONE_CLUSTER, Measure, rate_of
from pytest_evalgate.records.verdicts import GateResult
from pytest_evalgate.stats.intervals import cases_needed, passes_needed
from pytest_evalgate.text.wording import count, first_few, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.config import MeanScoreGate, MustPassGate, PassRateGate
    from pytest_evalgate.gates.evidence import Completion, Evidence, RateEstimate
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.records.verdicts import VerdictName

_FLOAT_NOISE = 1e-12  # a rate of 0.9 must reach a minimum of 0.9


def decide_pass_rate(gate: PassRateGate, rate: RateEstimate) -> GateResult:
    """Decide a pass-rate gate; with ``bound = "ci"`` it is invalid if all cases are one cluster."""
    if rate.is_one_cluster and gate.bound == "ci":
        return GateResult(gate.kind, "invalid", rate.value, None, gate.min, ONE_CLUSTER)
    verdict = verdict_of_rate(rate, gate.min, gate.bound)
    message = {"pass": _passed, "fail": _failed, "inconclusive": _undecided}[verdict](gate, rate)
    return GateResult(gate.kind, verdict, rate.value, rate.lower if gate.bound == "ci" else None, gate.min, message)


def verdict_of_rate(rate: RateEstimate, least: float, bound: Literal["ci", "point"]) -> VerdictName:
    """Compare a rate with the minimum ``least``: below it the gate fails.

    Otherwise the gate passes if the bound reaches the minimum, and is inconclusive if not.
    """
    if rate.value < least - _FLOAT_NOISE:
        return "fail"
    reached = rate.lower if bound == "ci" else rate.value
    return "pass" if reached >= least - _FLOAT_NOISE else "inconclusive"


def unattainable(gate: PassRateGate, cases: int) -> str | None:
    """Return the reason why ``gate`` cannot pass with ``cases`` cases even if all of them pass, if any."""
    if gate.bound == "point" or passes_needed(cases, gate.min, CONFIDENCE) is not None:
        return None
    enough = cases_needed(1.0, gate.min, CONFIDENCE)
    more = f"use at least {enough:,} cases, a lower min" if enough else "use a lower min"
    return (
        f"pass-rate >= {percent(gate.min)} cannot pass with {count(cases, 'case')}, even if all pass: "
        f'{more}, or bound = "point"'
    )


def _passed(gate: PassRateGate, rate: RateEstimate) -> str:
    if gate.bound == "point":
        return f"{_rate_text(rate)}, {percent(gate.min)} required"
    return f"{_rate_text(rate)}, at least {percent(rate.lower)} with 95% confidence"


def _failed(gate: PassRateGate, rate: RateEstimate) -> str:
    if rate.judged is not None:
        return f"{_rate_text(rate)}, {percent(gate.min)} required"
    if rate.n_eff != rate.n:
        return f"{percent(rate.value)} passed, {percent(gate.min)} required ({_effective_n_text(rate)})"
    exact = gate.bound == "ci"
    fewest = math.ceil((gate.min - _FLOAT_NOISE) * rate.n)
    needed = passes_needed(rate.n, gate.min, CONFIDENCE) if exact else fewest
    wanted = f"{needed:,} needed" if needed is not None else "no number of passes would be enough"
    return f"{rate.value * rate.n:,.0f} of {rate.n:,} passed, {wanted}"


def _undecided(gate: PassRateGate, rate: RateEstimate) -> str:
    effective = "" if rate.n_eff == rate.n else f" ({_effective_n_text(rate)})"
    return (
        f"{rate.n:,} cases cannot decide this gate{effective}. {_rate_text(rate)}, but the rate may be as low "
        f"as {percent(rate.lower)}.{_advice(gate, rate)}"
    )


def _advice(gate: PassRateGate, rate: RateEstimate) -> str:
    """Return the advice how to pass the gate at this rate: with more cases, or with more labels for the judge."""
    if rate.judged is not None:
        if rate.judged.limit >= gate.min:
            return " At this rate more cases would pass it."
        return " At this rate no number of cases would pass it, but more labels for the judge would."
    enough = cases_needed(rate.value, gate.min, CONFIDENCE)
    if enough is None:
        return ""
    in_all = math.ceil(enough * rate.n / rate.n_eff)
    return f" At this rate {in_all - rate.n:,} more cases ({in_all:,} in all) would pass it."


def _rate_text(rate: RateEstimate) -> str:
    if rate.judged is None:
        return f"{percent(rate.value)} passed"
    return f"judge passed {percent(rate.judged.raw)}, {percent(rate.value)} after correction for its errors"


def _effective_n_text(rate: RateEstimate) -> str:
    return f"{count(rate.n, 'case')}, equivalent to {rate.n_eff:,.0f} independent ones"


def decide_mean_score(gate: MeanScoreGate, evidence: Evidence) -> GateResult:
    """Decide a mean-score gate on at least one case; it is invalid if the scorer did not grade every output."""
    if (ungraded := evidence.ungraded(gate.scorer)) is not None:
        return GateResult(gate.kind, "invalid", None, None, gate.min, ungraded, gate.scorer)
    rate = rate_of(evidence.cases_by(Measure(scorer=gate.scorer)))
    if rate.is_one_cluster and gate.bound == "ci":
        return GateResult(gate.kind, "invalid", rate.value, None, gate.min, ONE_CLUSTER, gate.scorer)
    verdict = verdict_of_rate(rate, gate.min, gate.bound)
    bound = rate.lower if gate.bound == "ci" else None
    at_least = "" if bound is None else f", at least {bound:.3f} with 95% confidence"
    message = f"mean {gate.scorer} {rate.value:.3f} of {count(rate.n, 'case')}{at_least}; {gate.min:g} required"
    if verdict == "inconclusive":
        message += ": more cases, or scores with less variance, would decide it"
    return GateResult(gate.kind, verdict, rate.value, bound, gate.min, message, gate.scorer)


def decide_must_pass(gate: MustPassGate, results: Sequence[CaseResult], completion: Completion) -> GateResult:
    """Decide the cases with one of the gate's tags: each must pass in every trial, and a skipped one fails.

    The gate is invalid if there is no such case.
    """
    chosen = [result for result in results if not gate.tags or set(gate.tags) & set(result.case.tags)]
    of = ", ".join(gate.tags)
    if not chosen:
        return GateResult(gate.kind, "invalid", None, None, 1.0, f"no case has a tag of {of}", of)
    measure = Measure()
    missed = [
        result for result in chosen if result.outcome == "skipped" or measure.of_results([result], completion)[0] < 1
    ]
    value = 1 - len(missed) / len(chosen)
    which = f" tagged {' or '.join(gate.tags)}" if gate.tags else ""
    if not missed:
        return GateResult(gate.kind, "pass", value, None, 1.0, f"all {count(len(chosen), 'case')}{which} passed", of)
    named = first_few([f"{result.case.id} ({result.case.place})" for result in missed])
    message = f"{len(missed):,} of {count(len(chosen), 'case')}{which} did not pass in every trial: {named}"
    return GateResult(gate.kind, "fail", value, None, 1.0, message, of)

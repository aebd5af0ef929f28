"""The pass-rate gate: the rate, or its one-sided exact lower bound, reaches a minimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate import stats
from pytest_evalgate.data import GateResult
from pytest_evalgate.gates.evidence import CONFIDENCE, rate_of
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import CaseResult, VerdictName
    from pytest_evalgate.gates.evidence import Completion, Rate
    from pytest_evalgate.settings import PassRateGate

_FLOAT_NOISE = 1e-12


def judge_pass_rate(gate: PassRateGate, results: Sequence[CaseResult], completion: Completion) -> GateResult:
    """Judge at least one case.

    Below the minimum the gate fails; at or above it, a lower bound that does not reach the minimum leaves it
    inconclusive.
    """
    rate = rate_of(results, completion)
    bound = rate.lower if gate.bound == "ci" else rate.value
    verdict: VerdictName = "inconclusive"
    if rate.value < gate.min - _FLOAT_NOISE:
        verdict = "fail"
    elif bound >= gate.min - _FLOAT_NOISE:
        verdict = "pass"
    message = _MESSAGES[verdict](gate, rate)
    return GateResult(gate.kind, verdict, rate.value, bound if gate.bound == "ci" else None, gate.min, message)


def unattainable(gate: PassRateGate, cases: int) -> str | None:
    """Say why ``gate`` cannot pass with ``cases`` cases even if all of them pass; None if it can."""
    if gate.bound == "point" or stats.passes_needed(cases, gate.min, CONFIDENCE) is not None:
        return None
    enough = stats.cases_needed(1.0, gate.min, CONFIDENCE)
    more = f"use at least {enough:,} cases, a lower min" if enough else "use a lower min"
    return (
        f"pass-rate >= {percent(gate.min)} cannot pass with {count(cases, 'case')}, even if all pass: "
        f'{more}, or bound = "point"'
    )


def _passed(gate: PassRateGate, rate: Rate) -> str:
    if gate.bound == "point":
        return f"{percent(rate.value)} passed, {percent(gate.min)} wanted"
    return f"{percent(rate.value)} passed, at least {percent(rate.lower)} with 95% confidence"


def _failed(gate: PassRateGate, rate: Rate) -> str:
    exact = gate.bound == "ci"
    fewest = math.ceil((gate.min - _FLOAT_NOISE) * rate.n)
    needed = stats.passes_needed(rate.n, gate.min, CONFIDENCE) if exact else fewest
    wanted = f"{needed:,} needed" if needed is not None else "no number of passes would be enough"
    return f"{rate.value * rate.n:,.0f} of {rate.n:,} passed, {wanted}"


def _undecided(gate: PassRateGate, rate: Rate) -> str:
    more = stats.cases_needed(rate.value, gate.min, CONFIDENCE)
    advice = f" At this rate {more - rate.n:,} more cases ({more:,} in all) would pass it." if more else ""
    return (
        f"{rate.n:,} cases cannot decide this gate. {percent(rate.value)} passed, but the rate may be as low as "
        f"{percent(rate.lower)}.{advice}"
    )


_MESSAGES = {"pass": _passed, "fail": _failed, "inconclusive": _undecided}

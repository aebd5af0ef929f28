"""The pass-rate gate: the rate, or its one-sided exact lower bound, reaches a minimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.data import GateResult
from pytest_evalgate.gates.evidence import CONFIDENCE, ONE_CLUSTER
from pytest_evalgate.stats.needed import cases_needed, passes_needed
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from pytest_evalgate.data import VerdictName
    from pytest_evalgate.gates.evidence import Rate
    from pytest_evalgate.settings import PassRateGate

_FLOAT_NOISE = 1e-12


def judge_pass_rate(gate: PassRateGate, rate: Rate) -> GateResult:
    """Judge a pass rate; cases that are a single cluster have no bound, which makes the gate invalid."""
    if rate.is_one_cluster and gate.bound == "ci":
        return GateResult(gate.kind, "invalid", rate.value, None, gate.min, ONE_CLUSTER)
    verdict = verdict_of_rate(rate, gate.min, gate.bound)
    message = _MESSAGES[verdict](gate, rate)
    return GateResult(gate.kind, verdict, rate.value, rate.lower if gate.bound == "ci" else None, gate.min, message)


def verdict_of_rate(rate: Rate, least: float, bound: Literal["ci", "point"]) -> VerdictName:
    """Hold a rate against a minimum: below it a gate fails.

    At or above it, a lower bound that does not reach the minimum leaves the gate inconclusive.
    """
    if rate.value < least - _FLOAT_NOISE:
        return "fail"
    reached = rate.lower if bound == "ci" else rate.value
    return "pass" if reached >= least - _FLOAT_NOISE else "inconclusive"


def unattainable(gate: PassRateGate, cases: int) -> str | None:
    """Say why ``gate`` cannot pass with ``cases`` cases even if all of them pass; None if it can."""
    if gate.bound == "point" or passes_needed(cases, gate.min, CONFIDENCE) is not None:
        return None
    enough = cases_needed(1.0, gate.min, CONFIDENCE)
    more = f"use at least {enough:,} cases, a lower min" if enough else "use a lower min"
    return (
        f"pass-rate >= {percent(gate.min)} cannot pass with {count(cases, 'case')}, even if all pass: "
        f'{more}, or bound = "point"'
    )


def _passed(gate: PassRateGate, rate: Rate) -> str:
    if gate.bound == "point":
        return f"{_told(rate)}, {percent(gate.min)} wanted"
    return f"{_told(rate)}, at least {percent(rate.lower)} with 95% confidence"


def _failed(gate: PassRateGate, rate: Rate) -> str:
    if rate.judged is not None:
        return f"{_told(rate)}, {percent(gate.min)} wanted"
    if rate.n_eff != rate.n:
        return f"{percent(rate.value)} passed, {percent(gate.min)} wanted ({_worth(rate)})"
    exact = gate.bound == "ci"
    fewest = math.ceil((gate.min - _FLOAT_NOISE) * rate.n)
    needed = passes_needed(rate.n, gate.min, CONFIDENCE) if exact else fewest
    wanted = f"{needed:,} needed" if needed is not None else "no number of passes would be enough"
    return f"{rate.value * rate.n:,.0f} of {rate.n:,} passed, {wanted}"


def _undecided(gate: PassRateGate, rate: Rate) -> str:
    worth = "" if rate.n_eff == rate.n else f" ({_worth(rate)})"
    return (
        f"{rate.n:,} cases cannot decide this gate{worth}. {_told(rate)}, but the rate may be as low "
        f"as {percent(rate.lower)}.{_advice(gate, rate)}"
    )


def _advice(gate: PassRateGate, rate: Rate) -> str:
    """Say what would pass the gate at this rate: cases, or what the judge's errors are known from."""
    if rate.judged is not None:
        more = "cases" if rate.judged.limit >= gate.min else "labels for the judge (however many the cases)"
        return f" At this rate more {more} would pass it."
    enough = cases_needed(rate.value, gate.min, CONFIDENCE)
    if enough is None:
        return ""
    in_all = math.ceil(enough * rate.n / rate.n_eff)
    return f" At this rate {in_all - rate.n:,} more cases ({in_all:,} in all) would pass it."


def _told(rate: Rate) -> str:
    if rate.judged is None:
        return f"{percent(rate.value)} passed"
    return f"judge passed {percent(rate.judged.raw)}, corrected for its errors {percent(rate.value)}"


def _worth(rate: Rate) -> str:
    return f"{count(rate.n, 'case')}, worth {rate.n_eff:,.0f} independent ones"


_MESSAGES = {"pass": _passed, "fail": _failed, "inconclusive": _undecided}

"""Budget gate: the cost of a suite, and the latency of its target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.pairing import call_records, total_calls
from pytest_evalgate.records.results import Trial
from pytest_evalgate.records.verdicts import GateResult
from pytest_evalgate.text.wording import count, seconds, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.config import BudgetGate
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.records.verdicts import VerdictName

_FLOAT_NOISE = 1e-9
_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "pass")
_NOT_RUN = Trial(0, None)


@dataclass(frozen=True, slots=True)
class _LimitResult:
    """The result for one of the gate's limits; ``value`` is None if it is unknown or infinite."""

    result: VerdictName
    value: float | None
    required: float
    message: str


def decide_budget(gate: BudgetGate, results: Sequence[CaseResult], completion: Completion) -> GateResult:
    """Decide a budget gate on the cost and the latency of at least one case.

    If both are limited, ``value`` and ``required`` are those of the limit with the worse result. The gate is invalid
    if a cost or a latency is unknown.
    """
    parts: list[_LimitResult] = []
    if gate.max_cost_usd is not None:
        parts.append(_cost(gate.max_cost_usd, results))
    if gate.p95_latency_s is not None:
        parts.append(_latency(gate.p95_latency_s, results, completion))
    parts.sort(key=lambda part: _WORST_FIRST.index(part.result))
    first = parts[0]
    message = "; ".join(part.message for part in parts)
    return GateResult(gate.kind, first.result, first.value, None, first.required, message)


def _cost(limit: float, results: Sequence[CaseResult]) -> _LimitResult:
    calls = total_calls(call_records(results))
    if calls.unknown_price:
        models = {record.model for record in call_records(results) if record.attempts and record.cost_usd is None}
        message = (
            f"the cost of {count(calls.unknown_price, 'call')} to {', '.join(sorted(models))} is unknown. Give the "
            "model a price = { input_per_mtok = ..., output_per_mtok = ... } and check that its endpoint reports "
            "usage, or remove max_cost_usd"
        )
        return _LimitResult("invalid", None, limit, message)
    spent, allowed = usd(calls.cost_usd), usd(limit)
    if calls.cost_usd > limit + _FLOAT_NOISE:
        exact = f"US${calls.cost_usd:.6f}" if spent == allowed else spent  # "US$0.01, at most US$0.01"
        return _LimitResult("fail", calls.cost_usd, limit, f"cost {exact}, at most {allowed} allowed")
    text = f"cost {spent} for {count(calls.sent, 'call')}, at most {allowed} allowed"
    if not calls.planned:
        text = f"cost {spent}: no calls were counted, at most {allowed} allowed"
    return _LimitResult("pass", calls.cost_usd, limit, text)


def _latency(limit: float, results: Sequence[CaseResult], completion: Completion) -> _LimitResult:
    # a case without trials counts as one trial without an output
    latencies = [_seconds(trial, completion) for result in results for trial in result.trials or (_NOT_RUN,)]
    known = sorted(latency for latency in latencies if latency is not None)
    if len(known) < len(latencies):
        message = (
            f"the latency of {len(latencies) - len(known):,} of {count(len(latencies), 'output')} is unknown. "
            "Recorded outputs, and outputs that a test returned, have no latency. Use a target that is called in the "
            "run, or remove p95_latency_s"
        )
        return _LimitResult("invalid", None, limit, message)
    p95 = known[-(-95 * len(known) // 100) - 1]  # nearest rank
    allowed = seconds(limit)
    if math.isinf(p95):
        late = sum(map(math.isinf, known))
        message = f"{late:,} of {count(len(known), 'output')} are missing, 95% within {allowed} required"
        return _LimitResult("fail", None, limit, message)
    in_time = p95 <= limit
    took = seconds(p95) if in_time or seconds(p95) != allowed else f"{p95:.6f} s"
    message = f"95% of {count(len(known), 'output')} arrived within {took}, {allowed} allowed"
    return _LimitResult("pass" if in_time else "fail", p95, limit, message)


def _seconds(trial: Trial, completion: Completion) -> float | None:
    """Return the latency of an output: None if it is unknown, infinity if the target returned no output."""
    if trial.output is not None:
        return trial.output.latency_s
    missing_at_best = trial.value is None and completion == "best"
    return 0.0 if missing_at_best else math.inf

"""The budget gate: what a suite costs, and how long its target takes to answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.gates.pairing import call_records, total_calls
from pytest_evalgate.records.results import GateResult, Trial
from pytest_evalgate.text.wording import count, seconds, usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.config import BudgetGate
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.records.results import CaseResult, VerdictName

_FLOAT_NOISE = 1e-9
_WORST_FIRST: tuple[VerdictName, ...] = ("invalid", "fail", "pass")
_NOT_RUN = Trial(0, None)


@dataclass(frozen=True, slots=True)
class _LimitResult:
    """What one of the gate's limits says; ``value`` is None where it is unknown, or without end."""

    result: VerdictName
    value: float | None
    required: float
    message: str


def decide_budget(gate: BudgetGate, results: Sequence[CaseResult], completion: Completion) -> GateResult:
    """Judge the cost and the latency of at least one case.

    Where both are limited, ``value`` and ``required`` are those of the limit that decides: the first of the worst.
    A cost or a latency that nobody knows makes the gate invalid.
    """
    parts = sorted(_parts(gate, results, completion), key=lambda part: _WORST_FIRST.index(part.result))
    first = parts[0]
    message = "; ".join(part.message for part in parts)
    return GateResult(gate.kind, first.result, first.value, None, first.required, message)


def _parts(gate: BudgetGate, results: Sequence[CaseResult], completion: Completion) -> Iterator[_LimitResult]:
    if gate.max_cost_usd is not None:
        yield _cost(gate.max_cost_usd, results)
    if gate.p95_latency_s is not None:
        yield _latency(gate.p95_latency_s, results, completion)


def _cost(limit: float, results: Sequence[CaseResult]) -> _LimitResult:
    calls = total_calls(call_records(results))
    if calls.unknown_price:
        return _LimitResult("invalid", None, limit, _unpriced(results, calls.unknown_price))
    spent, wanted = usd(calls.cost_usd), usd(limit)
    if calls.cost_usd > limit + _FLOAT_NOISE:
        exact = f"US${calls.cost_usd:.6f}" if spent == wanted else spent
        return _LimitResult("fail", calls.cost_usd, limit, f"cost {exact}, at most {wanted} wanted")
    text = f"cost {spent} for {count(calls.sent, 'call')}, at most {wanted} wanted"
    if not calls.planned:
        text = f"cost {spent}: no call was made that could be counted, at most {wanted} wanted"
    return _LimitResult("pass", calls.cost_usd, limit, text)


def _unpriced(results: Sequence[CaseResult], number: int) -> str:
    models = sorted({record.model for record in call_records(results) if record.attempts and record.cost_usd is None})
    return (
        f"nobody knows what {count(number, 'call')} to {', '.join(models)} cost. Give the model a price = "
        "{ input_per_mtok = ..., output_per_mtok = ... } and see that its endpoint reports usage, or take "
        "max_cost_usd out"
    )


def _latency(limit: float, results: Sequence[CaseResult], completion: Completion) -> _LimitResult:
    latencies = [_seconds(trial, completion) for trial in _trials(results)]
    known = sorted(latency for latency in latencies if latency is not None)
    if len(known) < len(latencies):
        return _LimitResult("invalid", None, limit, _untimed(len(latencies) - len(known), len(latencies)))
    p95 = known[-(-95 * len(known) // 100) - 1]  # nearest rank
    wanted = seconds(limit)
    if math.isinf(p95):
        late = sum(map(math.isinf, known))
        never = f"{late:,} of {count(len(known), 'answer')} never came, 95% within {wanted} wanted"
        return _LimitResult("fail", None, limit, never)
    in_time = p95 <= limit
    took = seconds(p95) if in_time or seconds(p95) != wanted else f"{p95:.6f} s"
    message = f"95% of {count(len(known), 'answer')} came within {took}, {wanted} wanted"
    return _LimitResult("pass" if in_time else "fail", p95, limit, message)


def _untimed(untimed: int, answers: int) -> str:
    return (
        f"nobody knows how long {untimed:,} of {count(answers, 'answer')} took. Outputs that were recorded, or that a "
        "test returned, carry no latency. Let the suite's target answer, or take p95_latency_s out"
    )


def _trials(results: Iterable[CaseResult]) -> Iterator[Trial]:
    """Iterate over all trials; a case that broke off before its first one counts as one without an answer."""
    return (trial for result in results for trial in result.trials or (_NOT_RUN,))


def _seconds(trial: Trial, completion: Completion) -> float | None:
    """Return how long the answer took: None where nobody knows, infinity where the target failed to give one."""
    if trial.output is not None:
        return trial.output.latency_s
    missing_at_best = trial.value is None and completion == "best"
    return 0.0 if missing_at_best else math.inf

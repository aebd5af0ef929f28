"""Metric gate: one figure of a metric against a limit by its bound, and its change by the paired bootstrap."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import LOWER_IS_BETTER
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.power import LARGE_DROP, Blindness
from pytest_evalgate.records.verdicts import GateResult
from pytest_evalgate.stats.numeric import upper_z
from pytest_evalgate.text.wording import count, p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.config import MetricGate
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.gates.metric_measure import MeasuredMetric
    from pytest_evalgate.records.verdicts import VerdictName
    from pytest_evalgate.stats.resampling import Bounds, FigureDelta

_POWER: Final = 0.8
_FLOAT_NOISE: Final = 1e-12  # a figure of 0.9 must reach a minimum of 0.9
_WORST_FIRST: Final[tuple[VerdictName, ...]] = ("invalid", "fail", "inconclusive", "pass")
_UNIT_SCALE: Final = frozenset({"mae", "rmse"})
"""Figures in the unit of the predicted numbers: a drop of 10 points means nothing for them."""


@dataclass(frozen=True, slots=True)
class MetricDecision:
    """The result of a metric gate, and the drops that its test could not have failed for, if it is blind."""

    result: GateResult
    blindness: Blindness | None = None


def problem_of(gate: MetricGate, measured: MeasuredMetric) -> str | None:
    """Return the reason why the figure of ``gate`` is unknown, if it is."""
    if measured.problem is not None:
        return measured.problem
    bound = measured.bounds.get((gate.name, gate.of))
    if bound is None:
        return f"no case and no prediction belongs to {gate.of}"
    if bound.value is None:
        return f"{gate.subject} is undefined, since it divides by 0"
    return None


def change_problem(gate: MetricGate, measured: MeasuredMetric) -> str | None:
    """Return the reason why the change of the figure of ``gate`` is unknown, if it is."""
    if (problem := measured.problem or measured.pair_problem) is not None:
        return problem
    if (gate.name, gate.of) not in measured.changes:
        return f"{gate.subject} is undefined in one of the two runs"
    return None


def p_of(gate: MetricGate, measured: MeasuredMetric) -> float:
    """Return the one-sided p of a change for the worse by more than the accepted one."""
    return measured.changes[gate.name, gate.of].p_worse(gate.max_drop or 0.0)


def decide_limit(gate: MetricGate, measured: MeasuredMetric, completion: Completion) -> GateResult:
    """Decide the limit of a gate that has one, by the bound of its figure.

    A figure beyond the limit fails. Otherwise the gate passes if the bound is within the limit, and is inconclusive if
    not.
    """
    if (problem := problem_of(gate, measured)) is not None:
        return _result(gate, "invalid", None, None, problem)
    bound = measured.bounds[gate.name, gate.of]
    value, reached = bound.value or 0.0, _reached(gate, bound)
    what = f"{gate.subject} {_number(value)}"
    if (failure := _failure(gate, measured, value, completion)) is not None:
        return _result(gate, "fail", value, reached, f"{what}{failure}")
    if gate.bound == "point":
        return _result(gate, "pass", value, None, f"{what}, {_limit(gate)} required")
    if reached is None:
        message = f'{what}: one unit, or equal ones, have no interval: add cases, or set bound = "point"'
        return _result(gate, "invalid", value, None, message)
    sure = f"{'at most' if gate.name in LOWER_IS_BETTER else 'at least'} {_number(reached)} with 95% confidence"
    if _is_within(gate, reached):
        return _result(gate, "pass", value, reached, f"{what}, {sure}")
    message = f"{what}, but only {sure}; {_limit(gate)} required: {_more_cases(gate, measured, bound, reached)}"
    return _result(gate, "inconclusive", value, reached, message)


def _failure(gate: MetricGate, measured: MeasuredMetric, value: float, completion: Completion) -> str | None:
    """Return how the figure ``value`` fails the gate, if it does."""
    if measured.lacking:  # leaving them out would be a way to pass
        return f", without {count(measured.lacking, 'prediction')} that could not be read: set unreadable"
    if not _is_within(gate, value):
        return f", {_limit(gate)} required"
    if completion == "worst" and measured.missing and gate.name in measured.unbounded:
        return f" without {count(measured.missing, 'missing output')}, which could be wrong by any amount"
    return None


def _is_within(gate: MetricGate, value: float) -> bool:
    sign = -1.0 if gate.name in LOWER_IS_BETTER else 1.0
    return sign * value >= sign * (gate.limit or 0.0) - _FLOAT_NOISE


def _reached(gate: MetricGate, bound: Bounds) -> float | None:
    return bound.upper if gate.name in LOWER_IS_BETTER else bound.lower


def _more_cases(gate: MetricGate, measured: MeasuredMetric, bound: Bounds, reached: float) -> str:
    """Return how many cases would decide at this value: the width of a bound falls with the root of their number."""
    room = abs((bound.value or 0.0) - (gate.limit or 0.0))
    if room <= _FLOAT_NOISE:
        return "at exactly the limit, no number of cases would decide"
    n = measured.result.n
    needed = math.ceil(n * (abs((bound.value or 0.0) - reached) / room) ** 2)
    return f"at this value about {needed - n:,} more cases ({needed:,} in all) would decide"


def decide_change(gate: MetricGate, measured: MeasuredMetric, completion: Completion, p: float) -> MetricDecision:
    """Decide the change of a figure; ``p`` is that of `p_of`, adjusted for the other tests of the build."""
    change, most = measured.changes[gate.name, gate.of], gate.max_drop or 0.0
    worse = -change.sign * change.delta
    word = "rise" if change.sign < 0 else "drop"
    what = f"{gate.subject} {_number(change.before)} -> {_number(change.before + change.delta)} ({change.delta:+.3f})"
    if completion == "worst" and measured.missing and gate.name in measured.unbounded:
        message = f"{what} without {count(measured.missing, 'missing output')}, which could be wrong by any amount"
        return MetricDecision(_changed(gate, "fail", change, message))
    if p <= gate.alpha:
        message = f"{what}: a {word} of more than {_number(most)} is proven (p={p_value(p)}, limit {gate.alpha:g})"
        return MetricDecision(_changed(gate, "fail", change, message))
    largest = -change.interval[0] if change.sign > 0 else change.interval[1]
    ruled_out = "ruled out" if largest <= most else "not proven"
    observed = f", though observed {_number(worse)}" if worse > most else ""
    message = f"{what}: a {word} of more than {_number(most)} is {ruled_out}{observed} (p={p_value(p)})"
    return MetricDecision(_changed(gate, "pass", change, message), _blindness(gate, change, most, largest))


def _blindness(gate: MetricGate, change: FigureDelta, most: float, largest: float) -> Blindness | None:
    """Return the smallest drop that could have failed the gate, if it is more than 10 points beyond the accepted one.

    A drop that is ruled out needs no test that could have found it.
    """
    if gate.name in _UNIT_SCALE or largest <= most:
        return None
    se = change.se
    below = min(1.0, most + upper_z(gate.alpha) * se)
    seen = most + LARGE_DROP
    if below <= seen:
        return None
    needed = math.ceil(change.units * ((upper_z(gate.alpha) + upper_z(1 - _POWER)) * se / LARGE_DROP) ** 2)
    return Blindness(below, seen, max(needed, change.units + 1))


def combine(parts: Sequence[GateResult]) -> GateResult:
    """Return the result of a gate with a limit and an accepted change: that of the worse part, with both messages."""
    parts = sorted(parts, key=lambda part: _WORST_FIRST.index(part.result))
    p = next((part.p for part in parts if part.p is not None), None)
    return replace(parts[0], message="; ".join(dict.fromkeys(part.message for part in parts)), p=p)


def _changed(gate: MetricGate, result: VerdictName, change: FigureDelta, message: str) -> GateResult:
    bound = change.interval[0] if change.sign > 0 else change.interval[1]
    required = -change.sign * (gate.max_drop or 0.0)
    return GateResult(gate.kind, result, change.delta, bound, required, message, gate.subject)


def _result(
    gate: MetricGate, result: VerdictName, value: float | None, bound: float | None, message: str
) -> GateResult:
    bound = bound if gate.bound == "ci" else None
    return GateResult(gate.kind, result, value, bound, gate.limit, message, gate.subject)


def _limit(gate: MetricGate) -> str:
    return f"{'at most' if gate.name in LOWER_IS_BETTER else 'at least'} {gate.limit or 0:g}"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}"  # noqa: PLR2004 - seven characters

"""What stands in the cells of a table of suites and gates, in whichever report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.stopped import change_at_least, part
from pytest_evalgate.wording import percent, points

if TYPE_CHECKING:
    from pytest_evalgate.data import Delta, GateResult, SuiteVerdict, VerdictName

_WORDS: dict[VerdictName, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "UNSURE",
    "incomplete": "INCOMPLETE",
    "not_evaluated": "NOT EVALUATED",
    "invalid": "INVALID",
}


def word(result: VerdictName) -> str:
    """Name what a gate or a suite says."""
    return _WORDS[result]


def result_of(verdict: SuiteVerdict, gate: GateResult) -> str:
    """Name what a gate says, and whether it blocks."""
    return word(gate.result) + ("" if is_blocking(verdict) else " (advisory)")


def is_blocking(verdict: SuiteVerdict) -> bool:
    """Tell whether the gates of a suite can fail the build."""
    return verdict.mode == "blocking"


def rate(verdict: SuiteVerdict) -> str:
    """Write the pass rate with its counts and its interval; how much has run, or was answered, where it is unknown."""
    if verdict.stopped is not None:
        return f"{part(verdict)} run"
    if _is_unanswered(verdict):
        ended = verdict.accounting
        return f"{ended.passed + ended.missed:,} answered, {ended.errored:,} without"
    if verdict.accounting.not_run:
        ended = verdict.accounting
        return f"{ended.passed:,} of {ended.passed + ended.missed + ended.errored:,} run passed"
    if verdict.pass_rate is None or verdict.interval is None:
        return "-"
    counted = f"{verdict.cases:,} x{verdict.trials}" if verdict.trials > 1 else f"{verdict.passed:,}/{verdict.cases:,}"
    return f"{counted}  {share(verdict.pass_rate, verdict.interval)}"


def share(value: float, interval: tuple[float, float]) -> str:
    """Write a share with its interval: ``92.1% (88.0-94.9)``."""
    return f"{percent(value)} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def base(delta: Delta | None) -> str:
    """Write the baseline's rate in percent, without the sign."""
    return "-" if delta is None else f"{100 * delta.baseline_rate:.1f}"


def change(verdict: SuiteVerdict) -> str:
    """Write the change with its bounds."""
    delta = verdict.delta
    if delta is None or _is_unanswered(verdict):
        return "-"
    if verdict.stopped is not None:
        return change_at_least(verdict, delta)
    return f"{points(delta.delta)} ({100 * delta.lower:+.1f}..{100 * delta.upper:+.1f})"


def _is_unanswered(verdict: SuiteVerdict) -> bool:
    """Tell whether too many answers are missing to say anything of the suite."""
    return verdict.verdict == "incomplete" and bool(verdict.accounting.errored)


def gate_name(gate: GateResult) -> str:
    """Name a gate by its kind, its minimum and what it is of; what it is of is the user's own text."""
    if gate.kind == "pass-rate" and gate.required is not None:
        return f"{'CI' if gate.bound is not None else 'rate'} >= {100 * gate.required:g}%"
    return f"{gate.kind} {gate.of}" if gate.of else gate.kind

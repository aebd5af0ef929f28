"""What is said of a suite that stopped before its last case: nothing that a part of it cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import wrapped
from pytest_evalgate.wording import count, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Delta, GateResult, SuiteVerdict
    from pytest_evalgate.reports.lines import Line

COMPLETE: Final = "pytest --eval-gate --eval-stop never"
"""The command that sends what a stopped run left out."""


def stopped_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """Return the lines that say after which case a suite stopped, and how many calls that saved: one a case."""
    if verdict.stopped is not None:
        saved = f"{count(verdict.accounting.not_run, 'call')} saved"
        text = f"  {one_line(name)} stopped after {part(verdict)}: its verdict was certain ({saved})"
        yield from wrapped(text, width)


def part(verdict: SuiteVerdict) -> str:
    """Say how many of the cases have run."""
    counts = verdict.accounting
    every = counts.planned - counts.skipped
    return f"{every - counts.not_run:,} of {count(every, 'case')}"


def change_at_least(verdict: SuiteVerdict, delta: Delta) -> str:
    """Say on which side of ``delta`` the change lies, wherever the missing cases would have put it."""
    return f"at {'most' if verdict.verdict == 'fail' else 'least'} {points(delta.delta)}"


def part_reason(verdict: SuiteVerdict, gate: GateResult) -> str:
    """Say in one clause why a gate does not pass."""
    told, failed = gate.kind, gate.result == "fail"
    if gate.kind == "no-regression" and failed and verdict.delta is not None:
        told = change_at_least(verdict, verdict.delta)
    if gate.kind == "pass-rate" and failed and gate.value is not None and gate.required is not None:
        told = f"at most {percent(gate.value)} < {100 * gate.required:g}%"
    return f"{told} after {part(verdict)}"

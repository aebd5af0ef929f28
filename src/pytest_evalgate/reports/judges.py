"""What is said of a suite's judges: how they did on their labels, and what their pass rates are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import CorrectedRate, JudgeVerdict, SuiteVerdict


def judge_lines(verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """Render a line for each judge, and why it may not gate where no gate has said so."""
    for judge in verdict.judges:
        said = "; ".join([_calibration(judge), *_rates(judge)])
        yield from wrapped(f"  judge {one_line(judge.name)}: {said}", width)
        if judge.why_not is not None and not any(judge.why_not in gate.message for gate in verdict.gates):
            yield from wrapped(f"    may not gate: {one_line(judge.why_not)}", width, "yellow")


def _calibration(judge: JudgeVerdict) -> str:
    """Say how the judge did on its labels; the lower bounds stand in brackets."""
    if judge.tpr is None or judge.tnr is None:
        return "not calibrated"
    rates = {"tpr": judge.tpr, "tnr": judge.tnr}
    told = [f"{name} {value:.2f} (>= {least:.2f})" for name, (value, least) in rates.items()]
    age = [] if judge.age_days is None else [f"{count(judge.age_days, 'day')} old"]
    return ", ".join([*told, count(judge.labels, "label"), *age])


def _rates(judge: JudgeVerdict) -> Iterator[str]:
    if judge.pass_rate is not None:
        yield f"passed {percent(judge.pass_rate)} of {count(judge.scored, 'answer')}{_corrected(judge.corrected)}"
    if judge.unreadable:
        yield f"{judge.unreadable:,} unreadable"


def _corrected(found: CorrectedRate | None) -> str:
    if found is None:
        return ""
    low, high = found.interval
    return f", corrected {percent(found.value)} ({100 * low:.1f}-{100 * high:.1f})"

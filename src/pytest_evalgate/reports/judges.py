"""What is said of a suite's judges: how they did on their labels, and what their pass rates are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.data import Calibration, CorrectedRate, JudgeVerdict, SuiteVerdict

_NOTHING: Mapping[str, Any] = {}


def judge_lines(
    verdict: SuiteVerdict, width: int, calibrations: Mapping[str, Calibration] = _NOTHING
) -> Iterator[Line]:
    """Render a line for each judge, and why it may not gate where no gate has said so."""
    for judge in verdict.judges:
        kappa = kappa_of(calibrations.get(judge.name))
        agreement = [] if kappa is None else [f"kappa {kappa:.2f} against people"]
        said = "; ".join([*agreement, calibration_note(judge), *_rates(judge)])
        yield from wrapped(f"  judge {one_line(judge.name)}: {one_line(said)}", width)
        if judge.why_not is not None and not any(judge.why_not in gate.message for gate in verdict.gates):
            yield from wrapped(f"    may not gate: {one_line(judge.why_not)}", width, "yellow")


def kappa_of(calibration: Calibration | None) -> float | None:
    """Return how far a judge agrees with people beyond chance; None where its record does not hold it."""
    measured = None if calibration is None else calibration.measures.get("kappa")
    value = measured.get("value") if isinstance(measured, dict) else None
    return float(value) if isinstance(value, int | float) else None


def calibration_note(judge: JudgeVerdict) -> str:
    """Say how a judge did on its labels; the lower bounds stand in brackets."""
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

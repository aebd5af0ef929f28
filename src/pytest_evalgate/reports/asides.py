"""What belongs beside the numbers of a suite: its judges, flaky cases, warnings, the trend over its last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import stack
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.judges import judge_lines
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.data import Calibration, Repeats, SuiteVerdict
    from pytest_evalgate.reports.view import FlakyCase, SuiteView

_LISTED = 3


def aside_lines(suite: SuiteView, calibrations: Mapping[str, Calibration], width: int) -> Iterator[Line]:
    """Say what a reader may want to know beside the numbers: what the judges are worth, and which cases flip."""
    yield from judge_lines(suite.verdict, width, calibrations)
    if suite.flaky:
        summary = _summary(len(suite.flaky), suite.verdict.repeats)
        yield from wrapped(f"  {one_line(suite.name)}: {summary}", width)
        yield from _flaky(suite.flaky[:_LISTED], width)
    if len(suite.flaky) > _LISTED:
        more = f"... {len(suite.flaky) - _LISTED:,} more: pytest-evalgate aa {one_line(suite.name)}"
        yield from wrapped(f"    {more}", width)


def warning_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """Say what a reader has to know before trusting the numbers, or worrying about them."""
    delta = verdict.delta
    if delta is not None and (delta.added or delta.removed or delta.edited):
        yield Line(f"  not paired: {delta.added:,} added, {delta.removed:,} removed, {delta.edited:,} edited")
    for note in verdict.notes:
        yield from wrapped(f"  NOTE {one_line(name)}: {one_line(note)}", width, "yellow")
    if verdict.trend is not None and (verdict.trend.alarm or "unusually" in verdict.trend.message):
        yield from wrapped(f"  TREND {one_line(verdict.trend.message)}", width, "yellow")


def _flaky(cases: Sequence[FlakyCase], width: int) -> Iterator[Line]:
    rows = [(f"FLAKY  {one_line(case.id)}", one_line(case.place), f"{case.passed} of {case.trials}") for case in cases]
    yield from (Line(f"    {text}") for text in stack(rows, width - 4, 1))


def _summary(flaky: int, repeats: Repeats | None) -> str:
    text = f"{count(flaky, 'case')} passed in some trials and missed in others"
    if repeats is None:
        return text
    worth = f"; the trials are worth {repeats.n_eff:,.0f} independent cases"
    return f"{text}: {percent(repeats.flip_rate)} flip from trial to trial{worth}"

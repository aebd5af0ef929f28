"""What belongs beside the numbers of a suite: its judges, flaky cases, warnings, the trend over its last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import aligned
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.judges import judge_lines
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Repeats, SuiteVerdict
    from pytest_evalgate.reports.view import FlakyCase

_LISTED = 3


def aside_lines(name: str, verdict: SuiteVerdict, flaky: Sequence[FlakyCase], width: int) -> Iterator[Line]:
    """Say what a reader should know before trusting the numbers, or worrying about them."""
    yield from judge_lines(verdict, width)
    if flaky:
        yield from wrapped(f"  {name}: {_summary(len(flaky), verdict.repeats)}", width)
        rows = [(one_line(case.id), one_line(case.place), f"{case.passed} of {case.trials}") for case in flaky]
        yield from (Line(f"    FLAKY  {text}") for text in aligned(rows[:_LISTED]))
    if len(flaky) > _LISTED:
        yield Line(f"    ... {len(flaky) - _LISTED:,} more: pytest-evalgate aa {name}")
    for note in verdict.notes:
        yield from wrapped(f"  NOTE {name}: {one_line(note)}", width, "yellow")
    if verdict.trend is not None and (verdict.trend.alarm or "unusually" in verdict.trend.message):
        yield from wrapped(f"  TREND {one_line(verdict.trend.message)}", width, "yellow")


def _summary(flaky: int, repeats: Repeats | None) -> str:
    text = f"{count(flaky, 'case')} passed in some trials and missed in others"
    if repeats is None:
        return text
    worth = f"; the trials are worth {repeats.n_eff:,.0f} independent cases"
    return f"{text}: {percent(repeats.flip_rate)} flip from trial to trial{worth}"

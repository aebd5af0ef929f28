"""Why cases were missed, and why they have no answer, the most frequent first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import fit, width_of
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.reports.view import Reason, ReportView, SuiteView

_REASONS = 3


def missed_lines(suite: SuiteView, width: int) -> Iterator[Line]:
    """List why cases were missed; each reason takes one line."""
    for number, reason in enumerate(suite.missed[:_REASONS]):
        head = f"  {'' if number else 'reasons:':<8} {reason.count:,}x "
        tail = f"  (first: {one_line(reason.example)})"
        room = width - len(head) - width_of(tail)
        yield Line(f"{head}{fit(one_line(reason.text), room)}{tail}")
    yield from _rest(suite.missed, " " * 11)


def errored_lines(suite: SuiteView, view: ReportView, width: int) -> Iterator[Line]:
    """List why there is no answer, each reason whole: it names the endpoint; and say what that means."""
    for reason in suite.errors[:_REASONS]:
        text = f"  ERROR {reason.count:,}x {one_line(reason.text)}  (first: {one_line(reason.example)})"
        yield from wrapped(text, width)
    yield from _rest(suite.errors, "  ERROR ")
    if suite.verdict.verdict == "incomplete":
        yield from wrapped(f"       {_meaning(suite, view)}", width)


def _rest(reasons: tuple[Reason, ...], indent: str) -> Iterator[Line]:
    left = reasons[_REASONS:]
    if left:
        cases = sum(reason.count for reason in left)
        yield Line(f"{indent}{cases:,}x for {count(len(left), 'other reason')}")


def _meaning(suite: SuiteView, view: ReportView) -> str:
    """Say that nothing was judged, and what a re-run would ask again; calls are remembered, recordings are not."""
    counts = suite.verdict.accounting
    told = "The gate was NOT judged: missing answers count neither as misses nor as passes."
    if not view.verdict.calls.planned:
        return told
    answered = count(counts.passed + counts.missed, "answer")
    return f"{told} {answered} are kept: a re-run asks for the other {count(counts.errored, 'case')} only."

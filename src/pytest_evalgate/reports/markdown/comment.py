"""The comment on a pull request: one that is found again by its first line, and one line where nothing is amiss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.markdown.closing import where
from pytest_evalgate.reports.markdown.extent import Extent, fitted
from pytest_evalgate.reports.markdown.opening import spent
from pytest_evalgate.reports.markdown.page import page
from pytest_evalgate.reports.markdown.parts import name
from pytest_evalgate.wording import count, points

if TYPE_CHECKING:
    from pytest_evalgate.data import Delta
    from pytest_evalgate.reports.view import ReportView, SuiteView

MARKER: Final = "<!-- evalgate -->"
"""The first line: whoever updates the comment finds it by this, from the bot's own account."""

LIMIT: Final = 60_000
"""Characters in UTF-16; GitHub takes 65,536."""

_EXTENTS: Final = (
    Extent(),
    Extent("slices of suites that pass", passing_slices=False),
    Extent("slices of suites that pass, all but 3 cases of each list", 3, passing_slices=False),
    Extent("slices of suites that pass, lists of cases", 0, passing_slices=False),
)


def render_comment(view: ReportView) -> str:
    """Render the comment: at most 60,000 characters; what does not fit is cut, and the last line says so."""
    if _is_clean(view):
        return f"{MARKER}\n{_passed(view)}\n"
    room = LIMIT - len(MARKER) - 1
    return f"{MARKER}\n{fitted(partial(page, view), _EXTENTS, _characters, room, where(view))}"


def _characters(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _is_clean(view: ReportView) -> bool:
    """Tell whether there is nothing that a reader should look at."""
    verdict = view.verdict
    return (
        (verdict.verdict, verdict.exit_code) == ("pass", 0)
        and not (verdict.changed_in_gate or view.notes)
        and all(map(_is_quiet, view.suites))
    )


def _is_quiet(suite: SuiteView) -> bool:
    return suite.verdict.verdict == "pass" and not (_has_dropped(suite.verdict.delta) or suite.verdict.notes)


def _has_dropped(delta: Delta | None) -> bool:
    """Tell whether a suite dropped, be it that it may or that its cases are too few to prove it."""
    return delta is not None and (delta.finding.startswith("regressed") or (delta.delta < 0 and delta.mde is None))


def _passed(view: ReportView) -> str:
    deltas = {suite.name: suite.verdict.delta.delta for suite in view.suites if suite.verdict.delta is not None}
    told = f"{count(len(view.suites), 'suite')}, {count(view.verdict.accounting.planned, 'case')}"
    if deltas:
        largest = max(deltas, key=lambda suite: abs(deltas[suite]))
        told += f", no drop is proven (largest change: {name(largest)} {points(deltas[largest])})"
    return f"Eval gate: pass - {told}. {spent(view.verdict.calls)}."

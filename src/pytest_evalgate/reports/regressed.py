"""The cases that got worse, worst first: as a table, with what changed in the answers, or whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.case_screen import case_lines, rerun_command
from pytest_evalgate.reports.columns import aligned, fit, width_of, wrap
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.headline import compare_command
from pytest_evalgate.reports.judges import calibration_note
from pytest_evalgate.reports.lines import Line, with_command
from pytest_evalgate.reports.worddiff import marked_diff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.reports.cases import CaseView
    from pytest_evalgate.reports.view import ChangedCase, SuiteView

_LISTED: Final = 10
_DETAILED: Final = 3
_DIFF_LINES: Final = 4
_WIDEST_ID: Final = 40
_WIDEST_TAGS: Final = 16
_NARROWEST_REASON: Final = 24
_WIDE_ENOUGH: Final = 72
_GAP: Final = 2
_GUTTER: Final = "     | "


def regressed_lines(suite: SuiteView, width: int, verbosity: int) -> Iterator[Line]:
    """List the cases that got worse; with ``-v`` all of them, and of the first three what changed in the answer.

    With ``-vv`` the first three stand below the table too, whole.
    """
    every = verbosity > 0 or len(suite.regressed) == _LISTED + 1  # one case takes no more room than saying so
    shown = suite.regressed if every else suite.regressed[:_LISTED]
    heads = _heads(shown, width - 2)
    room = max(map(width_of, heads))
    stacked = width - room - 4 < _NARROWEST_REASON
    yield Line(f"  {heads[0]}" if stacked else f"  {heads[0]:<{room}}  why")
    for number, (head, case) in enumerate(zip(heads[1:], shown, strict=True)):
        yield from _case(head, room, case, width, stacked=stacked)
        if verbosity > 0 and number < _DETAILED:
            yield from _change(suite.details.get(case.id), width)
    if more := len(suite.regressed) - len(shown):
        command = one_line(compare_command(suite.name, suite.verdict, regressed=True))
        yield from with_command(f"... {more:,} more:", command, width, "  ")
    if verbosity > 1:
        yield from _whole(suite, width)


def _heads(cases: Sequence[ChangedCase], width: int) -> list[str]:
    """Return the rows without their reasons, below a heading.

    Tags have a column where there are any, and room for them. Of a place that is too long the end is shown.
    """
    ids = ("REGRESSED", *(fit(one_line(case.id), min(_WIDEST_ID, width // 3)) for case in cases))
    tags = ("", *(fit(one_line(",".join(case.tags)), _WIDEST_TAGS) for case in cases))
    changes = ("base -> now", *(f"{case.before} -> {case.now}" for case in cases))
    others = [ids, tags, changes] if any(tags) and width > _WIDE_ENOUGH else [ids, changes]
    room = width - sum(max(map(width_of, column)) + _GAP for column in others)
    places = ("worst first", *(_end_of(one_line(str(case.place)), room) for case in cases))
    return aligned(list(zip(ids, places, *others[1:], strict=True)))


def _end_of(text: str, room: int) -> str:
    return text if width_of(text) <= room else f"...{fit(text[::-1], room)[:-3][::-1]}"


def _case(head: str, room: int, case: ChangedCase, width: int, *, stacked: bool) -> Iterator[Line]:
    """Write a row; its reason takes the room that is left, or a line of its own."""
    reason = one_line(case.reason)
    if not stacked:
        yield Line(f"  {head}{' ' * (room - width_of(head))}  {fit(reason, width - room - 4)}")
        return
    yield Line(f"  {head}")
    if reason:
        yield Line(f"{_GUTTER}{fit(reason, width - len(_GUTTER))}")


def _change(case: CaseView | None, width: int) -> Iterator[Line]:
    """Say what changed in the answer of a case, if both answers are known."""
    if case is None or case.baseline_output is None or not case.trials:
        return
    worst = min(case.trials, key=lambda trial: 1.0 if trial.value is None else trial.value)
    if not worst.output or worst.output == case.baseline_output:
        return
    marked = one_line(marked_diff(case.baseline_output, worst.output))
    diff = wrap(marked, width - len(_GUTTER)) if marked else []
    for line in diff[:_DIFF_LINES]:
        yield Line(_GUTTER + line)
    if len(diff) > _DIFF_LINES:
        yield Line(f"{_GUTTER}...")


def _whole(suite: SuiteView, width: int) -> Iterator[Line]:
    judges = {judge.name: calibration_note(judge) for judge in suite.verdict.judges}
    for case in _known(suite, suite.regressed[:_DETAILED]):
        yield Line("")
        for line in case_lines(case, width - 2, rerun=rerun_command(case.id), judges=judges):
            yield Line(f"  {line.text}", line.colour)


def _known(suite: SuiteView, cases: Sequence[ChangedCase]) -> Iterator[CaseView]:
    return (suite.details[case.id] for case in cases if case.id in suite.details)

"""Lists of cases in the terminal: those that regressed, those that missed, and those without an answer.

Missed cases are listed whenever there are any, whether a gate failed or not. Cases with the same cause share a line.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.phrases import compare_command, look_command, may_retry
from pytest_evalgate.text.escape import format_command, one_line
from pytest_evalgate.text.layout import Line, align, truncate_columns, width_of, with_command, wrap_lines
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.reports.view import ChangedCaseRow, Reason, ReportView, SuiteView

LISTED: Final = 10
"""Rows of a list, unless the command line asks for more."""

_FOLDED: Final = 5
"""Longest list that is not folded in the log of a GitHub job."""

_WIDEST_ID: Final = 40
_WIDEST_TAGS: Final = 16
_WIDE_ENOUGH: Final = 72
_GAP: Final = 2
_GUTTER: Final = "     | "


@dataclass(frozen=True, slots=True)
class ListLimits:
    """How the terminal shows lists of cases.

    Args:
        listed: Rows of a list; None for all of them, one line for each.
        folds: Whether long lists are put into groups that GitHub folds.
    """

    listed: int | None = LISTED
    folds: bool = False


def regressed_lines(suite: SuiteView, width: int, limits: ListLimits) -> Iterator[Line]:
    """List the regressed cases, worst first.

    ::

        REGRESSED   worst first                             base -> now   why
        refund-001  golden_sets/support.jsonl:1  en,refund  pass -> miss  contains: states 30 days
        refund-002  golden_sets/support.jsonl:2             pass -> miss  18x exact: got 30 days, wanted 14 days
        ... 9 more: pytest-evalgate compare baselines/support-faq.json --suite support-faq --regressed
    """
    command = compare_command(suite.name, suite.verdict, regressed=True)
    yield from _list(f"REGRESSED of {suite.name}", "REGRESSED", suite.regressed, command, width, limits)


def missed_lines(
    suite: SuiteView, width: int, limits: ListLimits, *, shown: Iterable[ChangedCaseRow] = (), options: str = ""
) -> Iterator[Line]:
    """List the missed cases that are not ``shown`` elsewhere, worst first, and the command that shows them whole.

    ::

        MISSED      worst first                             base -> now   why
        refund-001  golden_sets/support.jsonl:1  en,refund  miss -> miss  contains: states 30 days
        in full: pytest --eval-gate --eval-fail-cases -k support-faq

    ``options`` are the command line options of the run. The command is left out if the suite failed: it is then one of
    the next steps below.
    """
    known = {row.id for row in shown}
    rows = [row for row in suite.missed_cases if row.id not in known]
    if not rows:
        return
    command = look_command(suite.name, options)
    title = "ALSO MISSED" if known else "MISSED"
    command = "" if suite.verdict.verdict == "fail" else command
    yield from _list(f"{title} of {suite.name}", title, rows, command, width, limits)


def _list(
    name: str, title: str, cases: Sequence[ChangedCaseRow], command: str, width: int, limits: ListLimits
) -> Iterator[Line]:
    if limits.listed == 0:
        text = f"{count(len(cases), 'case')} {title.lower()}"
        yield from with_command(f"{text}:", one_line(command), width, "  ") if command else [Line(f"  {text}")]
        return
    rows = [_ListRow(case, 1) for case in cases] if limits.listed is None else [*_rows(cases)]
    most = len(rows) if limits.listed is None else limits.listed
    if len(rows) == most + 1:  # one more row takes as much room as "1 more"
        most += 1
    folded = limits.folds and len(rows) > _FOLDED
    if folded:
        yield Line(format_command("group", f"{one_line(name)}: {count(len(cases), 'case')}"), is_command=True)
    yield from _table(title, rows[:most], width)
    if folded:
        yield Line("::endgroup::", is_command=True)
    more, joined = sum(row.cases for row in rows[most:]), len(rows) < len(cases)
    if command:
        label = f"... {more:,} more:" if more else "one by one:" if joined else "in full:"
        yield from with_command(label, one_line(command), width, "  ")
    elif more:
        yield Line(f"  ... {more:,} more: -v lists all")


@dataclass(frozen=True, slots=True)
class _ListRow:
    """A line of a list: its first case, and the number of cases with the same cause."""

    first: ChangedCaseRow
    cases: int

    @property
    def reason(self) -> str:
        text = one_line(self.first.reason)
        return text if self.cases == 1 else f"{self.cases:,}x {text}"


def _rows(cases: Sequence[ChangedCaseRow]) -> Iterator[_ListRow]:
    """Join the cases with the same cause and the same change, in the order of their first cases."""
    keys = [(case.cause, case.before, case.now) for case in cases]
    number = Counter(keys)
    listed: set[tuple[str, str, str]] = set()
    for case, key in zip(cases, keys, strict=True):
        if not case.cause:  # unknown causes may differ
            yield _ListRow(case, 1)
        elif key not in listed:
            listed.add(key)
            yield _ListRow(case, number[key])


def _table(title: str, rows: Sequence[_ListRow], width: int) -> Iterator[Line]:
    """Render the rows; a reason that does not fit beside its case goes below it, so that it has the whole line."""
    cases = [row.first for row in rows]
    heads = _heads(title, cases, width - 2, tagged=width > _WIDE_ENOUGH)
    longest = max(width_of(row.reason) for row in rows)
    if longest > width - max(map(width_of, heads)) - 4:
        heads = _heads(title, cases, width - 2, tagged=False)
    room = max(map(width_of, heads))
    beside = width - room - 4
    yield Line(f"  {heads[0]:<{room}}  why")
    for head, row in zip(heads[1:], rows, strict=True):
        if width_of(row.reason) <= beside:
            yield Line(f"  {head}{' ' * (room - width_of(head))}  {row.reason}".rstrip())
            continue
        yield Line(f"  {head}")
        yield Line(f"{_GUTTER}{truncate_columns(row.reason, width - len(_GUTTER))}")


def _heads(title: str, cases: Sequence[ChangedCaseRow], width: int, *, tagged: bool) -> list[str]:
    """Return the heading and the rows, without reasons: id, place, tags (if ``tagged``), change.

    A long place is truncated at its start, because its end has the line number.
    """
    compared = any(case.before for case in cases)
    ids = (title, *(truncate_columns(one_line(case.id), min(_WIDEST_ID, width // 3)) for case in cases))
    tags = ("", *(truncate_columns(one_line(",".join(case.tags)), _WIDEST_TAGS) for case in cases))
    changes = ("base -> now" if compared else "now", *(_change(case, compared=compared) for case in cases))
    others = [ids, tags, changes] if any(tags) and tagged else [ids, changes]
    room = width - sum(max(map(width_of, column)) + _GAP for column in others)
    places = ("worst first", *(_truncate_start(one_line(str(case.place)), room) for case in cases))
    return align(list(zip(ids, places, *others[1:], strict=True)))


def _change(case: ChangedCaseRow, *, compared: bool) -> str:
    return f"{case.before or '-'} -> {case.now}" if compared else case.now


def _truncate_start(text: str, room: int) -> str:
    return text if width_of(text) <= room else f"...{truncate_columns(text[::-1], room)[:-3][::-1]}"


_REASONS: Final = 3


def errored_lines(suite: SuiteView, view: ReportView, width: int) -> Iterator[Line]:
    """List the reasons of missing outputs, and their consequence.

    ::

        ERROR 6x http://127.0.0.1/v1: HTTP 503 after 5 attempts  (first: golden/faq.jsonl:3)
          The gate was NOT decided: missing answers count neither as misses nor as passes. ...

    A reason is printed whole, because it names the endpoint.
    """
    for reason in suite.errors[:_REASONS]:
        text = f"  ERROR {reason.count:,}x {one_line(reason.text)}  (first: {one_line(reason.example)})"
        yield from wrap_lines(text, width)
    yield from _other_reasons(suite.errors, "  ERROR ")
    if suite.verdict.verdict != "incomplete":
        return
    text = "The gate was NOT decided: missing answers count neither as misses nor as passes."
    yield from wrap_lines(f"       {text}{_rerun_note(suite, view)}", width)


def _other_reasons(reasons: tuple[Reason, ...], indent: str) -> Iterator[Line]:
    left = reasons[_REASONS:]
    if left:
        cases = sum(reason.count for reason in left)
        yield Line(f"{indent}{cases:,}x for {count(len(left), 'other reason')}")


def _rerun_note(suite: SuiteView, view: ReportView) -> str:
    """Return the effect of a rerun on the missing answers, if it is known."""
    counts = suite.verdict.accounting
    if not may_retry(suite.verdict):
        return " A re-run alone may not help: see the reasons above."
    # only replies of models are cached, not the outputs of Python targets
    if not view.verdict.calls.planned or not counts.passed + counts.missed:
        return ""
    if suite.uncached >= counts.planned - counts.skipped:
        return " A re-run sends every case again."
    return f" A re-run sends only {count(suite.uncached, 'case')}: the other answers are cached."

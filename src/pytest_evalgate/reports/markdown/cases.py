"""The cases of a suite that a reader wants to see: worse, better, missed, without an answer, flaky, and in full."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.reports.escape.markdown import fenced
from pytest_evalgate.reports.headline import compare_command
from pytest_evalgate.reports.markdown.parts import case_name, folded_away, name, prose, shell, table
from pytest_evalgate.reports.texts import cut
from pytest_evalgate.reports.view import level
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.reports.cases import CaseView
    from pytest_evalgate.reports.links import Links
    from pytest_evalgate.reports.markdown.extent import Extent
    from pytest_evalgate.reports.view import FlakyCase, Reason, SuiteView

_TEXT: Final = 600
_JUDGED: Final = frozenset({"pass", "fail", "inconclusive"})  # else a case without an answer stood there as worse


def case_lists(suite: SuiteView, links: Links | None, extent: Extent) -> Iterator[str]:
    """Write the lists of a suite, each for the reader to open; those that failed a gate stand open."""
    if not extent.listed:
        return
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.regressed and suite.verdict.verdict in _JUDGED:
        yield _changed("regressed", suite, links, extent.listed, opened="no-regression" in failed)
    if suite.missed:
        opened = bool(failed - {"no-regression"})
        yield _reasons("missed case", suite.missed, extent.listed, opened=opened)
    if suite.errors:
        yield _reasons("unanswered case", suite.errors, extent.listed, opened=True)
    if suite.flaky:
        yield _flaky(suite.flaky, extent.listed)
    if suite.fixed:
        yield _changed("fixed", suite, links, extent.listed)


def whole_cases(suite: SuiteView, links: Links | None, extent: Extent) -> Iterator[str]:
    """Write cases with their texts, for the reader to open."""
    shown = [_whole(case, links) for case in islice(suite.details.values(), extent.whole)]
    if shown:
        yield folded_away(f"<b>{count(len(shown), 'case')} in full</b>", *shown)


def _changed(
    how: Literal["regressed", "fixed"], suite: SuiteView, links: Links | None, listed: int, *, opened: bool = False
) -> str:
    cases = suite.regressed if how == "regressed" else suite.fixed
    rows = (
        (case_name(case.id, case.place, links), f"{case.before} -> {case.now}", prose(case.reason))
        for case in cases[:listed]
    )
    every = f"all: {shell(compare_command(suite.name, suite.verdict, regressed=how == 'regressed'))}"
    blocks = [table(("Case", "Was -> now", "Why"), rows), *([every] if len(cases) > listed else [])]
    return folded_away(_title(f"{how} case", len(cases), len(cases), listed), *blocks, opened=opened)


def _reasons(noun: str, reasons: Sequence[Reason], listed: int, *, opened: bool) -> str:
    rows = ((f"{reason.count:,}", prose(reason.text), name(reason.example)) for reason in reasons[:listed])
    title = _title(noun, sum(reason.count for reason in reasons), len(reasons), listed)
    return folded_away(title, table(("Cases", "Why", "First"), rows), opened=opened)


def _flaky(cases: Sequence[FlakyCase], listed: int) -> str:
    rows = ((name(case.id), name(case.place), f"{case.passed} of {case.trials}") for case in cases[:listed])
    title = _title("flaky case", len(cases), len(cases), listed)
    return folded_away(title, table(("Case", "Where", "Trials passed"), rows))


def _title(noun: str, cases: int, rows: int, listed: int) -> str:
    return f"<b>{count(cases, noun)}</b>{f' (first {listed:,})' if rows > listed else ''}"


def _whole(case: CaseView, links: Links | None) -> str:
    before = level(case.before)
    now = level(case.value) or "no answer"
    head = f"#### {case_name(case.id, case.place, links)} {f'{before} -> {now}' if before else now}"
    answers = [trial.output for trial in sorted(case.trials, key=lambda trial: trial.value == 1)]
    texts = {
        "Input": case.input,
        "Expected": case.expected,
        "Baseline": case.baseline_output or "",
        "Now": answers[0] if answers else "",
    }
    why = [f"Why: {prose(case.reason)}"] if case.reason else []
    blocks = (f"{title}\n\n{fenced(cut(text, _TEXT))}" for title, text in texts.items() if text)
    return "\n\n".join([head, *why, *blocks])

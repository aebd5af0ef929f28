"""Cases in Markdown: the worst ones with both answers, and the lists of those that changed or missed.

::

    | [`refund-014`](https://...) | How long do I have to return a jacket? |
    | :-- | :-- |
    | expected | 14 days from delivery, unworn |
    | before | You <del>can return it within 14 days of delivery.</del> |
    | now | You <ins>have 30 days to return any item.</ins> |
    | pass → miss | states 30 days; the policy says 14 days (judge `faq`) |
"""

from __future__ import annotations

from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.diff import are_alike, condense, one_side
from pytest_evalgate.reports.markdown_blocks import case_name, collapsible, command, marked, name, prose, step, table
from pytest_evalgate.reports.view import format_mean, truncate
from pytest_evalgate.text.escape import fenced
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.reports.view import CaseView, ChangedCaseRow, Links, Reason, ReportView, SuiteView, WorstCase

_DECIDED: Final = frozenset({"pass", "fail", "inconclusive"})  # in other verdicts, "regressed" counts missing answers
_QUESTION: Final = 200
_ANSWER: Final = 400
_IN_LIST: Final = 80
_IN_FULL: Final = 600
_NAMED: Final = 5


def worst_of_run(view: ReportView, most: int) -> list[tuple[SuiteView, WorstCase]]:
    """Return the worst cases of the run: one of each suite in turn, the worst suite first."""
    by_suite = ([(suite, worst) for worst in suite.worst] for suite in phrases.worst_suites(view))
    return [one for row in zip_longest(*by_suite) for one in row if one is not None][:most]


def worst_case(worst: WorstCase, links: Links | None, *, suite: str = "") -> str:
    """Render a case with its question, both answers and the reason; ``suite`` is its suite if the run has several."""
    case = worst.case
    before, now = format_mean(case.before), "no answer" if case.value is None else format_mean(case.value)
    judge = f" (judge {name(worst.judge)})" if worst.judge and worst.why else ""
    rows = [*((title, text) for title, text in _texts_of(worst) if text)]
    rows.append((step(before, now), f"{prose(worst.why)}{judge}"))
    return table((case_name(case.id, case.place, links, suite=suite), prose(case.input, _QUESTION)), rows)


def _texts_of(worst: WorstCase) -> Iterator[tuple[str, str]]:
    case = worst.case
    pieces = condense(worst.diff, 2 * _ANSWER) if are_alike(worst.diff) else ()
    yield "expected", prose(case.expected, _ANSWER)
    if case.baseline_output is not None:
        yield "before", marked(one_side(pieces, "removed")) if pieces else prose(case.baseline_output, _ANSWER)
    if worst.output and worst.output == case.baseline_output:
        yield "now", "the same answer"
    else:
        yield "now", marked(one_side(pieces, "added")) or prose(worst.output, _ANSWER) or "no answer"


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """A case in a list, with its suite."""

    suite: SuiteView
    row: ChangedCaseRow


def run_lists(view: ReportView, shown: Iterable[tuple[SuiteView, WorstCase]], listed: int) -> Iterator[str]:
    """Render one list of the regressed, then the missed cases of all suites, and one of the unanswered cases.

    ``shown`` are cases that are left out, because they are shown in full.
    """
    known = {(suite.name, worst.case.id) for suite, worst in shown}
    more, cases, counts = "more " if known else "", list[SuiteCase](), list[str]()
    suites = phrases.worst_suites(view)
    for noun, rows_of in (("regressed", _regressed), ("missed", _missed)):
        new = [
            SuiteCase(suite, row) for suite in suites for row in rows_of(suite) if (suite.name, row.id) not in known
        ]
        known.update((one.suite.name, one.row.id) for one in new)
        cases += new
        counts += [f"<b>{count(len(new), f'{more}{noun} case')}</b>"] if new else []
    if cases:
        yield _list(" and ".join(counts), cases, view.links, listed)
    errors = [reason for suite in suites for reason in suite.errors]
    if errors:
        yield reasons("unanswered case", sorted(errors, key=lambda one: -one.count), listed, opened=True)


def _regressed(suite: SuiteView) -> Sequence[ChangedCaseRow]:
    return suite.regressed if suite.verdict.verdict in _DECIDED else ()


def _missed(suite: SuiteView) -> Sequence[ChangedCaseRow]:
    """Return the missed cases if they matter to the verdict: without a baseline, or for a gate on the pass rate."""
    if suite.verdict.verdict == "pass":
        return ()
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    return suite.missed_cases if failed - {"no-regression", "slice"} or suite.verdict.delta is None else ()


def _list(title: str, cases: Sequence[SuiteCase], links: Links | None, listed: int) -> str:
    several = len({one.suite.name for one in cases}) > 1
    listed += len(cases) == listed + 1  # one more case takes less room than the line on the others
    blocks = [table(("Case", "Question", "Reason"), (_row(one, links, several) for one in cases[:listed]))]
    if len(cases) > listed:
        suite = cases[0].suite
        all_of = phrases.compare_command(suite.name, suite.verdict, regressed=bool(_regressed(suite)))
        blocks.append(
            f"all: {command(all_of)}" if suite.verdict.delta is not None else "all: in the summary of the job"
        )
        title = f"{title} (first {listed:,})"
    return collapsible(title, *blocks, opened=True)


def _row(one: SuiteCase, links: Links | None, several: bool) -> tuple[str, ...]:  # noqa: FBT001 - private
    row, whole = one.row, one.suite.details.get(one.row.id)
    case = case_name(row.id, row.place, links, suite=one.suite.name if several else "")
    question = "" if whole is None else prose(whole.input, _IN_LIST)
    return f"{case} {step(row.before, row.now)}", question, prose(row.reason, 2 * _IN_LIST)


def better_cases(view: ReportView) -> str:
    """Render the cases that got better, by id; an empty text if there is none."""
    fixed = [(suite, row) for suite in view.suites for row in suite.fixed]
    if not fixed:
        return ""
    named = ", ".join(name(row.id) for _, row in fixed[:_NAMED])
    more = f" and {len(fixed) - _NAMED:,} more" if len(fixed) > _NAMED else ""
    return f"{count(len(fixed), 'case')} got better: {named}{more}"


def suite_lists(suite: SuiteView, links: Links | None, listed: int) -> Iterator[str]:
    """Render the lists of a suite as collapsible sections; those that belong to a failed gate are open."""
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if regressed := _regressed(suite):
        yield _changed("regressed", suite, regressed, links, listed, opened="no-regression" in failed)
    if suite.missed:
        yield reasons("missed case", suite.missed, listed, opened=bool(failed - {"no-regression"}))
    if suite.errors:
        yield reasons("unanswered case", suite.errors, listed, opened=True)
    if suite.flaky:
        flaky = ((name(one.id), name(one.place), f"{one.passed} of {one.trials}") for one in suite.flaky[:listed])
        title = _title("flaky case", len(suite.flaky), len(suite.flaky), listed)
        yield collapsible(title, table(("Case", "Place", "Trials passed"), flaky))
    if suite.fixed:
        yield _changed("fixed", suite, suite.fixed, links, listed)


def _changed(
    how: str,
    suite: SuiteView,
    cases: Sequence[ChangedCaseRow],
    links: Links | None,
    listed: int,
    *,
    opened: bool = False,
) -> str:
    rows = (_row(SuiteCase(suite, case), links, several=False) for case in cases[:listed])
    blocks = [table(("Case", "Question", "Reason"), rows)]
    if len(cases) > listed:
        all_of = phrases.compare_command(suite.name, suite.verdict, regressed=how == "regressed")
        blocks.append(f"all: {command(all_of)}")
    return collapsible(_title(f"{how} case", len(cases), len(cases), listed), *blocks, opened=opened)


def reasons(noun: str, groups: Sequence[Reason], listed: int, *, opened: bool) -> str:
    """Render the reasons of missed or unanswered cases, with the first case of each."""
    rows = ((f"{group.count:,}", prose(group.text), name(group.example)) for group in groups[:listed])
    title = _title(noun, sum(group.count for group in groups), len(groups), listed)
    return collapsible(title, table(("Cases", "Reason", "First"), rows), opened=opened)


def _title(noun: str, cases: int, rows: int, listed: int) -> str:
    return f"<b>{count(cases, noun)}</b>{f' (first {listed:,})' if rows > listed else ''}"


def cases_in_full(suite: SuiteView, links: Links | None, most: int) -> Iterator[str]:
    """Render the first cases of a suite with their whole texts, as one collapsible section."""
    in_full = [_case_in_full(case, links) for case in islice(suite.details.values(), most)]
    if in_full:
        yield collapsible(f"<b>{count(len(in_full), 'case')} in full</b>", *in_full)


def _case_in_full(case: CaseView, links: Links | None) -> str:
    before = format_mean(case.before)
    now = format_mean(case.value) or "no answer"
    head = f"#### {case_name(case.id, case.place, links)} {step(before, now)}"
    outputs = [trial.output for trial in sorted(case.trials, key=lambda trial: trial.value == 1)]  # misses first
    texts = {
        "Question": case.input,
        "Expected": case.expected,
        "Before": case.baseline_output or "",
        "Now": outputs[0] if outputs else "",
    }
    reason = [f"Reason: {prose(case.reason)}"] if case.reason else []
    blocks = (f"{title}\n\n{fenced(truncate(text, _IN_FULL))}" for title, text in texts.items() if text)
    return "\n\n".join(chain([head], reason, blocks))

"""Markdown for GitHub: the summary of a step, and the comment on a pull request.

Both are the same page with other limits. A page that is too large is rendered again with less, and its last line
names the parts left out: GitHub shows no summary at all above 1 MiB, and rejects a comment above 65,536 characters.

::

    ## Eval gate: FAIL - support-faq -6.2 pp: 19 worse, 4 better vs support-faq.json

    1 of 2 gates passed · 240 cases · US$0.31 · exit 1

    |  | Suite | Pass rate (95% CI) | Base | Change (bounds) | Gate |
    | --- | --- | --- | --- | --- | --- |
    | **FAIL** | `support-faq` | 221/240 · 92.1% (88.0-94.9) | 98.3 | -6.2 pp (-9.8..-3.2) | no-regression |
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.view import MAX_DETAILED, format_mean, truncate
from pytest_evalgate.text.escape import code, fenced, inline
from pytest_evalgate.text.wording import UNDER_TEST, count, percent, points, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_evalgate.records.results import (
        Delta,
        GateChange,
        GateResult,
        HistoryRow,
        JudgeVerdict,
        Place,
        SuiteVerdict,
    )
    from pytest_evalgate.reports.view import CaseView, Links, Reason, ReportView, SuiteView

MARKER: Final = "<!-- evalgate -->"
"""First line of the comment, by which a workflow finds the comment to update."""

COMMENT_LIMIT: Final = 60_000
"""UTF-16 code units; GitHub accepts 65,536."""

SUMMARY_LIMIT: Final = 900 << 10
"""Bytes; GitHub shows no summary of a step above 1 MiB."""


@dataclass(frozen=True, slots=True)
class _PageLimits:
    """The parts of a run that a page shows.

    ``omitted`` names the parts left out. Each list shows ``listed`` cases, and each suite ``whole`` cases with their
    texts; ``passing_slices`` also shows the slices of suites that pass.
    """

    omitted: str = ""
    listed: int = 10
    whole: int = 0
    passing_slices: bool = True
    trends: bool = False


_SLICES: Final = "slices of suites that pass"
_COMMENT_STEPS: Final = (
    _PageLimits(),
    _PageLimits(_SLICES, passing_slices=False),
    _PageLimits(f"{_SLICES}, all but 3 cases of each list", 3, passing_slices=False),
    _PageLimits(f"{_SLICES}, lists of cases", 0, passing_slices=False),
)
_SUMMARY_STEPS: Final = (
    _PageLimits(listed=MAX_DETAILED, whole=MAX_DETAILED, trends=True),
    _PageLimits(_SLICES, MAX_DETAILED, MAX_DETAILED, passing_slices=False, trends=True),
    _PageLimits(f"{_SLICES}, cases in full", MAX_DETAILED, 0, passing_slices=False, trends=True),
    _PageLimits(f"{_SLICES}, cases in full, all but 10 cases of each list", 10, 0, passing_slices=False),
    _PageLimits(f"{_SLICES}, cases in full, lists of cases", 0, 0, passing_slices=False),
)


def render_comment(view: ReportView) -> str:
    """Render the comment, at most 60,000 characters; one line if everything passed and nothing needs attention.

    ::

        <!-- evalgate -->
        Eval gate: pass - 1 suite, 240 cases, no drop is proven (largest change: `support-faq` +0.4 pp). US$0.31.
    """
    if _is_clean(view):
        return f"{MARKER}\n{_passed(view)}\n"
    room = COMMENT_LIMIT - len(MARKER) - 1
    text = _render_to_fit(view, _COMMENT_STEPS, lambda text: len(text.encode("utf-16-le")) // 2, room)
    return f"{MARKER}\n{text}"


def render_summary(view: ReportView) -> str:
    """Render the summary of a step, at most 900 KiB."""
    return _render_to_fit(view, _SUMMARY_STEPS, lambda text: len(text.encode()), SUMMARY_LIMIT)


def _is_clean(view: ReportView) -> bool:
    """Return whether nothing needs the attention of a reviewer."""
    verdict = view.verdict
    return (
        (verdict.verdict, verdict.exit_code) == ("pass", 0)
        and verdict.base_problem is None
        and not view.notes
        and all(change.what in UNDER_TEST for change in verdict.changed_in_gate or ())
        and all(
            suite.verdict.verdict == "pass" and not (_has_dropped(suite.verdict.delta) or suite.verdict.notes)
            for suite in view.suites
        )
    )


def _has_dropped(delta: Delta | None) -> bool:
    """Return whether a suite dropped: within its margin, or with too few cases to prove it."""
    return delta is not None and (delta.finding.startswith("regressed") or (delta.delta < 0 and delta.mde is None))


def _passed(view: ReportView) -> str:
    deltas = {suite.name: suite.verdict.delta.delta for suite in view.suites if suite.verdict.delta is not None}
    text = f"{count(len(view.suites), 'suite')}, {count(view.verdict.accounting.planned, 'case')}"
    if deltas:
        largest = max(deltas, key=lambda suite: abs(deltas[suite]))
        text += f", no drop is proven (largest change: {_name(largest)} {points(deltas[largest])})"
    blind = [suite for suite in view.suites if any(gate.blind_below is not None for gate in suite.verdict.gates)]
    if blind:
        text += f"; too few cases to see a drop: {', '.join(_name(suite.name) for suite in blind)}"
    return f"Eval gate: pass - {text}. {phrases.cost(view.verdict.calls)}."


def _render_to_fit(
    view: ReportView, limit_steps: Sequence[_PageLimits], size: Callable[[str], int], limit: int
) -> str:
    """Render a page under the first limits that make it fit, with a last line that names the parts left out.

    If even the last limits do not make it fit, return its first lines.
    """
    text, where = "", _where(view)
    for limits in limit_steps:
        text = _page(view, limits)
        fitted = f"{text}\n\nLeft out to fit: {limits.omitted}. {where}\n" if limits.omitted else f"{text}\n"
        if size(fitted) <= limit:
            return fitted
    note = f"\nLeft out to fit: all but the first lines. {where}\n"
    lines, room = [], limit - size(note)
    for line in text.splitlines(keepends=True):
        room -= size(line)
        if room < 0:
            break
        lines.append(line)
    return "".join(lines) + note


def _page(view: ReportView, limits: _PageLimits) -> str:
    """Render the page: the verdict, the table of gates, their messages, each suite, and the facts of the run."""
    rows = [row for suite in view.suites for row in _gate_rows(suite)]  # the numbers of a suite are in its first row
    table = [_table(_GATE_HEADINGS, rows)] if view.suites else []
    messages = list(chain.from_iterable(map(_gate_messages, view.suites)))
    suites = chain.from_iterable(_suite(view, suite, limits) for suite in view.suites)
    blocks = [*_header(view, limits), *table, *(["\n".join(messages)] if messages else []), *suites]
    return "\n\n".join([*blocks, *_footer(view, limits)])


def _header(view: ReportView, limits: _PageLimits) -> Iterator[str]:
    verdict = view.verdict
    if verdict.base_problem is not None:
        yield f"**{_prose(phrases.base_problem(verdict.base_problem))}**"
    yield f"## Eval gate: {phrases.run_word(verdict.verdict)} - {_prose(phrases.reason(verdict))}"
    gates = [gate for suite in view.suites for gate in suite.verdict.gates]
    passed = f"{sum(gate.result == 'pass' for gate in gates):,} of {count(len(gates), 'gate')} passed"
    cases = count(verdict.accounting.planned, "case")
    yield " · ".join([passed, cases, phrases.cost(verdict.calls), phrases.exit_note(verdict, view.notes)])
    if verdict.changed_in_gate:
        yield from _gate_changes(verdict.changed_in_gate, limits.listed)
    yield from (f"**INVALID** {_prose(problem)}" for problem in verdict.problems)
    if verdict.refused is not None:
        yield f"**NOT EVALUATED** {_prose(verdict.refused)}"


def _gate_changes(changes: Sequence[GateChange], listed: int) -> Iterator[str]:
    """Render the changes in the gate: all that weaken it, and others up to the limit."""
    ordered = phrases.weakest_first(changes)
    shown = ordered[: max(sum(change.effect == "weaker" for change in changes), listed)]
    yield "### What changed in the gate"
    yield phrases.count_gate_changes(changes)
    yield _table(("Effect", "What", "Where", "Before", "Now", "Acknowledged"), map(_gate_change_row, shown))
    if len(ordered) > len(shown):
        yield f"{len(ordered) - len(shown):,} more are in `verdict.json`"


def _gate_change_row(change: GateChange) -> tuple[str, ...]:
    effect = change.effect.upper()
    texts = (change.before, change.now, change.acknowledged or "")
    effect = f"**{effect}**" if effect == "WEAKER" else effect
    return (effect, _prose(change.what), _name(change.where), *map(_prose, texts))


_GATE_HEADINGS: Final = ("", "Suite", "Pass rate (95% CI)", "Base", "Change (bounds)", "Gate")


def _gate_rows(suite: SuiteView) -> Iterator[tuple[str, ...]]:
    verdict = suite.verdict
    for index, (numbers, gate) in enumerate(phrases.suite_rows(verdict)):
        name = "" if index else _name(suite.name)
        cells = ("", "", "")
        if numbers is not None:
            cells = (numbers.rate.replace("  ", " · "), numbers.base, numbers.change)
        result, gate_name = ("", "") if gate is None else (_result(suite, gate), _prose(phrases.gate_name(gate)))
        yield result, name, *cells, gate_name


def _result(suite: SuiteView, gate: GateResult) -> str:
    word = phrases.result_of(suite.verdict, gate)
    return word if gate.result == "pass" else f"**{word}**"


def _gate_messages(suite: SuiteView) -> Iterator[str]:
    """Render the messages of the gates that did not pass, or could not have failed; equal messages appear once."""
    shown = (gate for gate in suite.verdict.gates if gate.result != "pass" or gate.blind_below is not None)
    messages = {gate.message: gate for gate in shown}
    for message, gate in messages.items():
        yield f"- {_result(suite, gate)} {_name(suite.name)}, {_prose(phrases.gate_name(gate))}: {_prose(message)}"


def _suite(view: ReportView, suite: SuiteView, limits: _PageLimits) -> Iterator[str]:
    """Render the details of one suite, below its name if there are several suites."""
    details = islice(suite.details.values(), limits.whole)
    in_full = [_case_in_full(case, view.links) for case in details]
    blocks = [*_case_lists(suite, view.links, limits), *_details(suite, limits)]
    if in_full:
        blocks.append(_collapsible(f"<b>{count(len(in_full), 'case')} in full</b>", *in_full))
    if blocks and len(view.suites) > 1:
        yield f"### {_name(suite.name)}"
    yield from blocks


_DECIDED: Final = frozenset({"pass", "fail", "inconclusive"})  # in other verdicts, "regressed" counts missing answers


def _case_lists(suite: SuiteView, links: Links | None, limits: _PageLimits) -> Iterator[str]:
    """Render the lists of cases as collapsible sections; those that belong to a failed gate are open."""
    if not limits.listed:
        return
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.regressed and suite.verdict.verdict in _DECIDED:
        yield _changed("regressed", suite, links, limits.listed, opened="no-regression" in failed)
    if suite.missed:
        yield _reasons("missed case", suite.missed, limits.listed, opened=bool(failed - {"no-regression"}))
    if suite.errors:
        yield _reasons("unanswered case", suite.errors, limits.listed, opened=True)
    if suite.flaky:
        cases = suite.flaky
        flaky = ((_name(one.id), _name(one.place), f"{one.passed} of {one.trials}") for one in cases[: limits.listed])
        title = _title("flaky case", len(cases), len(cases), limits.listed)
        yield _collapsible(title, _table(("Case", "Place", "Trials passed"), flaky))
    if suite.fixed:
        yield _changed("fixed", suite, links, limits.listed)


def _changed(
    how: Literal["regressed", "fixed"], suite: SuiteView, links: Links | None, listed: int, *, opened: bool = False
) -> str:
    cases = suite.regressed if how == "regressed" else suite.fixed
    rows = (
        (_case_name(case.id, case.place, links), f"{case.before} -> {case.now}", _prose(case.reason))
        for case in cases[:listed]
    )
    command = phrases.compare_command(suite.name, suite.verdict, regressed=how == "regressed")
    blocks = [_table(("Case", "Base -> now", "Reason"), rows)]
    if len(cases) > listed:
        blocks.append(f"all: {_command(command)}")
    return _collapsible(_title(f"{how} case", len(cases), len(cases), listed), *blocks, opened=opened)


def _reasons(noun: str, reasons: Sequence[Reason], listed: int, *, opened: bool) -> str:
    rows = ((f"{reason.count:,}", _prose(reason.text), _name(reason.example)) for reason in reasons[:listed])
    title = _title(noun, sum(reason.count for reason in reasons), len(reasons), listed)
    return _collapsible(title, _table(("Cases", "Reason", "First"), rows), opened=opened)


def _title(noun: str, cases: int, rows: int, listed: int) -> str:
    return f"<b>{count(cases, noun)}</b>{f' (first {listed:,})' if rows > listed else ''}"


_SLICE_HEADINGS: Final = ("Slice", "Pass rate (95% CI)", "Change", "Worse / better", "p")
_JUDGE_HEADINGS: Final = ("Judge", "TPR", "TNR", "Labels", "Passed", "Corrected", "May gate")
_FEWEST_RUNS: Final = 3


def _details(suite: SuiteView, limits: _PageLimits) -> Iterator[str]:
    verdict = suite.verdict
    if verdict.slices and (limits.passing_slices or verdict.verdict != "pass"):
        yield _collapsible(count(len(verdict.slices), "slice"), *_slices(verdict))
    if verdict.judges:
        table = _table(_JUDGE_HEADINGS, map(_judge_row, verdict.judges))
        yield _collapsible(count(len(verdict.judges), "judge"), table)
    trend = phrases.trend_warning(verdict)
    notes = [*verdict.notes, *([] if trend is None else [trend])]
    if notes:
        yield "\n".join(f"- NOTE {_name(suite.name)}: {_prose(note)}" for note in notes)
    if limits.trends and len(suite.history) >= _FEWEST_RUNS:
        yield _collapsible("Pass rate over the last runs", _trend_chart(suite.history))


def _slices(verdict: SuiteVerdict) -> Iterator[str]:
    for by, group in groupby(verdict.slices, key=attrgetter("by")):
        pieces = list(group)
        how = phrases.slice_gates(pieces, verdict.gates, "gated, Holm's p")
        yield f"By {_name(by)} ({how})"
        rates = (f"{one.passed:,}/{one.n:,} · {phrases.share(one.pass_rate, one.interval)}" for one in pieces)
        rows = ((_name(one.value), rate, *phrases.slice_change(one)) for one, rate in zip(pieces, rates, strict=True))
        yield _table(_SLICE_HEADINGS, rows)


def _judge_row(judge: JudgeVerdict) -> tuple[str, ...]:
    rates = [
        "-" if rate is None else f"{percent(rate[0])} (at least {percent(rate[1])})" for rate in (judge.tpr, judge.tnr)
    ]
    passed = "-" if judge.pass_rate is None else f"{percent(judge.pass_rate)} of {judge.scored:,}"
    corrected = "-" if judge.corrected is None else phrases.share(judge.corrected.value, judge.corrected.interval)
    may_gate = "yes" if judge.why_not is None else f"no: {_prose(judge.why_not)}"
    return _name(judge.name), *rates, f"{judge.labels:,}", passed, corrected, may_gate


def _trend_chart(history: Sequence[HistoryRow]) -> str:
    """Draw the pass rates as a Mermaid chart of numbers only, because foreign text could be Mermaid code."""
    rates = [100 * row.pass_rate for row in history]
    lowest = max(10 * int(min(rates) / 10 - 0.5), 0)
    lines = (
        "xychart-beta",
        f'    x-axis "runs, the newest last" 1 --> {len(rates)}',
        f'    y-axis "pass rate, %" {lowest} --> 100',
        f"    line [{', '.join(f'{rate:.1f}' for rate in rates)}]",
    )
    return fenced("\n".join(lines), "mermaid")


_CASE_TEXT: Final = 600


def _case_in_full(case: CaseView, links: Links | None) -> str:
    before = format_mean(case.before)
    now = format_mean(case.value) or "no answer"
    head = f"#### {_case_name(case.id, case.place, links)} {f'{before} -> {now}' if before else now}"
    outputs = [trial.output for trial in sorted(case.trials, key=lambda trial: trial.value == 1)]  # misses first
    texts = {
        "Input": case.input,
        "Expected": case.expected,
        "Baseline": case.baseline_output or "",
        "Candidate": outputs[0] if outputs else "",
    }
    reason = [f"Reason: {_prose(case.reason)}"] if case.reason else []
    blocks = (f"{title}\n\n{fenced(truncate(text, _CASE_TEXT))}" for title, text in texts.items() if text)
    return "\n\n".join([head, *reason, *blocks])


def _footer(view: ReportView, limits: _PageLimits) -> Iterator[str]:
    if view.verdict.suites_not_run:
        yield f"Not run: {', '.join(map(_name, view.verdict.suites_not_run))}"
    if view.notes:
        yield "\n".join(f"- NOTE {_prose(note)}" for note in view.notes)
    if limits.listed:
        yield _facts(view)
    steps = phrases.next_steps(view)
    if steps:
        yield "\n".join(f"- {step.why}: {_command(step.command)}" for step in steps)
    yield _where(view)


def _facts(view: ReportView) -> str:
    verdict = view.verdict
    calls = f"{verdict.calls.sent:,} sent, {verdict.calls.cached:,} cached, {verdict.calls.retried:,} retried"
    own = [("run", _name(verdict.run_id)), ("tier", _name(verdict.tier)), ("calls", calls)]
    own += [("duration", seconds(verdict.duration_s))]
    commit = [] if verdict.commit is None else [("commit", _name(verdict.commit))]
    rows = [*own, *commit, *((_prose(fact), _command(value)) for fact, value in view.facts)]
    return _collapsible(f"Run: {count(len(rows), 'fact')}", _table(("Fact", ""), rows))


def _where(view: ReportView) -> str:
    """Return the names of the report, the verdict and the run, and the address of the CI run if it is known."""
    run = view.links.run if view.links is not None else None
    parts = [f"[Run and its artifacts]({run})"] if run is not None else []
    if view.report_file is not None:
        parts.append(f"report: {_name(view.report_file)}")
    return " · ".join([*parts, f"verdict: {_name(view.verdict_file)}", f"run: {_name(view.run_file)}"])


_LONGEST_NAME: Final = 120
_LONGEST_PROSE: Final = 400


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table; its cells are already Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _collapsible(title: str, *blocks: str, opened: bool = False) -> str:
    """Render a section that a reader can open; ``title`` is HTML and must not contain foreign text."""
    head = f"<details{' open' if opened else ''}><summary>{title}</summary>"
    return "\n\n".join([head, *blocks, "</details>"])


def _name(text: str) -> str:
    return code(truncate(text, _LONGEST_NAME))


def _command(command: str) -> str:
    return code(truncate(command, _LONGEST_PROSE))


def _prose(text: str) -> str:
    """Escape and truncate a sentence that may contain foreign text."""
    return inline(truncate(text, _LONGEST_PROSE))


def _case_name(case_id: str, place: Place, links: Links | None) -> str:
    """Render a case's id as a link to its line, or with its place if the repository is unknown."""
    if links is None or not place.file:
        return f"{_name(case_id)} {_name(str(place))}" if place.file else _name(case_id)
    return f"[{_name(case_id)}]({links.line(place)})"

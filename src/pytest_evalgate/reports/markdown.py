"""Markdown for GitHub: the summary of a step, and the comment on a pull request.

Both begin with what to do first. The comment has at most 72 lines: the table of gates, the three worst cases with both
answers, one list of the others. The summary has a section for each suite. A page that is too large is rendered again
with less, and its last line names the parts left out: GitHub shows no summary at all above 1 MiB, and rejects a
comment above 65,536 characters.

::

    ## Eval gate: FAIL - support-faq -6.2 pp: 19 worse, 4 better vs support-faq.json

    **Do this first:** read the worst cases below. If the new answers are wrong, fix the change; ...

    |  | Suite | Pass rate (95% CI) | Base | Change (bounds) | Gate |
    | --- | --- | --- | --- | --- | --- |
    | **FAIL** | `support-faq` | 221/240 · 92.1% (88.0-94.9) | 98.3 | -6.2 pp (-9.8..-3.2) | no-regression |
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.markdown_blocks import collapsible, command, name, prose, table
from pytest_evalgate.reports.markdown_cases import (
    better_cases,
    cases_in_full,
    run_lists,
    suite_lists,
    worst_case,
    worst_of_run,
)
from pytest_evalgate.reports.markdown_gates import (
    candidate_blocks,
    chance_sentence,
    gate_changes,
    gate_messages,
    gate_table,
    harmless_changes,
    judge_table,
    slice_tables,
)
from pytest_evalgate.reports.metric_tables import markdown_details, markdown_lines
from pytest_evalgate.reports.view import MAX_DETAILED
from pytest_evalgate.text.escape import fenced
from pytest_evalgate.text.wording import NO_BASELINE, UNDER_TEST, count, points, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.records.verdicts import Delta, HistoryRow, VerdictName
    from pytest_evalgate.reports.view import ReportView, SuiteView

MARKER: Final = "<!-- evalgate -->"
"""First line of the comment, by which a workflow finds the comment to update."""

COMMENT_LIMIT: Final = 60_000
"""UTF-16 code units; GitHub accepts 65,536."""

SUMMARY_LIMIT: Final = 900 << 10
"""Bytes; GitHub shows no summary of a step above 1 MiB."""


COMMENT_LINES: Final = 72
"""Lines of the comment; with those that a workflow may put around them, it stays under 80."""


@dataclass(frozen=True, slots=True)
class _PageLimits:
    """The parts of a run that a page shows.

    ``omitted`` names the parts left out. Each list shows ``listed`` cases, the table ``gates`` rows, and each suite
    ``whole`` cases with their texts; ``passing_slices`` also shows the slices of suites that pass. A ``brief`` page
    has one line on changes in the gate that do not weaken it.
    """

    omitted: str = ""
    listed: int = 10
    gates: int = 10
    worst: int = 3
    whole: int = 0
    passing_slices: bool = True
    trends: bool = False
    brief: bool = True


_ALL_GATES: Final = 100_000
_SLICES: Final = "slices of suites that pass"
_COMMENT_STEPS: Final = (
    _PageLimits(),
    _PageLimits("all but 5 cases of each list", 5, 8),
    _PageLimits("all but 3 cases of each list", 3, 6),
    _PageLimits("lists of cases", 0, 6),
    _PageLimits("lists of cases, all but the worst case", 0, 4, 1),
)
_WHOLE: Final = _PageLimits("", MAX_DETAILED, _ALL_GATES, 3, MAX_DETAILED, trends=True, brief=False)
_SUMMARY_STEPS: Final = (
    _WHOLE,
    replace(_WHOLE, omitted=_SLICES, passing_slices=False),
    replace(_WHOLE, omitted=f"{_SLICES}, cases in full", passing_slices=False, whole=0),
    replace(
        _WHOLE,
        omitted=f"{_SLICES}, cases in full, all but 10 cases of each list",
        passing_slices=False,
        whole=0,
        trends=False,
        listed=10,
    ),
    replace(
        _WHOLE,
        omitted=f"{_SLICES}, cases in full, lists of cases",
        passing_slices=False,
        whole=0,
        trends=False,
        listed=0,
        worst=0,
    ),
)


def render_comment(view: ReportView) -> str:
    """Render the comment, at most 72 lines and 60,000 characters; one line if nothing needs attention.

    ::

        <!-- evalgate -->
        Eval gate: pass - 1 suite, 240 cases, no drop is proven (largest change: `support-faq` +0.4 pp). US$0.31.
    """
    if _is_clean(view):
        return f"{MARKER}\n{_passed(view)}\n"
    room = COMMENT_LIMIT - len(MARKER) - 1

    def fits(text: str) -> bool:
        return len(text.encode("utf-16-le")) // 2 <= room and text.count("\n") < COMMENT_LINES

    return f"{MARKER}\n{_render_to_fit(view, _comment, _COMMENT_STEPS, fits)}"


def render_summary(view: ReportView) -> str:
    """Render the summary of a step, at most 900 KiB."""
    return _render_to_fit(view, _summary, _SUMMARY_STEPS, lambda text: len(text.encode()) <= SUMMARY_LIMIT)


def _is_clean(view: ReportView) -> bool:
    """Return whether nothing needs the attention of a reviewer."""
    verdict = view.verdict
    return (
        (verdict.verdict, verdict.exit_code) == ("pass", 0)
        and verdict.base_problem is None
        and not view.notes
        and not verdict.side_by_side
        and all(change.what in UNDER_TEST for change in verdict.changed_in_gate or ())
        and all(
            suite.verdict.verdict == "pass"
            and not (_has_dropped(suite.verdict.delta) or suite.verdict.notes or suite.warned)
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
        text += f", no drop is proven (largest change: {name(largest)} {points(deltas[largest])})"
    blind = [suite for suite in view.suites if any(gate.blind_below is not None for gate in suite.verdict.gates)]
    if blind:
        text += f"; too few cases to see a drop: {', '.join(name(suite.name) for suite in blind)}"
    return f"Eval gate: pass - {text}. {phrases.cost(view.verdict.calls)}."


def _render_to_fit(
    view: ReportView,
    page: Callable[[ReportView, _PageLimits], Iterator[str]],
    limit_steps: Sequence[_PageLimits],
    fits: Callable[[str], bool],
) -> str:
    """Render a page under the first limits that make it fit, with a last line that names the parts left out.

    If even the last limits do not make it fit, return its first blocks that do.
    """
    blocks, where = list[str](), _where(view)
    for limits in limit_steps:
        blocks = [*page(view, limits)]
        last = [f"Left out to fit: {limits.omitted}. {where}"] if limits.omitted else [where]
        text = _joined([*blocks, *last])
        if fits(text):
            return text
    last = [f"Left out to fit: all but the first parts. {where}"]
    fewest, most = 0, len(blocks)
    while fewest < most:
        middle = (fewest + most + 1) // 2
        fewest, most = (middle, most) if fits(_joined([*blocks[:middle], *last])) else (fewest, middle - 1)
    return _joined([*blocks[:fewest], *last])


def _joined(blocks: Sequence[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def _comment(view: ReportView, limits: _PageLimits) -> Iterator[str]:
    """Yield the blocks of the comment."""
    worst = worst_of_run(view, limits.worst)
    several = len({suite.name for suite, _ in worst}) > 1
    yield from _header(view, limits)
    yield from (worst_case(one, view.links, suite=suite.name if several else "") for suite, one in worst)
    if limits.listed:
        yield from run_lists(view, worst, limits.listed)
    yield from filter(None, [better_cases(view)])
    metrics = [line for suite in view.suites for line in markdown_lines(suite.name, suite.verdict)]
    yield from _lines_block(metrics, limits.gates)
    notes = [note for suite in view.suites for note in _notes(suite)]
    yield from _notes_block([*notes, *map(prose, view.notes)], limits.gates)
    yield from _acknowledgement(view, _TABLES)
    yield _facts_line(view)


def _summary(view: ReportView, limits: _PageLimits) -> Iterator[str]:
    """Yield the blocks of the summary: those of the run, each suite, and the facts of the run."""
    yield from _header(view, limits)
    for suite in view.suites:
        yield from _suite(view, suite, limits)
    yield from _notes_block([*map(prose, view.notes)], len(view.notes))
    yield from _acknowledgement(view, None)
    yield _facts_line(view)
    if limits.listed:
        yield _facts(view)


def _header(view: ReportView, limits: _PageLimits) -> Iterator[str]:
    """Yield what a reader needs first: the verdict, what to do, the table of gates, and whether a change is real."""
    verdict, suites = view.verdict, phrases.worst_suites(view)
    if verdict.base_problem is not None:
        yield f"**{prose(phrases.base_problem(verdict.base_problem))}**"
    yield f"## Eval gate: {phrases.run_word(verdict.verdict)} - {prose(phrases.reason(verdict))}"
    yield _what_to_do(view)
    problems = [f"- **INVALID** {prose(problem)}" for problem in verdict.problems]
    refused = [] if verdict.refused is None else [f"- **NOT EVALUATED** {prose(verdict.refused)}"]
    yield from _lines_block([*problems, *refused], limits.gates)
    changes = verdict.changed_in_gate or ()
    if any(change.effect == "weaker" for change in changes) or (changes and not limits.brief):
        yield from gate_changes(changes, limits.listed)
    if suites:
        yield gate_table(suites, limits.gates)
    for found in verdict.side_by_side:
        yield from candidate_blocks(found)
    yield from _lines_block([*_chance(suites)], limits.worst or 1)
    yield from _lines_block([line for suite in suites for line in gate_messages(suite)], limits.gates)
    if changes and limits.brief and all(change.effect != "weaker" for change in changes):
        yield harmless_changes(changes)
    if verdict.suites_not_run:
        yield f"Not run: {', '.join(map(name, verdict.suites_not_run[: limits.gates]))}"


def _lines_block(lines: Sequence[str], most: int) -> Iterator[str]:
    if lines:
        yield "\n".join(lines[:most]) + _more(len(lines) - most, "line")


def _more(number: int, noun: str) -> str:
    return f"\n\n{count(number, f'more {noun}')} in the summary of the job" if number > 0 else ""


def _notes_block(notes: Sequence[str], most: int) -> Iterator[str]:
    yield from _lines_block([f"- NOTE {note}" for note in notes], most)


def _what_to_do(view: ReportView) -> str:
    """Render the first thing to do as a sentence, and the next commands."""
    steps = [f"- {step.why}: {command(step.command)}" for step in phrases.next_steps(view)]
    shown = steps[:_STEPS]
    return "\n".join([f"**Do this first:** {_first_thing(view)}", *([""] if shown else []), *shown])


_STEPS: Final = 4


_FIRST: Final[dict[VerdictName, str]] = {
    "invalid": "mend the problem below. Nothing was decided.",
    "not_evaluated": "run whole suites: only a part was run, so nothing was decided.",
    "incomplete": "remove the reasons of the missing answers, listed below. Nothing was decided.",
    "inconclusive": "add cases or trials. No gate failed, but there are too few answers to decide.",
    "pass": "nothing. No gate failed; the lines below are worth a look.",
    "fail": "read the gates below.",
}
_WEAKENED: Final = "undo what weakens the gate, or acknowledge it with the block below."
_WORSE: Final = "read the worst cases below. If the new answers are wrong, fix the change; if not, accept them."
_PROMOTE: Final = "read the missed cases. If the other answers are right, record them as the baseline to compare with."
_LABEL: Final = "label outputs of this run and calibrate its judge. Until then nothing decides its cases."
_RETRY: Final = "retry the job. Answers are missing, and the prompt is not the reason."


def _first_thing(view: ReportView) -> str:
    verdict = view.verdict
    if verdict.verdict == "not_evaluated" and verdict.accounting.unscored:
        return _LABEL
    if verdict.verdict == "incomplete":
        suites = [suite.verdict for suite in view.suites if suite.verdict.verdict == "incomplete"]
        return _RETRY if suites and all(map(phrases.may_retry, suites)) else _FIRST["incomplete"]
    if verdict.verdict == "fail":
        changes = verdict.changed_in_gate or ()
        if any(one.effect == "weaker" and one.acknowledged is None for one in changes):
            return _WEAKENED
        return _WORSE if any(suite.worst for suite in view.suites) else _FIRST["fail"]
    if verdict.verdict == "inconclusive" and NO_BASELINE in phrases.reason(verdict):
        return _PROMOTE
    return _FIRST[verdict.verdict]


def _chance(suites: Sequence[SuiteView]) -> Iterator[str]:
    """Yield one plain sentence for each suite that did not pass: whether its change is real."""
    for suite in suites:
        one = chance_sentence(suite)
        if one is not None and (suite.verdict.verdict != "pass" or _has_dropped(suite.verdict.delta)):
            which = f"{name(suite.name)}: " if len(suites) > 1 else ""
            yield f"**Is it real?** {which}{prose(one.changed)}. {prose(one.sentence)}"


_TABLES: Final = 2
"""Acknowledgements in the comment."""


def _acknowledgement(view: ReportView, most: int | None) -> Iterator[str]:
    """Render the configuration that acknowledges what fails this build."""
    head, *tables = view.acknowledgement.split("\n[[")
    if not tables:
        return
    shown = tables[:most]
    more = _more(len(tables) - len(shown), "block")
    text = "\n".join([head, *(f"[[{one}" for one in shown)])
    title = "How to acknowledge it: paste this, fill it in, commit it with the change"
    yield collapsible(title, fenced(text, "toml") + more, opened=len(tables) <= _TABLES)


def _suite(view: ReportView, suite: SuiteView, limits: _PageLimits) -> Iterator[str]:
    """Render the details of one suite, below its name if there are several suites."""
    blocks = [worst_case(one, view.links) for one in suite.worst[: limits.worst]]
    if limits.listed:
        blocks += suite_lists(suite, view.links, limits.listed)
    blocks += _details(suite, limits)
    blocks += cases_in_full(suite, view.links, limits.whole)
    if blocks and len(view.suites) > 1:
        yield f"### {name(suite.name)}"
    yield from blocks


_FEWEST_RUNS: Final = 3


def _details(suite: SuiteView, limits: _PageLimits) -> Iterator[str]:
    verdict = suite.verdict
    if verdict.slices and (limits.passing_slices or verdict.verdict != "pass"):
        yield collapsible(count(len(verdict.slices), "slice"), *slice_tables(verdict))
    yield from markdown_details(verdict)
    if verdict.judges:
        yield collapsible(count(len(verdict.judges), "judge"), judge_table(verdict.judges))
    yield from _notes_block([*_notes(suite)], _ALL_GATES)
    if limits.trends and len(suite.history) >= _FEWEST_RUNS:
        yield collapsible("Pass rate over the last runs", _trend_chart(suite.history))


def _notes(suite: SuiteView) -> Iterator[str]:
    trend = phrases.trend_warning(suite.verdict)
    for note in (*phrases.scorer_warnings(suite), *suite.verdict.notes, *([] if trend is None else [trend])):
        yield f"{name(suite.name)}: {prose(note)}"


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


def _facts_line(view: ReportView) -> str:
    verdict = view.verdict
    gates = [gate for suite in view.suites for gate in suite.verdict.gates]
    parts = [
        f"{sum(gate.result == 'pass' for gate in gates):,} of {count(len(gates), 'gate')} passed",
        count(verdict.accounting.planned, "case"),
        phrases.sent(verdict.calls),
        seconds(verdict.duration_s),
        phrases.exit_note(verdict, view.notes),
    ]
    return " · ".join(parts)


def _facts(view: ReportView) -> str:
    verdict = view.verdict
    calls = f"{verdict.calls.sent:,} sent, {verdict.calls.cached:,} cached, {verdict.calls.retried:,} retried"
    own = [("run", name(verdict.run_id)), ("tier", name(verdict.tier)), ("calls", calls)]
    own += [("duration", seconds(verdict.duration_s))]
    commit = [] if verdict.commit is None else [("commit", name(verdict.commit))]
    rows = [*own, *commit, *((prose(fact), command(value)) for fact, value in view.facts)]
    return collapsible(f"Run: {count(len(rows), 'fact')}", table(("Fact", ""), rows))


def _where(view: ReportView) -> str:
    """Return the addresses of the summary and the artifacts if they are known, and the names of the files."""
    run = view.links.run if view.links is not None else None
    parts = [] if run is None else [f"[Summary]({run})", f"[Artifacts]({run}#artifacts)"]
    if view.report_file is not None:
        parts.append(f"report: {name(view.report_file)}")
    return " · ".join([*parts, f"verdict: {name(view.verdict_file)}", f"run: {name(view.run_file)}"])

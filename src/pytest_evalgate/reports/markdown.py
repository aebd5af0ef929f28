"""Markdown as GitHub renders it: the summary of a step, and the comment on a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.phrases import compare_command
from pytest_evalgate.reports.view import MAX_DETAILED, format_mean, truncate
from pytest_evalgate.text.escape import code, fenced, inline
from pytest_evalgate.text.wording import count, p_value, percent, points, seconds, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_evalgate.records.results import (
        Calls,
        Delta,
        GateChange,
        GateResult,
        HistoryRow,
        JudgeVerdict,
        Place,
        SliceResult,
        SuiteVerdict,
    )
    from pytest_evalgate.reports.view import CaseView, FlakyCaseRow, Links, Reason, ReportView, SuiteView

_NAME: Final = 120
_PROSE: Final = 400


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; its cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def collapsible(title: str, *blocks: str, opened: bool = False) -> str:
    """Write a part that a reader opens; ``title`` is HTML, and never a text of others."""
    head = f"<details{' open' if opened else ''}><summary>{title}</summary>"
    return "\n\n".join([head, *blocks, "</details>"])


def name(text: str) -> str:
    """Write a name that others gave, cut where it is beyond reason."""
    return code(truncate(text, _NAME))


def shell(command: str) -> str:
    """Write a command, which names what others have named."""
    return code(truncate(command, _PROSE))


def prose(text: str) -> str:
    """Write a sentence that may hold text of others, cut where it is beyond reason."""
    return inline(truncate(text, _PROSE))


def case_name(case_id: str, place: Place, links: Links | None) -> str:
    """Write a case's id as a link to its line, or with its place where nobody knows the repository."""
    if links is None or not place.file:
        return f"{name(case_id)} {name(str(place))}" if place.file else name(case_id)
    return f"[{name(case_id)}]({links.line(place)})"


def footer_section(view: ReportView, limits: PageLimits) -> Iterator[str]:
    """Write what stands below the numbers."""
    if view.verdict.suites_not_run:
        yield f"Not run: {', '.join(map(name, view.verdict.suites_not_run))}"
    if view.notes:
        yield "\n".join(f"- NOTE {prose(note)}" for note in view.notes)
    if limits.listed:
        yield _facts(view)
    steps = phrases.next_steps(view)
    if steps:
        yield "\n".join(f"- {step.why}: {shell(step.command)}" for step in steps)
    yield where(view)


def where(view: ReportView) -> str:
    """Say where the whole report and the run are to be found."""
    run = view.links.run if view.links is not None else None
    told = [f"[Run and its artifacts]({run})"] if run is not None else []
    if view.report_file is not None:
        told.append(f"report: {name(view.report_file)}")
    return " · ".join([*told, f"verdict: {name(view.verdict_file)}", f"run: {name(view.run_file)}"])


def _facts(view: ReportView) -> str:
    verdict = view.verdict
    calls = f"{verdict.calls.sent:,} sent, {verdict.calls.cached:,} cached, {verdict.calls.retried:,} retried"
    own = [("run", name(verdict.run_id)), ("tier", name(verdict.tier)), ("calls", calls)]
    own += [("took", seconds(verdict.duration_s))]
    commit = [] if verdict.commit is None else [("commit", name(verdict.commit))]
    rows = [*own, *commit, *((prose(fact), shell(value)) for fact, value in view.facts)]
    return collapsible(f"How it ran: {count(len(rows), 'fact')}", table(("Fact", ""), rows))


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How much of a run a page shows.

    ``omitted`` names what is left out to make it fit. Each list shows ``listed`` cases, and each suite ``whole`` cases
    with their texts; ``passing_slices`` says whether the slices of suites that pass are shown.
    """

    omitted: str = ""
    listed: int = 10
    whole: int = 0
    passing_slices: bool = True
    trends: bool = False


_FIRST_LINES: Final = "all but the first lines"


def render_to_fit(
    render: Callable[[PageLimits], str],
    limit_steps: Sequence[PageLimits],
    size: Callable[[str], int],
    limit: int,
    where: str,
) -> str:
    """Render the largest extent that fits, with a last line on what was cut.

    Args:
        render: Writes the page.
        limit_steps: What it may show, the most first.
        size: Measures it.
        limit: The largest size.
        where: What the last line says of where the rest is, in Markdown.

    Returns:
        The page; of the smallest extent the first lines, where even that does not fit.

    """
    text = ""
    for limits in limit_steps:
        text = render(limits)
        page = f"{text}\n\n{_note(limits.omitted, where)}\n" if limits.omitted else f"{text}\n"
        if size(page) <= limit:
            return page
    return _first_lines(text, f"\n{_note(_FIRST_LINES, where)}\n", size, limit)


def _note(omitted: str, where: str) -> str:
    return f"Cut to fit: {omitted}. {where}"


def _first_lines(text: str, note: str, size: Callable[[str], int], limit: int) -> str:
    kept, room = [], limit - size(note)
    for line in text.splitlines(keepends=True):
        room -= size(line)
        if room < 0:
            break
        kept.append(line)
    return "".join(kept) + note


def header_section(view: ReportView, limits: PageLimits) -> Iterator[str]:
    """Write what stands above the numbers."""
    yield f"## Eval gate: {phrases.run_word(view.verdict.verdict)} - {prose(phrases.reason(view.verdict))}"
    yield _in_short(view)
    if view.verdict.changed_in_gate:
        yield from _gate_changes(view.verdict.changed_in_gate, limits.listed)
    yield from (f"**INVALID** {prose(problem)}" for problem in view.verdict.problems)
    if view.verdict.refused is not None:
        yield f"**NOT EVALUATED** {prose(view.verdict.refused)}"


def format_cost(calls: Calls) -> str:
    """Say what the calls cost, and of how many nobody knows it."""
    unknown = f" and {count(calls.unknown_price, 'call')} of unknown price" if calls.unknown_price else ""
    return f"{usd(calls.cost_usd)}{unknown}"


def _in_short(view: ReportView) -> str:
    gates = [gate for suite in view.suites for gate in suite.verdict.gates]
    passed = sum(gate.result == "pass" for gate in gates)
    cases = count(view.verdict.accounting.planned, "case")
    exit_note = phrases.exit_note(view.verdict, view.notes)
    told = [f"{passed:,} of {count(len(gates), 'gate')} passed", cases, format_cost(view.verdict.calls), exit_note]
    return " · ".join(told)


def _gate_changes(changes: Sequence[GateChange], listed: int) -> Iterator[str]:
    """List the changes, those that weaken the gate first and all of them."""
    ordered = sorted(changes, key=lambda change: (change.effect != "weaker", change.what, change.effect))
    weaker = sum(change.effect == "weaker" for change in changes)
    shown = ordered[: max(weaker, listed)]
    yield "### What changed in the gate"
    told = f"{weaker:,} of them weaker" if weaker else "none of them weaker"
    yield f"{count(len(changes), 'change')} against the base branch, {told}"
    yield table(("Effect", "What", "Where", "Before", "Now", "Acknowledged"), map(_row, shown))
    if len(ordered) > len(shown):
        yield f"{len(ordered) - len(shown):,} more stand in `verdict.json`"


def _row(change: GateChange) -> tuple[str, ...]:
    effect = change.effect.upper()
    texts = (change.before, change.now, change.acknowledged or "")
    return (
        f"**{effect}**" if effect == "WEAKER" else effect,
        prose(change.what),
        name(change.where),
        *map(prose, texts),
    )


_SLICE: Final = ("Slice", "Pass rate (95% CI)", "Change", "Worse / better", "p")
_JUDGE: Final = ("Judge", "True passes found", "True misses found", "Labels", "Passed", "Corrected", "May gate")
_FEWEST_RUNS: Final = 3


def detail_sections(suite: SuiteView, limits: PageLimits) -> Iterator[str]:
    """Write what a reader should know before trusting the numbers."""
    verdict = suite.verdict
    if verdict.slices and (limits.passing_slices or verdict.verdict != "pass"):
        yield collapsible(count(len(verdict.slices), "slice"), *_slices(verdict))
    if verdict.judges:
        yield collapsible(count(len(verdict.judges), "judge"), table(_JUDGE, map(_judge, verdict.judges)))
    notes = [*verdict.notes, *_trend(verdict)]
    if notes:
        yield "\n".join(f"- NOTE {name(suite.name)}: {prose(note)}" for note in notes)
    if limits.trends and len(suite.history) >= _FEWEST_RUNS:
        yield collapsible("Pass rate over the last runs", _chart(suite.history))


def _slices(verdict: SuiteVerdict) -> Iterator[str]:
    for by, group in groupby(verdict.slices, key=attrgetter("by")):
        pieces = list(group)
        how = "gated, Holm's p" if any(piece.gated for piece in pieces) else "not gated, each p by itself"
        yield f"By {name(by)} ({how})"
        yield table(_SLICE, map(_slice, pieces))


def _slice(piece: SliceResult) -> tuple[str, ...]:
    rate = f"{piece.passed:,}/{piece.n:,} · {phrases.share(piece.pass_rate, piece.interval)}"
    delta = piece.delta
    if delta is None:
        return name(piece.value), rate, "-", "-", "-"
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return name(piece.value), rate, points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)


def _judge(judge: JudgeVerdict) -> tuple[str, ...]:
    found = [
        "-" if rate is None else f"{percent(rate[0])} (at least {percent(rate[1])})" for rate in (judge.tpr, judge.tnr)
    ]
    passed = "-" if judge.pass_rate is None else f"{percent(judge.pass_rate)} of {judge.scored:,}"
    corrected = "-" if judge.corrected is None else phrases.share(judge.corrected.value, judge.corrected.interval)
    may = "yes" if judge.why_not is None else f"no: {prose(judge.why_not)}"
    return name(judge.name), *found, f"{judge.labels:,}", passed, corrected, may


def _trend(verdict: SuiteVerdict) -> Iterator[str]:
    if verdict.trend is not None and (verdict.trend.alarm or "unusually" in verdict.trend.message):
        yield verdict.trend.message


def _chart(history: Sequence[HistoryRow]) -> str:
    """Draw the rates; no text of others stands within, as Mermaid has an own language."""
    rates = [100 * row.pass_rate for row in history]
    lowest = max(10 * int(min(rates) / 10 - 0.5), 0)
    lines = (
        "xychart-beta",
        f'    x-axis "runs, the newest last" 1 --> {len(rates)}',
        f'    y-axis "pass rate, %" {lowest} --> 100',
        f"    line [{', '.join(f'{rate:.1f}' for rate in rates)}]",
    )
    return fenced("\n".join(lines), "mermaid")


_TEXT: Final = 600
_JUDGED: Final = frozenset({"pass", "fail", "inconclusive"})  # else a case without an answer stood there as worse


def case_lists(suite: SuiteView, links: Links | None, limits: PageLimits) -> Iterator[str]:
    """Write the lists of a suite, each for the reader to open; those that failed a gate stand open."""
    if not limits.listed:
        return
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.regressed and suite.verdict.verdict in _JUDGED:
        yield _changed("regressed", suite, links, limits.listed, opened="no-regression" in failed)
    if suite.missed:
        opened = bool(failed - {"no-regression"})
        yield _reasons("missed case", suite.missed, limits.listed, opened=opened)
    if suite.errors:
        yield _reasons("unanswered case", suite.errors, limits.listed, opened=True)
    if suite.flaky:
        yield _flaky(suite.flaky, limits.listed)
    if suite.fixed:
        yield _changed("fixed", suite, links, limits.listed)


def whole_cases(suite: SuiteView, links: Links | None, limits: PageLimits) -> Iterator[str]:
    """Write cases with their texts, for the reader to open."""
    shown = [_whole(case, links) for case in islice(suite.details.values(), limits.whole)]
    if shown:
        yield collapsible(f"<b>{count(len(shown), 'case')} in full</b>", *shown)


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
    return collapsible(_title(f"{how} case", len(cases), len(cases), listed), *blocks, opened=opened)


def _reasons(noun: str, reasons: Sequence[Reason], listed: int, *, opened: bool) -> str:
    rows = ((f"{reason.count:,}", prose(reason.text), name(reason.example)) for reason in reasons[:listed])
    title = _title(noun, sum(reason.count for reason in reasons), len(reasons), listed)
    return collapsible(title, table(("Cases", "Why", "First"), rows), opened=opened)


def _flaky(cases: Sequence[FlakyCaseRow], listed: int) -> str:
    rows = ((name(case.id), name(case.place), f"{case.passed} of {case.trials}") for case in cases[:listed])
    title = _title("flaky case", len(cases), len(cases), listed)
    return collapsible(title, table(("Case", "Where", "Trials passed"), rows))


def _title(noun: str, cases: int, rows: int, listed: int) -> str:
    return f"<b>{count(cases, noun)}</b>{f' (first {listed:,})' if rows > listed else ''}"


def _whole(case: CaseView, links: Links | None) -> str:
    before = format_mean(case.before)
    now = format_mean(case.value) or "no answer"
    head = f"#### {case_name(case.id, case.place, links)} {f'{before} -> {now}' if before else now}"
    answers = [trial.output for trial in sorted(case.trials, key=lambda trial: trial.value == 1)]
    texts = {
        "Input": case.input,
        "Expected": case.expected,
        "Baseline": case.baseline_output or "",
        "Now": answers[0] if answers else "",
    }
    why = [f"Why: {prose(case.reason)}"] if case.reason else []
    blocks = (f"{title}\n\n{fenced(truncate(text, _TEXT))}" for title, text in texts.items() if text)
    return "\n\n".join([head, *why, *blocks])


_HEADINGS = ("", "Suite", "Pass rate (95% CI)", "Base", "Change (bounds)", "Gate")
_SAME = ("", "", "", "")


def gate_table(suites: Sequence[SuiteView]) -> str:
    """Write one row a gate; what is said of its suite stands in the first of them."""
    return table(_HEADINGS, (row for suite in suites for row in _rows(suite)))


def gate_messages(suite: SuiteView) -> Iterator[str]:
    """Write what the gates say that did not pass; what several of them say stands there once."""
    said = {gate.message: gate for gate in suite.verdict.gates if gate.result != "pass"}
    for message, gate in said.items():
        yield f"- {_result(suite, gate)} {name(suite.name)}, {prose(phrases.gate_name(gate))}: {prose(message)}"


def _rows(suite: SuiteView) -> Iterator[tuple[str, ...]]:
    verdict = suite.verdict
    rate = phrases.rate(verdict).replace("  ", " · ")
    first = (name(suite.name), rate, phrases.base(verdict.delta), phrases.change(verdict))
    for index, gate in enumerate(verdict.gates):
        yield (_result(suite, gate), *(_SAME if index else first), prose(phrases.gate_name(gate)))


def _result(suite: SuiteView, gate: GateResult) -> str:
    word = phrases.result_of(suite.verdict, gate)
    return word if gate.result == "pass" else f"**{word}**"


def page(view: ReportView, limits: PageLimits) -> str:
    """Write the page, its verdict first."""
    table = [gate_table(view.suites)] if view.suites else []
    said = list(chain.from_iterable(map(gate_messages, view.suites)))
    messages = ["\n".join(said)] if said else []
    suites = chain.from_iterable(_suite(view, suite, limits) for suite in view.suites)
    return "\n\n".join([*header_section(view, limits), *table, *messages, *suites, *footer_section(view, limits)])


def _suite(view: ReportView, suite: SuiteView, limits: PageLimits) -> Iterator[str]:
    """Write what is said of one suite, below its name where there are others."""
    blocks = [
        *case_lists(suite, view.links, limits),
        *detail_sections(suite, limits),
        *whole_cases(suite, view.links, limits),
    ]
    if blocks and len(view.suites) > 1:
        yield f"### {name(suite.name)}"
    yield from blocks


MARKER: Final = "<!-- evalgate -->"
"""The first line: whoever updates the comment finds it by this, from the bot's own account."""

COMMENT_LIMIT: Final = 60_000
"""Characters in UTF-16; GitHub takes 65,536."""

_LIMIT_STEPS: Final = (
    PageLimits(),
    PageLimits("slices of suites that pass", passing_slices=False),
    PageLimits("slices of suites that pass, all but 3 cases of each list", 3, passing_slices=False),
    PageLimits("slices of suites that pass, lists of cases", 0, passing_slices=False),
)


def render_comment(view: ReportView) -> str:
    """Render the comment: at most 60,000 characters; what does not fit is cut, and the last line says so."""
    if _is_clean(view):
        return f"{MARKER}\n{_passed(view)}\n"
    room = COMMENT_LIMIT - len(MARKER) - 1
    return f"{MARKER}\n{render_to_fit(partial(page, view), _LIMIT_STEPS, _characters, room, where(view))}"


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
    return f"Eval gate: pass - {told}. {format_cost(view.verdict.calls)}."


SUMMARY_LIMIT: Final = 900 << 10
"""Bytes; of a step whose summary exceeds 1 MiB GitHub shows none at all."""

_SLICES: Final = "slices of suites that pass"
_SUMMARY_LIMIT_STEPS: Final = (
    PageLimits(listed=MAX_DETAILED, whole=MAX_DETAILED, trends=True),
    PageLimits(_SLICES, MAX_DETAILED, MAX_DETAILED, passing_slices=False, trends=True),
    PageLimits(f"{_SLICES}, cases in full", MAX_DETAILED, 0, passing_slices=False, trends=True),
    PageLimits(f"{_SLICES}, cases in full, all but 10 cases of each list", 10, 0, passing_slices=False),
    PageLimits(f"{_SLICES}, cases in full, lists of cases", 0, 0, passing_slices=False),
)


def render_summary(view: ReportView) -> str:
    """Render the summary: at most 900 KiB; what does not fit is cut, and the last line says so."""
    return render_to_fit(partial(page, view), _SUMMARY_LIMIT_STEPS, _bytes, SUMMARY_LIMIT, where(view))


def _bytes(text: str) -> int:
    return len(text.encode())

"""Release brief: one page for the person who decides on a release, as Markdown, as HTML and as text for a terminal.

The page of a release pack shows the same facts. It may be of several runs: each has its own sections.

::

    RELEASE BRIEF: go with guardrails
    Run 20261121T101500Z-3f9c of 2026-11-21, commit 8c1f2d0, tier release: 3 suites, 500 cases.

    GATES
      PASS: support-faq, no-regression; 221/240, 92.1% (88.0-94.9) passed, baseline 90.8%. No drop is proven. ...
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.metric_tables import headline
from pytest_evalgate.text.escape import code, inline, one_line
from pytest_evalgate.text.layout import Line, wrap_lines
from pytest_evalgate.text.wording import count, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.records.verdicts import GateChange
    from pytest_evalgate.reports.view import ReportView, SuiteView

BRIEF_FILE: Final = "brief.md"

Decision = Literal["go", "go with guardrails", "hold"]

_COLOURS: Final[dict[Decision, str]] = {"go": "green", "go with guardrails": "yellow", "hold": "red"}
_MEANING: Final[dict[Decision, str]] = {
    "go": "Every gate passed, and every gate could have failed.",
    "go with guardrails": "No gate failed, but the risks below were not ruled out: watch them after the release.",
    "hold": "The gates do not allow this release.",
}
_RUNS: Final = 8
_DIGITS: Final = 7
_SHOWN: Final = 12
"""Risks that are listed, so that the brief stays one page."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that the gates could not rule out. One that ``guards`` makes a release one with guardrails."""

    of: str
    text: str
    guards: bool = True


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """The decision of one requirement of ``[release] requires``, with its reason."""

    requirement: str
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedBaseline:
    """The baseline of a suite, and who accepted it why; only ``suite`` is known if there is none.

    ``author``, ``committed`` and ``commit`` are those of the commit that added it, "" if it is not committed.
    """

    suite: str
    source: str = ""
    run_id: str = ""
    of_commit: str | None = None
    promoted: str = ""
    reason: str = ""
    author: str = ""
    committed: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class GatesSince:
    """The changes of the gate since the last release, the tag ``ref``; ``problem`` if they cannot be listed."""

    ref: str
    changes: tuple[GateChange, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RunBrief:
    """What a brief shows of one run."""

    view: ReportView
    created: str
    baselines: tuple[AcceptedBaseline, ...]
    risks: tuple[Risk, ...]


@dataclass(frozen=True, slots=True)
class Brief:
    """The release brief of one run or of several. ``risks`` are those of the release, not of one run."""

    decision: Decision
    runs: tuple[RunBrief, ...]
    requirements: tuple[RequirementResult, ...] = ()
    risks: tuple[Risk, ...] = ()
    since: GatesSince | None = None


def render_brief(brief: Brief) -> str:
    """Render the brief as Markdown."""
    blocks = [f"# Release brief: {brief.decision}"]
    if unmet := _unmet(brief, inline):
        blocks.append("\n".join(f"- {item}" for item in unmet))
    blocks += [text for run in brief.runs for text in (inline(_run(run)), _reason(brief, run, inline))]
    for heading, items in _sections(brief, inline, code):
        blocks += [f"## {heading}", "\n".join(f"- {item}" for item in items)]
    return "\n\n".join(blocks) + "\n"


def render_brief_text(brief: Brief, width: int) -> tuple[Line, ...]:
    """Render the brief for a terminal."""
    lines = [Line(f"RELEASE BRIEF: {brief.decision}", _COLOURS[brief.decision])]
    for item in _unmet(brief, one_line):
        lines += wrap_lines(f"  {item}", width, indent="      ")
    for run in brief.runs:
        for text in (_run(run), _reason(brief, run, one_line)):
            lines += wrap_lines(one_line(text), width)
    for heading, items in _sections(brief, one_line, one_line):
        lines += [Line(""), Line(heading.upper())]
        for item in items:
            lines += wrap_lines(f"  {one_line(item)}", width, indent="      ")
    return tuple(lines)


_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Release readiness: {decision}</title>
<style>
:root {{ --go: #0b5cad; --guarded: #8a5a00; --hold: #b3400a; --line: #d0d7de; --muted: #57606a; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem;
  background: #fff; color: #1f2328; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }}
h2 {{ font-size: 1.15rem; margin: 1.75rem 0 .25rem; border-bottom: 1px solid var(--line); }}
h1 strong {{ white-space: nowrap; }}
.go {{ color: var(--go); }} .go-with-guardrails {{ color: var(--guarded); }} .hold {{ color: var(--hold); }}
.unmet {{ border-left: .3rem solid var(--hold); margin: 0 0 1rem; padding: .4rem 0 .4rem 1.6rem; font-weight: 600; }}
ul {{ margin: .5rem 0; padding-left: 1.4rem; }}
li, p {{ overflow-wrap: anywhere; }}
.run {{ color: var(--muted); margin: .25rem 0; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --go: #79b8ff; --guarded: #e3b341; --hold: #ff9b6a; --line: #3d444d; --muted: #9da7b1; }}
  body {{ background: #0d1117; color: #e6edf3; }}
}}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def render_brief_page(brief: Brief) -> str:
    """Render the brief as one HTML page without scripts, which loads nothing.

    The decision and the requirements that are not met come first, so that they are on the first screen.
    """
    mark = brief.decision.replace(" ", "-")
    lines = [f'<h1>Release readiness: <strong class="{mark}">{brief.decision}</strong></h1>']
    if unmet := _unmet(brief, _html):
        lines += ['<ul class="unmet">', *(f"<li>{item}</li>" for item in unmet), "</ul>"]
    for run in brief.runs:
        lines += [f'<p class="run">{_html(_run(run))}</p>', f"<p>{_reason(brief, run, _html)}</p>"]
    for heading, items in _sections(brief, _html, lambda text: f"<code>{_html(text)}</code>"):
        lines += [f"<h2>{_html(heading)}</h2>", "<ul>", *(f"<li>{item}</li>" for item in items), "</ul>"]
    return _PAGE.format(decision=brief.decision, body="\n".join(lines))


def _html(text: str) -> str:
    return html.escape(one_line(text))


def _unmet(brief: Brief, escape: Callable[[str], str]) -> list[str]:
    """Return the requirements that are not met, each with its reason."""
    unmet = [one for one in brief.requirements if one.decision == "hold"]
    return [escape(f"not met: {one.requirement}: {one.reason}") for one in unmet]


def _run(run: RunBrief) -> str:
    verdict = run.view.verdict
    commit = "no commit" if verdict.commit is None else f"commit {verdict.commit[:_DIGITS]}"
    size = f"{count(len(verdict.suites), 'suite')}, {count(verdict.accounting.planned, 'case')}"
    return f"Run {verdict.run_id} of {run.created[:10]}, {commit}, tier {verdict.tier}: {size}."


def _reason(brief: Brief, run: RunBrief, escape: Callable[[str], str]) -> str:
    verdict = run.view.verdict
    word, code_note = phrases.run_word(verdict.verdict), phrases.exit_note(verdict, run.view.notes)
    unmet = [one for one in brief.requirements if one.decision == "hold"]
    meaning = f"{count(len(unmet), 'requirement')} not met." if unmet else _MEANING[brief.decision]
    return f"{meaning} {escape(f'{word}: {phrases.reason(verdict)} ({code_note})')}"


def _sections(
    brief: Brief, escape: Callable[[str], str], quote: Callable[[str], str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the sections of the brief, with their escaped items."""
    if brief.requirements:
        yield (
            "Requirements",
            [escape(f"{one.decision}: {one.requirement}: {one.reason}") for one in brief.requirements],
        )
    for run in brief.runs:
        of_run = f" of run {run.view.verdict.run_id}" if len(brief.runs) > 1 else ""
        for heading, items in _run_sections(run, escape, quote):
            yield f"{heading}{of_run}", items
    if brief.since is not None:
        yield f"Changes of the gate since {brief.since.ref}", [escape(item) for item in _since(brief.since)]
    risks = [*brief.risks, *(risk for run in brief.runs for risk in run.risks)]
    yield "Open risks", [*_risks(risks, escape)]


def _run_sections(
    run: RunBrief, escape: Callable[[str], str], quote: Callable[[str], str]
) -> Iterator[tuple[str, list[str]]]:
    view = run.view
    yield "Gates", [item for suite in phrases.worst_suites(view) for item in _gates(suite, escape, quote)]
    if metrics := [one for suite in view.suites for one in _metrics(suite, escape, quote)]:
        yield "Metrics", metrics
    if covered := [one for suite in view.suites for one in _coverage(suite, escape, quote)]:
        yield "Coverage", covered
    yield "Trend", [_trend(suite, escape, quote) for suite in view.suites]
    yield "Cost", [escape(item) for item in _cost(view)]
    yield "Accepted baselines", [_baseline(one, escape, quote) for one in run.baselines]


def _coverage(suite: SuiteView, escape: Callable[[str], str], quote: Callable[[str], str]) -> Iterator[str]:
    for covered in suite.verdict.coverage:
        yield f"{quote(suite.name)}: {escape(phrases.coverage(covered))}"


def _since(since: GatesSince) -> Iterator[str]:
    if since.problem:
        yield f"they cannot be listed: {since.problem}"
    elif not since.changes:
        yield "none"
    for change in since.changes[:_SHOWN]:
        accepted = "" if change.acknowledged is None else f" (acknowledged: {change.acknowledged})"
        yield f"{change.effect}: {change.what} at {change.where}: {change.before} -> {change.now}{accepted}"
    if len(since.changes) > _SHOWN:
        yield f"{len(since.changes) - _SHOWN:,} more are in audit.json"


def _gates(suite: SuiteView, escape: Callable[[str], str], quote: Callable[[str], str]) -> Iterator[str]:
    verdict = suite.verdict
    sentences = {one.index: f"{one.changed}. {one.sentence}" for one in suite.sentences}
    [numbers, *_] = phrases.numbers(verdict)
    for index, gate in enumerate(verdict.gates):
        head = f"{phrases.result_of(verdict, gate)}: {quote(suite.name)}, {escape(phrases.gate_name(gate))}"
        rate = "" if numbers.rate == "-" else f"; {numbers.rate.replace('  ', ', ')} passed"
        base = "" if numbers.base == "-" else f", baseline {numbers.base}%"
        why = sentences.get(index) or f"{gate.message.removesuffix('.')}."
        yield f"{head}{escape(rate + base)}. {escape(why[:1].upper() + why[1:])}"


def _metrics(suite: SuiteView, escape: Callable[[str], str], quote: Callable[[str], str]) -> Iterator[str]:
    for metric in suite.verdict.metrics:
        yield f"{quote(suite.name)}, {escape(metric.name)}: {escape(headline(metric))}"


def _trend(suite: SuiteView, escape: Callable[[str], str], quote: Callable[[str], str]) -> str:
    rates = [percent(row.pass_rate) for row in suite.history[-_RUNS:]]
    trend = suite.verdict.trend
    last = f"last {count(len(rates), 'run')}: {', '.join(rates)}" if rates else "no earlier run"
    return f"{quote(suite.name)}: {escape(last if trend is None else f'{last}. {trend.message}')}"


def _cost(view: ReportView) -> Iterator[str]:
    verdict = view.verdict
    yield phrases.sent(verdict.calls) if verdict.calls.planned else "no calls: the outputs were recorded"
    tokens = verdict.calls.tokens_in + verdict.calls.tokens_out
    yield f"{f'{tokens:,} tokens in ' if tokens else ''}{seconds(verdict.duration_s)}"


def _baseline(one: AcceptedBaseline, escape: Callable[[str], str], quote: Callable[[str], str]) -> str:
    if not one.run_id:
        return f"{quote(one.suite)}: none"
    who = f"by {one.author} on {one.committed} (commit {one.commit})" if one.author else "not committed"
    commit = "" if one.of_commit is None else f" of commit {one.of_commit[:_DIGITS]}"
    what = f"run {one.run_id}{commit}, promoted {one.promoted[:10]}, {who}: {one.reason}"
    return f"{quote(one.suite)} {quote(one.source)}: {escape(what)}"


def _risks(risks: Sequence[Risk], escape: Callable[[str], str]) -> Iterator[str]:
    if not risks:
        yield "none known"
    ordered = sorted(risks, key=lambda risk: not risk.guards)
    for risk in ordered[:_SHOWN]:
        yield escape(f"{risk.of}: {risk.text}")
    if len(ordered) > _SHOWN:
        yield f"{len(ordered) - _SHOWN:,} more are in the verdict"

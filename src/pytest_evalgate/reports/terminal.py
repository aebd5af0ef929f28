"""The terminal section: words before symbols, readable without colour, one verdict line last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports import headline
from pytest_evalgate.reports.asides import aside_lines, warning_lines
from pytest_evalgate.reports.columns import fit, width_of
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.gate_changes import gate_change_lines
from pytest_evalgate.reports.gate_messages import message_lines
from pytest_evalgate.reports.lines import Line, with_command, wrapped
from pytest_evalgate.reports.reasons import errored_lines, missed_lines
from pytest_evalgate.reports.regressed import regressed_lines
from pytest_evalgate.reports.slices import slice_lines
from pytest_evalgate.reports.stopped import stopped_lines
from pytest_evalgate.reports.suite_table import colour_of, table_lines
from pytest_evalgate.wording import OPTIONS, count, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Calls
    from pytest_evalgate.reports.view import ReportView, SuiteView

_NARROWEST = 60
_VERDICT_LINE = 100
_MINUTE, _HOUR = 60, 3_600


def render(view: ReportView, width: int = 100, verbosity: int = 0) -> tuple[Line, ...]:
    """Render the section between pytest's headings.

    Args:
        view: The run.
        width: In columns; no line is wider, but nothing is drawn for less than 60.
        verbosity: As pytest counts it: 1 lists every case that got worse, what changed in the first answers, and the
            files; 2 shows the first cases whole.

    """
    width = max(width, _NARROWEST)
    return tuple(_inert(line, width) for line in _lines(view, width, verbosity))


def verdict_line(view: ReportView) -> Line:
    """Render the last line on the screen: the verdict, its first reason, the exit code."""
    verdict = view.verdict
    head, tail = f"evalgate: {headline.word(verdict.verdict)}  ", f"   ({headline.exit_note(view)})"
    why = fit(one_line(headline.reason(view)), _VERDICT_LINE - len(head + tail))
    return Line(head + why + tail, colour_of(verdict.verdict))


def _inert(line: Line, width: int) -> Line:
    return Line(fit(one_line(line.text), width).rstrip(), line.colour)


def _lines(view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    yield from gate_change_lines(view.verdict.changed_in_gate, width)
    for problem in view.verdict.problems:
        yield from wrapped(f"INVALID: {one_line(problem)}", width, "red")
    if view.suites:
        yield from table_lines(view.suites, width)
    for suite in view.suites:
        yield from _details(suite, view, width, verbosity)
    if view.verdict.suites_not_run:
        yield from wrapped(f"not run: {one_line(', '.join(view.verdict.suites_not_run))}", width)
    yield from _facts(view, width, verbosity)
    for note in view.notes:
        yield from wrapped(one_line(note), width, "yellow")
    for suite in view.suites:
        yield from _steps(suite, view, width)


def _details(suite: SuiteView, view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    may_warn = bool(view.verdict.exit_code)
    yield from stopped_lines(suite.name, suite.verdict, width)
    yield from message_lines(suite, width, every=verbosity > 0, may_warn=may_warn)
    yield from errored_lines(suite, view, width)
    yield from _listings(suite, width, verbosity)
    yield from warning_lines(suite.name, suite.verdict, width)
    yield from aside_lines(suite, view.calibrations, width)


def _listings(suite: SuiteView, width: int, verbosity: int) -> Iterator[Line]:
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.regressed and "no-regression" in failed:
        yield from regressed_lines(suite, width, verbosity)
    if "pass-rate" in failed or suite.verdict.accounting.not_run:
        yield from missed_lines(suite, width)
    yield from slice_lines(suite.name, suite.verdict, width)


def _facts(view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    """Say what the calls cost, and where to read on."""
    if view.verdict.calls.planned:
        yield from wrapped(f"{_spent(view.verdict.calls)}, {_duration(view.verdict.duration_s)}", width)
    if view.report_file is not None:
        yield from wrapped(f"report: {one_line(view.report_file)}", width)
    if view.report_file is None or verbosity > 0:
        yield from _stored(view, width)


def _stored(view: ReportView, width: int) -> Iterator[Line]:
    names = (f"verdict: {one_line(view.verdict_file)}", f"run: {one_line(view.run_file)}")
    together = "   ".join(names)
    for text in [together] if width_of(together) <= width else names:
        yield from wrapped(text, width)


def _spent(calls: Calls) -> str:
    unknown = f" without {calls.unknown_price:,} of unknown price" if calls.unknown_price else ""
    return f"{usd(calls.cost_usd)}{unknown}: {count(calls.sent, 'call')} sent, {calls.cached:,} cached"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"


def _steps(suite: SuiteView, view: ReportView, width: int) -> Iterator[Line]:
    """Say what to do about a suite that failed; one that could not be decided has said so itself."""
    if suite.verdict.verdict == "fail":
        for step in headline.suite_steps(suite, dict(view.facts).get(OPTIONS, "")):
            yield from with_command(f"{step.why}:", one_line(step.command), width)

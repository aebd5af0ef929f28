"""The terminal section: words before symbols, readable without colour, one verdict line last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.gates.answers import NO_BASELINE
from pytest_evalgate.reports.asides import aside_lines
from pytest_evalgate.reports.columns import aligned, fit, width_of
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.gate_changes import gate_change_lines
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.reports.slices import slice_lines
from pytest_evalgate.reports.stopped import COMPLETE, change_at_least, part, part_reason, stopped_lines
from pytest_evalgate.wording import count, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import Delta, GateChange, GateResult, SuiteVerdict, VerdictName
    from pytest_evalgate.reports.view import Reason, ReportView, SuiteView

_LISTED = 10
_REASONS = 3
_NARROWEST = 60
_WIDEST_NAME = 24
_WIDEST_ID = 40
_VERDICT_LINE = 140
_CLAUSE_END = re.compile(r"; |\. | \(")

_WORDS: dict[VerdictName, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "UNSURE",
    "incomplete": "INCOMPLETE",
    "not_evaluated": "NOT EVALUATED",
    "invalid": "INVALID",
}
_COLOURS: dict[VerdictName, str] = {"pass": "green", "fail": "red", "invalid": "red"}


def render(view: ReportView, width: int = 100) -> tuple[Line, ...]:
    """Render the section between pytest's headings."""
    width = max(width, _NARROWEST)
    return tuple(Line(fit(one_line(line.text), width).rstrip(), line.colour) for line in _lines(view, width))


def verdict_line(view: ReportView) -> Line:
    """Render the last line on the screen: the verdict, its first reason, the exit code."""
    verdict = view.verdict
    word = "INCONCLUSIVE" if verdict.verdict == "inconclusive" else _WORDS[verdict.verdict]
    head, tail = f"evalgate: {word}  ", f"   ({_exit(view)})"
    return Line(head + fit(_why(view), _VERDICT_LINE - len(head + tail)) + tail, _colour(verdict.verdict))


def _lines(view: ReportView, width: int) -> Iterator[Line]:
    yield from gate_change_lines(view.verdict.changed_in_gate, width)
    for problem in view.verdict.problems:
        yield from wrapped(f"INVALID: {one_line(problem)}", width, "red")
    if view.suites:
        yield from _table(view, width)
    for suite in view.suites:
        yield from _details(suite, width)
    if view.verdict.suites_not_run:
        yield from wrapped(f"not run: {', '.join(view.verdict.suites_not_run)}", width, None)
    yield from _files(view, width)


def _files(view: ReportView, width: int) -> Iterator[Line]:
    names = (f"verdict: {view.verdict_file}", f"run: {view.run_file}")
    together = "   ".join(names)
    yield from map(Line, [together] if width_of(together) <= width else names)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table: a gate, behind its suite if it is the suite's first."""

    suite: tuple[str, str, str, str]
    gate: tuple[str, str]
    colour: str | None = None


_HEADINGS = _Row(("suite", "pass rate (95% CI)", "base", "change (bounds)"), ("gate", "result"))


def _table(view: ReportView, width: int) -> Iterator[Line]:
    """One row a suite and gate; where that is too wide, the gates stand below their suite."""
    rows = [_HEADINGS, *(row for suite in view.suites for row in _rows(suite))]
    wide = aligned([row.suite + row.gate for row in rows])
    if max(map(width_of, wide)) <= width:
        yield from (Line(text, row.colour) for text, row in zip(wide, rows, strict=True))
        return
    suites, gates = aligned([row.suite for row in rows]), aligned([row.gate for row in rows])
    for suite, gate, row in zip(suites, gates, rows, strict=True):
        if suite:
            yield Line(suite)
        if row is not _HEADINGS:
            yield Line(f"    {gate}", row.colour)


def _rows(suite: SuiteView) -> Iterator[_Row]:
    verdict = suite.verdict
    first = (fit(suite.name, _WIDEST_NAME), _rate(suite), _base(verdict.delta), _change(verdict))
    for index, gate in enumerate(verdict.gates):
        cells = ("", "", "", "") if index else first
        yield _Row(cells, (_gate_name(gate), _result(suite, gate)), _gate_colour(suite, gate))


def _result(suite: SuiteView, gate: GateResult) -> str:
    return _WORDS[gate.result] + ("" if _is_blocking(suite) else " (advisory)")


def _rate(suite: SuiteView) -> str:
    verdict = suite.verdict
    if verdict.stopped is not None:
        return f"{part(verdict)} run"
    if verdict.accounting.not_run:
        ended = verdict.accounting
        return f"{ended.passed:,} of {ended.passed + ended.missed + ended.errored:,} run passed"
    if verdict.pass_rate is None or verdict.interval is None:
        return "-"
    counted = f"{verdict.cases:,} x{verdict.trials}" if verdict.trials > 1 else f"{verdict.passed:,}/{verdict.cases:,}"
    return f"{counted}  {_share(verdict.pass_rate, verdict.interval)}"


def _share(rate: float, interval: tuple[float, float]) -> str:
    return f"{percent(rate)} ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"


def _base(delta: Delta | None) -> str:
    return "-" if delta is None else f"{100 * delta.baseline_rate:.1f}"


def _change(verdict: SuiteVerdict) -> str:
    delta = verdict.delta
    if delta is None:
        return "-"
    if verdict.stopped is not None:
        return change_at_least(verdict, delta)
    return f"{points(delta.delta)} ({100 * delta.lower:+.1f}..{100 * delta.upper:+.1f})"


def _gate_name(gate: GateResult) -> str:
    if gate.kind == "pass-rate" and gate.required is not None:
        return f"{'CI' if gate.bound is not None else 'rate'} >= {100 * gate.required:g}%"
    return f"{gate.kind} {fit(one_line(gate.of), _WIDEST_NAME)}" if gate.of else gate.kind


def _details(suite: SuiteView, width: int) -> Iterator[Line]:
    yield from stopped_lines(suite.name, suite.verdict, width)
    yield from _gate_messages(suite, width)
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if suite.regressed and "no-regression" in failed:
        yield from _regressed(suite, width)
    if "pass-rate" in failed or suite.verdict.accounting.not_run:
        yield from _reason_lines("missed", suite.missed, width)
    yield from _reason_lines("no answer", suite.errors, width)
    yield from slice_lines(suite.name, suite.verdict)
    delta = suite.verdict.delta
    if delta is not None and (delta.added or delta.removed or delta.edited):
        yield Line(f"  not paired: {delta.added:,} added, {delta.removed:,} removed, {delta.edited:,} edited")
    yield from aside_lines(suite.name, suite.verdict, suite.flaky, width)


def _gate_messages(suite: SuiteView, width: int) -> Iterator[Line]:
    """Say what each gate says; what all of them say is said once."""
    said = {gate.message: gate for gate in suite.verdict.gates}
    for message, gate in said.items():
        if gate.result != "pass" or gate.kind != "pass-rate" or _is_corrected(gate, suite.verdict):
            which = f", {_gate_name(gate)}" if len(said) == len(suite.verdict.gates) else ""
            text = f"{_result(suite, gate)} {suite.name}{which}: {one_line(message)}"
            yield from wrapped(f"  {text}", width, _gate_colour(suite, gate))


def _is_corrected(gate: GateResult, verdict: SuiteVerdict) -> bool:
    """Tell whether the table shows another rate than the gate has judged."""
    return verdict.pass_rate is not None and gate.value != verdict.pass_rate


def _regressed(suite: SuiteView, width: int) -> Iterator[Line]:
    """List the cases that got worse, the largest drop first; the reasons take the room that is left."""
    shown = suite.regressed[:_LISTED]
    cells = [
        (fit(one_line(case.id), _WIDEST_ID), one_line(case.place), f"{case.before} -> {case.now}") for case in shown
    ]
    heads = aligned([("REGRESSED", "where", "base -> now"), *cells])
    reasons = ["why", *(one_line(case.reason) for case in shown)]
    room = max(map(width_of, heads))
    for head, reason in zip(heads, reasons, strict=True):
        yield Line(f"  {head}{' ' * (room - width_of(head))}  {fit(reason, width - room - 4)}")
    if len(suite.regressed) > _LISTED:
        more = len(suite.regressed) - _LISTED
        yield Line(f"  ... {more:,} more: pytest-evalgate compare --suite {suite.name} --regressed")
    first = "" if suite.verdict.stopped is None else f"{COMPLETE}, then "
    accept = f'  accept on purpose: {first}pytest-evalgate baseline promote --suite {suite.name} --reason "..."'
    yield from wrapped(accept, width, None)


def _reason_lines(word: str, reasons: Iterable[Reason], width: int) -> Iterator[Line]:
    reasons = tuple(reasons)
    for reason in reasons[:_REASONS]:
        head = f"  {word} {reason.count:,}x  "
        tail = f"  (first: {one_line(reason.example)})"
        yield Line(f"{head}{fit(one_line(reason.text), width - len(head) - width_of(tail))}{tail}")
    rest = sum(reason.count for reason in reasons[_REASONS:])
    if rest:
        yield Line(f"  {word} {rest:,}x  for {count(len(reasons) - _REASONS, 'other reason')}")


def _why(view: ReportView) -> str:
    verdict = view.verdict
    if verdict.problems:
        return _clause(verdict.problems[0])
    if verdict.refused is not None:
        return _clause(verdict.refused)
    weakened = [change for change in verdict.changed_in_gate if _is_unanswered(change)]
    if weakened and verdict.verdict == "fail":
        return f"this branch weakens the gate: {one_line(weakened[0].where)} {one_line(weakened[0].what)}"
    if verdict.verdict == "pass":
        return _all_passed(view)
    gates = ((suite, gate) for suite in view.suites if _is_blocking(suite) for gate in suite.verdict.gates)
    reasons = (_gate_reason(suite, gate) for suite, gate in gates if gate.result == verdict.verdict)
    return next(reasons, "no case was selected")


def _is_unanswered(change: GateChange) -> bool:
    return change.effect == "weaker" and change.acknowledged is None


def _all_passed(view: ReportView) -> str:
    passed = {True: 0, False: 0}
    every = {True: 0, False: 0}
    for suite in view.suites:
        every[_is_blocking(suite)] += len(suite.verdict.gates)
        passed[_is_blocking(suite)] += sum(gate.result == "pass" for gate in suite.verdict.gates)
    text = f"{passed[True]} of {count(every[True], 'gate')}"
    return text if not every[False] else f"{text}; {passed[False]} of {every[False]} advisory, which never block"


def _exit(view: ReportView) -> str:
    code, verdict = view.verdict.exit_code, view.verdict.verdict
    if verdict == "incomplete":
        return f"exit {code}: retry the job, not the prompt"
    if verdict == "inconclusive":
        return f'exit {code}; on_inconclusive = "{"fail" if code else "warn"}"'
    if verdict == "pass" and code:
        return f"exit {code}: pytest's own, the gates passed"
    return f"exit {code}"


def _gate_reason(suite: SuiteView, gate: GateResult) -> str:
    delta = suite.verdict.delta
    if gate.message.startswith(NO_BASELINE):
        return f"{suite.name}: {NO_BASELINE}"
    if suite.verdict.stopped is not None:
        return f"{suite.name} {part_reason(suite.verdict, gate)}"
    if gate.kind == "no-regression" and gate.result == "fail" and delta is not None:
        changed = f"{points(delta.delta)}, {delta.losses:,} worse, {delta.gains:,} better"
        return f"{suite.name} {changed}, against {one_line(delta.baseline).removeprefix('file:')}"
    if gate.kind == "pass-rate" and gate.result == "fail" and gate.value is not None and gate.required is not None:
        return f"{suite.name} {percent(gate.value)} < {100 * gate.required:g}%"
    return f"{suite.name}: {_clause(gate.message)}"


def _clause(text: str) -> str:
    """Return what stands before the first advice or aside: the whole of it was printed above."""
    return _CLAUSE_END.split(one_line(text))[0]


def _is_blocking(suite: SuiteView) -> bool:
    return suite.verdict.mode == "blocking"


def _gate_colour(suite: SuiteView, gate: GateResult) -> str | None:
    return _COLOURS.get(gate.result) if _is_blocking(suite) or gate.result == "pass" else "yellow"


def _colour(verdict: VerdictName) -> str:
    return _COLOURS.get(verdict, "yellow")

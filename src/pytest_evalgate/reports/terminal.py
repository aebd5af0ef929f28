"""The terminal section: words before symbols, readable without colour, one verdict line last."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.gates.decide import NO_BASELINE
from pytest_evalgate.gates.wording import count, p_value, percent, points
from pytest_evalgate.reports.escape import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Delta, GateResult, SliceResult, VerdictName
    from pytest_evalgate.reports.view import ChangedCase, Reason, ReportView, SuiteView

_LISTED = 10
_REASONS = 3
_NARROWEST = 60

_WORDS: dict[VerdictName, str] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "UNSURE",
    "incomplete": "INCOMPLETE",
    "not_evaluated": "NOT EVALUATED",
    "invalid": "INVALID",
}
_COLOURS: dict[VerdictName, str] = {"pass": "green", "fail": "red", "invalid": "red"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line and its colour, if it has one."""

    text: str
    colour: str | None = None


def render(view: ReportView, width: int = 100) -> tuple[Line, ...]:
    """Render the section between pytest's headings."""
    width = max(width, _NARROWEST)
    return tuple(Line(line.text[:width].rstrip(), line.colour) for line in _lines(view, width))


def verdict_line(view: ReportView) -> Line:
    """Render the last line on the screen: the verdict, its first reason, the exit code."""
    verdict = view.verdict
    word = "INCONCLUSIVE" if verdict.verdict == "inconclusive" else _WORDS[verdict.verdict]
    return Line(f"evalgate: {word}  {_why(view)}   (exit {verdict.exit_code})", _colour(verdict.verdict))


def _lines(view: ReportView, width: int) -> Iterator[Line]:
    for problem in view.verdict.problems:
        yield Line(f"INVALID: {one_line(problem)}", "red")
    if view.suites:
        yield from _table(view, width)
    for suite in view.suites:
        yield from _details(suite, width)
    if view.verdict.suites_not_run:
        yield Line(f"not run: {', '.join(view.verdict.suites_not_run)}")
    yield Line(f"verdict: {view.verdict_file}   run: {view.run_file}")


_HEADINGS = ("suite", "pass rate (95% CI)", "base", "change (90% CI)")
_WIDE = 98


def _suite_row(name: str, rate: str, base: str, change: str) -> str:
    return f"{name:<13.13}  {rate:<28}  {base:>5}  {change:<23}"


def _table(view: ReportView, width: int) -> Iterator[Line]:
    """One row a suite and gate; in a narrow terminal the gates stand below their suite."""
    wide = width >= _WIDE
    yield Line(_suite_row(*_HEADINGS) + ("  gate           result" if wide else ""))
    for suite in view.suites:
        row = _suite_row(suite.name, _rate(suite), _base(suite.verdict.delta), _change(suite.verdict.delta))
        if not wide:
            yield Line(row)
        for index, gate in enumerate(suite.verdict.gates):
            head = (row if index == 0 else _suite_row("", "", "", "")) if wide else ""
            yield Line(f"{head}  {_gate_name(gate):<13}  {_result(suite, gate)}", _COLOURS.get(gate.result))


def _result(suite: SuiteView, gate: GateResult) -> str:
    return _WORDS[gate.result] + (" (advisory)" if suite.verdict.mode == "advisory" else "")


def _rate(suite: SuiteView) -> str:
    verdict = suite.verdict
    if verdict.pass_rate is None or verdict.interval is None:
        return "-"
    low, high = (100 * bound for bound in verdict.interval)
    counted = f"{verdict.cases:,} x{verdict.trials}" if verdict.trials > 1 else f"{verdict.passed:,}/{verdict.cases:,}"
    return f"{counted}  {percent(verdict.pass_rate)} ({low:.1f}-{high:.1f})"


def _base(delta: Delta | None) -> str:
    return "-" if delta is None else f"{100 * delta.baseline_rate:.1f}"


def _change(delta: Delta | None) -> str:
    if delta is None:
        return "-"
    return f"{points(delta.delta)} ({100 * delta.lower:+.1f}..{100 * delta.upper:+.1f})"


def _gate_name(gate: GateResult) -> str:
    if gate.kind == "pass-rate" and gate.required is not None:
        return f"{'CI' if gate.bound is not None else 'rate'} >= {100 * gate.required:g}%"
    return gate.kind


def _details(suite: SuiteView, width: int) -> Iterator[Line]:
    for gate in suite.verdict.gates:
        if gate.result != "pass" or gate.kind != "pass-rate":
            text = f"{_WORDS[gate.result]} {suite.name}, {gate.kind}: {one_line(gate.message)}"
            yield from _wrapped(text, width, _COLOURS.get(gate.result))
    if suite.regressed and suite.verdict.verdict == "fail":
        yield from _regressed(suite, width)
    if any(gate.kind == "pass-rate" and gate.result == "fail" for gate in suite.verdict.gates):
        yield from _reason_lines("missed", suite.missed, width)
    yield from _reason_lines("no answer", suite.errors, width)
    yield from _slices(suite)
    delta = suite.verdict.delta
    if delta is not None and (delta.added or delta.removed or delta.edited):
        yield Line(f"  not paired: {delta.added:,} added, {delta.removed:,} removed, {delta.edited:,} edited")
    if suite.flaky:
        yield Line(f"  {count(suite.flaky, 'case')} passed in some trials and missed in others")


def _regressed(suite: SuiteView, width: int) -> Iterator[Line]:
    shown = suite.regressed[:_LISTED]
    places = [len(case.place) for case in shown]
    yield Line(f"  REGRESSED {'':<{max(0, max(places) + _id_width(shown) - 8)}} base -> now   why")
    for case in shown:
        head = f"  {case.id:<{_id_width(shown)}.40} {case.place:<{max(places)}}  {case.before} -> {case.now}"
        yield Line(f"{head}   {_shortened(case.reason, width - len(head) - 3)}")
    if len(suite.regressed) > _LISTED:
        more = len(suite.regressed) - _LISTED
        yield Line(f"  ... {more:,} more: pytest-evalgate baseline diff --suite {suite.name}")
    yield Line(f'  accept on purpose: pytest-evalgate baseline promote --suite {suite.name} --reason "..."')


def _id_width(cases: Sequence[ChangedCase]) -> int:
    return min(40, max(len(case.id) for case in cases))


def _reason_lines(word: str, reasons: Sequence[Reason], width: int) -> Iterator[Line]:
    for reason in reasons[:_REASONS]:
        head = f"  {word} {reason.count:,}x  "
        tail = f"  (first: {reason.example})"
        yield Line(f"{head}{_shortened(reason.text, width - len(head) - len(tail))}{tail}")
    rest = sum(reason.count for reason in reasons[_REASONS:])
    if rest:
        yield Line(f"  {word} {rest:,}x  for {count(len(reasons) - _REASONS, 'other reason')}")


def _slices(suite: SuiteView) -> Iterator[Line]:
    if suite.verdict.slices:
        yield Line(f"  slices of {suite.name} (not gated)")
        yield Line(f"  {'slice':<20} {'n':>6}  {'pass rate (95% CI)':<27} {'change':>9}  {'worse/better':>12}  p")
    for piece in suite.verdict.slices:
        yield Line(f"  {_slice_row(piece)}")


def _slice_row(piece: SliceResult) -> str:
    low, high = (100 * bound for bound in piece.interval)
    name = one_line(f"{piece.by}={piece.value}")
    rate = f"{piece.passed:,}/{piece.n:,}  {percent(piece.pass_rate)} ({low:.1f}-{high:.1f})"
    if piece.delta is None:
        return f"{name:<20.20} {piece.n:>6,}  {rate:<27} {'-':>9}"
    delta = piece.delta
    worse_better = f"{delta.losses:,} / {delta.gains:,}"
    change = points(delta.delta)
    return f"{name:<20.20} {piece.n:>6,}  {rate:<27} {change:>9}  {worse_better:>12}  {p_value(delta.p)}"


def _wrapped(text: str, width: int, colour: str | None) -> Iterator[Line]:
    for line in textwrap.wrap(text, width - 2, initial_indent="  ", subsequent_indent="       "):
        yield Line(line, colour)


def _shortened(text: str, room: int) -> str:
    line = one_line(text)
    return line if len(line) <= room else f"{line[: max(room - 3, 0)]}..."


def _why(view: ReportView) -> str:
    verdict = view.verdict
    if verdict.problems:
        return one_line(verdict.problems[0])
    gates = [gate for suite in view.suites if suite.verdict.mode == "blocking" for gate in suite.verdict.gates]
    if verdict.verdict == "pass":
        advisory = sum(len(suite.verdict.gates) for suite in view.suites if suite.verdict.mode == "advisory")
        return f"{len(gates)} of {count(len(gates), 'gate')}" + (f", {advisory} advisory" if advisory else "")
    suite, gate = next(
        (suite, gate) for suite in view.suites for gate in suite.verdict.gates if gate.result == verdict.verdict
    )
    return _gate_reason(suite, gate)


def _gate_reason(suite: SuiteView, gate: GateResult) -> str:
    delta = suite.verdict.delta
    if gate.message.startswith(NO_BASELINE):
        return f"{suite.name}: {NO_BASELINE}"
    if gate.kind == "no-regression" and gate.result == "fail" and delta is not None:
        against = f"{points(delta.delta)} against {delta.baseline}"
        return f"{suite.name} {against}: {delta.losses:,} worse, {delta.gains:,} better"
    if gate.kind == "pass-rate" and gate.result == "fail" and gate.value is not None and gate.required is not None:
        return f"{suite.name} {percent(gate.value)} < {100 * gate.required:g}%"
    return f"{suite.name}: {one_line(gate.message)}"


def _colour(verdict: VerdictName) -> str:
    return _COLOURS.get(verdict, "yellow")

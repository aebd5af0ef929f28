"""What belongs beside the numbers of a suite: its judges, flaky cases, warnings, the trend over its last runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.phrases import compare_command, stopped_lines
from pytest_evalgate.reports.terminal_cases import errored_lines, judge_lines, missed_lines, regressed_lines
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import (
    Line,
    align,
    align_or_stack,
    join_parts,
    truncate_columns,
    width_of,
    with_command,
    wrap_lines,
)
from pytest_evalgate.text.wording import NO_BASELINE, OPTIONS, count, p_value, percent, points, usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import (
        Calibration,
        Calls,
        Delta,
        GateChange,
        GateResult,
        Repeats,
        SliceResult,
        SuiteVerdict,
        Verdict,
        VerdictName,
    )
    from pytest_evalgate.reports.view import FlakyCaseRow, ReportView, SuiteView

_LISTED = 3


def judge_and_flaky_lines(suite: SuiteView, calibrations: Mapping[str, Calibration], width: int) -> Iterator[Line]:
    """Say what a reader may want to know beside the numbers: what the judges are worth, and which cases flip."""
    yield from judge_lines(suite.verdict, width, calibrations)
    if suite.flaky:
        summary = _summary(len(suite.flaky), suite.verdict.repeats)
        yield from wrap_lines(f"  {one_line(suite.name)}: {summary}", width)
        yield from _flaky(suite.flaky[:_LISTED], width)
    if len(suite.flaky) > _LISTED:
        more = f"... {len(suite.flaky) - _LISTED:,} more: pytest-evalgate aa {one_line(suite.name)}"
        yield from wrap_lines(f"    {more}", width)


def warning_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """Say what a reader has to know before trusting the numbers, or worrying about them."""
    delta = verdict.delta
    if delta is not None and (delta.added or delta.removed or delta.edited):
        yield Line(f"  not paired: {delta.added:,} added, {delta.removed:,} removed, {delta.edited:,} edited")
    for note in verdict.notes:
        yield from wrap_lines(f"  NOTE {one_line(name)}: {one_line(note)}", width, "yellow")
    if verdict.trend is not None and (verdict.trend.alarm or "unusually" in verdict.trend.message):
        yield from wrap_lines(f"  TREND {one_line(verdict.trend.message)}", width, "yellow")


def _flaky(cases: Sequence[FlakyCaseRow], width: int) -> Iterator[Line]:
    rows = [(f"FLAKY  {one_line(case.id)}", one_line(case.place), f"{case.passed} of {case.trials}") for case in cases]
    yield from (Line(f"    {text}") for text in align_or_stack(rows, width - 4, 1))


def _summary(flaky: int, repeats: Repeats | None) -> str:
    text = f"{count(flaky, 'case')} passed in some trials and missed in others"
    if repeats is None:
        return text
    worth = f"; the trials are worth {repeats.n_eff:,.0f} independent cases"
    return f"{text}: {percent(repeats.flip_rate)} flip from trial to trial{worth}"


_GATE_CHANGES_LISTED = 5
_INDENT = " " * 11


def gate_change_lines(changes: Sequence[GateChange], width: int) -> Iterator[Line]:
    """List the changes, those that weaken the gate first and whole, of the others a few of each kind."""
    if not changes:
        return
    weaker = sum(change.effect == "weaker" for change in changes)
    told = f"{weaker:,} of them weaker" if weaker else "none of them weaker"
    heading = f"WHAT CHANGED IN THE GATE: {count(len(changes), 'change')} against the base branch, {told}"
    yield from wrap_lines(heading, width)
    ordered = sorted(changes, key=lambda change: (change.effect != "weaker", change.what, change.effect))
    for (effect, what), group in groupby(ordered, key=attrgetter("effect", "what")):
        alike = list(group)
        listed = len(alike) if effect == "weaker" else _GATE_CHANGES_LISTED
        for change in alike[:listed]:
            yield from wrap_lines(f"  {_told(change)}", width, _colour(change))
        if len(alike) > listed:
            yield from wrap_lines(
                f"{_INDENT}... and {len(alike) - listed:,} more: {what} (all stand in verdict.json)", width
            )


def _told(change: GateChange) -> str:
    values = f": {one_line(change.before)} -> {one_line(change.now)}" if change.before or change.now else ""
    answered = "" if change.acknowledged is None else f" (acknowledged: {one_line(change.acknowledged)})"
    return f"{change.effect.upper():<8} {one_line(change.what)}  {one_line(change.where)}{values}{answered}"


def _colour(change: GateChange) -> str | None:
    if change.effect != "weaker":
        return None
    return "red" if change.acknowledged is None else "yellow"


_WIDEST_NAME = 24
_WIDEST_GATE = 40

_COLOURS: dict[VerdictName, str] = {"pass": "green", "fail": "red", "invalid": "red"}


@dataclass(frozen=True, slots=True)
class _Row:
    suite: tuple[str, str, str, str]
    gate: tuple[str, str]
    colour: str | None = None


_HEADINGS = _Row(("suite", "pass rate (95% CI)", "base", "change (bounds)"), ("gate", "result"))


def table_lines(suites: Sequence[SuiteView], width: int) -> Iterator[Line]:
    """One row a suite and gate; where that is too wide, the gates stand below their suite."""
    rows = [_HEADINGS, *(row for suite in suites for row in _rows(suite))]
    wide = align([row.suite + row.gate for row in rows])
    if max(map(width_of, wide)) <= width:
        yield from (Line(text, row.colour) for text, row in zip(wide, rows, strict=True))
        return
    heads, gates = align([row.suite for row in rows]), align([row.gate for row in rows])
    for head, gate, row in zip(heads, gates, rows, strict=True):
        if head:
            yield Line(head)
        if row is not _HEADINGS:
            yield Line(f"    {gate}", row.colour)


def gate_name(gate: GateResult) -> str:
    """Name a gate, as far as there is room."""
    return truncate_columns(one_line(phrases.gate_name(gate)), _WIDEST_GATE)


def gate_colour(verdict: SuiteVerdict, gate: GateResult) -> str | None:
    """Return the colour of what a gate says; what does not block is never red."""
    return colour_of(gate.result) if phrases.is_blocking(verdict) or gate.result == "pass" else "yellow"


def colour_of(verdict: VerdictName) -> str:
    """Return the colour of a verdict."""
    return _COLOURS.get(verdict, "yellow")


def _rows(suite: SuiteView) -> Iterator[_Row]:
    verdict = suite.verdict
    name = truncate_columns(one_line(suite.name), _WIDEST_NAME)
    first = (name, phrases.rate(verdict), phrases.base(verdict.delta), phrases.change(verdict))
    for index, gate in enumerate(verdict.gates):
        here = ("", "", "", "") if index else first
        yield _Row(here, (gate_name(gate), phrases.result_of(verdict, gate)), gate_colour(verdict, gate))


def message_lines(suite: SuiteView, width: int, *, every: bool, may_warn: bool) -> Iterator[Line]:
    """Say what each gate says that does not pass, and how the cases changed.

    Args:
        suite: The suite.
        width: In columns.
        every: Whether gates that pass are told in full too.
        may_warn: Whether ``on_inconclusive = "warn"`` would let the build pass.

    """
    verdict = suite.verdict
    said = {gate.message: gate for gate in verdict.gates}
    for message, gate in said.items():
        if gate.result == "pass" and not every and _is_plain(gate, verdict):
            if gate.kind == "no-regression":
                yield from _change(one_line(suite.name), verdict, gate, width)
            continue
        which = f", {gate_name(gate)}" if len(said) == len(verdict.gates) else ""
        advisory = "" if phrases.is_blocking(verdict) else " (advisory)"
        head = f"{phrases.run_word(gate.result)}{advisory} {one_line(suite.name)}{which}"
        told = f"{head}: {_gate_messages_told(message, gate)}"
        for beside in _beside(gate, verdict):
            told = f"{told.removesuffix('.')}. {beside}"
        yield from wrap_lines(f"  {one_line(told)}", width, gate_colour(verdict, gate))
        if gate.result == "inconclusive" and not message.startswith(NO_BASELINE):
            yield from _choices(one_line(suite.name), width, may_warn=may_warn)


def _is_plain(gate: GateResult, verdict: SuiteVerdict) -> bool:
    """Tell whether the table says all that there is to a gate that passes."""
    if gate.kind == "pass-rate":
        return verdict.pass_rate is None or gate.value == verdict.pass_rate  # else a judge's errors were taken out
    if gate.kind != "no-regression":
        return True
    delta = verdict.delta
    undramatic = delta is not None and delta.finding in {"inconclusive", "no_regression_beyond_margin"}
    return undramatic and not gate.of and verdict.stopped is None


def _change(name: str, verdict: SuiteVerdict, gate: GateResult, width: int) -> Iterator[Line]:
    """Say how the cases of a suite changed that passes."""
    delta = verdict.delta
    if delta is None:
        return
    if not (delta.losses or delta.gains):
        yield from wrap_lines(f"  {name}: no case got worse or better ({_reach(delta, gate)})", width)
        return
    changed = f"{count(delta.losses, 'case')} got worse, {delta.gains:,} got better"
    noise = f"within noise (p={p_value(delta.p)}; {_reach(delta, gate)})"
    yield from wrap_lines(f"  {name}: {changed}: {'an improvement' if delta.lower > 0 else noise}", width)
    yield from with_command("list them:", one_line(compare_command(name, verdict)), width, "       ")


def _reach(delta: Delta, gate: GateResult) -> str:
    """Say which drop the pairs rule out or could have shown; where that is unknown, how many they are."""
    if delta.finding == "no_regression_beyond_margin" and gate.required:
        return f"a drop of {points(-gate.required).lstrip('+')} is ruled out"
    if delta.mde is None:
        return count(delta.pairs, "pair")
    return f"a drop of {points(delta.mde).lstrip('+')} would show"


def _gate_messages_told(message: str, gate: GateResult) -> str:
    """Leave the advice out of a message where the section gives its own."""
    return message.partition("; retry")[0] if gate.result == "incomplete" else message


def _beside(gate: GateResult, verdict: SuiteVerdict) -> Iterator[str]:
    """Say what the comparison adds to a gate on the rate."""
    delta = verdict.delta
    if delta is None or gate.kind != "pass-rate" or verdict.stopped is not None or delta.youden != 1:
        return
    base, pairs = delta.baseline.removeprefix("file:"), count(delta.pairs, "case")
    if gate.result == "fail" and delta.finding in {"inconclusive", "no_regression_beyond_margin"}:
        too = " and fails this gate too" if gate.required is not None and delta.baseline_rate < gate.required else ""
        yield f"No regression is proven: {base} has {percent(delta.baseline_rate)} of these {pairs}{too}"
    if gate.result == "inconclusive" and delta.mde is not None:
        yield f"Against {base}, {pairs} show only drops of {points(delta.mde).lstrip('+')} or more (80% power)"


def _choices(name: str, width: int, *, may_warn: bool) -> Iterator[Line]:
    choices = [f"pytest-evalgate power {name}", "--eval-trials 3"]
    choices += ['on_inconclusive = "warn"'] if may_warn else []
    yield from (Line(f"  {text}") for text in join_parts(["choose: add cases", *choices], width - 2))


_PREFIX: Final = "evalgate: "


@dataclass(frozen=True, slots=True)
class HeaderJudge:
    """A judge as the header names it: its calibration holds ``labels``; ``kappa`` is None where that is unknown."""

    model: str
    kappa: float | None = None
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A run before its first call.

    ``tier`` is None for the default one. ``targets`` say what makes the outputs, ``baselines`` what they are compared
    with, ``options`` what of the command line changes the run.
    """

    suites: Sequence[str]
    cases: int
    targets: Sequence[str] = ()
    judges: Sequence[HeaderJudge] = ()
    baselines: Sequence[str] = ()
    options: Sequence[str] = ()
    tier: str | None = None
    budget_usd: float | None = None


def header_lines(header: Header, width: int = 100) -> tuple[str, ...]:
    """Render the header: the run, then what it is compared with and may cost; long lines go on below."""
    groups = ([*_run(header)], [*_against(header)])
    room = width - len(_PREFIX)
    return tuple(_PREFIX + line for parts in groups for line in join_parts(map(one_line, parts), room))


def _run(header: Header) -> Iterator[str]:
    if header.tier is not None:
        yield f"tier {header.tier}"
    if not header.suites:
        yield "no suite runs without code"
        return
    named = header.suites[0] if len(header.suites) == 1 else count(len(header.suites), "suite")
    yield f"{named}, {count(header.cases, 'case')}"
    yield from dict.fromkeys(header.targets)
    yield from dict.fromkeys(map(_judge, header.judges))


def _judge(judge: HeaderJudge) -> str:
    if not judge.labels:
        return f"judge {judge.model} (not calibrated)"
    kappa = "" if judge.kappa is None else f"kappa {judge.kappa:.2f}, "
    return f"judge {judge.model} ({kappa}n={judge.labels:,})"


def _against(header: Header) -> Iterator[str]:
    yield from (f"baseline {name}" for name in dict.fromkeys(header.baselines))
    yield from header.options
    if header.budget_usd is not None:
        yield f"budget {usd(header.budget_usd)}"


_SLICES_WIDEST_NAME: Final = 24
_FEW: Final = 20
"""Of fewer cases a rate says next to nothing: its interval is 40 points wide."""

_SLICES_HEADINGS: Final = ("value", "n", "pass rate (95% CI)", "change", "worse/better")


def slice_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """List every slice; of a suite that passes, only those that dropped: an average can hide them."""
    passed = verdict.verdict == "pass"
    shown = [piece for piece in verdict.slices if not passed or _dropped(piece)]
    for by, group in groupby(shown, key=attrgetter("by")):
        pieces = list(group)
        gated = any(piece.gated for piece in pieces)
        which = "WATCH slices that dropped" if passed else "slices"
        how = "gated" if gated else "not gated, each p by itself"
        yield from wrap_lines(f"  {which}: {one_line(name)} by {one_line(by)} ({how})", width)
        rows = [(*_SLICES_HEADINGS, "p (Holm)" if gated else "p", "note"), *map(_row, pieces)]
        yield from (Line(f"    {text}") for text in align_or_stack(rows, width - 4, 3))


def _dropped(piece: SliceResult) -> bool:
    return piece.delta is not None and piece.delta.finding == "regressed"


def _row(piece: SliceResult) -> tuple[str, ...]:
    rate = f"{piece.passed:,}/{piece.n:,}  {phrases.share(piece.pass_rate, piece.interval)}"
    return (
        truncate_columns(one_line(piece.value), _SLICES_WIDEST_NAME),
        f"{piece.n:,}",
        rate,
        *_changes(piece),
        _note(piece),
    )


def _changes(piece: SliceResult) -> Sequence[str]:
    delta = piece.delta
    if delta is None:
        return "-", "-", "-"
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)


def _note(piece: SliceResult) -> str:
    """Say what to think of a slice: proven to have dropped, worth a look, or too small for either."""
    if _dropped(piece):
        return "DROPPED" if piece.gated else "watch"
    if piece.n < _FEW:
        return f"n < {_FEW}: too few"
    return ""


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
    return tuple(_escape_line(line, width) for line in _lines(view, width, verbosity))


def verdict_line(verdict: Verdict, notes: Iterable[str] = ()) -> Line:
    """Render the last line on the screen: the verdict, its first reason, the exit code."""
    head, tail = f"evalgate: {phrases.run_word(verdict.verdict)}  ", f"   ({phrases.exit_note(verdict, notes)})"
    why = truncate_columns(one_line(phrases.reason(verdict)), _VERDICT_LINE - len(head + tail))
    return Line(head + why + tail, colour_of(verdict.verdict))


def _escape_line(line: Line, width: int) -> Line:
    return Line(truncate_columns(one_line(line.text), width).rstrip(), line.colour)


def _lines(view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    yield from gate_change_lines(view.verdict.changed_in_gate, width)
    for problem in view.verdict.problems:
        yield from wrap_lines(f"INVALID: {one_line(problem)}", width, "red")
    if view.suites:
        yield from table_lines(view.suites, width)
    for suite in view.suites:
        yield from _details(suite, view, width, verbosity)
    if view.verdict.suites_not_run:
        yield from wrap_lines(f"not run: {one_line(', '.join(view.verdict.suites_not_run))}", width)
    yield from _facts(view, width, verbosity)
    for note in view.notes:
        yield from wrap_lines(one_line(note), width, "yellow")
    for suite in view.suites:
        yield from _steps(suite, view, width)


def _details(suite: SuiteView, view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    may_warn = bool(view.verdict.exit_code)
    yield from stopped_lines(suite.name, suite.verdict, width)
    yield from message_lines(suite, width, every=verbosity > 0, may_warn=may_warn)
    yield from errored_lines(suite, view, width)
    yield from _listings(suite, width, verbosity)
    yield from warning_lines(suite.name, suite.verdict, width)
    yield from judge_and_flaky_lines(suite, view.calibrations, width)


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
        yield from wrap_lines(f"{_spent(view.verdict.calls)}, {_duration(view.verdict.duration_s)}", width)
    if view.report_file is not None:
        yield from wrap_lines(f"report: {one_line(view.report_file)}", width)
    if view.report_file is None or verbosity > 0:
        yield from _stored(view, width)


def _stored(view: ReportView, width: int) -> Iterator[Line]:
    names = (f"verdict: {one_line(view.verdict_file)}", f"run: {one_line(view.run_file)}")
    together = "   ".join(names)
    for text in [together] if width_of(together) <= width else names:
        yield from wrap_lines(text, width)


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
        for step in phrases.suite_steps(suite, dict(view.facts).get(OPTIONS, "")):
            yield from with_command(f"{step.why}:", one_line(step.command), width)

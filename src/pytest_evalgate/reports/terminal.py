"""Terminal report: the header before a run, the section after it, and the verdict line.

The section contains, in this order: changes in the gate, the table of gates, for each suite its messages, cases,
slices and warnings, the worst suite first, then cost and files, and last the next steps. Cases are rendered in
``terminal_cases``, lists of them in ``terminal_lists``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import candidate_table, phrases
from pytest_evalgate.reports.metric_tables import terminal_lines
from pytest_evalgate.reports.terminal_cases import judge_lines, worst_lines
from pytest_evalgate.reports.terminal_lists import ListLimits, errored_lines, missed_lines, regressed_lines
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
from pytest_evalgate.text.wording import NO_BASELINE, OPTIONS, count, percent, points, usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.side_by_side import SideBySide
    from pytest_evalgate.records.verdicts import (
        Calibration,
        GateChange,
        GateResult,
        SliceResult,
        SuiteVerdict,
        Verdict,
        VerdictName,
    )
    from pytest_evalgate.reports.view import GateSentence, ReportView, SuiteView

_NARROWEST: Final = 60
_VERDICT_LINE: Final = 100
_WIDEST_NAME: Final = 24
_WIDEST_GATE: Final = 40
_WIDEST_CANDIDATE: Final = 32
_MINUTE, _HOUR = 60, 3_600
_COLOURS: dict[VerdictName, str] = {"pass": "green", "fail": "red", "invalid": "red"}


_USUAL: Final = ListLimits()


def render(view: ReportView, width: int = 100, verbosity: int = 0, limits: ListLimits = _USUAL) -> tuple[Line, ...]:
    """Render the section "eval gate".

    ::

        suite        pass rate (95% CI)          base  change (bounds)       gate           result
        support-faq  221/240  92.1% (88.0-94.9)  98.3  -6.2 pp (-9.8..-3.2)  no-regression  FAIL
          FAIL support-faq, no-regression: 19 cases got worse, 4 got better. A drop this large would happen by luck ...
               detail: mcnemar-midp p=0.00077, limit 0.05
          WORST 1 of 19: pass -> miss  refund-001  golden_sets/support.jsonl:1
            ...
          REGRESSED   worst first                  base -> now   why
          refund-001  golden_sets/support.jsonl:1  pass -> miss  exact: got 30 days, wanted 14 days
        US$0.31: 188 calls sent, 772 cached, 2m10s
        report: .evalgate/report.html
        look: pytest --eval-gate --eval-fail-cases -k support-faq

    No line is wider than ``width`` columns, or 60 if that is less. Verbosity 1 lists all cases that missed or
    regressed, the details of all gates, and the files; 2 shows the worst cases in full.
    """
    width = max(width, _NARROWEST)
    limits = replace(limits, listed=None) if verbosity > 0 else limits
    return tuple(
        line if line.is_command else Line(truncate_columns(one_line(line.text), width).rstrip(), line.colour)
        for line in _lines(view, width, verbosity, limits)
    )


def verdict_line(verdict: Verdict, notes: Iterable[str] = ()) -> Line:
    """Render the last line: ``evalgate: FAIL  support-faq 91.2% < 95%   (exit 1)``; ``notes`` are those of the run."""
    head, tail = f"evalgate: {phrases.run_word(verdict.verdict)}  ", f"   ({phrases.exit_note(verdict, notes)})"
    why = truncate_columns(one_line(phrases.reason(verdict)), _VERDICT_LINE - len(head + tail))
    return Line(head + why + tail, _colour_of(verdict.verdict))


def _lines(view: ReportView, width: int, verbosity: int, limits: ListLimits) -> Iterator[Line]:
    if view.verdict.base_problem is not None:
        yield from wrap_lines(one_line(phrases.base_problem(view.verdict.base_problem)), width, "red")
    yield from gate_change_lines(view.verdict.changed_in_gate or (), width)
    for problem in view.verdict.problems:
        yield from wrap_lines(f"INVALID: {one_line(problem)}", width, "red")
    yield from _tables(view, width)
    for suite in phrases.worst_suites(view):
        yield from _suite(suite, view, width, verbosity, limits)
    if view.verdict.suites_not_run:
        yield from wrap_lines(f"not run: {one_line(', '.join(view.verdict.suites_not_run))}", width)
    yield from _cost_and_files(view, width, verbosity)
    for note in view.notes:
        yield from wrap_lines(one_line(note), width, "yellow")
    options = dict(view.facts).get(OPTIONS, "")
    for suite in phrases.worst_suites(view):
        if suite.verdict.verdict == "fail":  # an inconclusive suite has listed its choices above
            for step in phrases.suite_steps(suite, options):
                yield from with_command(f"{step.why}:", one_line(step.command), width)
    yield from acknowledgement_lines(view.acknowledgement, width)


def acknowledgement_lines(text: str, width: int) -> Iterator[Line]:
    """Render the configuration that acknowledges a weaker gate or a lower baseline, so that it can be pasted."""
    if text:
        yield from wrap_lines("to accept this on purpose, acknowledge it on this branch:", width)
        yield from (Line(f"    {one_line(line)}") for line in text.splitlines())


_GATE_CHANGES_LISTED: Final = 5


def gate_change_lines(changes: Sequence[GateChange], width: int) -> Iterator[Line]:
    """List the changes in the gate: all that weaken it, and the first five of every other kind.

    ::

        WHAT CHANGED IN THE GATE: 2 changes against the base branch, 1 of them weaker
          WEAKER   pass-rate min  evalgate.toml suites.faq.gates: 0.9 -> 0.8
          NEUTRAL  case added  golden/faq.jsonl:241
    """
    if not changes:
        return
    yield from wrap_lines(f"WHAT CHANGED IN THE GATE: {phrases.count_gate_changes(changes)}", width)
    for (effect, what), group in groupby(phrases.weakest_first(changes), key=attrgetter("effect", "what")):
        alike = list(group)
        listed = len(alike) if effect == "weaker" else _GATE_CHANGES_LISTED
        for change in alike[:listed]:
            values = f": {one_line(change.before)} -> {one_line(change.now)}" if change.before or change.now else ""
            approved = "" if change.acknowledged is None else f" (acknowledged: {one_line(change.acknowledged)})"
            text = f"  {effect.upper():<8} {one_line(what)}  {one_line(change.where)}{values}{approved}"
            colour = "red" if change.acknowledged is None else "yellow"
            yield from wrap_lines(text, width, colour if effect == "weaker" else None)
        if len(alike) > listed:
            yield from wrap_lines(
                f"{' ' * 11}... and {len(alike) - listed:,} more: {what} (all are in verdict.json)", width
            )


def _tables(view: ReportView, width: int) -> Iterator[Line]:
    if view.suites:
        yield from _table(view.suites, width)
    for found in view.verdict.side_by_side:
        yield from candidate_lines(found, width)


def candidate_lines(found: SideBySide, width: int) -> Iterator[Line]:
    """Render the candidates of a suite side by side.

    ::

        CANDIDATES of support: 2, the highest rate first
          candidate       pass rate (95% CI)  cost      p95    group
          support[large]  95.0% (91.5-97.1)   US$3.10   2.0 s  a
          support[mini]   92.1% (88.0-94.9)   US$0.31   1.2 s  a
        no two candidates are distinguishable (1 pair tested, Holm's p at most 0.05)
          support[large] against support[mini]: +2.9 pp (-0.8..+6.6), 12 better, 5 worse, p=0.14: not distinguishable
    """
    yield from wrap_lines(one_line(candidate_table.title(found)), width)
    names = (
        (truncate_columns(one_line(name), _WIDEST_CANDIDATE), *cells) for name, *cells in candidate_table.rows(found)
    )
    table = align_or_stack([candidate_table.HEADINGS, *names], width - 2, 1)
    yield from (Line(f"  {text}") for text in table)
    yield from wrap_lines(one_line(candidate_table.conclusion(found)), width)
    for text in candidate_table.sentences(found):
        yield from wrap_lines(f"  {one_line(text)}", width)


@dataclass(frozen=True, slots=True)
class _TableRow:
    suite: tuple[str, str, str, str]
    gate: tuple[str, str]
    colour: str | None = None


_HEADINGS: Final = _TableRow(("suite", "pass rate (95% CI)", "base", "change (bounds)"), ("gate", "result"))


def _table(suites: Sequence[SuiteView], width: int) -> Iterator[Line]:
    """Render one row for each gate; if that is too wide, the gates go below their suite."""
    rows = [_HEADINGS, *(row for suite in suites for row in _table_rows(suite))]
    wide = align([row.suite + row.gate for row in rows])
    if max(map(width_of, wide)) <= width:
        yield from (Line(text, row.colour) for text, row in zip(wide, rows, strict=True))
        return
    heads, gates = align([row.suite for row in rows]), align([row.gate for row in rows])
    for head, gate, row in zip(heads, gates, rows, strict=True):
        if head:
            yield Line(head)
        if row is not _HEADINGS and gate:
            yield Line(f"    {gate}", row.colour)


def _table_rows(suite: SuiteView) -> Iterator[_TableRow]:
    verdict = suite.verdict
    name = truncate_columns(one_line(suite.name), _WIDEST_NAME)
    for index, (numbers, gate) in enumerate(phrases.suite_rows(verdict)):
        cells = ("", "", "") if numbers is None else (numbers.rate, numbers.base, numbers.change)
        here = ("" if index else name, *cells)
        if gate is None:
            yield _TableRow(here, ("", ""))
        else:
            yield _TableRow(here, (_gate_name(gate), phrases.result_of(verdict, gate)), _gate_colour(verdict, gate))


def _gate_name(gate: GateResult) -> str:
    return truncate_columns(one_line(phrases.gate_name(gate)), _WIDEST_GATE)


def _gate_colour(verdict: SuiteVerdict, gate: GateResult) -> str | None:
    """Return the colour of a gate's result; an advisory gate is never red, because it cannot fail the build."""
    return _colour_of(gate.result) if phrases.is_blocking(verdict) or gate.result == "pass" else "yellow"


def _colour_of(verdict: VerdictName) -> str:
    return _COLOURS.get(verdict, "yellow")


def _suite(suite: SuiteView, view: ReportView, width: int, verbosity: int, limits: ListLimits) -> Iterator[Line]:
    name, verdict = one_line(suite.name), suite.verdict
    if verdict.stopped is not None:  # one call per case
        saved = f"{count(verdict.accounting.not_run, 'call')} saved"
        text = f"  {name} stopped after {phrases.completed_part(verdict)}: its verdict was certain ({saved})"
        yield from wrap_lines(text, width)
    yield from _messages(suite, width, every=verbosity > 0, may_warn=bool(view.verdict.exit_code))
    yield from errored_lines(suite, view, width)
    yield from worst_lines(suite, width, verbosity)
    dropped = {gate.kind for gate in verdict.gates if gate.result == "fail"} & {"no-regression", "slice"}
    shown = suite.regressed if dropped else ()
    if shown:
        yield from regressed_lines(suite, width, limits)
    yield from missed_lines(suite, width, limits, shown=shown, options=dict(view.facts).get(OPTIONS, ""))
    yield from slice_lines(suite.name, verdict, width)
    yield from terminal_lines(suite.name, verdict, width)
    for text in phrases.scorer_warnings(suite):
        yield from wrap_lines(f"  WARN {name}: {one_line(text)}", width, "yellow")
    yield from _warnings(name, verdict, width)
    yield from _judges_and_flaky(suite, view.calibrations, width)


def _messages(suite: SuiteView, width: int, *, every: bool, may_warn: bool) -> Iterator[Line]:
    """Print the message of each gate that does not pass, or of ``every`` gate, and the changes of cases.

    ``may_warn`` means that ``on_inconclusive = "warn"`` would let the build pass.
    """
    name, verdict = one_line(suite.name), suite.verdict
    messages = {gate.message: gate for gate in verdict.gates}  # several gates may have the same message
    sentences = {verdict.gates[one.index].message: one for one in suite.sentences}
    for message, gate in messages.items():
        sentence = sentences.get(message)
        if gate.result == "pass" and not every and _is_in_table(gate, verdict):
            if gate.kind == "no-regression" and sentence is not None:
                yield from _change(suite, sentence, width)
            continue
        which = f", {_gate_name(gate)}" if len(messages) == len(verdict.gates) else ""
        advisory = "" if phrases.is_blocking(verdict) else " (advisory)"
        # the section explains a retry in a separate line, see `errored_lines`
        short = message.partition("; ")[0] if gate.result == "incomplete" else message
        if sentence is not None:
            short = f"{sentence.changed}. {sentence.sentence}"
        text = f"{phrases.run_word(gate.result)}{advisory} {name}{which}: {short}"
        if context := _comparison_context(gate, verdict):
            text = f"{text.removesuffix('.')}. {context}"
        yield from wrap_lines(f"  {one_line(text)}", width, _gate_colour(verdict, gate))
        if sentence is not None:
            yield from wrap_lines(f"       detail: {one_line(sentence.detail)}", width)
        if gate.result == "inconclusive" and not message.startswith(NO_BASELINE):
            choices = [f"pytest-evalgate power {name}", "--eval-trials 3"]
            choices += ['on_inconclusive = "warn"'] if may_warn else []
            yield from (Line(f"  {line}") for line in join_parts(["choose: add cases", *choices], width - 2))


def _is_in_table(gate: GateResult, verdict: SuiteVerdict) -> bool:
    """Return whether the table already has all facts of a passed gate's message."""
    if gate.kind == "pass-rate":  # the rates differ if the gate corrected for a judge's errors
        return verdict.pass_rate is None or gate.value == verdict.pass_rate
    if gate.kind != "no-regression":
        return True
    delta = verdict.delta
    no_finding = delta is not None and delta.finding in {"inconclusive", "no_regression_beyond_margin"}
    return no_finding and not gate.of and verdict.stopped is None


def _change(suite: SuiteView, sentence: GateSentence, width: int) -> Iterator[Line]:
    """Print the changes of cases in a suite whose no-regression gate passed, and what they prove."""
    name, gate = one_line(suite.name), suite.verdict.gates[sentence.index]
    blind = gate.blind_below is not None
    which = f", {one_line(sentence.gate)}" if gate.of else ""
    text = f"  {name}{which}: {sentence.changed}. {sentence.sentence}"
    yield from wrap_lines(one_line(text), width, "yellow" if blind else None)
    if gate.delta is not None and (gate.delta.losses or gate.delta.gains):
        command = one_line(phrases.compare_command(suite.name, suite.verdict))
        yield from with_command("list them:", command, width, "       ")


def _comparison_context(gate: GateResult, verdict: SuiteVerdict) -> str:
    """Return the facts that the comparison with the baseline adds to the message of a pass-rate gate."""
    delta = verdict.delta
    if delta is None or gate.kind != "pass-rate" or verdict.stopped is not None or delta.youden != 1:
        return ""
    base, pairs = delta.baseline.removeprefix("file:"), count(delta.pairs, "case")
    if gate.result == "fail" and delta.finding in {"inconclusive", "no_regression_beyond_margin"}:
        too = " and fails this gate too" if gate.required is not None and delta.baseline_rate < gate.required else ""
        return f"No regression is proven: {base} passes {percent(delta.baseline_rate)} of these {pairs}{too}"
    if gate.result == "inconclusive" and delta.mde is not None:
        smallest = points(delta.mde).lstrip("+")
        return f"Compared with {base}, {pairs} can detect only drops of {smallest} or more (80% power)"
    return ""


_SLICE_HEADINGS: Final = ("value", "n", "pass rate (95% CI)", "change", "worse/better")
_FEW: Final = 20
"""With fewer cases, the 95 % interval of a rate is 40 points wide."""


def slice_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """List every slice; if the suite passes, only the slices that dropped, because the average can hide them.

    ::

        slices: support-faq by lang (not gated, p not adjusted)
          value  n    pass rate (95% CI)          change   worse/better  p        note
          en     178  166/178  93.3% (88.6-96.1)  -6.7 pp  12 / 0        0.00012  watch
    """
    passed = verdict.verdict == "pass"
    shown = [piece for piece in verdict.slices if not passed or _dropped(piece)]
    for by, group in groupby(shown, key=attrgetter("by")):
        pieces = list(group)
        gated = any(piece.gated for piece in pieces)
        which = "WATCH slices that dropped" if passed else "slices"
        how = phrases.slice_gates(pieces, verdict.gates, "gated")
        yield from wrap_lines(f"  {which}: {one_line(name)} by {one_line(by)} ({how})", width)
        rows = [(*_SLICE_HEADINGS, "p (Holm)" if gated else "p", "note"), *map(_slice_row, pieces)]
        yield from (Line(f"    {text}") for text in align_or_stack(rows, width - 4, 3))


def _dropped(piece: SliceResult) -> bool:
    return piece.delta is not None and piece.delta.finding == "regressed"


def _slice_row(piece: SliceResult) -> tuple[str, ...]:
    note = f"n < {_FEW}: too few" if piece.n < _FEW else ""
    if _dropped(piece):
        note = "DROPPED" if piece.gated else "watch"
    return (
        truncate_columns(one_line(piece.value), _WIDEST_NAME),
        f"{piece.n:,}",
        phrases.slice_rate(piece),
        *phrases.slice_change(piece),
        note,
    )


def _warnings(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    delta = verdict.delta
    if delta is not None and (delta.added or delta.removed or delta.edited):
        yield Line(f"  not paired: {delta.added:,} added, {delta.removed:,} removed, {delta.edited:,} edited")
    for note in verdict.notes:
        yield from wrap_lines(f"  NOTE {name}: {one_line(note)}", width, "yellow")
    if (trend := phrases.trend_warning(verdict)) is not None:
        yield from wrap_lines(f"  TREND {one_line(trend)}", width, "yellow")


_FLAKY_LISTED: Final = 3


def _judges_and_flaky(suite: SuiteView, calibrations: Mapping[str, Calibration], width: int) -> Iterator[Line]:
    yield from judge_lines(suite.verdict, width, calibrations)
    if suite.verdict.repeats is not None and (text := phrases.trials_agreement(suite.verdict.repeats)):
        yield from wrap_lines(f"  {one_line(suite.name)}: {text}", width)
    if not suite.flaky:
        return
    name = one_line(suite.name)
    text = f"{count(len(suite.flaky), 'case')} passed in some trials and missed in others"
    if (repeats := suite.verdict.repeats) is not None:
        worth = f"the trials are worth {repeats.n_eff:,.0f} independent cases"
        text = f"{text}: {percent(repeats.flip_rate)} flip from trial to trial; {worth}"
    yield from wrap_lines(f"  {name}: {text}", width)
    rows = [
        (f"FLAKY  {one_line(case.id)}", one_line(case.place), f"{case.passed} of {case.trials}")
        for case in suite.flaky[:_FLAKY_LISTED]
    ]
    yield from (Line(f"    {text}") for text in align_or_stack(rows, width - 4, 1))
    if len(suite.flaky) > _FLAKY_LISTED:
        more = f"... {len(suite.flaky) - _FLAKY_LISTED:,} more: pytest-evalgate aa {name}"
        yield from wrap_lines(f"    {more}", width)


def _cost_and_files(view: ReportView, width: int, verbosity: int) -> Iterator[Line]:
    calls = view.verdict.calls
    if calls.planned:
        yield from wrap_lines(f"{phrases.sent(calls)}, {_duration(view.verdict.duration_s)}", width)
    if view.report_file is not None:
        yield from wrap_lines(f"report: {one_line(view.report_file)}", width)
    if view.report_file is None or verbosity > 0:
        names = (f"verdict: {one_line(view.verdict_file)}", f"run: {one_line(view.run_file)}")
        together = "   ".join(names)
        for text in [together] if width_of(together) <= width else names:
            yield from wrap_lines(text, width)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"


@dataclass(frozen=True, slots=True)
class HeaderJudge:
    """A judge in the header; ``labels`` is the size of its calibration, ``kappa`` is None if unknown."""

    model: str
    kappa: float | None = None
    labels: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A run before its first call.

    ``tier`` is None for the default tier. ``targets`` and ``baselines`` are their descriptions, ``options`` the
    command line options that change the run.
    """

    suites: Sequence[str]
    cases: int
    targets: Sequence[str] = ()
    judges: Sequence[HeaderJudge] = ()
    baselines: Sequence[str] = ()
    options: Sequence[str] = ()
    tier: str | None = None
    budget_usd: float | None = None


_PREFIX: Final = "evalgate: "


def header_lines(header: Header, width: int = 100) -> tuple[str, ...]:
    """Render the header; long lines continue on the next.

    ::

        evalgate: support-faq, 240 cases | candidate gpt-x-mini | judge gpt-x (kappa 0.81, n=150)
        evalgate: baseline baselines/support-faq.json (8c1f2d0, 2026-11-20) | budget US$5.00
    """
    comparison = [f"baseline {name}" for name in dict.fromkeys(header.baselines)] + [*header.options]
    budget = [] if header.budget_usd is None else [f"budget {usd(header.budget_usd)}"]
    groups = ([*_header_run(header)], [*comparison, *budget])
    room = width - len(_PREFIX)
    return tuple(_PREFIX + line for parts in groups for line in join_parts(map(one_line, parts), room))


def _header_run(header: Header) -> Iterator[str]:
    if header.tier is not None:
        yield f"tier {header.tier}"
    if not header.suites:
        yield "no configured suite runs"
        return
    named = header.suites[0] if len(header.suites) == 1 else count(len(header.suites), "suite")
    yield f"{named}, {count(header.cases, 'case')}"
    yield from dict.fromkeys(header.targets)
    yield from dict.fromkeys(map(_header_judge, header.judges))


def _header_judge(judge: HeaderJudge) -> str:
    if not judge.labels:
        return f"judge {judge.model} (not calibrated)"
    kappa = "" if judge.kappa is None else f"kappa {judge.kappa:.2f}, "
    return f"judge {judge.model} ({kappa}n={judge.labels:,})"

"""Cases in the terminal: one case in full, the list of regressed cases, the reasons of misses, and the judges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.diff import marked_diff
from pytest_evalgate.reports.phrases import compare_command, may_retry, share
from pytest_evalgate.reports.view import truncate
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import Line, align, truncate_columns, width_of, with_command, wrap, wrap_lines
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Calibration, JudgeVerdict, Score, SuiteVerdict
    from pytest_evalgate.reports.view import CaseView, ChangedCaseRow, Reason, ReportView, SuiteView, TrialView

_LONGEST: Final = 2_000
"""Characters of one text; the run file and the HTML report contain the whole text."""

_LABEL: Final = 11
_GUTTER: Final = " " * 9 + "| "
"""Prefix of the further lines of a foreign text: a GitHub runner executes a line that starts with ``::``."""

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

_NOTHING: Mapping[str, Any] = {}


def case_lines(
    case: CaseView, width: int, *, rerun: str | None = None, judges: Mapping[str, str] = _NOTHING
) -> tuple[Line, ...]:
    """Render one case in full.

    ::

        case       refund-014  golden_sets/support.jsonl:14  (en, refund)
        input      How long do I have to return a jacket?
        expected   14 days from delivery, unworn
        baseline   pass    You can return it within 14 days of delivery.
        candidate  MISSED  You have 30 days to return any item.
        diff       You [-can-] {+have 30 days to+} return [-it within 14 days of delivery.-] {+any item.+}
        reason   | States 30 days; the policy and the reference say 14 days.  (model text)
        rerun      pytest --eval-gate --eval-fail-cases -k refund-014

    ``rerun`` is the command that runs the case again; ``judges`` are notes on the judges among its scorers, by name.
    """
    return tuple(_lines(case, max(width, 4 * _LABEL), rerun, judges))


def rerun_command(case_id: str) -> str | None:
    """Return the command that runs a case again and prints it; None if ``-k`` cannot express its id."""
    if _PLAIN_ID.fullmatch(case_id) is None or case_id in {"not", "and", "or"}:
        return None
    return f"pytest --eval-gate --eval-fail-cases -k {case_id}"


def _lines(case: CaseView, width: int, rerun: str | None, judges: Mapping[str, str]) -> Iterator[Line]:
    tags = f"  ({', '.join(case.tags)})" if case.tags else ""
    yield from _row("case", f"{case.id}  {case.place}{tags}", width)
    yield from _row("input", case.input, width)
    yield from _row("expected", case.expected, width)
    before = case.baseline_output
    if before is not None:
        yield from _row("baseline", f"{_word(case.before):<7} {before}", width)
    for number, trial in enumerate(case.trials, start=1):
        label = f"trial {number}" if len(case.trials) > 1 else "candidate"
        colour = None if trial.value == 1 else "red" if trial.value == 0 else "yellow"
        yield from _row(label, f"{_word(trial.value):<7} {trial.output}", width, colour)
        if before is not None and trial.value != 1 and trial.output and trial.output != before:
            yield from _row("diff", marked_diff(truncate(before, _LONGEST), truncate(trial.output, _LONGEST)), width)
        yield from _score_lines(trial, width, judges)
    if not case.trials:
        yield from _row("reason", case.reason, width, guarded=True)
    if rerun is not None:
        yield from with_command("rerun".ljust(_LABEL - 1), rerun, width)


def _score_lines(trial: TrialView, width: int, judges: Mapping[str, str]) -> Iterator[Line]:
    for score in trial.scores:
        if score.name in judges:
            yield from _row("judge", f"{_scored(score)}  ({judges[score.name]})", width)
    rules = [_scored(score) for score in trial.scores if score.name not in judges]
    if len(trial.scores) > 1:
        yield from _row("scores", ", ".join(rules), width)
    if trial.reason:
        asked = any(score.name in judges for score in trial.scores)
        yield from _row("reason", f"{trial.reason}{'  (model text)' if asked else ''}", width, guarded=True)


def _scored(score: Score) -> str:
    value = "could not tell" if score.value is None else f"{score.value:.2f} {_word(float(bool(score.passed)))}"
    return f"{score.name} {value}{'' if score.counts else ' (does not count)'}"


def _row(label: str, text: str, width: int, colour: str | None = None, *, guarded: bool = False) -> Iterator[Line]:
    """Render a text after its label, nothing if it is empty; ``guarded`` puts the gutter on its first line too."""
    lines = [one_line(line) for line in truncate(text, _LONGEST).splitlines() if line.strip()]
    pieces = [piece for line in lines for piece in wrap(line, width - _LABEL)]
    for number, piece in enumerate(pieces):
        head = f"{label:<9}| " if guarded else f"{label:<{_LABEL}}"
        yield Line((_GUTTER if number else head) + piece, colour)


def _word(value: float | None) -> str:
    if value is None:
        return "NO ANSWER"
    return {0.0: "MISSED", 1.0: "pass"}.get(value, f"{value:.2f}")


_LISTED: Final = 10
_DETAILED: Final = 3
_DIFF_LINES: Final = 4
_WIDEST_ID: Final = 40
_WIDEST_TAGS: Final = 16
_NARROWEST_REASON: Final = 24
_WIDE_ENOUGH: Final = 72
_GAP: Final = 2
_DIFF_GUTTER: Final = "     | "


def regressed_lines(suite: SuiteView, width: int, verbosity: int) -> Iterator[Line]:
    """List the regressed cases, worst first.

    ::

        REGRESSED   worst first                             base -> now   why
        refund-001  golden_sets/support.jsonl:1  en,refund  pass -> miss  contains: states 30 days; the ...
        ... 9 more: pytest-evalgate compare baselines/support-faq.json --suite support-faq --regressed

    Verbosity 1 lists all of them, with the change in the output for the first three; verbosity 2 adds the first three
    in full.
    """
    every = verbosity > 0 or len(suite.regressed) == _LISTED + 1  # one more case takes as much room as "1 more"
    shown = suite.regressed if every else suite.regressed[:_LISTED]
    heads = _heads(shown, width - 2)
    room = max(map(width_of, heads))
    stacked = width - room - 4 < _NARROWEST_REASON
    yield Line(f"  {heads[0]}" if stacked else f"  {heads[0]:<{room}}  why")
    for number, (head, case) in enumerate(zip(heads[1:], shown, strict=True)):
        reason = one_line(case.reason)
        if not stacked:
            yield Line(f"  {head}{' ' * (room - width_of(head))}  {truncate_columns(reason, width - room - 4)}")
        else:
            yield Line(f"  {head}")
            if reason:
                yield Line(f"{_DIFF_GUTTER}{truncate_columns(reason, width - len(_DIFF_GUTTER))}")
        if verbosity > 0 and number < _DETAILED:
            yield from _output_change(suite.details.get(case.id), width)
    if more := len(suite.regressed) - len(shown):
        command = one_line(compare_command(suite.name, suite.verdict, regressed=True))
        yield from with_command(f"... {more:,} more:", command, width, "  ")
    if verbosity > 1:
        yield from _in_full(suite, width)


def _heads(cases: Sequence[ChangedCaseRow], width: int) -> list[str]:
    """Return the heading and the rows, without reasons: id, place, tags (if there is room), change.

    A long place is truncated at its start, because its end has the line number.
    """
    ids = ("REGRESSED", *(truncate_columns(one_line(case.id), min(_WIDEST_ID, width // 3)) for case in cases))
    tags = ("", *(truncate_columns(one_line(",".join(case.tags)), _WIDEST_TAGS) for case in cases))
    changes = ("base -> now", *(f"{case.before} -> {case.now}" for case in cases))
    others = [ids, tags, changes] if any(tags) and width > _WIDE_ENOUGH else [ids, changes]
    room = width - sum(max(map(width_of, column)) + _GAP for column in others)
    places = ("worst first", *(_truncate_start(one_line(str(case.place)), room) for case in cases))
    return align(list(zip(ids, places, *others[1:], strict=True)))


def _truncate_start(text: str, room: int) -> str:
    return text if width_of(text) <= room else f"...{truncate_columns(text[::-1], room)[:-3][::-1]}"


def _output_change(case: CaseView | None, width: int) -> Iterator[Line]:
    """Render the change in the output of a case, if both outputs are known."""
    if case is None or case.baseline_output is None or not case.trials:
        return
    worst = min(case.trials, key=lambda trial: 1.0 if trial.value is None else trial.value)
    if not worst.output or worst.output == case.baseline_output:
        return
    marked = one_line(marked_diff(case.baseline_output, worst.output))
    diff = wrap(marked, width - len(_DIFF_GUTTER)) if marked else []
    for line in diff[:_DIFF_LINES]:
        yield Line(_DIFF_GUTTER + line)
    if len(diff) > _DIFF_LINES:
        yield Line(f"{_DIFF_GUTTER}...")


def _in_full(suite: SuiteView, width: int) -> Iterator[Line]:
    judges = {judge.name: calibration_note(judge) for judge in suite.verdict.judges}
    for row in suite.regressed[:_DETAILED]:
        if (case := suite.details.get(row.id)) is not None:
            yield Line("")
            for line in case_lines(case, width - 2, rerun=rerun_command(case.id), judges=judges):
                yield Line(f"  {line.text}", line.colour)


_REASONS: Final = 3


def missed_lines(suite: SuiteView, width: int) -> Iterator[Line]:
    """List the three most frequent reasons of misses, one line each.

    ::

        reasons: 12x exact: got 30 days, wanted 14 days  (first: golden_sets/support.jsonl:2)
    """
    for number, reason in enumerate(suite.missed[:_REASONS]):
        head = f"  {'' if number else 'reasons:':<8} {reason.count:,}x "
        tail = f"  (first: {one_line(reason.example)})"
        room = width - len(head) - width_of(tail)
        yield Line(f"{head}{truncate_columns(one_line(reason.text), room)}{tail}")
    yield from _other_reasons(suite.missed, " " * 11)


def errored_lines(suite: SuiteView, view: ReportView, width: int) -> Iterator[Line]:
    """List the reasons of missing outputs, and their consequence.

    ::

        ERROR 6x http://127.0.0.1/v1: HTTP 503 after 5 attempts  (first: golden/faq.jsonl:3)
          The gate was NOT decided: missing answers count neither as misses nor as passes. ...

    A reason is printed whole, because it names the endpoint.
    """
    for reason in suite.errors[:_REASONS]:
        text = f"  ERROR {reason.count:,}x {one_line(reason.text)}  (first: {one_line(reason.example)})"
        yield from wrap_lines(text, width)
    yield from _other_reasons(suite.errors, "  ERROR ")
    verdict = suite.verdict
    if verdict.verdict != "incomplete":
        return
    text = "The gate was NOT decided: missing answers count neither as misses nor as passes."
    yield from wrap_lines(f"       {text}{_rerun_note(suite, view)}", width)


def _rerun_note(suite: SuiteView, view: ReportView) -> str:
    """Return the effect of a rerun on the missing answers, if it is known."""
    counts = suite.verdict.accounting
    if not may_retry(suite.verdict):
        return " A re-run alone may not help: see the reasons above."
    # only replies of models are cached, not the outputs of Python targets
    if not view.verdict.calls.planned or not counts.passed + counts.missed:
        return ""
    if suite.uncached >= counts.planned - counts.skipped:
        return " A re-run sends every case again."
    return f" A re-run sends only {count(suite.uncached, 'case')}: the other answers are cached."


def _other_reasons(reasons: tuple[Reason, ...], indent: str) -> Iterator[Line]:
    left = reasons[_REASONS:]
    if left:
        cases = sum(reason.count for reason in left)
        yield Line(f"{indent}{cases:,}x for {count(len(left), 'other reason')}")


def judge_lines(
    verdict: SuiteVerdict, width: int, calibrations: Mapping[str, Calibration] = _NOTHING
) -> Iterator[Line]:
    """Render a line for each judge, and the reason why it may not gate unless the message of a gate contains it.

    ::

        judge faq: kappa 0.81 with human labels; tpr 0.91 (>= 0.83), tnr 0.88 (>= 0.79), 120 labels, 12 days old;
               passed 86.0% of 200 outputs, corrected 81.2% (75.3-87.0); 3 unreadable
    """
    for judge in verdict.judges:
        kappa = kappa_of(calibrations.get(judge.name))
        agreement = [] if kappa is None else [f"kappa {kappa:.2f} with human labels"]
        text = "; ".join([*agreement, calibration_note(judge), *_judge_rates(judge)])
        yield from wrap_lines(f"  judge {one_line(judge.name)}: {one_line(text)}", width)
        if judge.why_not is not None and not any(judge.why_not in gate.message for gate in verdict.gates):
            yield from wrap_lines(f"    may not gate: {one_line(judge.why_not)}", width, "yellow")


def kappa_of(calibration: Calibration | None) -> float | None:
    """Return the judge's chance-corrected agreement with humans; None if its calibration does not contain it."""
    measured = None if calibration is None else calibration.measures.get("kappa")
    value = measured.get("value") if isinstance(measured, dict) else None
    return float(value) if isinstance(value, int | float) else None


def calibration_note(judge: JudgeVerdict) -> str:
    """Return the rates of a judge with their lower bounds, and the size and age of its calibration."""
    if judge.tpr is None or judge.tnr is None:
        return "not calibrated"
    rates = {"tpr": judge.tpr, "tnr": judge.tnr}
    parts = [f"{name} {value:.2f} (>= {least:.2f})" for name, (value, least) in rates.items()]
    age = [] if judge.age_days is None else [f"{count(judge.age_days, 'day')} old"]
    return ", ".join([*parts, count(judge.labels, "label"), *age])


def _judge_rates(judge: JudgeVerdict) -> Iterator[str]:
    if judge.pass_rate is not None:
        corrected = judge.corrected
        more = "" if corrected is None else f", corrected {share(corrected.value, corrected.interval)}"
        yield f"passed {percent(judge.pass_rate)} of {count(judge.scored, 'output')}{more}"
    if judge.unreadable:
        yield f"{judge.unreadable:,} unreadable"

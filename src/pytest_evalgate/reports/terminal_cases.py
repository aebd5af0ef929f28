"""One case as a screen: what was asked and wanted, what came before and what comes now, and why that is a miss."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.diff import marked_diff
from pytest_evalgate.reports.phrases import compare_command
from pytest_evalgate.reports.view import truncate
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import Line, align, truncate_columns, width_of, with_command, wrap, wrap_lines
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Calibration, CorrectedRate, JudgeVerdict, Score, SuiteVerdict
    from pytest_evalgate.reports.view import CaseView, ChangedCaseRow, Reason, ReportView, SuiteView, TrialView

_LONGEST: Final = 2_000
"""Characters of one text; the run file and the report hold the whole."""

_LABEL: Final = 11
_GUTTER: Final = " " * 9 + "| "
"""Stands before the further lines of a text that is not ours: no runner takes them for its commands."""

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

_NOTHING: Mapping[str, Any] = {}


def case_lines(
    case: CaseView, width: int, *, rerun: str | None = None, judges: Mapping[str, str] = _NOTHING
) -> tuple[Line, ...]:
    """Lay a case out for a person.

    Args:
        case: The case.
        width: In columns; no line is wider.
        rerun: The command that runs the case again, where there is one.
        judges: What is known of the judges among its scorers, by name.

    """
    return tuple(_lines(case, max(width, 4 * _LABEL), rerun, judges))


def rerun_command(case_id: str) -> str | None:
    """Return the command that runs a case again and shows it; None where ``-k`` cannot name it."""
    if _PLAIN_ID.fullmatch(case_id) is None or case_id in {"not", "and", "or"}:
        return None
    return f"pytest --eval-gate --eval-fail-cases -k {case_id}"


def _lines(case: CaseView, width: int, rerun: str | None, judges: Mapping[str, str]) -> Iterator[Line]:
    tags = f"  ({', '.join(case.tags)})" if case.tags else ""
    yield from _row("case", f"{case.id}  {case.place}{tags}", width)
    yield from _row("input", case.input, width)
    yield from _row("expected", case.expected, width)
    if case.baseline_output is not None:
        yield from _row("baseline", f"{_word(case.before):<7} {case.baseline_output}", width)
    for number, trial in enumerate(case.trials, start=1):
        label = f"trial {number}" if len(case.trials) > 1 else "candidate"
        yield from _row(label, f"{_word(trial.value):<7} {trial.output}", width, _colour(trial))
        yield from _difference(case, trial, width)
        yield from _score_lines(trial, width, judges)
    if not case.trials:
        yield from _row("reason", case.reason, width, guarded=True)
    if rerun is not None:
        yield from _row("rerun", rerun, width)


def _difference(case: CaseView, trial: TrialView, width: int) -> Iterator[Line]:
    before = case.baseline_output
    if before is not None and trial.value != 1 and trial.output and trial.output != before:
        yield from _row("diff", marked_diff(truncate(before, _LONGEST), truncate(trial.output, _LONGEST)), width)


def _score_lines(trial: TrialView, width: int, judges: Mapping[str, str]) -> Iterator[Line]:
    """Say what the scorers said; a reason is laid behind the gutter from its first line on."""
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
    """Write a text behind its label; nothing where there is none."""
    lines = [one_line(line) for line in truncate(text, _LONGEST).splitlines() if line.strip()]
    pieces = [piece for line in lines for piece in wrap(line, width - _LABEL)]
    for number, piece in enumerate(pieces):
        head = f"{label:<9}| " if guarded else f"{label:<{_LABEL}}"
        yield Line((_GUTTER if number else head) + piece, colour)


def _word(value: float | None) -> str:
    """Name what became of a trial, or of a case."""
    if value is None:
        return "NO ANSWER"
    return {0.0: "MISSED", 1.0: "pass"}.get(value, f"{value:.2f}")


def _colour(trial: TrialView) -> str | None:
    return None if trial.value == 1 else "red" if trial.value == 0 else "yellow"


def judge_lines(
    verdict: SuiteVerdict, width: int, calibrations: Mapping[str, Calibration] = _NOTHING
) -> Iterator[Line]:
    """Render a line for each judge, and why it may not gate where no gate has said so."""
    for judge in verdict.judges:
        kappa = kappa_of(calibrations.get(judge.name))
        agreement = [] if kappa is None else [f"kappa {kappa:.2f} against people"]
        said = "; ".join([*agreement, calibration_note(judge), *_rates(judge)])
        yield from wrap_lines(f"  judge {one_line(judge.name)}: {one_line(said)}", width)
        if judge.why_not is not None and not any(judge.why_not in gate.message for gate in verdict.gates):
            yield from wrap_lines(f"    may not gate: {one_line(judge.why_not)}", width, "yellow")


def kappa_of(calibration: Calibration | None) -> float | None:
    """Return how far a judge agrees with people beyond chance; None where its record does not hold it."""
    measured = None if calibration is None else calibration.measures.get("kappa")
    value = measured.get("value") if isinstance(measured, dict) else None
    return float(value) if isinstance(value, int | float) else None


def calibration_note(judge: JudgeVerdict) -> str:
    """Say how a judge did on its labels; the lower bounds stand in brackets."""
    if judge.tpr is None or judge.tnr is None:
        return "not calibrated"
    rates = {"tpr": judge.tpr, "tnr": judge.tnr}
    told = [f"{name} {value:.2f} (>= {least:.2f})" for name, (value, least) in rates.items()]
    age = [] if judge.age_days is None else [f"{count(judge.age_days, 'day')} old"]
    return ", ".join([*told, count(judge.labels, "label"), *age])


def _rates(judge: JudgeVerdict) -> Iterator[str]:
    if judge.pass_rate is not None:
        yield f"passed {percent(judge.pass_rate)} of {count(judge.scored, 'answer')}{_corrected(judge.corrected)}"
    if judge.unreadable:
        yield f"{judge.unreadable:,} unreadable"


def _corrected(found: CorrectedRate | None) -> str:
    if found is None:
        return ""
    low, high = found.interval
    return f", corrected {percent(found.value)} ({100 * low:.1f}-{100 * high:.1f})"


_REASONS = 3


def missed_lines(suite: SuiteView, width: int) -> Iterator[Line]:
    """List why cases were missed; each reason takes one line."""
    for number, reason in enumerate(suite.missed[:_REASONS]):
        head = f"  {'' if number else 'reasons:':<8} {reason.count:,}x "
        tail = f"  (first: {one_line(reason.example)})"
        room = width - len(head) - width_of(tail)
        yield Line(f"{head}{truncate_columns(one_line(reason.text), room)}{tail}")
    yield from _rest(suite.missed, " " * 11)


def errored_lines(suite: SuiteView, view: ReportView, width: int) -> Iterator[Line]:
    """List why there is no answer, each reason whole: it names the endpoint; and say what that means."""
    for reason in suite.errors[:_REASONS]:
        text = f"  ERROR {reason.count:,}x {one_line(reason.text)}  (first: {one_line(reason.example)})"
        yield from wrap_lines(text, width)
    yield from _rest(suite.errors, "  ERROR ")
    if suite.verdict.verdict == "incomplete":
        yield from wrap_lines(f"       {_meaning(suite, view)}", width)


def _rest(reasons: tuple[Reason, ...], indent: str) -> Iterator[Line]:
    left = reasons[_REASONS:]
    if left:
        cases = sum(reason.count for reason in left)
        yield Line(f"{indent}{cases:,}x for {count(len(left), 'other reason')}")


def _meaning(suite: SuiteView, view: ReportView) -> str:
    """Say that nothing was judged, and what a re-run would ask again; calls are remembered, recordings are not."""
    counts = suite.verdict.accounting
    told = "The gate was NOT judged: missing answers count neither as misses nor as passes."
    if not view.verdict.calls.planned:
        return told
    answered = count(counts.passed + counts.missed, "answer")
    return f"{told} {answered} are kept: a re-run asks for the other {count(counts.errored, 'case')} only."


_LISTED: Final = 10
_DETAILED: Final = 3
_DIFF_LINES: Final = 4
_WIDEST_ID: Final = 40
_WIDEST_TAGS: Final = 16
_NARROWEST_REASON: Final = 24
_WIDE_ENOUGH: Final = 72
_GAP: Final = 2
_REGRESSED_GUTTER: Final = "     | "


def regressed_lines(suite: SuiteView, width: int, verbosity: int) -> Iterator[Line]:
    """List the cases that got worse; with ``-v`` all of them, and of the first three what changed in the answer.

    With ``-vv`` the first three stand below the table too, whole.
    """
    every = verbosity > 0 or len(suite.regressed) == _LISTED + 1  # one case takes no more room than saying so
    shown = suite.regressed if every else suite.regressed[:_LISTED]
    heads = _heads(shown, width - 2)
    room = max(map(width_of, heads))
    stacked = width - room - 4 < _NARROWEST_REASON
    yield Line(f"  {heads[0]}" if stacked else f"  {heads[0]:<{room}}  why")
    for number, (head, case) in enumerate(zip(heads[1:], shown, strict=True)):
        yield from _case(head, room, case, width, stacked=stacked)
        if verbosity > 0 and number < _DETAILED:
            yield from _change(suite.details.get(case.id), width)
    if more := len(suite.regressed) - len(shown):
        command = one_line(compare_command(suite.name, suite.verdict, regressed=True))
        yield from with_command(f"... {more:,} more:", command, width, "  ")
    if verbosity > 1:
        yield from _whole(suite, width)


def _heads(cases: Sequence[ChangedCaseRow], width: int) -> list[str]:
    """Return the rows without their reasons, below a heading.

    Tags have a column where there are any, and room for them. Of a place that is too long the end is shown.
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


def _case(head: str, room: int, case: ChangedCaseRow, width: int, *, stacked: bool) -> Iterator[Line]:
    """Write a row; its reason takes the room that is left, or a line of its own."""
    reason = one_line(case.reason)
    if not stacked:
        yield Line(f"  {head}{' ' * (room - width_of(head))}  {truncate_columns(reason, width - room - 4)}")
        return
    yield Line(f"  {head}")
    if reason:
        yield Line(f"{_REGRESSED_GUTTER}{truncate_columns(reason, width - len(_REGRESSED_GUTTER))}")


def _change(case: CaseView | None, width: int) -> Iterator[Line]:
    """Say what changed in the answer of a case, if both answers are known."""
    if case is None or case.baseline_output is None or not case.trials:
        return
    worst = min(case.trials, key=lambda trial: 1.0 if trial.value is None else trial.value)
    if not worst.output or worst.output == case.baseline_output:
        return
    marked = one_line(marked_diff(case.baseline_output, worst.output))
    diff = wrap(marked, width - len(_REGRESSED_GUTTER)) if marked else []
    for line in diff[:_DIFF_LINES]:
        yield Line(_REGRESSED_GUTTER + line)
    if len(diff) > _DIFF_LINES:
        yield Line(f"{_REGRESSED_GUTTER}...")


def _whole(suite: SuiteView, width: int) -> Iterator[Line]:
    judges = {judge.name: calibration_note(judge) for judge in suite.verdict.judges}
    for case in _known(suite, suite.regressed[:_DETAILED]):
        yield Line("")
        for line in case_lines(case, width - 2, rerun=rerun_command(case.id), judges=judges):
            yield Line(f"  {line.text}", line.colour)


def _known(suite: SuiteView, cases: Sequence[ChangedCaseRow]) -> Iterator[CaseView]:
    return (suite.details[case.id] for case in cases if case.id in suite.details)

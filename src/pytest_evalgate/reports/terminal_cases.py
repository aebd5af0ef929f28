"""Cases in the terminal: one case in full, the worst cases of a suite, and its judges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.diff import mark_pieces, marked_diff
from pytest_evalgate.reports.phrases import share
from pytest_evalgate.reports.view import format_mean, truncate
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import Line, truncate_columns, with_command, wrap, wrap_lines
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.records.results import Score
    from pytest_evalgate.records.verdicts import Calibration, JudgeVerdict, SuiteVerdict
    from pytest_evalgate.reports.view import CaseView, SuiteView, TrialView, WorstCase

_LONGEST: Final = 2_000
"""Characters of one text; the run file and the HTML report contain the whole text."""

_LONGEST_TRACEBACK: Final = 5_000  # more than is stored

_LABEL: Final = 11
_GUTTER: Final = " " * 9 + "| "
"""Prefix of the further lines of a foreign text: a GitHub runner executes a line that starts with ``::``."""

_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

_NOTHING: Mapping[str, Any] = {}


def case_lines(
    case: CaseView,
    width: int,
    *,
    rerun: str | None = None,
    judges: Mapping[str, str] = _NOTHING,
    traceback_lines: int | None = 0,
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
        raised     myapp/bot.py:12 in answer
        rerun      pytest --eval-gate --eval-fail-cases -k refund-014

    ``rerun`` is the command that runs the case again; ``judges`` are notes on the judges among its scorers, by name.
    ``traceback_lines`` are the last lines shown of a traceback of the target, None for all of them.
    """
    return tuple(_lines(case, max(width, 4 * _LABEL), rerun, judges, traceback_lines))


def rerun_command(case_id: str) -> str | None:
    """Return the command that runs a case again and prints it; None if ``-k`` cannot express its id."""
    if _PLAIN_ID.fullmatch(case_id) is None or case_id in {"not", "and", "or"}:
        return None
    return f"pytest --eval-gate --eval-fail-cases -k {case_id}"


def _lines(
    case: CaseView, width: int, rerun: str | None, judges: Mapping[str, str], traceback_lines: int | None
) -> Iterator[Line]:
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
        yield from _raised_lines(trial, width, traceback_lines)
    if not case.trials:
        yield from _row("reason", case.reason, width, guarded=True)
    if rerun is not None:
        yield from with_command("rerun".ljust(_LABEL - 1), rerun, width)


def _score_lines(trial: TrialView, width: int, judges: Mapping[str, str]) -> Iterator[Line]:
    judged = [(score, note) for score in trial.scores for judge, note in judges.items() if score.is_of(judge)]
    for score, note in judged:
        yield from _row("judge", f"{_scored(score)}  ({note})", width)
        if score.rationale not in trial.reason:
            yield from _row("why", score.rationale, width, guarded=True)
    rules = [_scored(score) for score in trial.scores if not any(map(score.is_of, judges))]
    if len(trial.scores) > 1:
        yield from _row("scores", ", ".join(rules), width)
    if trial.reason:
        yield from _row("reason", f"{trial.reason}{'  (model text)' if judged else ''}", width, guarded=True)


def _raised_lines(trial: TrialView, width: int, most: int | None) -> Iterator[Line]:
    """Render the place where the target raised an exception, and the last lines of its traceback."""
    if trial.raised is None:
        return
    yield from _row("raised", trial.raised.place, width)
    lines = trial.raised.traceback.splitlines() if most is None or most > 0 else []
    if most is not None and len(lines) > most:
        lines = ["...", *lines[-most:]]
    yield from _row("traceback", "\n".join(lines), width, guarded=True, longest=_LONGEST_TRACEBACK)


def _scored(score: Score) -> str:
    value = "could not tell" if score.value is None else f"{score.value:.2f} {_word(float(bool(score.passed)))}"
    return f"{score.name} {value}{'' if score.counts else ' (does not count)'}"


def _row(  # noqa: PLR0913 - how one text is laid out
    label: str,
    text: str,
    width: int,
    colour: str | None = None,
    *,
    guarded: bool = False,
    most: int | None = None,
    longest: int = _LONGEST,
) -> Iterator[Line]:
    """Render a text after its label, nothing if it is empty.

    ``guarded`` puts the gutter on its first line too. A text of more than ``most`` lines ends in three dots.
    """
    lines = [one_line(line) for line in truncate(text, longest).splitlines() if line.strip()]
    pieces = [piece for line in lines for piece in wrap(line, width - _LABEL)]
    if most is not None and len(pieces) > most:
        pieces = [*pieces[: most - 1], f"{truncate_columns(pieces[most - 1], width - _LABEL - 4)} ..."]
    for number, piece in enumerate(pieces):
        head = f"{label:<9}| " if guarded else f"{label:<{_LABEL}}"
        yield Line((_GUTTER if number else head) + piece, colour)


def _word(value: float | None) -> str:
    if value is None:
        return "NO ANSWER"
    return {0.0: "MISSED", 1.0: "pass"}.get(value, f"{value:.2f}")


def worst_lines(suite: SuiteView, width: int, verbosity: int) -> Iterator[Line]:
    """Render the worst cases of a suite: what was asked and wanted, the answers before and now, and why it missed.

    ::

        WORST 1 of 19: pass -> miss  refund-001  golden_sets/support.jsonl:1  (en, refund)
          input      How long do I have to return a jacket?
          expected   14 days from delivery, unworn
          baseline   You can return it within 14 days of delivery.
          candidate  You have 30 days to return any item.
          diff       You [-can-] {+have 30 days to+} return [-it within 14 days of delivery.-] {+any item.+}
          reason   | States 30 days; the policy and the reference say 14 days.  (judge faq)

    Each text has two lines. Verbosity 1 shows whole texts, and 2 all trials and scores of a case, too.
    """
    judges = {judge.name: calibration_note(judge) for judge in suite.verdict.judges}
    every = len({row.id for row in (*suite.regressed, *suite.missed_cases)})
    for number, worst in enumerate(suite.worst, start=1):
        case = worst.case
        tags = f"  ({', '.join(case.tags)})" if case.tags else ""
        before, now = format_mean(case.before), format_mean(case.value) or "no answer"
        change = f"{before} -> {now}" if before else now
        text = f"  WORST {number} of {every:,}: {change}  {case.id}  {case.place}{tags}"
        yield from wrap_lines(one_line(text), width, "red")
        if verbosity > 1:
            lines = case_lines(case, width - 4, rerun=rerun_command(case.id), judges=judges, traceback_lines=None)[1:]
        else:
            lines = tuple(_worst_case(worst, width - 4, None if verbosity > 0 else _FEW_LINES))
        yield from (Line(f"    {line.text}", line.colour) for line in lines)


_FEW_LINES: Final = 2


def _worst_case(worst: WorstCase, width: int, most: int | None) -> Iterator[Line]:
    case, before = worst.case, worst.case.baseline_output
    yield from _row("input", case.input, width, most=most)
    yield from _row("expected", case.expected, width, most=most)
    if before is not None and before == worst.output:
        yield from _row("candidate", f"{worst.output}  (the baseline's answer)", width, "red", most=most)
    else:
        yield from _row("baseline", before or "", width, most=most)
        yield from _row("candidate", worst.output, width, "red", most=most)
    yield from _row("diff", mark_pieces(worst.diff), width, most=most)
    by = f"  (judge {worst.judge})" if worst.judge else ""
    yield from _row("reason", f"{worst.why}{by}" if worst.why else "", width, guarded=True, most=most)


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

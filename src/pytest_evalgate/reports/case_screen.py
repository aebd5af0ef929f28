"""One case as a screen: what was asked and wanted, what came before and what comes now, and why that is a miss."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.columns import wrap
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line
from pytest_evalgate.reports.texts import cut
from pytest_evalgate.reports.worddiff import marked_diff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.data import Score
    from pytest_evalgate.reports.cases import CaseView, TrialView

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
        yield from _judged(trial, width, judges)
    if not case.trials:
        yield from _row("reason", case.reason, width, guarded=True)
    if rerun is not None:
        yield from _row("rerun", rerun, width)


def _difference(case: CaseView, trial: TrialView, width: int) -> Iterator[Line]:
    before = case.baseline_output
    if before is not None and trial.value != 1 and trial.output and trial.output != before:
        yield from _row("diff", marked_diff(cut(before, _LONGEST), cut(trial.output, _LONGEST)), width)


def _judged(trial: TrialView, width: int, judges: Mapping[str, str]) -> Iterator[Line]:
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
    lines = [one_line(line) for line in cut(text, _LONGEST).splitlines() if line.strip()]
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

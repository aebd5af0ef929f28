"""What pytest shows of a case that failed as a test: our text, pointing at the golden line.

pytest keeps its representations private; this is the only module that touches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from pytest_evalgate.reports.terminal_cases import case_lines, rerun_command
from pytest_evalgate.reports.view import FULL_TEXT, CaseView, TrialView
from pytest_evalgate.text.escape import one_line

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.records.results import Case, CaseResult, Json, Trial

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class BaselineOutcome:
    """What the baseline says of a case: its mean over the trials, and its first output where that was kept."""

    value: float
    output: Json = None


class CaseMissed(AssertionError):  # noqa: N818 - a finding about the target, not an error of the code
    """A case below its bar, or without an answer, under ``--eval-fail-cases``."""

    def __init__(self, case: Case, result: CaseResult, before: BaselineOutcome | None = None) -> None:
        """Keep the case and its result for the representation, and what its baseline says where it has one."""
        self.text = describe_miss(case, result, before)
        super().__init__(result.reason or result.outcome)


def represent(path: str, line: int, message: str, text: str) -> TerminalRepr:
    """Return a representation that shows ``text`` and points at ``path:line``; it survives xdist."""
    entry = ReprEntryNative([f"{printable(text)}\n"])
    traceback = ReprTraceback([entry], extraline=None, style="native")
    return ReprExceptionInfo(traceback, ReprFileLocation(path, line, printable(message)))


def describe_miss(case: Case, result: CaseResult, before: BaselineOutcome | None = None) -> str:
    """Lay a case out for a person: what was asked and wanted, what came before and now, and why that is a miss."""
    lines = case_lines(_view_of(case, result, before), _WIDTH, rerun=rerun_command(case.id))
    return "\n".join(line.text for line in lines)


def printable(text: str) -> str:
    """Return ``text`` as a terminal can show it and xdist can send it: what is hidden is spelled out.

    No line of it is a command of a GitHub runner.
    """
    lines = map(one_line, text.split("\n"))
    return "\n".join("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in lines)


def _view_of(case: Case, result: CaseResult, before: BaselineOutcome | None) -> CaseView:
    question = case.question
    answered = None if before is None or before.output is None else FULL_TEXT.of("output", before.output)
    return CaseView(
        suite="",
        id=case.id,
        place=case.place,
        outcome=result.outcome,
        tags=case.tags,
        reason=result.reason,
        input=FULL_TEXT.of("input", question.get("input")),
        expected=FULL_TEXT.of("expected", question.get("expected")),
        trials=tuple(map(_trial_view, result.trials)),
        before=None if before is None else before.value,
        baseline_output=answered,
    )


def _trial_view(trial: Trial) -> TrialView:
    output = "" if trial.output is None else FULL_TEXT.of("output", trial.output.value)
    return TrialView(trial.value, output, trial.reason, trial.scores)

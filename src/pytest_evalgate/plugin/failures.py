"""What pytest shows of a case that failed as a test: our text, pointing at the golden line.

pytest keeps its representations private; this is the only module that touches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from pytest_evalgate.reports.case_screen import case_lines, rerun_command
from pytest_evalgate.reports.cases import CaseView, TrialView
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.texts import SHOWN

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.data import Case, CaseResult, Trial

_WIDTH = 100


class CaseMissed(AssertionError):  # noqa: N818 - a finding about the target, not an error of the code
    """A case below its bar, or without an answer, under ``--eval-fail-cases``."""

    def __init__(self, case: Case, result: CaseResult) -> None:
        """Keep the case and its result for the representation."""
        self.text = describe_miss(case, result)
        super().__init__(result.reason or result.outcome)


def represent(path: str, line: int, message: str, text: str) -> TerminalRepr:
    """Return a representation that shows ``text`` and points at ``path:line``; it survives xdist."""
    entry = ReprEntryNative([f"{printable(text)}\n"])
    traceback = ReprTraceback([entry], extraline=None, style="native")
    return ReprExceptionInfo(traceback, ReprFileLocation(path, line, printable(message)))


def describe_miss(case: Case, result: CaseResult) -> str:
    """Lay a case out for a person: what was asked, what was wanted, what came, and why that is a miss.

    The baseline's answer is not at hand while the cases run; reports and ``compare`` show it.
    """
    lines = case_lines(_view_of(case, result), _WIDTH, rerun=rerun_command(case.id))
    return "\n".join(line.text for line in lines)


def printable(text: str) -> str:
    """Return ``text`` as a terminal can show it and xdist can send it: what is hidden is spelled out.

    No line of it is a command of a GitHub runner.
    """
    lines = map(one_line, text.split("\n"))
    return "\n".join("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in lines)


def _view_of(case: Case, result: CaseResult) -> CaseView:
    question = case.question
    return CaseView(
        suite="",
        id=case.id,
        place=case.place,
        outcome=result.outcome,
        tags=case.tags,
        reason=result.reason,
        input=SHOWN.of("input", question.get("input")),
        expected=SHOWN.of("expected", question.get("expected")),
        trials=tuple(map(_trial_view, result.trials)),
    )


def _trial_view(trial: Trial) -> TrialView:
    output = "" if trial.output is None else SHOWN.of("output", trial.output.value)
    return TrialView(trial.value, output, trial.reason, trial.scores)

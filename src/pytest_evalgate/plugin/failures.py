"""Failure texts: descriptions of missed cases instead of tracebacks, without API keys and workflow commands.

The representations of failures are private to pytest; this is the only module that uses them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.terminal_cases import case_lines, rerun_command
from pytest_evalgate.reports.view import FULL_TEXT, CaseView, TrialView
from pytest_evalgate.text.escape import one_line

if TYPE_CHECKING:
    import pytest
    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.text.redaction import Redactor

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class BaselineOutcome:
    """Outcome of a case in the baseline: its mean over the trials, and its first output if that was stored."""

    value: float
    output: Json = None


class CaseMissed(AssertionError):  # noqa: N818 - a finding about the target, not an error of the code
    """A case that missed or has no output, under ``--eval-fail-cases``."""

    def __init__(self, case: Case, result: CaseResult, before: BaselineOutcome | None = None) -> None:
        """Take the case, its result, and its outcome in the baseline if there is one."""
        self._case, self._result, self._before = case, result, before
        super().__init__(result.reason or result.outcome)

    def describe(self, style: str) -> str:
        """Describe the case, with the traceback of its target in the ``style`` of ``--tb``."""
        return describe_miss(self._case, self._result, self._before, style)


def represent(path: str, line: int, message: str, text: str) -> TerminalRepr:
    """Return a representation of ``text`` at ``path:line`` that xdist can serialise."""
    entry = ReprEntryNative([f"{printable(text)}\n"])
    traceback = ReprTraceback([entry], extraline=None, style="native")
    return ReprExceptionInfo(traceback, ReprFileLocation(path, line, printable(message)))


_TRACEBACK_LINES: Final = {"line": 0, "no": 0, "short": 8}
"""Last lines of a target's traceback that are printed in the styles of ``--tb`` that shorten it."""


def describe_miss(case: Case, result: CaseResult, before: BaselineOutcome | None = None, style: str = "auto") -> str:
    """Describe a missed case: input, expected output, the outputs before and now, and the reason.

    ``style`` is that of ``--tb``, for the traceback of the target.
    """
    view, traceback_lines = _view_of(case, result, before), _TRACEBACK_LINES.get(style)
    lines = case_lines(view, _WIDTH, rerun=rerun_command(case.id), traceback_lines=traceback_lines)
    return "\n".join(line.text for line in lines)


def printable(text: str) -> str:
    """Escape ``text`` for terminals and xdist: invisible characters, and workflow commands of GitHub runners."""
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
        trials=tuple(
            TrialView(
                trial.value,
                "" if trial.output is None else FULL_TEXT.of("output", trial.output.value),
                trial.reason,
                trial.scores,
                raised=trial.raised,
            )
            for trial in result.trials
        ),
        before=None if before is None else before.value,
        baseline_output=answered,
    )


_ACTIVE: Final = re.compile(
    r"^\s*:: | \#\#\[ | [\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]",
    re.MULTILINE | re.VERBOSE,
)
"""Workflow commands, and control characters other than line feeds and tabs."""


_COMMAND: Final = re.compile(r"::(?=[A-Za-z][\w-]*(?:\s.*)?::)", re.DOTALL)


def _unwrappable(reason: str) -> str:
    """Escape commands anywhere in a reason: ``-vv`` wraps reasons, so that any word can begin a line of the log."""
    return _COMMAND.sub(":\\\\:", reason)


_MAX_FAILURE_CHARS: Final = 1_000_000


def clean(report: pytest.TestReport, redactor: Redactor, *, is_golden: bool) -> None:
    """Remove API keys from a report: traceback, locals (``-l``), captured output, skip reason and properties.

    Lone surrogates become escapes: execnet cannot send them, so a worker would end. A huge failure is shortened.
    The texts of a golden set's item also become printable, since they show what models wrote. A failure that changes
    becomes plain text.
    """
    expected = getattr(report, "wasxfail", None)
    if report.longrepr is None and expected is None and not report.sections and not report.user_properties:
        return  # setup, call and teardown of most cases

    def cleaned(text: str) -> str:
        text = redactor.redact(text).encode("utf-8", "backslashreplace").decode("utf-8")
        return printable(text) if is_golden and _ACTIVE.search(text) else text

    if expected is not None:
        report.wasxfail = _unwrappable(cleaned(expected)) if is_golden else cleaned(expected)
    report.sections = [(name, cleaned(text)) for name, text in report.sections]
    report.user_properties = [
        (name, cleaned(value) if isinstance(value, str) else value) for name, value in report.user_properties
    ]
    if isinstance(report.longrepr, tuple):  # a skipped test: file, line and reason
        path, line, reason = report.longrepr
        report.longrepr = path, line, _unwrappable(cleaned(reason)) if is_golden else cleaned(reason)
    elif report.longrepr is not None:
        text = redactor.redact(report.longreprtext)  # a cut key would not be found
        left = len(text) - _MAX_FAILURE_CHARS
        end = f"\n... and {left:,} more characters" if left > 0 else ""
        shown = cleaned(text[:_MAX_FAILURE_CHARS]) + end
        if shown != report.longreprtext:
            report.longrepr = shown

"""What pytest shows of a case that failed as a test: our text, pointing at the golden line.

pytest keeps its representations private; this is the only module that touches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.data import Case, CaseResult, Json, Trial

_LONGEST = 2_000


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
    """Lay a case out for a person: what was asked, what was wanted, what came, and why that is a miss."""
    rows = [("case", f"{case.id}  {case.place}"), ("input", _text(case.input or [*case.messages] or dict(case.vars)))]
    rows += [("expected", _text(case.expected if case.expected is not None else [*case.expected_any]))]
    for trial in result.trials:
        rows += _trial_rows(trial, several=len(result.trials) > 1)
    return "\n".join(f"{name:<10} {_indented(printable(text))}" for name, text in rows if text)


def printable(text: str) -> str:
    """Return ``text`` as a terminal can show it and xdist can send it: what is hidden is spelled out."""
    return "".join(char if char == "\n" or char.isprintable() else ascii(char)[1:-1] for char in text)


def _trial_rows(trial: Trial, *, several: bool) -> list[tuple[str, str]]:
    word = {None: "NO ANSWER", 0.0: "MISSED", 1.0: "passed"}.get(trial.value, "")
    label = f"trial {trial.index + 1}" if several else "output"
    output = "" if trial.output is None else _text(trial.output.value)
    rows = [(label, f"{output}  [{word}]" if output else f"[{word}]")]
    rows += [("reason", trial.reason)] if trial.reason else []
    return rows


def _text(value: Json) -> str:
    text = value if isinstance(value, str) else "" if value in (None, [], {}) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 11)

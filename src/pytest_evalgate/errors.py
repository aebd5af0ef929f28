"""Exceptions of this package.

::

    EvalgateError
    ├── UserError                    the user has to change something: exit 4
    │   ├── StorageError             a file that cannot be written: disk full, read-only, another file in the way
    │   ├── SettingsError            pyproject.toml, evalgate.toml, a command line option
    │   ├── GoldenSetError           malformed lines, all of them listed
    │   ├── ImportingError           a source that cannot be imported (importing/imported.py)
    │   ├── CallableError            a function that cannot be found, or may not be used
    │   ├── RecordingError           a file of recorded outputs
    │   ├── RunFileError             a stored run
    │   ├── BaselineError            a baseline that is missing, damaged, too new or may not be written
    │   ├── LabelsError              labelled rows (judges/labels.py)
    │   ├── CalibrationError         a calibration of a judge (judges/calibration.py)
    │   ├── AnchorsError             anchors of a judge (judges/drift.py)
    │   ├── StoredVerdictsError      stored verdicts of a judge (judges/drift.py)
    │   └── DriftRecordError         the record of a drift check (judges/drift.py)
    ├── ScorerError                  a scorer raised, or returned something that is not a score
    ├── TargetFailure                the target failed: the case is missed (targets/outputs.py)
    ├── EngineStopped                the thread that runs the calls ended, or was stopped
    ├── ApplicationFailure           an application replied with an error: the case is missed (records/calls.py)
    ├── CodeExit                     code of the user raised SystemExit, KeyboardInterrupt, CancelledError, ...
    └── MissingOutput                no output for a case: infrastructure, never quality
        └── CallFailed               a call that finally failed (records/calls.py)
            └── RunStopped           no call of this run can succeed, or the budget is spent (records/calls.py)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class EvalgateError(Exception):
    """Base of all exceptions of this package."""


class UserError(EvalgateError):
    """A problem that the user has to solve; the message names the place and the next step."""


class SettingsError(UserError):
    """A configuration or an option that cannot be used."""


class CallableError(UserError):
    """A function that cannot be found, or may not be used."""


class RecordingError(UserError):
    """A file of recorded outputs that cannot be used."""


class RunFileError(UserError):
    """A stored run that cannot be read."""


class BaselineError(UserError):
    """A baseline that cannot be read, or may not be written."""


class StorageError(UserError):
    """A file or folder that cannot be made, written or removed on this machine; ``path`` names it."""

    def __init__(self, path: Path, message: str) -> None:
        """Keep the path, so that a message can name the setting that moves it."""
        self.path = path
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A problem of one line: place, field and message."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: field: message``; line 0 and an empty field are left out."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


_MOST_ALIKE = 3
"""Problems of one cause that are printed in full; the lines of the others are counted."""

_MOST_LINES = 10


def group_problems(problems: Iterable[LineProblem]) -> Iterator[str]:
    """Yield a line for each problem, but only one for each cause that more than a few lines of a file have."""
    causes: dict[tuple[str, str, str], list[LineProblem]] = {}
    problems = tuple(problems)
    for problem in problems:
        causes.setdefault(_cause(problem), []).append(problem)
    for problem in problems:
        alike = causes[_cause(problem)]
        if len(alike) <= _MOST_ALIKE:
            yield str(problem)
        elif problem is alike[0]:
            others = [str(other.line) for other in alike[1:]]
            more = f" and {len(others) - _MOST_LINES:,} more" if len(others) > _MOST_LINES else ""
            yield f"{problem} (the same in {len(others):,} other lines: {', '.join(others[:_MOST_LINES])}{more})"


def _cause(problem: LineProblem) -> tuple[str, str, str]:
    """Return what problems of one cause have in common: file, field and message without values and numbers."""
    message = re.sub(r"\d+", "0", re.sub(r'"[^"]*"', '""', problem.message))
    return problem.file, re.sub(r"\d+", "0", problem.field), message


class GoldenSetError(UserError):
    """Every problem of a golden set at once, one per line of the message."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        """Store ``problems`` and make a message with one line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(group_problems(self.problems)))


class ScorerError(EvalgateError):
    """A scorer raised, or returned something that is not a score; names the scorer and the case."""


class EngineStopped(EvalgateError):  # noqa: N818 - named after the event
    """The engine's thread ended before the output arrived."""


class CodeExit(EvalgateError):  # noqa: N818 - named after the event
    """An exception of the user's code that is not an `Exception`: raised unchanged, it would end the event loop."""

    def __init__(self, error: BaseException) -> None:
        """Carry ``error``."""
        super().__init__()
        self.error = error


class MissingOutput(EvalgateError):  # noqa: N818 - missing infrastructure is not an error of the code
    """No output could be obtained for a case; the gates treat the case as missing.

    ``is_final``: another run would fail in the same way until something is changed, so reports advise no retry.
    """

    def __init__(self, message: str = "", *, is_final: bool = False) -> None:
        """Store the message."""
        super().__init__(message)
        self.is_final = is_final

"""Everything this package raises on purpose.

::

    EvalgateError
    ├── UserError             the user has to change something: exit 4, before anything runs
    │   ├── SettingsError     pyproject.toml, evalgate.toml, a command line option
    │   ├── GoldenSetError    one or more malformed lines, all of them listed
    │   ├── CallableError     a function of the user's that cannot be found, or may not be used
    │   ├── RecordingError    a file of recorded outputs
    │   ├── RunFileError      a stored run
    │   ├── LabelsError       labelled rows (judging/labels.py)
    │   ├── CalibrationError  a calibration (judging/calibration.py)
    │   ├── AnchorsError      anchors of a judge (judging/anchors.py)
    │   ├── DriftRecordError  a check of anchors (judging/drift_record.py)
    │   ├── StoredVerdictsError  what a judge said of them (judging/stored_verdicts.py)
    │   └── BaselineError     a baseline that is missing, torn, too new or may not be written
    ├── ScorerError           a scorer raised, or returned what is not a score
    ├── EngineDied            the thread that runs the calls is gone, or was stopped
    └── MissingOutput         no answer for a case: infrastructure, never quality
        └── CallFailed        a call that failed for good (calls.py)
            └── RunStopped    no call of this run can succeed, or may be paid (calls.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class EvalgateError(Exception):
    """Base of all errors that are raised on purpose."""


class UserError(EvalgateError):
    """Something the user has to change; the message names the place and the next step."""


class SettingsError(UserError):
    """A configuration that cannot be used."""


class CallableError(UserError):
    """A function of the user's that cannot be found, or may not be used."""


class RecordingError(UserError):
    """A file of recorded outputs that cannot be used."""


class RunFileError(UserError):
    """A stored run that cannot be read."""


class BaselineError(UserError):
    """A baseline that cannot be read, or may not be written."""


@dataclass(frozen=True, slots=True)
class LineProblem:
    """One thing that is wrong with one line: where, in which field, and what."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: field: message``; line 0 and an empty field are left out."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class GoldenSetError(UserError):
    """Every problem of a golden set at once, one per line of the message."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        """Keep ``problems`` and make one line of the message of each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class ScorerError(EvalgateError):
    """A scorer raised, or returned what is not a score; names the scorer and the case."""


class EngineStopped(EvalgateError):  # noqa: N818 - named as the thing that happened
    """The thread that runs the calls is gone, or was stopped before the answer came."""


class MissingOutput(EvalgateError):  # noqa: N818 - a case without an answer is not a fault of the code
    """No answer could be had for a case; the gates treat the case as missing."""

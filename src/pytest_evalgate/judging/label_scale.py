"""What labels mean: words for pass and fail, or grades from 1 to 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl
from pytest_evalgate.judging.scale import SCALES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_evalgate.data import Json

GRADES: Final = SCALES["1-5"]
"""People's grades are those of a judge; where nobody says otherwise, they pass from the same one on."""

_PASSES: Final = frozenset({"pass", "passed", "good", "correct", "right", "yes", "true", "1"})
_FAILS: Final = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class Scale:
    """Which labels pass and which fail, as `text_of` writes them; ``graded`` labels are numbers from 1 to 5."""

    passes: frozenset[str]
    fails: frozenset[str]
    graded: bool = False

    @property
    def passing(self) -> float:
        """The least share of the scale that passes; 1 where labels are no grades."""
        return min((share_of(float(text)) for text in self.passes), default=1.0) if self.graded else 1.0

    def passed(self, label: Json) -> bool | None:
        """Say whether a label is a pass; None where it is none of the scale's."""
        text = text_of(label)
        return True if text in self.passes else False if text in self.fails else None

    def grade(self, label: Json) -> float | None:
        """Return the grade as a share of the scale, from 0 to 1; None where labels are no grades."""
        return share_of(label) if self.graded else None


def text_of(label: Json) -> str:
    """Write a label as labels are compared: without case, white space around it, and decimals of whole numbers."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return (label if isinstance(label, str) else jsonl.canonical(label)).strip().casefold()


def is_number(value: Json) -> bool:
    """Say whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_grade(value: Json) -> bool:
    """Say whether a JSON value is a number from 1 to 5."""
    return is_number(value) and GRADES.lowest <= value <= GRADES.highest


def share_of(grade: float) -> float:
    """Map a grade from 1 to 5 onto 0 to 1."""
    return (grade - GRADES.lowest) / (GRADES.highest - GRADES.lowest)


def scale_of(labels: Collection[Json], pass_labels: Iterable[str] = ()) -> Scale:
    """Find out what the labels of one set mean.

    Args:
        labels: All of them, those of single raters included; none is null.
        pass_labels: Those that are passes; every other one is then a fail. Without, words for pass and fail are
            known, and of grades 3 and more pass.

    """
    wanted = frozenset(map(text_of, pass_labels))
    if wanted:
        fails = frozenset(map(text_of, labels)) - wanted
        return Scale(wanted, fails, _is_graded(labels, wanted))
    if all(map(is_grade, labels)) and any(label != 1 for label in labels):
        passing = frozenset(text_of(label) for label in labels if label >= GRADES.passes_from)
        return Scale(passing, frozenset(map(text_of, labels)) - passing, graded=True)
    return Scale(_PASSES, _FAILS)


def _is_graded(labels: Collection[Json], passes: frozenset[str]) -> bool:
    """Say whether the labels are grades of which the higher ones pass: else the numbers are only names."""
    if not all(map(is_grade, labels)):
        return False
    passing = [label for label in labels if text_of(label) in passes]
    failing = [label for label in labels if text_of(label) not in passes]
    return bool(passing) and bool(failing) and min(passing) > max(failing)

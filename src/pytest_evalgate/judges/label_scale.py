"""Scales of labels: words for pass and fail, or numbers with a lowest one that passes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import is_number
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_evalgate.records.cases import Json

_RANGE: Final = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|to|\.\.)\s*(-?\d+(?:\.\d+)?)\s*")
_PASSES: Final = frozenset({"pass", "passed", "good", "correct", "right", "yes", "true", "1"})
_FAILS: Final = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The lowest and the highest number of a scale."""

    lowest: float
    highest: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range such as ``0-10``, ``-1 to 1`` or ``1..7``; raises ValueError."""
        found = _RANGE.fullmatch(text)
        if found is None or float(found[1]) >= float(found[2]):
            raise ValueError(f"{text!r} is not a range of numbers such as 0-10 or -1..1")
        return cls(float(found[1]), float(found[2]))

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Self:
        """Return the usual scale that contains all ``numbers``: 0 to 1, 1 to 5, or theirs."""
        known = list(numbers)
        low, high = min(known), max(known)
        for usual in (UNIT, GRADES):
            if usual.lowest <= low and high <= usual.highest:
                return cls(usual.lowest, usual.highest)
        return cls(low, high) if low < high else cls(min(low, 0.0), max(high, 1.0))

    def __contains__(self, value: object) -> bool:
        """Return whether a JSON value is a number of the scale."""
        return isinstance(value, int | float) and is_number(value) and self.lowest <= value <= self.highest

    def __str__(self) -> str:
        """Format the range as an option accepts it."""
        return f"{self.lowest:g}..{self.highest:g}"

    def share(self, value: float) -> float:
        """Map a number to [0, 1]."""
        return (value - self.lowest) / (self.highest - self.lowest)

    @property
    def middle(self) -> float:
        """The number in the middle."""
        return (self.lowest + self.highest) / 2


UNIT: Final = NumberRange(0, 1)
GRADES: Final = NumberRange(SCALES["1-5"].lowest, SCALES["1-5"].highest)


@dataclass(frozen=True, slots=True)
class LabelScale:
    """The labels that pass and those that fail, normalised. Numbers, if labels are numbers of an ordered scale.

    ``assumed`` is the lowest number that passes if the user did not choose it: the middle of a scale, except 1 to 5.
    """

    passes: frozenset[str]
    fails: frozenset[str]
    numbers: NumberRange | None = None
    assumed: float | None = None

    @property
    def graded(self) -> bool:
        """Whether labels are numbers of an ordered scale."""
        return self.numbers is not None

    @property
    def passing(self) -> float:
        """The lowest passing number as a share of the scale; 1 if labels are not numbers."""
        if self.numbers is None:
            return 1.0
        return min((self.numbers.share(float(text)) for text in self.passes), default=1.0)

    def passed(self, label: Json) -> bool | None:
        """Return whether a label passes; None if it is unknown."""
        text = normalise_label(label)
        return True if text in self.passes else False if text in self.fails else None

    def grade(self, label: Json) -> float | None:
        """Return a number as a share of the scale, from 0 to 1; None if labels are not numbers."""
        return None if self.numbers is None else self.numbers.share(label)


def scale_of(
    labels: Collection[Json],
    pass_labels: Iterable[str] = (),
    numbers: NumberRange | None = None,
    pass_from: float | None = None,
) -> LabelScale:
    """Return the labels of one file, those of raters included, divided into those that pass and those that fail.

    If there are pass labels, all others fail. Otherwise common words for pass and fail are recognised. Numbers pass
    from ``pass_from``, by default from the middle of their scale: 3 of 1 to 5. The scale is ``numbers``, by default
    that of the labels.
    """
    passing = frozenset(map(normalise_label, pass_labels))
    declared = numbers is not None or pass_from is not None
    if passing:
        fails = frozenset(map(normalise_label, labels)) - passing
        ordered = _are_ordered(labels, passing)
        return LabelScale(passing, fails, (numbers or NumberRange.of(labels)) if ordered else None)
    if labels and all(map(is_number, labels)) and (declared or not _are_verdicts(labels)):
        found = numbers or NumberRange.of(labels)
        mark = found.middle if pass_from is None else pass_from
        known = [label for label in labels if label in found]
        passing = frozenset(normalise_label(label) for label in known if label >= mark)
        fails = frozenset(map(normalise_label, known)) - passing
        return LabelScale(passing, fails, found, mark if pass_from is None and found != GRADES else None)
    return LabelScale(_PASSES, _FAILS)


def _are_verdicts(labels: Collection[Json]) -> bool:
    return all(label in (0, 1) for label in labels)


def _are_ordered(labels: Collection[Json], passes: frozenset[str]) -> bool:
    """Return whether the labels are numbers of which the higher ones pass. Otherwise the numbers are only names."""
    if not all(map(is_number, labels)) or _are_verdicts(labels):
        return False
    passing = [label for label in labels if normalise_label(label) in passes]
    failing = [label for label in labels if normalise_label(label) not in passes]
    return bool(passing) and bool(failing) and min(passing) > max(failing)


def normalise_label(label: Json) -> str:
    """Return a label as text for comparison: stripped, without case, and whole numbers without decimals."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return (label if isinstance(label, str) else jsonl.canonical(label)).strip().casefold()

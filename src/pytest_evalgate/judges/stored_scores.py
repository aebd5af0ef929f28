"""Stored scores: verdicts or numbers of one judge in a label file, on a scale of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import at, is_number
from pytest_evalgate.judges.label_scale import UNIT, NumberRange, normalise_label
from pytest_evalgate.records.results import Score
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.label_scale import LabelScale
    from pytest_evalgate.records.cases import Json

_MIDDLE: Final = 0.5
_TIE: Final = "tie"
"""A stored verdict that names no winner. It decides no row, and is not an unread reply."""


@dataclass(frozen=True, slots=True)
class StoredScores:
    """Scores of one judge at a dotted path of a label file. A list there holds the scores of repeated calls.

    ``scale`` is that of the labels, ``numbers`` that of the judge's numbers. Numbers from 0 to 1 can be read as the
    probability of a pass; all others are grades (``on_grades``).
    """

    path: str
    scale: LabelScale
    numbers: NumberRange

    @classmethod
    def at(
        cls, path: str, rows: Sequence[LabelRow], scale: LabelScale, numbers: NumberRange | None = None
    ) -> StoredScores:
        """Return the scores at ``path``. Without ``numbers``, their scale follows from all of them together."""
        values = [value for row in rows for value in stored_values(row, path) if is_number(value)]
        if numbers is not None:
            return cls(path, scale, numbers)
        if scale.numbers is not None:
            shares = any(value % 1 for value in values) and all(value in UNIT for value in values)
            fits = all(value in scale.numbers for value in values) and not (shares and scale.numbers != UNIT)
            return cls(path, scale, scale.numbers if fits else NumberRange.of(values))
        # a number that is a label is a verdict
        scores = [value for value in values if scale.passed(value) is None]
        return cls(path, scale, NumberRange.of(values) if any(value not in UNIT for value in scores) else UNIT)

    @property
    def on_grades(self) -> bool:
        """Whether the numbers are not shares from 0 to 1."""
        return self.numbers != UNIT

    @property
    def _has_verdicts(self) -> bool:
        """Whether a number that is a label is a verdict, not a score."""
        return not self.scale.graded and not self.on_grades

    def of(self, row: LabelRow) -> tuple[Score, ...]:
        """Return the scores of a row, one per call of the judge."""
        return tuple(map(self._score, stored_values(row, self.path)))

    def _score(self, value: Json) -> Score:
        passed = self.scale.passed(value)
        if is_number(value) and (not self._has_verdicts or passed is None):
            share = self.numbers.share(value)
            by_label = self.numbers == self.scale.numbers and passed is not None
            return Score(self.path, share, passed if by_label else share >= _MIDDLE)
        if passed is None and isinstance(value, str) and normalise_label(value) == _TIE:
            return Score(self.path, _MIDDLE, None, "a tie")
        if passed is None:
            return Score(
                self.path, None, None, f"{jsonl.escape_text(jsonl.canonical(value))} is not one of the labels"
            )
        return Score(self.path, float(passed), passed)

    def problems(self, rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
        """Yield each value that is not a score; a single problem if no row has the path."""
        if rows and not any(stored_values(row, self.path) for row in rows):
            yield no_such_path(rows[0], self.path)
        for row in rows:
            for value in stored_values(row, self.path):
                if problem := self._problem(value):
                    shown = jsonl.escape_text(jsonl.canonical(value), 60)
                    yield LineProblem(row.place.file, row.place.line, self.path, f"{problem}, not {shown}")

    def _problem(self, value: Json) -> str:
        if isinstance(value, dict):
            return f"must be a score; name one of its fields, such as {self.path}.{next(iter(value), 'passed')}"
        if isinstance(value, list):
            return "must be a score or a list of scores"
        if not is_number(value) or (self.scale.passed(value) is not None and self._has_verdicts):
            return ""
        return "" if value in self.numbers else f"must be a number from {self.numbers}"


def stored_values(row: LabelRow, path: str) -> list[Json]:
    """Return the values at a dotted path of a row: those of a list there, or the only one."""
    value = at(row.values, path)
    return value if isinstance(value, list) else [] if value is None else [value]


def no_such_path(row: LabelRow, path: str) -> LineProblem:
    """Return the problem of a path that no row has, with those of the first row."""
    paths = ", ".join(sorted(_paths(row.values))) or "nothing"
    return LineProblem(row.place.file, 0, path, f"no row has this path; the first row has {paths}")


def _paths(values: Mapping[str, Json], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"

"""What a judge said when it was asked, as it stands beside the labels: words, truth values, shares or grades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.data import Score
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.judging.label_rows import at
from pytest_evalgate.judging.label_scale import is_grade, is_number, share_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Json
    from pytest_evalgate.judging.label_rows import LabelRow
    from pytest_evalgate.judging.label_scale import Scale

_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class StoredScores:
    """The verdicts of one judge at a dotted path; a list at it holds the answers to repeated questions.

    ``on_grades`` says that its numbers go from 1 to 5, not from 0 to 1.
    """

    path: str
    scale: Scale
    on_grades: bool

    @classmethod
    def at(cls, path: str, rows: Sequence[LabelRow], scale: Scale) -> StoredScores:
        """Look at all verdicts to find out what their numbers are."""
        values = [value for row in rows for value in _values(row, path)]
        grades = any(is_grade(value) and value > 1 and scale.passed(value) is None for value in values)
        return cls(path, scale, scale.graded or grades)

    @property
    def probabilities(self) -> bool:
        """Whether numbers can be read as the probability of a pass."""
        return not self.on_grades

    def of(self, row: LabelRow) -> tuple[Score, ...]:
        """Return the scores of a row, one for each time that the judge was asked."""
        return tuple(map(self._score, _values(row, self.path)))

    def faults(self, rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
        """Yield everything that cannot be a verdict; nothing at all at the path is one fault."""
        if rows and not any(_values(row, self.path) for row in rows):
            place, held = rows[0].place, ", ".join(sorted(_paths(rows[0].values))) or "nothing"
            yield LineProblem(place.file, 0, self.path, f"no row holds it; the first one holds {held}")
        for row in rows:
            for value in _values(row, self.path):
                if fault := self._fault(value):
                    shown = jsonl.visible(jsonl.canonical(value), 60)
                    yield LineProblem(row.place.file, row.place.line, self.path, f"{fault}, not {shown}")

    def _fault(self, value: Json) -> str:
        if isinstance(value, dict):
            return f"must be a verdict; name one of its fields, as {self.path}.{next(iter(value), 'passed')}"
        if isinstance(value, list):
            return "must be a verdict or a list of verdicts"
        if not is_number(value) or (self.scale.passed(value) is not None and not self.on_grades):
            return ""
        good = is_grade(value) if self.on_grades else 0 <= value <= 1
        return "" if good else "must be a number from 0 to 1, or a grade from 1 to 5 as all the others"

    def _score(self, value: Json) -> Score:
        passed = self.scale.passed(value)
        if is_number(value) and (self.on_grades or passed is None):
            share = share_of(value) if self.on_grades else float(value)
            return Score(self.path, share, passed if self.scale.graded and passed is not None else share >= _MIDDLE)
        if passed is None:
            return Score(self.path, None, None, f"{jsonl.visible(jsonl.canonical(value))} is none of the labels")
        return Score(self.path, float(passed), passed)


def _values(row: LabelRow, path: str) -> list[Json]:
    value = at(row.values, path)
    return value if isinstance(value, list) else [] if value is None else [value]


def _paths(values: dict[str, Json] | Json, before: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"

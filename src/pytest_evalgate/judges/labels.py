"""Labels: outputs that people have judged, and what a judge says of them, from one file."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, UserError
from pytest_evalgate.judges import label_rows as fields
from pytest_evalgate.judges.label_rows import (
    at,
    digest_of,
    is_grade,
    is_number,
    read_rows,
    scale_of,
    share_of,
    text_of,
)
from pytest_evalgate.records.results import Score
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow, LabelScale
    from pytest_evalgate.records.results import Case, Json, Output

_MIDDLE = 0.5


@dataclass(frozen=True, slots=True)
class StoredScores:
    """The verdicts of one judge at a dotted path; a list at it holds the answers to repeated questions.

    ``on_grades`` says that its numbers go from 1 to 5, not from 0 to 1.
    """

    path: str
    scale: LabelScale
    on_grades: bool

    @classmethod
    def at(cls, path: str, rows: Sequence[LabelRow], scale: LabelScale) -> StoredScores:
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

    def problems(self, rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
        """Yield everything that cannot be a verdict; nothing at all at the path is one fault."""
        if rows and not any(_values(row, self.path) for row in rows):
            place, held = rows[0].place, ", ".join(sorted(_paths(rows[0].values))) or "nothing"
            yield LineProblem(place.file, 0, self.path, f"no row holds it; the first one holds {held}")
        for row in rows:
            for value in _values(row, self.path):
                if problem := self._problem(value):
                    shown = jsonl.escape_text(jsonl.canonical(value), 60)
                    yield LineProblem(row.place.file, row.place.line, self.path, f"{problem}, not {shown}")

    def _problem(self, value: Json) -> str:
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
            return Score(self.path, None, None, f"{jsonl.escape_text(jsonl.canonical(value))} is none of the labels")
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


_NO_RATERS: Final[Mapping[str, float]] = MappingProxyType({})


class LabelsError(UserError):
    """Every problem of a file of labels at once, one per line of the message."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        """Keep ``problems`` in line order and make one line of the message of each."""
        self.problems = tuple(sorted(problems, key=attrgetter("line")))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file holds what has no name of its own; paths are dotted, as ``metadata.annotation_1``.

    ``pass_labels`` are the labels that are passes. Each path of ``raters`` holds one rater's label, beside those of a
    row's ``labels``. ``stored`` holds what a judge said, ``swapped`` the same of a pair of answers shown in the other
    order.
    """

    pass_labels: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    stored: str | None = None
    swapped: str | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """One output that people labelled, and what the judge says of it.

    ``passed`` is what people say, None where the raters part evenly; ``label`` is that in their own words. ``decided``
    says that the row itself names its label: otherwise most of its raters have it. ``grade`` is from 0 to 1, where
    labels are grades. ``raters`` hold what each one said: a grade from 0 to 1 where labels are grades, else 1 for a
    pass and 0 for a fail. ``weight`` is the number of outputs that the row stands for. The judge may have been asked
    several times: the first of ``scores`` is the one that is measured.
    """

    case: Case
    output: Output
    label: str
    passed: bool | None
    decided: bool = True
    grade: float | None = None
    raters: Mapping[str, float] = field(default_factory=lambda: _NO_RATERS)
    cluster: str | None = None
    weight: float = 1.0
    scores: tuple[Score, ...] = ()
    swapped: Score | None = None


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labelled rows of a file, in its order; ``unlabelled`` ones wait for their label and are left out.

    ``passing`` is the rating from which on a rater passes a row. ``probabilities`` says that the stored numbers of the
    judge can be read as the probability of a pass.
    """

    name: str
    rows: tuple[Labelled, ...]
    sha256: str
    passing: float = 1.0
    probabilities: bool = False
    unlabelled: int = 0

    def counted(self, *, passed: bool) -> dict[str, int]:
        """Count the labels that pass, or those that fail, in people's own words, the most frequent first."""
        return dict(Counter(row.label for row in self.rows if row.passed is passed).most_common())


def load(path: Path, columns: Columns, *, root: Path) -> LabelSet:
    """Read a file of labels, JSONL or CSV.

    A row has ``label`` (or ``human_label``): a word for pass or fail, a truth value, 0 or 1, or a grade from 1 to 5;
    or ``labels`` by rater; null is a label still to come. It may have ``id``, ``input``, ``expected``, ``context``,
    ``output``, ``cluster`` and ``weight``. A row with ``claims``, each a ``claim`` with its ``label``, is as many rows
    in one cluster.

    Args:
        path: The file.
        columns: Where it holds what has no name of its own.
        root: What places are named relative to.

    Raises:
        LabelsError: anything is wrong with it; lists every problem.

    """
    name = files.relative_name(path, root)
    whole, problems = read_rows(path, name=name)
    rows = [piece for row in whole for piece in fields.labelled_rows(row)]
    problems += [problem for row in whole for problem in fields.row_problems(row)]
    problems += fields.label_problems(whole, columns.raters)
    problems += fields.id_problems(rows)
    scale = scale_of([label for row in rows for label in _labels_in(row, columns)], columns.pass_labels)
    problems += _unknown(rows, columns, scale, name)
    judges = [StoredScores.at(at, rows, scale) for at in (columns.stored, columns.swapped) if at is not None]
    problems += [problem for judge in judges for problem in judge.problems(rows)]
    labelled = [row for row in rows if _labels_in(row, columns)]
    if problems or not labelled:
        raise LabelsError(problems or [LineProblem(name, 0, "", _no_label(len(rows)))])
    return LabelSet(
        name=name,
        rows=tuple(_labelled(row, columns, scale, judges) for row in labelled),
        sha256=digest_of(whole),
        passing=scale.passing,
        probabilities=bool(judges) and judges[0].probabilities,
        unlabelled=len(rows) - len(labelled),
    )


def digest(path: Path) -> str:
    """SHA-256, in hexadecimal, of the labels of a file: by it a calibration knows them again.

    Raises:
        LabelsError: the file cannot be read.

    """
    rows, problems = read_rows(path, name=str(path))
    if problems:
        raise LabelsError(problems)
    return digest_of(rows)


def _labels_in(row: LabelRow, columns: Columns) -> list[Json]:
    """Return every label that a row holds, the row's own first."""
    own = fields.label_of(row)
    return [*([] if own is None else [own]), *fields.ratings_of(row, columns.raters).values()]


def _unknown(rows: Sequence[LabelRow], columns: Columns, scale: LabelScale, name: str) -> Iterator[LineProblem]:
    """Yield each label that is neither a pass nor a fail, and each pass label that nothing has."""
    lines: dict[str, list[int]] = {}
    for row in rows:
        for label in _labels_in(row, columns):
            lines.setdefault(text_of(label), []).append(row.place.line)
    for text in [text for text in lines if text not in scale.passes | scale.fails]:
        many = f" ({len(lines[text]):,} times)" if len(lines[text]) > 1 else ""
        message = f"{jsonl.quote_text(text)}{many} is no pass and no fail: say which labels pass, --pass-label LABEL"
        yield LineProblem(name, lines[text][0], "label", message)
    held = ", ".join(map(jsonl.quote_text, lines)) or "no label"
    for wanted in columns.pass_labels:
        if text_of(wanted) not in lines:
            yield LineProblem(name, 0, "", f"no row is labelled {jsonl.quote_text(wanted)}; there is {held}")


def _no_label(rows: int) -> str:
    return f"none of {rows:,} rows has a label yet" if rows else "holds no row to label"


def _labelled(row: LabelRow, columns: Columns, scale: LabelScale, judges: Sequence[StoredScores]) -> Labelled:
    own, given = fields.label_of(row), fields.ratings_of(row, columns.raters)
    label = _majority(list(given.values()), scale) if own is None else own
    return Labelled(
        case=fields.case_of(row),
        output=fields.output_of(row),
        label="undecided" if label is None else _words(label),
        passed=None if label is None else scale.passed(label),
        decided=own is not None,
        grade=_grade(own, list(given.values()), scale),
        raters={rater: _rating(label, scale) for rater, label in given.items()},
        cluster=fields.cluster_of(row),
        weight=fields.weight_of(row),
        scores=judges[0].of(row) if judges else (),
        swapped=next(iter(judges[1].of(row)), None) if len(judges) > 1 else None,
    )


def _majority(labels: list[Json], scale: LabelScale) -> Json:
    """Return the most frequent label of the side that more raters are on, passing or failing; None without one."""
    passing = [label for label in labels if scale.passed(label)]
    failing = [label for label in labels if not scale.passed(label)]
    if len(passing) == len(failing):
        return None
    more = max(passing, failing, key=len)
    return Counter(map(_words, more)).most_common(1)[0][0]


def _rating(label: Json, scale: LabelScale) -> float:
    grade = scale.grade(label)
    return float(bool(scale.passed(label))) if grade is None else grade


def _grade(own: Json, given: list[Json], scale: LabelScale) -> float | None:
    """Return the row's own grade, else the mean of the raters'."""
    if not scale.graded:
        return None
    grades = [_rating(label, scale) for label in (given if own is None else [own])]
    return math.fsum(grades) / len(grades)


def _words(label: Json) -> str:
    return label.strip() if isinstance(label, str) else text_of(label)

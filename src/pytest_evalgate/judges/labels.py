"""Labels: outputs graded by people, read from one file, with the scores of a judge that the file may contain.

Flow: `label_rows` reads and checks rows, `scale_of` decides which labels pass, `StoredScores` reads the judge's
scores, and `load` joins them to one `Labelled` per row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, UserError
from pytest_evalgate.judges.label_rows import (
    at,
    case_of,
    digest_of,
    id_problems,
    is_number,
    label_of,
    label_problems,
    labelled_rows,
    ratings_of,
    read_rows,
    row_problems,
)
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.records.cases import Case, Json

_NO_RATERS: Final[Mapping[str, float]] = MappingProxyType({})


class LabelsError(UserError):
    """All problems of a label file, one per line of the message."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        """Sort ``problems`` by line."""
        self.problems = tuple(sorted(problems, key=attrgetter("line")))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Columns:
    """Fields of a label file that have no standard name. Paths are dotted, such as ``metadata.annotation_1``.

    ``pass_labels`` are the labels that pass. Each path of ``raters`` has one rater's label, in addition to those of a
    row's ``labels``. ``stored`` is the path of a judge's scores, ``swapped`` that of its scores with the two outputs
    of a pair in the other order.
    """

    pass_labels: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    stored: str | None = None
    swapped: str | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """One output with its human label and the scores of a judge.

    Attributes:
        case: The case.
        output: The output.
        label: The label as people wrote it.
        passed: True if the label passes; None if the raters are evenly divided.
        decided: True if the row has a ``label``; otherwise the label is that of the majority of the raters.
        grade: The label as a grade from 0 to 1, if labels are grades.
        raters: The label of each rater: a grade from 0 to 1 if labels are grades, otherwise 1 (pass) or 0 (fail).
        cluster: The cluster of the row, if it has one.
        weight: The number of outputs that the row represents.
        scores: The scores of the judge, in order; the first is the one that is measured.
        swapped: The score with the two outputs of a pair in the other order.
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
    """The labelled rows of a file, in order, and the number of rows still ``unlabelled``.

    ``passing`` is the lowest rating with which a rater passes a row. ``probabilities`` is true if the stored scores of
    the judge can be read as the probability of a pass.
    """

    name: str
    rows: tuple[Labelled, ...]
    sha256: str
    passing: float = 1.0
    probabilities: bool = False
    unlabelled: int = 0

    def counted(self, *, passed: bool) -> dict[str, int]:
        """Count the passing or the failing labels as people wrote them, most frequent first."""
        return dict(Counter(row.label for row in self.rows if row.passed is passed).most_common())


def load(path: Path, columns: Columns, *, root: Path) -> LabelSet:
    """Read a label file, JSONL or CSV.

    A row has a ``label`` (or ``human_label``): a word for pass or fail, a boolean, 0 or 1, or a grade from 1 to 5; or
    it has ``labels`` by rater. null means not labelled yet. Optional fields are ``id``, ``input``, ``expected``,
    ``context``, ``output``, ``cluster`` and ``weight``. A row with ``claims``, each a ``claim`` with its ``label``,
    becomes one row per claim, in one cluster. Messages name the file relative to ``root``.

    Raises:
        LabelsError: the file is invalid; lists every problem.
    """
    name = files.relative_name(path, root)
    whole, problems = read_rows(path, name=name)
    rows = [unit for row in whole for unit in labelled_rows(row)]
    problems += [problem for row in whole for problem in row_problems(row)]
    problems += label_problems(whole, columns.raters)
    problems += id_problems(rows)
    scale = scale_of([label for row in rows for label in _labels_in(row, columns)], columns.pass_labels)
    problems += _unknown_labels(rows, columns, scale, name)
    judges = [StoredScores.at(path, rows, scale) for path in (columns.stored, columns.swapped) if path is not None]
    problems += [problem for judge in judges for problem in judge.problems(rows)]
    labelled = [row for row in rows if _labels_in(row, columns)]
    if not labelled and not problems:
        message = f"none of {len(rows):,} rows has a label yet" if rows else "the file has no rows"
        problems.append(LineProblem(name, 0, "", message))
    if problems:
        raise LabelsError(problems)
    return LabelSet(
        name=name,
        rows=tuple(_labelled(row, columns, scale, judges) for row in labelled),
        sha256=digest_of(whole),
        passing=scale.passing,
        probabilities=bool(judges) and not judges[0].on_grades,
        unlabelled=len(rows) - len(labelled),
    )


def digest(path: Path) -> str:
    """Return the SHA-256, in hexadecimal, of the labels of a file, as in its calibration; raises like `load`."""
    rows, problems = read_rows(path, name=str(path))
    if problems:
        raise LabelsError(problems)
    return digest_of(rows)


def _labels_in(row: LabelRow, columns: Columns) -> list[Json]:
    """Return the label of a row, if any, and those of its raters."""
    own = label_of(row)
    return [*([] if own is None else [own]), *ratings_of(row, columns.raters).values()]


def _unknown_labels(rows: Sequence[LabelRow], columns: Columns, scale: LabelScale, name: str) -> Iterator[LineProblem]:
    """Yield each label that neither passes nor fails, and each pass label that no row has."""
    lines: dict[str, list[int]] = {}
    for row in rows:
        for label in _labels_in(row, columns):
            lines.setdefault(normalise_label(label), []).append(row.place.line)
    for text in [text for text in lines if text not in scale.passes | scale.fails]:
        times = f" ({len(lines[text]):,} times)" if len(lines[text]) > 1 else ""
        message = f"unknown label {jsonl.quote_text(text)}{times}: name the labels that pass with --pass-label LABEL"
        yield LineProblem(name, lines[text][0], "label", message)
    present = ", ".join(map(jsonl.quote_text, lines)) or "none"
    for wanted in columns.pass_labels:
        if normalise_label(wanted) not in lines:
            yield LineProblem(name, 0, "", f"no row has the label {jsonl.quote_text(wanted)}; labels: {present}")


def _labelled(row: LabelRow, columns: Columns, scale: LabelScale, judges: Sequence[StoredScores]) -> Labelled:
    own, ratings = label_of(row), ratings_of(row, columns.raters)
    label = _majority(list(ratings.values()), scale) if own is None else own
    graded = list(ratings.values()) if own is None else [own]
    cluster = row.values.get("cluster")
    return Labelled(
        case=case_of(row),
        output=Output(row.values.get("output")),
        label="undecided" if label is None else _display(label),
        passed=None if label is None else scale.passed(label),
        decided=own is not None,
        grade=fmean(_rating(label, scale) for label in graded) if scale.graded else None,
        raters={rater: _rating(label, scale) for rater, label in ratings.items()},
        cluster=None if cluster is None else str(cluster),
        weight=float(row.values.get("weight") or 1.0),
        scores=judges[0].of(row) if judges else (),
        swapped=next(iter(judges[1].of(row)), None) if len(judges) > 1 else None,
    )


def _majority(labels: list[Json], scale: LabelScale) -> Json:
    """Return the most frequent label of the majority, passing or failing; None if the raters are evenly divided."""
    passing = [label for label in labels if scale.passed(label)]
    failing = [label for label in labels if not scale.passed(label)]
    if len(passing) == len(failing):
        return None
    majority = passing if len(passing) > len(failing) else failing
    return Counter(map(_display, majority)).most_common(1)[0][0]


def _rating(label: Json, scale: LabelScale) -> float:
    grade = scale.grade(label)
    return float(bool(scale.passed(label))) if grade is None else grade


def _display(label: Json) -> str:
    return label.strip() if isinstance(label, str) else normalise_label(label)


_GRADES: Final = SCALES["1-5"]  # people's grades have the same scale and the same default pass mark as a judge's
_PASSES: Final = frozenset({"pass", "passed", "good", "correct", "right", "yes", "true", "1"})
_FAILS: Final = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class LabelScale:
    """The labels that pass and those that fail, normalised. ``graded`` labels are numbers from 1 to 5."""

    passes: frozenset[str]
    fails: frozenset[str]
    graded: bool = False

    @property
    def passing(self) -> float:
        """The lowest passing grade as a share of the scale; 1 if labels are not grades."""
        return min((_share_of(float(text)) for text in self.passes), default=1.0) if self.graded else 1.0

    def passed(self, label: Json) -> bool | None:
        """Return whether a label passes; None if it is unknown."""
        text = normalise_label(label)
        return True if text in self.passes else False if text in self.fails else None

    def grade(self, label: Json) -> float | None:
        """Return a grade as a share of the scale, from 0 to 1; None if labels are not grades."""
        return _share_of(label) if self.graded else None


def scale_of(labels: Collection[Json], pass_labels: Iterable[str] = ()) -> LabelScale:
    """Return the labels of one file, those of raters included, divided into those that pass and those that fail.

    If there are ``pass_labels``, all others fail. Otherwise common words for pass and fail are recognised, and grades
    of 3 and more pass.
    """
    passing = frozenset(map(normalise_label, pass_labels))
    if passing:
        fails = frozenset(map(normalise_label, labels)) - passing
        return LabelScale(passing, fails, _are_ordered_grades(labels, passing))
    if all(map(_is_grade, labels)) and any(label != 1 for label in labels):
        passing = frozenset(normalise_label(label) for label in labels if label >= _GRADES.passes_from)
        return LabelScale(passing, frozenset(map(normalise_label, labels)) - passing, graded=True)
    return LabelScale(_PASSES, _FAILS)


def _are_ordered_grades(labels: Collection[Json], passes: frozenset[str]) -> bool:
    """Return whether the labels are grades of which the higher ones pass. Otherwise the numbers are only names."""
    if not all(map(_is_grade, labels)):
        return False
    passing = [label for label in labels if normalise_label(label) in passes]
    failing = [label for label in labels if normalise_label(label) not in passes]
    return bool(passing) and bool(failing) and min(passing) > max(failing)


def normalise_label(label: Json) -> str:
    """Return a label as text for comparison: stripped, without case, and whole numbers without decimals."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return (label if isinstance(label, str) else jsonl.canonical(label)).strip().casefold()


def _is_grade(value: Json) -> bool:
    return is_number(value) and _GRADES.lowest <= value <= _GRADES.highest


def _share_of(grade: float) -> float:
    return (grade - _GRADES.lowest) / (_GRADES.highest - _GRADES.lowest)


_MIDDLE: Final = 0.5
_TIE: Final = "tie"
"""A stored verdict that names no winner. It decides no row, and is not an unread reply."""


@dataclass(frozen=True, slots=True)
class StoredScores:
    """Scores of one judge at a dotted path of a label file. A list there holds the scores of repeated calls.

    ``on_grades`` is true if its numbers are grades from 1 to 5, false if they are shares from 0 to 1, which can be
    read as the probability of a pass.
    """

    path: str
    scale: LabelScale
    on_grades: bool

    @classmethod
    def at(cls, path: str, rows: Sequence[LabelRow], scale: LabelScale) -> StoredScores:
        """Return the scores at ``path``; decide from all of them together whether they are grades or shares."""
        values = [value for row in rows for value in _values(row, path)]
        # a value of 1 could also be a share, and a number that is a label is a verdict
        grades = any(_is_grade(value) and value > 1 and scale.passed(value) is None for value in values)
        return cls(path, scale, scale.graded or grades)

    def of(self, row: LabelRow) -> tuple[Score, ...]:
        """Return the scores of a row, one per call of the judge."""
        return tuple(map(self._score, _values(row, self.path)))

    def _score(self, value: Json) -> Score:
        passed = self.scale.passed(value)
        if is_number(value) and (self.on_grades or passed is None):
            share = _share_of(value) if self.on_grades else float(value)
            return Score(self.path, share, passed if self.scale.graded and passed is not None else share >= _MIDDLE)
        if passed is None and isinstance(value, str) and normalise_label(value) == _TIE:
            return Score(self.path, _MIDDLE, None, "a tie")
        if passed is None:
            return Score(
                self.path, None, None, f"{jsonl.escape_text(jsonl.canonical(value))} is not one of the labels"
            )
        return Score(self.path, float(passed), passed)

    def problems(self, rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
        """Yield each value that is not a score; a single problem if no row has the path."""
        if rows and not any(_values(row, self.path) for row in rows):
            place, paths = rows[0].place, ", ".join(sorted(_paths(rows[0].values))) or "nothing"
            yield LineProblem(place.file, 0, self.path, f"no row has this path; the first row has {paths}")
        for row in rows:
            for value in _values(row, self.path):
                if problem := self._problem(value):
                    shown = jsonl.escape_text(jsonl.canonical(value), 60)
                    yield LineProblem(row.place.file, row.place.line, self.path, f"{problem}, not {shown}")

    def _problem(self, value: Json) -> str:
        if isinstance(value, dict):
            return f"must be a score; name one of its fields, such as {self.path}.{next(iter(value), 'passed')}"
        if isinstance(value, list):
            return "must be a score or a list of scores"
        if not is_number(value) or (self.scale.passed(value) is not None and not self.on_grades):
            return ""
        valid = _is_grade(value) if self.on_grades else 0 <= value <= 1
        return "" if valid else "must be a number from 0 to 1 (or, if all scores are grades, from 1 to 5)"


def _values(row: LabelRow, path: str) -> list[Json]:
    value = at(row.values, path)
    return value if isinstance(value, list) else [] if value is None else [value]


def _paths(values: Mapping[str, Json], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"

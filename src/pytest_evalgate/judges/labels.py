"""Labels: outputs graded by people, read from one file, with the scores of a judge that the file may contain.

Flow: `label_rows` reads and checks rows, `label_scale` decides which labels pass, `stored_scores` reads the judge's
scores, and `load` joins them to one `Labelled` per row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from operator import attrgetter
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import (
    at,
    by_output,
    case_of,
    checks_raters,
    digest_of,
    id_problems,
    is_number,
    label_of,
    label_problems,
    labelled_rows,
    ratings_of,
    read_rows,
    repeat_problems,
    row_problems,
)
from pytest_evalgate.judges.label_sample import DrawnFrom
from pytest_evalgate.judges.label_scale import normalise_label, scale_of
from pytest_evalgate.judges.stored_scores import StoredScores, no_such_path
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.label_scale import LabelScale, NumberRange
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Score

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
    of a pair in the other order. ``numbers`` is the scale of labels that are numbers, which pass from ``pass_from``;
    ``stored_numbers`` is that of the judge's. ``group`` is the path of the group of a row, ``controlled`` that of a
    number whose effect a partial correlation removes.
    """

    pass_labels: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    stored: str | None = None
    swapped: str | None = None
    numbers: NumberRange | None = None
    pass_from: float | None = None
    stored_numbers: NumberRange | None = None
    group: str | None = None
    controlled: str | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """One output with its human label and the scores of a judge.

    Attributes:
        case: The case.
        output: The output.
        graded_part: The path of the part of the whole output that ``output`` is; None if it is whole.
        label: The label as people wrote it.
        passed: True if the label passes; None if the raters are evenly divided.
        decided: True if the row has a ``label``; otherwise the label is that of the majority of the raters.
        grade: The label as a grade from 0 to 1, if labels are grades.
        raters: The label of each rater: a grade from 0 to 1 if labels are grades, otherwise 1 (pass) or 0 (fail).
        cluster: The cluster of the row, if it has one.
        weight: The number of outputs that the row represents.
        drawn_from: The stratum of a run that the row was drawn from; None if the file does not name it.
        group: The group of the row, if there are groups.
        controlled: The number that a partial correlation controls for.
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
    drawn_from: DrawnFrom | None = None
    group: str | None = None
    controlled: float | None = None
    scores: tuple[Score, ...] = ()
    swapped: Score | None = None
    graded_part: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labelled rows of a file, in order, and the number of rows still ``unlabelled``.

    ``passing`` is the lowest rating with which a rater passes a row. ``probabilities`` is true if the stored scores of
    the judge can be read as the probability of a pass. ``scales`` are those of the labels and of the judge's numbers,
    as text, if they differ; grades are then only correlated. ``assumed`` is the lowest passing number if the
    user did not choose it. ``gold`` is the number of rows that only check the raters. ``options`` are those with which
    ``label check`` reads the file.
    """

    name: str
    rows: tuple[Labelled, ...]
    sha256: str
    passing: float = 1.0
    probabilities: bool = False
    unlabelled: int = 0
    scales: tuple[str, str] | None = None
    assumed: float | None = None
    gold: int = 0
    options: tuple[str, ...] = ()

    def counted(self, *, passed: bool) -> dict[str, int]:
        """Count the passing or the failing labels as people wrote them, most frequent first."""
        return dict(Counter(row.label for row in self.rows if row.passed is passed).most_common())


def load(path: Path, columns: Columns, *, root: Path) -> LabelSet:
    """Read a label file, JSONL or CSV.

    A row has a ``label`` (or ``human_label``): a word for pass or fail, a boolean, 0 or 1, or a grade from 1 to 5; or
    it has ``labels`` by rater. null means not labelled yet. Optional fields are ``id``, ``input``, ``expected``,
    ``context``, ``output``, ``graded_part``, ``cluster`` and ``weight``. A row with ``claims``, each a ``claim`` with
    its ``label``, becomes one row per claim, in one cluster. Rows of several raters with one id become one row. Rows
    with a ``gold`` label that were not drawn from a run, and rows with ``repeat_of``, are left out. Messages name the
    file relative to ``root``.

    Raises:
        LabelsError: the file is invalid; lists every problem.
    """
    name = files.relative_name(path, root)
    whole, problems = read_rows(path, name=name)
    problems += [problem for row in whole for problem in row_problems(row)]
    problems += label_problems(whole, columns.raters)
    merged, conflicts = by_output([unit for row in whole for unit in labelled_rows(row)])
    rows = [row for row in merged if not checks_raters(row)]
    problems += [*conflicts, *id_problems(merged), *repeat_problems(merged)]
    scale = scale_of(
        [label for row in rows for label in _labels_in(row, columns)],
        columns.pass_labels,
        columns.numbers,
        columns.pass_from,
    )
    problems += _unknown_labels(rows, columns, scale, name)
    judges = [
        StoredScores.at(path, rows, scale, columns.stored_numbers)
        for path in (columns.stored, columns.swapped)
        if path is not None
    ]
    problems += [problem for judge in judges for problem in judge.problems(rows)]
    problems += _column_problems(rows, columns)
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
        scales=_different_scales(scale, judges),
        assumed=scale.assumed,
        gold=len(merged) - len(rows),
        options=(
            *(part for label in columns.pass_labels for part in ("--pass-label", label)),
            *(part for path in columns.raters for part in ("--rater", path)),
        ),
    )


def _different_scales(scale: LabelScale, judges: Sequence[StoredScores]) -> tuple[str, str] | None:
    if scale.numbers is None or not judges or judges[0].numbers == scale.numbers:
        return None
    return str(scale.numbers), str(judges[0].numbers)


def _column_problems(rows: Sequence[LabelRow], columns: Columns) -> Iterator[LineProblem]:
    """Yield a problem for each path of a group or of a controlled number that no row has."""
    for path in (columns.group, columns.controlled):
        if path is not None and rows and all(at(row.values, path) is None for row in rows):
            yield no_such_path(rows[0], path)
    if columns.controlled is not None:
        for row in rows:
            value = at(row.values, columns.controlled)
            if value is not None and not is_number(value):
                shown = jsonl.escape_text(jsonl.canonical(value), 60)
                yield LineProblem(row.place.file, row.place.line, columns.controlled, f"must be a number, not {shown}")


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
        message = f"unknown label {jsonl.quote_text(text)}{times}: {_advice(scale)}"
        yield LineProblem(name, lines[text][0], "label", message)
    present = ", ".join(map(jsonl.quote_text, lines)) or "none"
    for wanted in columns.pass_labels:
        if normalise_label(wanted) not in lines:
            yield LineProblem(name, 0, "", f"no row has the label {jsonl.quote_text(wanted)}; labels: {present}")


def _advice(scale: LabelScale) -> str:
    if scale.numbers is not None:
        return f"the scale is {scale.numbers}"
    return "name the labels that pass with --pass-label LABEL, or compare all of them as classes: --classes"


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
        drawn_from=DrawnFrom.parse(row.values.get("sample")),
        group=_text_at(row, columns.group),
        controlled=None if columns.controlled is None else at(row.values, columns.controlled),
        scores=judges[0].of(row) if judges else (),
        swapped=next(iter(judges[1].of(row)), None) if len(judges) > 1 else None,
        graded_part=row.values.get("graded_part"),
    )


def _majority(labels: list[Json], scale: LabelScale) -> Json:
    """Return the most frequent label of the majority, passing or failing; None if the raters are evenly divided."""
    passing = [label for label in labels if scale.passed(label)]
    failing = [label for label in labels if not scale.passed(label)]
    if len(passing) == len(failing):
        return None
    majority = passing if len(passing) > len(failing) else failing
    return Counter(map(_display, majority)).most_common(1)[0][0]


def _text_at(row: LabelRow, path: str | None) -> str | None:
    value = None if path is None else at(row.values, path)
    return None if value is None else _display(value)


def _rating(label: Json, scale: LabelScale) -> float:
    grade = scale.grade(label)
    return float(bool(scale.passed(label))) if grade is None else grade


def _display(label: Json) -> str:
    return label.strip() if isinstance(label, str) else normalise_label(label)

"""Labels: outputs that people have judged, and what a judge says of them, from one file."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import LineProblem, UserError
from pytest_evalgate.judging import label_fields as fields
from pytest_evalgate.judging.label_rows import digest_of, read_rows
from pytest_evalgate.judging.label_scale import scale_of, text_of
from pytest_evalgate.judging.stored_scores import StoredScores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Case, Json, Output, Score
    from pytest_evalgate.judging.label_rows import LabelRow
    from pytest_evalgate.judging.label_scale import Scale

_NOBODY: Final[Mapping[str, float]] = MappingProxyType({})


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
    raters: Mapping[str, float] = field(default_factory=lambda: _NOBODY)
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
    rows = [piece for row in whole for piece in fields.pieces_of(row)]
    problems += [fault for row in whole for fault in fields.faults_of(row)]
    problems += fields.faults_of_labels(whole, columns.raters)
    problems += fields.faults_of_ids(rows)
    scale = scale_of([label for row in rows for label in _said(row, columns)], columns.pass_labels)
    problems += _unknown(rows, columns, scale, name)
    judges = [StoredScores.at(at, rows, scale) for at in (columns.stored, columns.swapped) if at is not None]
    problems += [fault for judge in judges for fault in judge.faults(rows)]
    labelled = [row for row in rows if _said(row, columns)]
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


def _said(row: LabelRow, columns: Columns) -> list[Json]:
    """Return every label that a row holds, the row's own first."""
    own = fields.label_of(row)
    return [*([] if own is None else [own]), *fields.ratings_of(row, columns.raters).values()]


def _unknown(rows: Sequence[LabelRow], columns: Columns, scale: Scale, name: str) -> Iterator[LineProblem]:
    """Yield each label that is neither a pass nor a fail, and each pass label that nothing has."""
    lines: dict[str, list[int]] = {}
    for row in rows:
        for label in _said(row, columns):
            lines.setdefault(text_of(label), []).append(row.place.line)
    for text in [text for text in lines if text not in scale.passes | scale.fails]:
        many = f" ({len(lines[text]):,} times)" if len(lines[text]) > 1 else ""
        message = f"{jsonl.quoted(text)}{many} is no pass and no fail: say which labels pass, --pass-label LABEL"
        yield LineProblem(name, lines[text][0], "label", message)
    held = ", ".join(map(jsonl.quoted, lines)) or "no label"
    for wanted in columns.pass_labels:
        if text_of(wanted) not in lines:
            yield LineProblem(name, 0, "", f"no row is labelled {jsonl.quoted(wanted)}; there is {held}")


def _no_label(rows: int) -> str:
    return f"none of {rows:,} rows has a label yet" if rows else "holds no row to label"


def _labelled(row: LabelRow, columns: Columns, scale: Scale, judges: Sequence[StoredScores]) -> Labelled:
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


def _majority(labels: list[Json], scale: Scale) -> Json:
    """Return the most frequent label of the side that more raters are on, passing or failing; None without one."""
    passing = [label for label in labels if scale.passed(label)]
    failing = [label for label in labels if not scale.passed(label)]
    if len(passing) == len(failing):
        return None
    more = max(passing, failing, key=len)
    return Counter(map(_words, more)).most_common(1)[0][0]


def _rating(label: Json, scale: Scale) -> float:
    grade = scale.grade(label)
    return float(bool(scale.passed(label))) if grade is None else grade


def _grade(own: Json, given: list[Json], scale: Scale) -> float | None:
    """Return the row's own grade, else the mean of the raters'."""
    if not scale.graded:
        return None
    grades = [_rating(label, scale) for label in (given if own is None else [own])]
    return math.fsum(grades) / len(grades)


def _words(label: Json) -> str:
    return label.strip() if isinstance(label, str) else text_of(label)

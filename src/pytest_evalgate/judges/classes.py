"""Classes: labels and stored verdicts of a judge as names, ordered or not, with "unreadable" as one more class."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import (
    by_output,
    id_of,
    id_problems,
    label_of,
    label_problems,
    labelled_rows,
    ratings_of,
    read_rows,
    row_problems,
)
from pytest_evalgate.judges.label_scale import normalise_label
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.stored_scores import no_such_path, stored_values
from pytest_evalgate.stats.agreement import agreement_graded, krippendorff_missing
from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.rates import Bootstrap, Statistic

    Floats = npt.NDArray[np.float64]

UNREADABLE: Final = "unreadable"
"""The class of a verdict that is missing or is none of the ordered classes."""

TABLE_FIGURES: Final = ("accuracy", "kappa", "macro_precision", "macro_recall", "macro_f1")
"""Figures of the confusion matrix, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The label and the verdict of one row, as classes, and its cluster."""

    truth: str
    predicted: str
    cluster: Hashable


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Precision, recall and F1 of one class, 0 where undefined, and its numbers of labels and of verdicts."""

    name: str
    precision: float
    recall: float
    f1: float
    labels: int
    verdicts: int


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Agreement of a judge with labels that are classes.

    Attributes:
        rows: Rows with a label.
        unreadable: Rows of these whose verdict could not be read. They are a class, and count as errors.
        classes: The classes of labels and verdicts together, with their figures.
        counts: The rows by label (first index) and verdict, in the order of ``classes``.
        figures: Figures over all classes, by name. Macro figures are means over the union of both sides.
        ordered: Figures of the order of the classes, over the rows that could be read; empty for unordered classes.
    """

    rows: int
    unreadable: int
    classes: tuple[ClassFigures, ...]
    counts: tuple[tuple[int, ...], ...]
    figures: Mapping[str, Statistic]
    ordered: Mapping[str, Statistic]


def load_classes(path: Path, name: str, stored: str, order: Sequence[str], raters: Sequence[str]) -> list[ClassRow]:
    """Read the labels of a file and the verdicts at ``stored``. Labels of several raters count by their majority.

    ``order`` lists the classes from the lowest to the highest; empty for unordered ones.

    Raises:
        LabelsError: the file is invalid; lists every problem.
    """
    whole, problems = read_rows(path, name=name)
    problems += [problem for row in whole for problem in row_problems(row)]
    problems += label_problems(whole, raters)
    rows, conflicts = by_output([unit for row in whole for unit in labelled_rows(row)])
    problems += [*conflicts, *id_problems(rows)]
    known = frozenset(map(normalise_label, order))
    problems += _problems(rows, stored, known, raters)
    if problems:
        raise LabelsError(problems)
    found = [
        ClassRow(truth, _verdict(row, stored, known), row.values.get("cluster") or id_of(row))
        for row in rows
        if (truth := _label(row, raters)) is not None
    ]
    if not found:
        raise LabelsError([LineProblem(name, 0, "", f"none of {len(rows):,} rows has a label yet")])
    return found


def _problems(
    rows: Sequence[LabelRow], stored: str, known: frozenset[str], raters: Sequence[str]
) -> Iterator[LineProblem]:
    if rows and not any(stored_values(row, stored) for row in rows):
        yield no_such_path(rows[0], stored)
    for row in rows:
        label = _label(row, raters)
        if known and label is not None and label not in known:
            yield LineProblem(
                row.place.file, row.place.line, "label", f'"{label}" is not one of the classes of --order'
            )


def _label(row: LabelRow, raters: Sequence[str]) -> str | None:
    """Return the label of a row, or that of most of its raters; None if there is none, or no single one."""
    if (own := label_of(row)) is not None:
        return normalise_label(own)
    counts = Counter(map(normalise_label, ratings_of(row, raters).values())).most_common(2)
    if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0]


def _verdict(row: LabelRow, stored: str, known: frozenset[str]) -> str:
    value = next(iter(stored_values(row, stored)), None)
    text = "" if value is None else normalise_label(value)
    return text if text and (not known or text in known) else UNREADABLE


def compare_classes(rows: Sequence[ClassRow], order: Sequence[str], bootstrap: Bootstrap) -> ClassReport:
    """Measure the agreement of labels and verdicts over at least one row. Intervals are bootstrap intervals.

    Source: Cohen 1960 and 1968; Krippendorff 2011; scikit-learn's conventions for undefined values (0).
    """
    present = {row.truth for row in rows} | {row.predicted for row in rows}
    ranked = [name for name in map(normalise_label, order) if name in present]
    names = [*ranked, *sorted(present - set(ranked))]
    code = {name: at for at, name in enumerate(names)}
    truth = np.array([code[row.truth] for row in rows])
    predicted = np.array([code[row.predicted] for row in rows])
    clusters = [row.cluster for row in rows]
    size = len(names)
    cells = np.zeros((len(rows), size * size))
    cells[np.arange(len(rows)), truth * size + predicted] = 1.0
    counts = cells.sum(axis=0)
    found, drawn = figures_of_tables(counts[None, :], size), figures_of_tables(bootstrap.tables(cells, clusters), size)
    matrix = counts.reshape(size, size).astype(int)
    return ClassReport(
        rows=len(rows),
        unreadable=sum(row.predicted == UNREADABLE for row in rows),
        classes=tuple(_class_figures(name, matrix, at) for at, name in enumerate(names)),
        counts=tuple(map(tuple, matrix.tolist())),
        figures={
            **{name: bootstrap.estimate(_defined(found[name][0]), drawn[name]) for name in TABLE_FIGURES},
            "krippendorff_nominal": bootstrap.estimate(
                _alpha(truth, predicted),
                [_alpha(truth[draw], predicted[draw]) for draw in bootstrap.samples(clusters)],
            ),
        },
        ordered=_ordered(rows, ranked, bootstrap) if order else {},
    )


def figures_of_tables(tables: Floats, size: int) -> Mapping[str, Floats]:
    """Return `TABLE_FIGURES` of many confusion matrices at once, shape (B, size²) to (B,) each; NaN is undefined.

    A class that does not occur in a draw is not part of its mean.
    """
    matrices = tables.reshape(len(tables), size, size)
    n, hits = matrices.sum(axis=(1, 2)), np.diagonal(matrices, axis1=1, axis2=2)
    labels, verdicts = matrices.sum(axis=2), matrices.sum(axis=1)
    occurring = (labels + verdicts) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = (np.where(total > 0, hits / total, 0.0) for total in (verdicts, labels))
        f1 = np.where(occurring, 2 * hits / (labels + verdicts), 0.0)
        chance = (labels * verdicts).sum(axis=1) / n**2
        accuracy = hits.sum(axis=1) / n
        kappa = (accuracy - chance) / (1 - chance)
    classes = occurring.sum(axis=1)
    macro = {
        f"macro_{name}": values.sum(axis=1) / classes
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1))
    }
    return {"accuracy": accuracy, "kappa": kappa, **macro}


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _class_figures(name: str, matrix: npt.NDArray[np.int64], at: int) -> ClassFigures:
    hits, labels, verdicts = int(matrix[at, at]), int(matrix[at].sum()), int(matrix[:, at].sum())
    return ClassFigures(
        name=name,
        precision=hits / verdicts if verdicts else 0.0,
        recall=hits / labels if labels else 0.0,
        f1=2 * hits / (labels + verdicts),
        labels=labels,
        verdicts=verdicts,
    )


def _alpha(truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> float | None:
    return krippendorff_missing([truth.tolist(), predicted.tolist()], "nominal")


_ORDERED: Final = ("kappa_linear", "kappa_quadratic", "krippendorff_ordinal", "spearman", "kendall_tau_b")


def _ordered(rows: Sequence[ClassRow], ranked: Sequence[str], bootstrap: Bootstrap) -> dict[str, Statistic]:
    rank = {name: float(at) for at, name in enumerate(ranked)}
    read = [row for row in rows if row.predicted in rank]
    if not read:
        return {}
    truth, predicted = (
        np.array([rank[name] for name in names])
        for names in ([row.truth for row in read], [row.predicted for row in read])
    )
    found = agreement_graded(truth, predicted)
    drawn = [
        agreement_graded(truth[draw], predicted[draw]) for draw in bootstrap.samples([row.cluster for row in read])
    ]
    return {name: bootstrap.estimate(getattr(found, name), [getattr(one, name) for one in drawn]) for name in _ORDERED}

"""Figures of a confusion matrix: accuracy, precision, recall, F1 and MCC, from sums that can be resampled.

All of them follow from three sums for each class: correct predictions of it, all predictions of it, and cases of it.
Definitions as in scikit-learn. A prediction that is no class, such as an unreadable one, is wrong for its case and
belongs to no class.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - mypy and readers
from typing import TYPE_CHECKING, TypeAlias

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.resampling import Array, FigureGroup, Key, Sample

if TYPE_CHECKING:
    import numpy.typing as npt

Indices: TypeAlias = "npt.NDArray[np.intp]"

NO_CLASS = -1
"""Index of a prediction that is no class."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Trials: the index of the true and of the predicted class, the case, and the share of the case, shape (t,)."""

    label: Indices
    predicted: Indices
    case: Indices
    share: Array


def confusion_counts(trials: Predictions, classes: int) -> npt.NDArray[np.int64]:
    """Return the numbers of trials by true and predicted class, shape (C, C + 1); the last column is no class."""
    column = np.where(trials.predicted == NO_CLASS, classes, trials.predicted)
    cells = np.bincount(trials.label * (classes + 1) + column, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1).astype(np.int64)


def confusion_sample(runs: tuple[Predictions, ...], classes: int, units: Indices | None = None) -> Sample:
    """Return the sample of cases with the trials of one run, or of two runs of the same cases.

    The sums of a run are, in this order: the number of cases, and for each class the correct predictions, all
    predictions, and cases. ``units`` is the cluster of each case, numbered from 0; None if each case is a unit.
    """
    width = 1 + 3 * classes
    rng = np.random.default_rng(0)
    number = 1 + max(int(one.case.max()) for one in runs) if units is None else 1 + int(units.max())
    key = np.zeros(number)
    of_trial = []
    for trials in runs:
        unit = trials.case if units is None else units[trials.case]
        of_trial.append(unit)
        # equal units have equal products, and unequal ones almost surely have not
        random = rng.uniform(1, 2, (classes, classes + 1))
        key += np.bincount(unit, trials.share * random[trials.label, trials.predicted], minlength=number)
    _, first, kind, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    rows = np.zeros((len(first), width * len(runs)))
    is_first = np.zeros(number, dtype=bool)
    is_first[first] = True
    for run, (trials, unit) in enumerate(zip(runs, of_trial, strict=True)):
        shown = is_first[unit]
        _add(rows[:, run * width : (run + 1) * width], trials, shown, kind[unit], classes)
    return Sample(rows, counts.astype(np.int64))


def _add(
    rows: Array, trials: Predictions, shown: npt.NDArray[np.bool_], kind: npt.NDArray[np.intp], classes: int
) -> None:
    """Add the trials that are ``shown`` to the rows of their units."""
    row, label, predicted = kind[shown], trials.label[shown], trials.predicted[shown]
    share = trials.share[shown]
    rows[:, 0] += np.bincount(row, share, minlength=len(rows))
    correct, is_class = label == predicted, predicted != NO_CLASS
    np.add.at(rows, (row[correct], 1 + label[correct]), share[correct])
    np.add.at(rows, (row[is_class], 1 + classes + predicted[is_class]), share[is_class])
    np.add.at(rows, (row, 1 + 2 * classes + label), share)


def confusion_groups(names: tuple[str, ...], cases: Array) -> tuple[FigureGroup, ...]:
    """Return the figures over all cases and those of each class; ``cases`` are the numbers of cases of each class.

    The worst imaginary case is one of the rarest class that is taken for the next rarest: their errors count most in
    the mean over classes. An imaginary pair changes a bit of every class, in proportion to their sizes.
    """
    classes = len(names)
    order = np.argsort(np.where(cases > 0, cases, np.inf), kind="stable")
    rarest, other = np.zeros(classes), np.zeros(classes)
    rarest[order[0]] = 1
    if np.count_nonzero(cases) > 1:
        other[order[1]] = 1
    none, every, typical = np.zeros(classes), np.ones(classes), cases / cases.sum()

    def unit(correct: Array, predicted: Array, truth: Array) -> Array:
        return np.concatenate([[1.0], correct, predicted, truth])

    def of_class(sums: Array) -> Mapping[Key, Array]:
        correct, predicted, truth = _parts(sums, classes)
        precision, recall = _ratio(correct, predicted), _ratio(correct, truth)
        return {
            **{("precision", name): precision[..., at] for at, name in enumerate(names)},
            **{("recall", name): recall[..., at] for at, name in enumerate(names)},
        }

    def f1_of_class(sums: Array) -> Mapping[Key, Array]:
        correct, predicted, truth = _parts(sums, classes)
        f1 = _ratio(2 * correct, predicted + truth)
        return {("f1", name): f1[..., at] for at, name in enumerate(names)}

    def overall(sums: Array) -> Mapping[Key, Array]:
        return {(name, ""): value for name, value in overall_figures(*_parts(sums, classes)).items()}

    return (
        FigureGroup(
            overall,
            unit(none, other, rarest),
            unit(rarest, rarest, rarest),
            (unit(none, typical, typical), unit(typical, typical, typical)),
        ),
        FigureGroup(of_class, unit(none, every, every), unit(every, every, every)),
        FigureGroup(f1_of_class, unit(none, none, every), unit(every, every, every)),
    )


def _parts(sums: Array, classes: int) -> tuple[Array, Array, Array]:
    return tuple(sums[..., 1 + at * classes : 1 + (at + 1) * classes] for at in range(3))  # type: ignore[return-value]


def overall_figures(correct: Array, predicted: Array, truth: Array) -> dict[str, Array]:
    """Return the figures over all cases, from the sums for each class, each of shape (..., C).

    Balanced accuracy is the mean recall of the classes that occur in the truth, macro F1 the mean F1 of those that
    occur at all, weighted F1 that by the numbers of cases. MCC is Gorodkin's for several classes, 0 if undefined.
    """
    n, right = truth.sum(axis=-1), correct.sum(axis=-1)
    recall, f1 = _ratio(correct, truth), _ratio(2 * correct, predicted + truth)
    no_class = np.maximum(n - predicted.sum(axis=-1), 0)
    above = right * n - (predicted * truth).sum(axis=-1)
    spread = (n**2 - (predicted**2).sum(axis=-1) - no_class**2) * (n**2 - (truth**2).sum(axis=-1))
    root = np.sqrt(np.maximum(spread, 0))
    return {
        "accuracy": _ratio(right, n),
        "balanced-accuracy": _mean(recall),
        "macro-f1": _mean(f1),
        "weighted-f1": _ratio(np.nansum(f1 * truth, axis=-1), n),
        "mcc": np.divide(above, root, out=np.zeros(np.shape(above)), where=root > 0),
    }


def _ratio(above: Array, below: Array) -> Array:
    ratio: Array = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def _mean(values: Array) -> Array:
    """Return the mean over the last axis of the values that are not NaN; NaN if there are none."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))

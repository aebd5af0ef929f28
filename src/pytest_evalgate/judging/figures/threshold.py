"""From which score on a graded judge passes: chosen on all labels, and measured on labels that did not choose it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, codes_of, figure
from pytest_evalgate.stats.thresholds import threshold_cost, threshold_fixed_specificity, threshold_youden

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judging.figures.figure import Bootstrap

    Floats = npt.NDArray[np.float64]

AimName = Literal["specificity", "youden", "cost"]
FOLDS = 5
_FEWEST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold is chosen for.

    ``specificity`` passes as many human passes as it can while it fails at least that share of the human fails;
    ``youden`` parts the two best; ``cost`` makes false passes, each worth ``false_pass_cost`` false fails, and false
    fails together cost least.
    """

    name: AimName = "specificity"
    specificity: float = 0.9
    false_pass_cost: float = 1.0

    def choose(self, scores: Floats, human: Floats) -> float:
        """Return the threshold for these scores and labels; infinity where nothing may pass."""
        if self.name == "youden":
            return threshold_youden(scores, human).threshold
        if self.name == "cost":
            return threshold_cost(scores, human, self.false_pass_cost, 1.0).threshold
        return threshold_fixed_specificity(scores, human, self.specificity).threshold


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a ROC curve: what passes from ``threshold`` on, as shares of the human fails and passes."""

    threshold: float | None
    false_pass_rate: float
    true_pass_rate: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold that all labels chose, None where nothing may pass by it.

    ``auc`` is the area under the ``roc`` curve of all labels. ``folds`` is the number of parts of which each was
    judged by the threshold that the others chose; their thresholds lie from ``least`` to ``most``.
    """

    value: float | None
    aim: AimName
    auc: Figure
    folds: int
    least: float | None
    most: float | None
    roc: tuple[Point, ...]


def choose(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], aim: Aim, bootstrap: Bootstrap
) -> tuple[Threshold, tuple[bool, ...]] | None:
    """Choose a threshold, and return it with the out-of-fold verdicts: each by a threshold that did not see its row.

    The folds are stratified, seeded, and hold whole clusters. None where labels of one class, or all of a class in one
    cluster, leave nothing to choose by. Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    codes = codes_of(clusters)
    fold_of = _folds(labels, codes, bootstrap.seed)
    if fold_of is None:
        return None
    passed, chosen = np.zeros(len(values), dtype=bool), []
    for fold in range(int(fold_of.max()) + 1):
        held = fold_of == fold
        chosen.append(aim.choose(values[~held], labels[~held]))
        passed[held] = values[held] >= chosen[-1]
    value = aim.choose(values, labels)
    found = Threshold(
        value=_finite(value),
        aim=aim.name,
        auc=_auc(values, labels, clusters, bootstrap),
        folds=len(chosen),
        least=_finite(min(chosen)),
        most=_finite(max(chosen)),
        roc=roc_of(values, labels),
    )
    return found, tuple(passed.tolist() if found.value is not None else [False] * len(values))


def roc_of(scores: Floats, human: Floats) -> tuple[Point, ...]:
    """Return the ROC curve, from nothing passes to everything passes; both classes have to occur."""
    falling, places = np.unique(-scores, return_inverse=True)
    right, wrong = (np.cumsum(np.bincount(places, weights=ones)) / ones.sum() for ones in (human, 1 - human))
    points = zip((-falling).tolist(), wrong.tolist(), right.tolist(), strict=True)
    return (Point(None, 0.0, 0.0), *(Point(*point) for point in points))


def _folds(labels: Floats, codes: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp] | None:
    """Deal whole clusters out to folds, the large ones first, each to where its classes are fewest so far."""
    tables = np.stack([np.bincount(codes, weights=ones) for ones in (1 - labels, labels)], axis=1)
    count = min(FOLDS, *(int(np.count_nonzero(column)) for column in tables.T))
    if count < _FEWEST_FOLDS:
        return None
    shuffled = np.random.default_rng(seed).permutation(len(tables))
    order = shuffled[np.argsort(-tables[shuffled].sum(axis=1), kind="stable")]
    filled, fold_of = np.zeros((count, 2)), np.zeros(len(tables), dtype=np.intp)
    for cluster in order:
        after = ((filled + tables[cluster]) / tables.sum(axis=0)) ** 2 - (filled / tables.sum(axis=0)) ** 2
        fold_of[cluster] = int(np.argmin(after.sum(axis=1)))
        filled[fold_of[cluster]] += tables[cluster]
    rest = filled.sum(axis=0) - filled
    return fold_of[codes] if bool(np.all(rest > 0)) else None


def _auc(scores: Floats, human: Floats, clusters: Sequence[Hashable], bootstrap: Bootstrap) -> Figure:
    drawn = [_area(scores[rows], human[rows]) for rows in bootstrap.samples(clusters)]
    return figure(_area(scores, human), drawn)


def _area(scores: Floats, human: Floats) -> float | None:
    return None if np.ptp(human) == 0 else threshold_youden(scores, human).auc


def _finite(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None

"""Threshold of a graded judge: chosen from human labels, with the ROC curve and the calibration of its scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.rates import Statistic, cluster_codes
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import (
    calibration_errors,
    threshold_cost,
    threshold_fixed_specificity,
    threshold_youden,
)
from pytest_evalgate.stats.numeric import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judges.rates import Bootstrap

    Floats = npt.NDArray[np.float64]

AimName = Literal["specificity", "youden", "cost"]
FOLDS: Final = 5
_MIN_FOLDS: Final = 2
_BINS: Final = 10
_PROBABILITY_METRICS: Final = ("brier", "log_loss", "ece")


@dataclass(frozen=True, slots=True)
class Aim:
    """Criterion for the choice of a threshold.

    ``specificity`` passes as many human passes as possible while failing at least that share of the human fails.
    ``youden`` maximises TPR + TNR - 1. ``cost`` minimises the cost of false passes and false fails, where a false pass
    costs as much as ``false_pass_cost`` false fails.
    """

    name: AimName = "specificity"
    specificity: float = 0.9
    false_pass_cost: float = 1.0

    def choose(self, scores: Floats, human: Floats) -> float:
        """Return the best threshold for these scores and labels; infinity if no score may pass."""
        if self.name == "youden":
            return threshold_youden(scores, human).threshold
        if self.name == "cost":
            return threshold_cost(scores, human, self.false_pass_cost, 1.0).threshold
        return threshold_fixed_specificity(scores, human, self.specificity).threshold


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a ROC curve: the shares of human fails and of human passes with a score of ``threshold`` or more."""

    threshold: float | None
    false_pass_rate: float
    true_pass_rate: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold chosen from all labels; its ``value`` is None if no score may pass.

    ``auc`` is the area under the ``roc`` curve of all labels. For cross-validation the labels are divided into
    ``folds`` parts; the thresholds chosen without one part range from ``least`` to ``most``.
    """

    value: float | None
    aim: AimName
    auc: Statistic
    folds: int
    least: float | None
    most: float | None
    roc: tuple[Point, ...]


def choose(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], aim: Aim, bootstrap: Bootstrap
) -> tuple[Threshold, tuple[bool, ...]] | None:
    """Choose a threshold. Return it with out-of-fold verdicts: the threshold of each is chosen without its row.

    Folds are stratified, seeded, and keep clusters whole. Returns None if there are labels of one class only, or if
    all labels of a class are in one cluster. Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    fold_of = _folds(labels, cluster_codes(clusters), bootstrap.seed)
    if fold_of is None:
        return None
    passed, chosen = np.zeros(len(values), dtype=bool), []
    for fold in range(int(fold_of.max()) + 1):
        held_out = fold_of == fold
        chosen.append(aim.choose(values[~held_out], labels[~held_out]))
        passed[held_out] = values[held_out] >= chosen[-1]
    threshold = Threshold(
        value=_finite(aim.choose(values, labels)),
        aim=aim.name,
        auc=bootstrap.estimate(
            _area(values, labels), [_area(values[rows], labels[rows]) for rows in bootstrap.samples(clusters)]
        ),
        folds=len(chosen),
        least=_finite(min(chosen)),
        most=_finite(max(chosen)),
        roc=_roc(values, labels),
    )
    return threshold, tuple(passed.tolist() if threshold.value is not None else [False] * len(values))


def _folds(labels: Floats, codes: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp] | None:
    """Assign whole clusters to folds, large ones first, each to the fold with the fewest labels of its classes."""
    tables = np.stack([np.bincount(codes, weights=ones) for ones in (1 - labels, labels)], axis=1)
    count = min(FOLDS, *(int(np.count_nonzero(column)) for column in tables.T))
    if count < _MIN_FOLDS:
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


def _roc(scores: Floats, human: Floats) -> tuple[Point, ...]:
    """Return the ROC curve, from nothing passes to everything passes. Both classes must occur."""
    falling, places = np.unique(-scores, return_inverse=True)
    right, wrong = (np.cumsum(np.bincount(places, weights=ones)) / ones.sum() for ones in (human, 1 - human))
    points = zip((-falling).tolist(), wrong.tolist(), right.tolist(), strict=True)
    return (Point(None, 0.0, 0.0), *(Point(*point) for point in points))


def _area(scores: Floats, human: Floats) -> float | None:
    return None if np.ptp(human) == 0 else threshold_youden(scores, human).auc


def _finite(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores above ``low`` up to ``high``: their number, their mean, and the share of human passes."""

    low: float
    high: float
    n: int
    score: float
    passed: float
    interval: tuple[float, float]


def probability_metrics(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Statistic]:
    """Compare n probabilities of a pass with human labels: Brier score, log loss (nats), calibration error.

    Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    found = calibration_errors(values, labels, _BINS)
    drawn = [calibration_errors(values[rows], labels[rows], _BINS) for rows in bootstrap.samples(clusters)]
    return {
        name: bootstrap.estimate(getattr(found, name), [getattr(one, name) for one in drawn])
        for name in _PROBABILITY_METRICS
    }


def bins_of(scores: Sequence[float], human: Sequence[bool]) -> tuple[Bin, ...]:
    """Sort n scores in [0, 1] into ten bins of equal width, closed above. Empty bins are left out."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for score, passed in zip(scores, human, strict=True):
        # ROUNDING: 0.1 * 3 is slightly more than 0.3, but belongs to the bin that 0.3 closes
        members.setdefault(max(0, math.ceil(score * _BINS - ROUNDING) - 1), []).append((score, passed))
    bins = []
    for number, rows in sorted(members.items()):
        n, passes = len(rows), sum(passed for _, passed in rows)
        bounds = wilson_interval(passes, n)
        mean = math.fsum(score for score, _ in rows) / n
        bins.append(Bin(number / _BINS, (number + 1) / _BINS, n, mean, passes / n, (bounds.lower, bounds.upper)))
    return tuple(bins)

"""From which score on does a graded judge pass? Chosen on human labels, by three aims.

A candidate is every score that occurs, and infinity, from which on nothing passes; of equally good ones the highest is
taken. Agreement on the labels that chose the threshold flatters it: measure it on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_finite, check_inside, check_same_length, check_within
from pytest_evalgate.stats.labels import as_both_labels
from pytest_evalgate.stats.numeric import ROUNDING

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ThresholdYouden:
    """The threshold with the largest ``youden = TPR - FPR``, and the area under the ROC curve of the scores."""

    threshold: float
    youden: float
    auc: float


@dataclass(frozen=True, slots=True)
class ThresholdCost:
    """The threshold with the least ``cost`` over the labelled cases, in the unit of the two costs."""

    threshold: float
    cost: float


@dataclass(frozen=True, slots=True)
class ThresholdFixedSpecificity:
    """The threshold with the largest ``tpr`` among those whose ``tnr`` is high enough."""

    threshold: float
    tpr: float
    tnr: float


def threshold_youden(scores: Numbers, human: Numbers) -> ThresholdYouden:
    """Choose the threshold that separates the human passes (1) from the fails (0) best.

    Shapes: (n,), (n,). Source: Youden 1950; Hanley & McNeil 1982 for the area.

    Raises:
        ValueError: no case, unequal lengths, a score that is NaN or infinite, a label other than 0 and 1, or labels of
            one class only.

    """
    curve = _curve(scores, human)
    separated = curve.right * curve.fails - curve.wrong * curve.passes  # whole numbers, so that ties are ties
    best = int(np.argmax(separated))
    cells = curve.passes * curve.fails
    area = np.sum(np.diff(curve.wrong) * (curve.right[1:] + curve.right[:-1])) / 2
    return ThresholdYouden(float(curve.thresholds[best]), float(separated[best]) / cells, float(area) / cells)


def threshold_cost(scores: Numbers, human: Numbers, cost_false_pass: float, cost_false_fail: float) -> ThresholdCost:
    """Choose the threshold with the least ``cost_false_pass * FP + cost_false_fail * FN``.

    Shapes: (n,), (n,); both costs in one unit. Source: Elkan 2001.

    Raises:
        ValueError: as `threshold_youden`, or a cost is not positive and finite.

    """
    check_inside("cost_false_pass", cost_false_pass, 0.0, np.inf)
    check_inside("cost_false_fail", cost_false_fail, 0.0, np.inf)
    curve = _curve(scores, human)
    costs = cost_false_pass * curve.wrong + cost_false_fail * (curve.passes - curve.right)
    best = int(np.argmax(costs <= costs.min() * (1 + ROUNDING)))
    return ThresholdCost(float(curve.thresholds[best]), float(costs[best]))


def threshold_fixed_specificity(
    scores: Numbers, human: Numbers, specificity: float = 0.9
) -> ThresholdFixedSpecificity:
    """Choose the threshold with the largest TPR whose TNR is ``specificity`` or more: a false pass is what hurts.

    Infinity always qualifies, with a TPR of 0. Shapes: (n,), (n,).

    Raises:
        ValueError: as `threshold_youden`, or ``specificity`` is not from 0 to 1.

    """
    check_within("specificity", specificity, 0.0, 1.0)
    curve = _curve(scores, human)
    rejected = curve.fails - curve.wrong
    allowed = curve.right[rejected >= specificity * curve.fails - ROUNDING]
    best = int(np.argmax(allowed))
    return ThresholdFixedSpecificity(
        float(curve.thresholds[best]), float(curve.right[best]) / curve.passes, float(rejected[best]) / curve.fails
    )


@dataclass(frozen=True, slots=True)
class _Curve:
    """The candidates from the highest down, and how many human passes and fails each of them passes."""

    thresholds: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    wrong: npt.NDArray[np.float64]
    passes: int
    fails: int


def _curve(scores: Numbers, human: Numbers) -> _Curve:
    check_same_length(scores=scores, human=human)
    labels = as_both_labels("human", human)
    falling, places = np.unique(-as_finite("scores", scores), return_inverse=True)
    right, wrong = (
        np.concatenate(([0.0], np.cumsum(np.bincount(places, weights=ones)))) for ones in (labels, 1 - labels)
    )
    return _Curve(np.concatenate(([np.inf], -falling)), right, wrong, int(right[-1]), int(wrong[-1]))

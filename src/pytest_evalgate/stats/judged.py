"""Prediction-powered inference: the mean human value of a run of which only a part is labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pytest_evalgate.stats.intervals import Interval, clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.numeric import (
    ROUNDING,
    Numbers,
    as_both_labels,
    as_finite,
    as_labels,
    as_numbers,
    check_counts,
    check_inside,
    check_same_length,
    check_within,
    upper_z,
)

if TYPE_CHECKING:
    import numpy.typing as npt

_Z95 = upper_z(0.025)
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class PpiEstimate:
    """A mean with its 95 % interval; ``weight`` (lambda) is how far the judge is trusted, from 0 to 1."""

    point: float
    ci95: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class PpiMean:
    """The mean with full trust in the judge (``ppi_lambda1``), and with as much as its labels warrant."""

    ppi_lambda1: PpiEstimate
    ppi_plus_plus: PpiEstimate


def ppi_mean(human: Numbers, judge_labelled: Numbers, judge_unlabelled: Numbers) -> PpiMean:
    """Estimate the mean human value of a run from n labelled cases, a random part of it, and a judge on all of it.

    Values lie in [-1, 1]: passes, scores, or differences of two systems. The interval is normal; below 10 human fails
    it covers too little (90 % at a rate of .95), and Clopper-Pearson on the labels alone is to be taken. Shapes: (n,),
    (n,), (N,); n and N from 2. Source: Angelopoulos et al. 2023 (PPI, PPI++).

    Raises:
        ValueError: fewer than two cases on either side, unequal lengths, or a value that is NaN or outside [-1, 1].

    """
    check_same_length(human=human, judge_labelled=judge_labelled)
    labels = as_numbers("human", human, -1.0, 1.0)
    seen = as_numbers("judge_labelled", judge_labelled, -1.0, 1.0)
    unseen = as_numbers("judge_unlabelled", judge_unlabelled, -1.0, 1.0)
    for name, values in (("human", labels), ("judge_unlabelled", unseen)):
        if len(values) < _FEWEST:
            raise ValueError(f"{name} must hold {_FEWEST} or more values, got {len(values)}: one has no spread")
    return PpiMean(_ppi(labels, seen, unseen, 1.0), _ppi(labels, seen, unseen, _best_weight(labels, seen, unseen)))


def _best_weight(
    labels: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64]
) -> float:
    """Return the lambda with the least variance; 0 for a judge that always says the same."""
    judged = np.concatenate((seen, unseen))
    if np.ptp(judged) == 0:
        return 0.0
    together = float(np.mean((labels - labels.mean()) * (seen - seen.mean())))
    weight = together / ((1 + len(labels) / len(unseen)) * float(judged.var(ddof=1)))
    return min(1.0, max(0.0, weight))


def _ppi(
    labels: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64], weight: float
) -> PpiEstimate:
    trusted, rest = weight * unseen, labels - weight * seen
    point = float(trusted.mean() + rest.mean())
    half = _Z95 * math.sqrt(float(trusted.var()) / len(trusted) + float(rest.var()) / len(rest))
    return PpiEstimate(point, Interval(point - half, point + half), weight)


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """How a judge did on what people had labelled: of ``human_pass`` it passed ``judge_pass``, and so for the fails.

    Raises:
        ValueError: a count is negative, not whole or larger than its total, or a total is 0.

    """

    human_pass: int
    judge_pass: int
    human_fail: int
    judge_fail: int

    def __post_init__(self) -> None:
        """Refuse counts that nobody can have counted."""
        check_counts(1, human_pass=self.human_pass, human_fail=self.human_fail)
        check_counts(judge_pass=self.judge_pass, judge_fail=self.judge_fail)
        check_within("judge_pass", self.judge_pass, 0, self.human_pass)
        check_within("judge_fail", self.judge_fail, 0, self.human_fail)

    @property
    def tpr(self) -> float:
        """The share of the human passes that it passed."""
        return self.judge_pass / self.human_pass

    @property
    def tnr(self) -> float:
        """The share of the human fails that it failed."""
        return self.judge_fail / self.human_fail

    @property
    def tpr_lower(self) -> float:
        """The lower end of Wilson's 95 % interval."""
        return wilson_interval(self.judge_pass, self.human_pass).lower

    @property
    def tnr_lower(self) -> float:
        """The lower end of Wilson's 95 % interval."""
        return wilson_interval(self.judge_fail, self.human_fail).lower

    @property
    def youden(self) -> float:
        """``J = TPR + TNR - 1``: 1 for a judge that never errs, 0 for one that tells nothing."""
        return self.tpr + self.tnr - 1

    @property
    def youden_lower(self) -> float:
        """The lower 95 % bound of ``youden``, by the squares of Wilson's (Newcombe 1998)."""
        return self.youden - math.hypot(self.tpr - self.tpr_lower, self.tnr - self.tnr_lower)


@dataclass(frozen=True, slots=True)
class JudgedRate:
    """A corrected pass rate, from 0 to 1; ``lower`` is one-sided, ``interval`` two-sided, both at 95 %.

    ``unclipped`` outside of [0, ``max_rate``] indicates error rates other than those on the labels;
    ``max_rate`` is the share of the run that was not decided against by rules.
    """

    value: float
    interval: Interval
    lower: float
    unclipped: float
    max_rate: float


def judged_rate(*, n: float, passed: float, refused: float, errors: JudgeErrors) -> JudgedRate:
    """Correct the pass rate of a run for the errors of its judge.

    With ``w = passed + refused``, the share that the judge decided, the rate is ``(passed - (1 - TNR) w) / J``. Its
    interval is that of Lee et al. (smoothed rates, and a shift), with the share that rules decide as uncertain as the
    rest: cases fall into passed, refused and missed by rules as they come. Taken as fixed, that share would leave the
    lower bound of a run of which rules decide half a coverage of 78 to 84 % (n = 200 and 500). For a judge
    that never errs the interval is near that of Agresti and Coull.

    The lower bound is never above the exact one of a run in which all is good that rules have not missed: a judge that
    passes more than its errors allow proves no more than that.

    Args:
        n: cases of the run, or what they are worth in independent ones.
        passed: the share of them that passed.
        refused: the share that the judge alone failed.
        errors: how the judge errs.

    Source: Rogan & Gladen 1978; Lee et al. 2025; the delta method for the share that rules decide.

    Raises:
        ValueError: ``n`` is not positive, the shares do not lie in [0, 1] together, or the judge is not better than
            chance (``youden`` is 0 or less).

    """
    check_inside("n", n, 0.0, math.inf)
    check_within("passed", passed, 0.0, 1.0)
    check_within("refused", refused, 0.0, 1.0 - passed + ROUNDING)
    if errors.youden <= ROUNDING:
        raise ValueError(f"the judge is no better than chance: TPR + TNR - 1 is {errors.youden:.3f}")
    max_rate = passed + refused
    unclipped = (passed - (1 - errors.tnr) * max_rate) / errors.youden
    value = min(max_rate, max(0.0, unclipped))
    low, high = _lee(n, passed, refused, errors, upper_z(0.025))
    lower, _ = _lee(n, passed, refused, errors, upper_z(0.05))
    lower = min(lower, value, clopper_pearson_lower_one_sided(max_rate * n, n))
    return JudgedRate(value, Interval(min(low, lower), max(high, value)), lower, unclipped, max_rate)


def _lee(n: float, passed: float, refused: float, errors: JudgeErrors, z: float) -> tuple[float, float]:
    """Return the two limits that lie ``z`` standard errors away, cut at 0 and 1."""
    tpr, tnr = (errors.judge_pass + 1) / (errors.human_pass + 2), (errors.judge_fail + 1) / (errors.human_fail + 2)
    youden = tpr + tnr - 1
    if youden <= 0:  # so few labels of one class that smoothing them leaves nothing
        return 0.0, 1.0
    total = n + z * z
    share = (n * passed + z * z / 2) / total
    refusals = (1 - share) * (refused / (1 - passed) if passed < 1 else 1.0)
    max_rate = share + refusals
    rate = (share - (1 - tnr) * max_rate) / youden
    of_tpr = rate**2 * tpr * (1 - tpr) / (errors.human_pass + 2)
    of_tnr = (max_rate - rate) ** 2 * tnr * (1 - tnr) / (errors.human_fail + 2)
    of_run = (share * tnr**2 + refusals * (1 - tnr) ** 2 - (youden * rate) ** 2) / total
    shift = 2 * z * z * (_ratio(of_tpr, rate) - _ratio(of_tnr, max_rate - rate))
    half = z * math.sqrt(max(0.0, of_run) + of_tpr + of_tnr) / youden
    return (min(1.0, max(0.0, rate + shift - half)), min(1.0, max(0.0, rate + shift + half)))


def _ratio(square: float, root: float) -> float:
    return square / root if root else 0.0


_CLIP = 1e-15


@dataclass(frozen=True, slots=True)
class CalibrationErrors:
    """How well probabilities of a pass agree with what humans say; 0 is best for all three errors.

    ``log_loss`` is in nats. ``isotonic`` holds one rate per case: the rising step function that fits the labels best.
    """

    brier: float
    log_loss: float
    ece: float
    isotonic: tuple[float, ...]


def calibration_errors(prob: Numbers, human: Numbers, bins: int = 10) -> CalibrationErrors:
    """Hold n probabilities of a pass against human labels: passed (1) or failed (0).

    Brier ``mean((p - y)²)``; log loss with probabilities kept 1e-15 away from 0 and 1; the expected calibration error
    over ``bins`` bins of equal width, closed above (the first one also below), weighted by their cases. Shapes: (n,),
    (n,). Source: Brier 1950; Naeini et al. 2015; Zadrozny & Elkan 2002 for the isotonic fit.

    Raises:
        ValueError: no case, unequal lengths, a probability that is NaN or outside [0, 1], a label other than 0 and 1,
            or no bin.

    """
    check_same_length(prob=prob, human=human)
    check_counts(1, bins=bins)
    p, labels = as_numbers("prob", prob, 0.0, 1.0), as_labels("human", human)
    kept = np.clip(p, _CLIP, 1 - _CLIP)
    bin_of = np.clip(np.ceil(p * bins - ROUNDING) - 1, 0, bins - 1).astype(np.intp)
    return CalibrationErrors(
        brier=float(np.mean((p - labels) ** 2)),
        log_loss=float(-np.mean(special.xlogy(labels, kept) + special.xlog1py(1 - labels, -kept))),
        ece=float(np.sum(np.abs(np.bincount(bin_of, weights=p - labels)))) / len(p),
        isotonic=tuple(_isotonic(p, labels).tolist()),
    )


def _isotonic(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy import optimize  # noqa: PLC0415 - 0.2 s

    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rates = np.bincount(places, weights=labels) / counts
    fitted: npt.NDArray[np.float64] = optimize.isotonic_regression(rates, weights=counts).x
    return fitted[places]


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

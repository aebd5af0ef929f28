"""Statistics of an LLM judge with human labels: corrected rates, calibration of probabilities, thresholds.

A pass rate is corrected by Rogan-Gladen if the labels are of other outputs, by prediction-powered inference (PPI) if
they are a random part of the same run. `design` has the estimates for labels that were drawn by the judge's verdict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.design import LabelDesign, Proportion
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


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """The confusion counts of a judge on labelled outputs.

    Of ``human_pass`` outputs that humans passed the judge passed ``judge_pass``; of ``human_fail`` outputs that they
    failed it failed ``judge_fail``. Counts are effective numbers, and may be fractional, if labels are clustered or
    weighted. ``design`` are the labels by stratum, if they were drawn from a run.

    Raises:
        ValueError: a count is negative or larger than its total, or a total is not positive.
    """

    human_pass: float
    judge_pass: float
    human_fail: float
    judge_fail: float
    design: LabelDesign | None = None

    def __post_init__(self) -> None:
        """Check the counts."""
        check_inside("human_pass", self.human_pass, 0, math.inf)
        check_inside("human_fail", self.human_fail, 0, math.inf)
        check_within("judge_pass", self.judge_pass, 0, self.human_pass)
        check_within("judge_fail", self.judge_fail, 0, self.human_fail)

    @property
    def tpr(self) -> float:
        """The true positive rate: the share of the human passes that the judge passed."""
        return self.judge_pass / self.human_pass

    @property
    def tnr(self) -> float:
        """The true negative rate: the share of the human fails that the judge failed."""
        return self.judge_fail / self.human_fail

    @property
    def tpr_lower(self) -> float:
        """The lower limit of Wilson's 95 % interval of ``tpr``."""
        return wilson_interval(self.judge_pass, self.human_pass).lower

    @property
    def tnr_lower(self) -> float:
        """The lower limit of Wilson's 95 % interval of ``tnr``."""
        return wilson_interval(self.judge_fail, self.human_fail).lower

    @property
    def youden(self) -> float:
        """Youden's index ``J = TPR + TNR - 1``: 1 for a judge without errors, 0 for one no better than chance."""
        return self.tpr + self.tnr - 1

    @property
    def youden_lower(self) -> float:
        """The lower 95 % limit of ``youden``, by square-and-add of Wilson's limits (Newcombe 1998)."""
        if self.design is not None and self.design.is_stratified:  # its two rates are dependent
            return self.design.youden().lower
        return self.youden - math.hypot(self.tpr - self.tpr_lower, self.tnr - self.tnr_lower)


@dataclass(frozen=True, slots=True)
class JudgedRate:
    """A corrected pass rate, from 0 to 1; ``lower`` is one-sided, ``interval`` two-sided, both at 95 %.

    ``max_rate`` is the share of cases that no rule failed. ``unclipped`` outside of [0, ``max_rate``] is a sign that
    the judge's error rates in this run differ from those on the labels.
    """

    value: float
    interval: Interval
    lower: float
    unclipped: float
    max_rate: float


def judged_rate(
    *, n: float, passed: float, refused: float, errors: JudgeErrors, own_labels: bool = False
) -> JudgedRate:
    """Correct the pass rate of a run for the errors of its judge.

    With ``own_labels`` the labels are of this run, and the rate is that of `LabelDesign.own_rate`. Labels that were
    drawn by the judge's verdict from another run have the interval of `LabelDesign.fresh_rate`.

    All others have Rogan-Gladen: with ``w = passed + refused``, the share that the judge decided, the rate is
    ``(passed - (1 - TNR) w) / J``. The interval is that of Lee et al. (smoothed rates and a shift), extended by the
    delta method: the share that rules decide is random as well. Treated as fixed, it would reduce the coverage of the
    lower bound to 78 to 84 % if rules decide half of the run (n = 200 and 500). For a judge without errors the
    interval is close to that of Agresti and Coull.

    The lower bound is at most the exact bound for a run in which all cases pass except those that a rule failed.
    Otherwise a judge that passes more than its error rates allow would raise the bound.

    ``n`` is the (effective) number of cases, ``passed`` the share of them that passed, ``refused`` the share that only
    the judge failed. Source: Rogan & Gladen 1978; Lee et al. 2025.

    Raises:
        ValueError: ``n`` is not positive, a share or their sum is outside [0, 1], or the judge is not better than
            chance (``youden`` is 0 or less).
    """
    check_inside("n", n, 0.0, math.inf)
    check_within("passed", passed, 0.0, 1.0)
    check_within("refused", refused, 0.0, 1.0 - passed + ROUNDING)
    if errors.youden <= ROUNDING:
        raise ValueError(f"the judge is no better than chance: TPR + TNR - 1 is {errors.youden:.3f}")
    max_rate = min(1.0, passed + refused)
    if errors.design is not None and max_rate > 0 and (own_labels or errors.design.is_stratified):
        unclipped, two_sided, one_sided = _of_design(
            errors.design, n, Proportion(passed / max_rate, n * max_rate), max_rate, own_labels=own_labels
        )
    else:
        unclipped = (passed - (1 - errors.tnr) * max_rate) / errors.youden
        two_sided, one_sided = (Interval(*_lee(n, passed, refused, errors, upper_z(tail))) for tail in (0.025, 0.05))
    value = min(max_rate, max(0.0, unclipped))
    lower = min(one_sided.lower, value, clopper_pearson_lower_one_sided(max_rate * n, n))
    interval = Interval(min(two_sided.lower, lower), max(two_sided.upper, value))
    return JudgedRate(value, interval, lower, unclipped, max_rate)


def _of_design(
    design: LabelDesign, n: float, passed: Proportion, max_rate: float, *, own_labels: bool
) -> tuple[float, Interval, Interval]:
    """Return the rate and its limits at 2.5 % and at 5 % on each side, within 0 and ``max_rate``.

    Without cases that a rule failed, the share of the judge's cases is not an estimate: it is 1.
    """
    rate = design.own_rate if own_labels else design.fresh_rate
    decided = Proportion(max_rate, n) if max_rate < 1 - ROUNDING else Proportion(1.0)
    wide, narrow = (rate(passed, decided, upper_z(tail)) for tail in (0.025, 0.05))
    return wide.value, wide.clipped(0.0, 1.0), narrow.clipped(0.0, 1.0)


def _lee(n: float, passed: float, refused: float, errors: JudgeErrors, z: float) -> tuple[float, float]:
    """Return the limits of Lee et al. at ``z`` standard errors, clipped to [0, 1]."""
    tpr, tnr = (errors.judge_pass + 1) / (errors.human_pass + 2), (errors.judge_fail + 1) / (errors.human_fail + 2)
    youden = tpr + tnr - 1
    if youden <= 0:  # possible with few labels of one class, because of the smoothing
        return 0.0, 1.0
    total = n + z * z  # Agresti and Coull's smoothing of the run, add-one smoothing of the labels
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


_FEWEST = 2


@dataclass(frozen=True, slots=True)
class PpiEstimate:
    """A mean with its 95 % interval; ``weight`` (lambda, 0 to 1) is the weight of the judge's scores."""

    point: float
    ci95: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class PpiMean:
    """The PPI estimate (``ppi_lambda1``, weight 1) and the PPI++ estimate, whose weight minimises the variance."""

    ppi_lambda1: PpiEstimate
    ppi_plus_plus: PpiEstimate


def ppi_mean(human: Numbers, judge_labelled: Numbers, judge_unlabelled: Numbers) -> PpiMean:
    """Estimate the mean human score of a run from n randomly chosen labelled cases and a judge's scores on all cases.

    Values are in [-1, 1]: passes, scores, or differences of two systems. The interval is normal. Below 10 human fails
    its coverage is too low (90 % at a rate of .95): use Clopper-Pearson on the labels alone. Shapes: (n,), (n,), (N,);
    n and N at least 2. Source: Angelopoulos et al. 2023 (PPI, PPI++).

    Raises:
        ValueError: fewer than two cases on either side, unequal lengths, or a value that is NaN or outside [-1, 1].
    """
    check_same_length(human=human, judge_labelled=judge_labelled)
    labels = as_numbers("human", human, -1.0, 1.0)
    seen = as_numbers("judge_labelled", judge_labelled, -1.0, 1.0)
    unseen = as_numbers("judge_unlabelled", judge_unlabelled, -1.0, 1.0)
    for name, values in (("human", labels), ("judge_unlabelled", unseen)):
        if len(values) < _FEWEST:
            raise ValueError(
                f"{name} must contain at least {_FEWEST} values, got {len(values)}: one value has no variance"
            )
    return PpiMean(_ppi(labels, seen, unseen, 1.0), _ppi(labels, seen, unseen, _best_weight(labels, seen, unseen)))


def _best_weight(
    labels: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64]
) -> float:
    """Return the lambda that minimises the variance of the estimate; 0 if all judge scores are equal."""
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
    half = upper_z(0.025) * math.sqrt(float(trusted.var()) / len(trusted) + float(rest.var()) / len(rest))
    return PpiEstimate(point, Interval(point - half, point + half), weight)


_CLIP = 1e-15


@dataclass(frozen=True, slots=True)
class CalibrationErrors:
    """Errors of predicted pass probabilities on human labels; 0 is best for all three.

    ``log_loss`` is in nats. ``isotonic`` contains one rate per case: the isotonic regression of the labels.
    """

    brier: float
    log_loss: float
    ece: float
    isotonic: tuple[float, ...]


def calibration_errors(prob: Numbers, human: Numbers, bins: int = 10) -> CalibrationErrors:
    """Compare n predicted pass probabilities with human labels: passed (1) or failed (0).

    Brier score ``mean((p - y)²)``; log loss with probabilities clipped 1e-15 away from 0 and 1; expected calibration
    error over ``bins`` bins of equal width, closed above (the first one also below), weighted by their cases.
    Shapes: (n,), (n,). Source: Brier 1950; Naeini et al. 2015; Zadrozny & Elkan 2002 for the isotonic fit.

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
    from scipy import optimize  # noqa: PLC0415 - the import takes 0.2 s

    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rates = np.bincount(places, weights=labels) / counts
    fitted: npt.NDArray[np.float64] = optimize.isotonic_regression(rates, weights=counts).x
    return fitted[places]


@dataclass(frozen=True, slots=True)
class ThresholdYouden:
    """The threshold with the largest ``youden = TPR - FPR``, and the area under the ROC curve (``auc``)."""

    threshold: float
    youden: float
    auc: float


@dataclass(frozen=True, slots=True)
class ThresholdCost:
    """The threshold with the lowest total ``cost`` on the labelled cases, in the unit of the two costs."""

    threshold: float
    cost: float


@dataclass(frozen=True, slots=True)
class ThresholdFixedSpecificity:
    """The threshold with the largest ``tpr`` among those with a sufficient ``tnr``."""

    threshold: float
    tpr: float
    tnr: float


def threshold_youden(scores: Numbers, human: Numbers) -> ThresholdYouden:
    """Choose the threshold with the largest Youden index, TPR - FPR; a score passes at or above it.

    Ties go to the highest threshold. ``human`` contains passes (1) and fails (0). Shapes: (n,), (n,). Source: Youden
    1950; Hanley & McNeil 1982 for the area.

    Raises:
        ValueError: no case, unequal lengths, a score that is NaN or infinite, a label other than 0 and 1, or labels of
            one class only.
    """
    curve = _curve(scores, human)
    separated = curve.right * curve.fails - curve.wrong * curve.passes  # whole numbers, so that ties are exact
    best = int(np.argmax(separated))
    cells = curve.passes * curve.fails
    area = np.sum(np.diff(curve.wrong) * (curve.right[1:] + curve.right[:-1])) / 2
    return ThresholdYouden(float(curve.thresholds[best]), float(separated[best]) / cells, float(area) / cells)


def threshold_cost(scores: Numbers, human: Numbers, cost_false_pass: float, cost_false_fail: float) -> ThresholdCost:
    """Choose the threshold with the lowest ``cost_false_pass * FP + cost_false_fail * FN``.

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
    """Choose the threshold with the largest TPR among those with a TNR of at least ``specificity``.

    The default for gates, because their costly error is a false pass. Infinity always qualifies, with a TPR of 0.
    Shapes: (n,), (n,).

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
    """Candidate thresholds in decreasing order, with the human passes (``right``) and fails (``wrong``) above each."""

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

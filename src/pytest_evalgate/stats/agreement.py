"""A judge against human labels: verdicts (pass or fail) and grades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_finite, check_same_length
from pytest_evalgate.stats.classes import classification
from pytest_evalgate.stats.intervals import Interval, wilson_interval
from pytest_evalgate.stats.labels import as_labels
from pytest_evalgate.stats.raters import krippendorff_missing

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class AgreementBinary:
    """A judge's verdicts against those of humans; a pass is the positive.

    ``tpr`` is the share of human passes that the judge passes, ``tnr`` that of human fails that it fails, with
    Wilson's 95 % intervals. What is undefined is None: a rate without its class, ``balanced_accuracy`` without either,
    ``kappa`` and ``krippendorff_nominal`` where all verdicts are the same, ``f1`` where nobody passes anything.
    ``mcc`` is then 0. Only ``tpr`` and ``tnr`` qualify a judge: the others move with the pass rate.
    """

    human_pass: int
    human_fail: int
    judge_pass_given_human_pass: int
    judge_fail_given_human_fail: int
    tpr: float | None
    tnr: float | None
    tpr_wilson95: Interval | None
    tnr_wilson95: Interval | None
    accuracy: float
    balanced_accuracy: float | None
    kappa: float | None
    mcc: float
    krippendorff_nominal: float | None
    f1: float | None

    @property
    def valid(self) -> bool:
        """Whether there are human passes and human fails: a judge seen on one class only is not calibrated."""
        return self.human_pass > 0 and self.human_fail > 0


@dataclass(frozen=True, slots=True)
class AgreementGraded:
    """A judge's grades against those of humans; None where undefined, as all grades or those of one side are alike.

    The kappas weigh a difference by its number of steps on the scale of all grades that occur, or by the square of it.
    """

    kappa_linear: float | None
    kappa_quadratic: float | None
    krippendorff_ordinal: float | None
    krippendorff_interval: float | None
    spearman: float | None
    kendall_tau_b: float | None


def agreement_binary(human: Numbers, judge: Numbers) -> AgreementBinary:
    """Compare n verdicts of a judge with those of humans: passed (1) or failed (0).

    Shapes: (n,), (n,). Source: Wilson 1927; Cohen 1960; Krippendorff 2011.

    Raises:
        ValueError: no case, unequal lengths, or a verdict other than 0 and 1.

    """
    check_same_length(human=human, judge=judge)
    wanted, got = as_labels("human", human), as_labels("judge", judge)
    passes, fails = int(wanted.sum()), int((1 - wanted).sum())
    right_passes, right_fails = int((wanted * got).sum()), int(((1 - wanted) * (1 - got)).sum())
    overall = classification(wanted.tolist(), got.tolist())
    all_passes = passes + int(got.sum())
    return AgreementBinary(
        human_pass=passes,
        human_fail=fails,
        judge_pass_given_human_pass=right_passes,
        judge_fail_given_human_fail=right_fails,
        tpr=right_passes / passes if passes else None,
        tnr=right_fails / fails if fails else None,
        tpr_wilson95=wilson_interval(right_passes, passes) if passes else None,
        tnr_wilson95=wilson_interval(right_fails, fails) if fails else None,
        accuracy=overall.accuracy,
        balanced_accuracy=overall.balanced_accuracy if passes and fails else None,
        kappa=overall.kappa,
        mcc=overall.mcc,
        krippendorff_nominal=krippendorff_missing([wanted.tolist(), got.tolist()], "nominal"),
        f1=2 * right_passes / all_passes if all_passes else None,
    )


def agreement_graded(human: Numbers, judge: Numbers) -> AgreementGraded:
    """Compare n grades of a judge with those of humans, on any common scale.

    Shapes: (n,), (n,). Source: Cohen 1968; Krippendorff 2011; Spearman 1904; Kendall 1945.

    Raises:
        ValueError: no case, unequal lengths, or a grade that is NaN or infinite.

    """
    check_same_length(human=human, judge=judge)
    wanted, got = as_finite("human", human), as_finite("judge", judge)
    _, ranks = np.unique(np.concatenate((wanted, got)), return_inverse=True)
    one, other = np.split(ranks.astype(np.float64), 2)
    both = [wanted.tolist(), got.tolist()]
    spearman, kendall = _rank_correlations(one, other)
    return AgreementGraded(
        kappa_linear=_weighted_kappa(float(np.abs(one - other).mean()), _mean_distance(one, other)),
        kappa_quadratic=_weighted_kappa(
            float(((one - other) ** 2).mean()), float(one.var() + other.var() + (one.mean() - other.mean()) ** 2)
        ),
        krippendorff_ordinal=krippendorff_missing(both, "ordinal"),
        krippendorff_interval=krippendorff_missing(both, "interval"),
        spearman=spearman,
        kendall_tau_b=kendall,
    )


def _weighted_kappa(observed: float, by_chance: float) -> float | None:
    return None if by_chance == 0 else 1 - observed / by_chance


def _mean_distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the mean of ``|i - j|`` over all n² pairs: at each step, how many pairs have it between them."""
    steps = np.arange(max(one.max(), other.max()))
    below, under = (np.searchsorted(np.sort(ranks), steps, side="right") / len(ranks) for ranks in (one, other))
    return float(np.sum(below * (1 - under) + under * (1 - below)))


def _rank_correlations(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> tuple[float | None, float | None]:
    from scipy import stats  # noqa: PLC0415 - 0.75 s

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None, None
    return float(stats.spearmanr(one, other).statistic), float(stats.kendalltau(one, other).statistic)

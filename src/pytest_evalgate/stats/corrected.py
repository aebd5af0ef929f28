"""The pass rate that humans would have found, from a judge that errs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_counts, check_same_length, check_within
from pytest_evalgate.stats.intervals import Interval, wilson_interval
from pytest_evalgate.stats.numeric import ROUNDING, upper_z

if TYPE_CHECKING:
    import numpy.typing as npt

_Z95 = upper_z(0.025)
_FEWEST = 2


class JudgeNotBetterThanChance(ValueError):  # noqa: N818 - named as what was found
    """A judge that passes human fails as readily as human passes: nothing can be read out of its verdicts."""


@dataclass(frozen=True, slots=True)
class RoganGladen:
    """The corrected pass rate ``theta`` with Lee's 95 % interval, and its standard error by the delta method.

    ``theta_unclipped`` outside [0, 1] is a sign that the judge errs otherwise in the run than on the labels.
    ``youden`` is ``TPR + TNR - 1``; where its lower 95 % bound is not above 0, the rate must not gate.
    """

    theta: float
    theta_unclipped: float
    lee_ci95: Interval
    delta_se: float
    youden: float
    youden_lower: float


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


def rogan_gladen(
    *,
    n: int,
    judged_pass: int,
    human_pass: int,
    judge_pass_given_human_pass: int,
    human_fail: int,
    judge_fail_given_human_fail: int,
) -> RoganGladen:
    """Correct a judged pass rate by the error rates that the judge had on human labels from elsewhere.

    Args:
        n: cases of the run.
        judged_pass: those that the judge passed.
        human_pass: labelled cases that humans passed.
        judge_pass_given_human_pass: those of them that the judge passed too.
        human_fail: labelled cases that humans failed.
        judge_fail_given_human_fail: those of them that the judge failed too.

    Source: Rogan & Gladen 1978; Lee et al. 2025 for the interval; the bound of ``youden`` adds the squares of
    Wilson's (Newcombe 1998).

    Raises:
        JudgeNotBetterThanChance: the judge's TPR + TNR is not above 1.
        ValueError: a count is negative, not whole or larger than its total, or a total is 0.

    """
    run = _Share.of("judged_pass", judged_pass, "n", n)
    passes = _Share.of("judge_pass_given_human_pass", judge_pass_given_human_pass, "human_pass", human_pass)
    fails = _Share.of("judge_fail_given_human_fail", judge_fail_given_human_fail, "human_fail", human_fail)
    if _youden(passes, fails) <= ROUNDING:
        raise JudgeNotBetterThanChance(
            f"the judge passes {judge_pass_given_human_pass} of {human_pass} human passes and fails "
            f"{judge_fail_given_human_fail} of {human_fail} human fails, no better than chance: change its rubric"
        )
    unclipped = _theta(run, passes, fails)
    theta = min(1.0, max(0.0, unclipped))
    return RoganGladen(
        theta=theta,
        theta_unclipped=unclipped,
        lee_ci95=_lee(run, passes, fails),
        delta_se=_delta_se(theta, run, passes, fails),
        youden=_youden(passes, fails),
        youden_lower=_youden(passes, fails) - math.hypot(passes.below, fails.below),
    )


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


@dataclass(frozen=True, slots=True)
class _Share:
    """``rate`` of ``total`` cases; the total may be fractional."""

    rate: float
    total: float

    @classmethod
    def of(cls, part_name: str, part: int, total_name: str, total: int) -> _Share:
        check_counts(1, **{total_name: total})
        check_counts(**{part_name: part})
        check_within(part_name, part, 0, total)
        return cls(part / total, total)

    @property
    def variance(self) -> float:
        return self.rate * (1 - self.rate) / self.total

    @property
    def below(self) -> float:
        """How far Wilson's 95 % interval reaches down."""
        return self.rate - wilson_interval(self.rate * self.total, self.total).lower

    def smoothed(self, added: float) -> _Share:
        """Return the share with ``added`` cases more, half of them in it."""
        total = self.total + added
        return _Share((self.rate * self.total + added / 2) / total, total)


def _youden(passes: _Share, fails: _Share) -> float:
    return passes.rate + fails.rate - 1


def _theta(run: _Share, passes: _Share, fails: _Share) -> float:
    return (run.rate + fails.rate - 1) / _youden(passes, fails)


def _delta_se(theta: float, run: _Share, passes: _Share, fails: _Share) -> float:
    variance = run.variance + (1 - theta) ** 2 * fails.variance + theta**2 * passes.variance
    return math.sqrt(variance) / _youden(passes, fails)


def _lee(run: _Share, passes: _Share, fails: _Share) -> Interval:
    run, passes, fails = run.smoothed(_Z95**2), passes.smoothed(2), fails.smoothed(2)
    if _youden(passes, fails) <= 0:  # so few labels of one class that smoothing them leaves nothing
        return Interval(0.0, 1.0)
    theta = _theta(run, passes, fails)
    shift = 2 * _Z95**2 * (theta * passes.variance - (1 - theta) * fails.variance)
    half = _Z95 * _delta_se(theta, run, passes, fails)
    return Interval(*(min(1.0, max(0.0, theta + shift + side)) for side in (-half, half)))


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

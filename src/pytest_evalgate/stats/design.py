"""Estimates from labels of a stratified sample of outputs: a sampling design with known inclusion probabilities.

A run has N outputs in strata of N_h outputs. Of each stratum n_h were drawn at random and labelled, so an output has
the inclusion probability n_h / N_h. If the strata are the verdicts of a judge, its TPR and its TNR are computed from
the same strata and are dependent; estimates that treat them as independent have intervals up to 2 times too wide.

Limits are those of MOVER (square-and-add): each proportion that the estimate depends on is moved to its own Wilson
limit while the others stay, and the effects are added as squares. The plain delta method has a variance of 0 for a
stratum in which no error was found. Source: Horvitz & Thompson 1952; Cochran 1977; Zou & Donner 2008.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import ROUNDING, Numbers, as_finite, check_inside, check_within, upper_z

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Function = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class SampledValues:
    """The values of the outputs of one stratum that were drawn, of ``outputs`` in all."""

    outputs: float
    values: Numbers

    @property
    def inclusion_probability(self) -> float:
        """The probability with which each output of the stratum was drawn."""
        return len(self.values) / self.outputs


@dataclass(frozen=True, slots=True)
class DesignMean:
    """A mean over all outputs, its variance, and its degrees of freedom (Satterthwaite; infinite without variance).

    ``variance`` is that of the mean of the run; ``population_variance`` also contains the variance of the run as a
    sample of a population.
    """

    value: float
    variance: float
    population_variance: float
    df: float


def horvitz_thompson(strata: Sequence[SampledValues]) -> DesignMean:
    """BoundedEstimate the mean of a run from a stratified sample with known inclusion probabilities.

    ``mean = sum_h N_h mean_h / N``; the variance adds up ``(N_h / N)² (1 - n_h / N_h) s_h² / n_h``, with ``n_h - 1``
    in s_h². A stratum with one drawn output has the variance of all drawn outputs. Source: Horvitz & Thompson 1952;
    Cochran 1977, 5.

    Raises:
        ValueError: no stratum, a stratum without a drawn output or with more drawn than it has, or a value that is
            not finite.
    """
    if not strata:
        raise ValueError("strata must contain at least one stratum, got none")
    drawn = [as_finite(f"strata[{at}].values", one.values) for at, one in enumerate(strata)]
    for at, (one, values) in enumerate(zip(strata, drawn, strict=True)):
        check_within(f"strata[{at}].outputs", one.outputs, len(values) - ROUNDING, math.inf)
    total = math.fsum(one.outputs for one in strata)
    shares = [one.outputs / total for one in strata]
    pooled = float(np.concatenate(drawn).var())
    spreads = [float(values.var(ddof=1)) if len(values) > 1 else pooled for values in drawn]
    value = math.fsum(share * float(values.mean()) for share, values in zip(shares, drawn, strict=True))
    parts = [
        share**2 * max(0.0, 1 - one.inclusion_probability) * spread / len(values)
        for share, one, spread, values in zip(shares, strata, spreads, drawn, strict=True)
    ]
    variance = math.fsum(parts)
    squares = math.fsum(part**2 / max(1, len(values) - 1) for part, values in zip(parts, drawn, strict=True))
    between = math.fsum(
        share * (spread + (float(values.mean()) - value) ** 2)
        for share, spread, values in zip(shares, spreads, drawn, strict=True)
    )
    return DesignMean(value, variance, variance + between / total, variance**2 / squares if squares else math.inf)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share that was estimated from ``n`` independent observations; ``n`` is infinite if it is known."""

    value: float
    n: float = math.inf

    def limits(self, z: float) -> tuple[float, float]:
        """Return Wilson's limits at ``z`` standard errors."""
        if math.isinf(self.n):
            return self.value, self.value
        shrink = 1 + z * z / self.n
        centre = (self.value + z * z / (2 * self.n)) / shrink
        half = z * math.sqrt(self.value * (1 - self.value) / self.n + (z / (2 * self.n)) ** 2) / shrink
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class BoundedEstimate:
    """A function of proportions, and its limits."""

    value: float
    lower: float
    upper: float

    def clipped(self, low: float, high: float) -> Interval:
        """Return the limits within ``low`` and ``high``."""
        return Interval(min(high, max(low, self.lower)), min(high, max(low, self.upper)))


def square_and_add(function: Function, proportions: Sequence[Proportion], z: float) -> BoundedEstimate:
    """Return a function of independent proportions with its limits at ``z`` standard errors.

    The function returns NaN where it is undefined; a limit at which it is undefined is infinite.
    Source: Newcombe 1998; Zou & Donner 2008.
    """
    point = [one.value for one in proportions]
    value = function(point)
    below = above = 0.0
    for at, one in enumerate(proportions):
        moved = [function([*point[:at], limit, *point[at + 1 :]]) for limit in one.limits(z)]
        if any(map(math.isnan, moved)):
            return BoundedEstimate(value, -math.inf, math.inf)
        below += max(0.0, value - min(moved)) ** 2
        above += max(0.0, max(moved) - value) ** 2
    return BoundedEstimate(value, value - math.sqrt(below), value + math.sqrt(above))


@dataclass(frozen=True, slots=True)
class LabelStratum:
    """One stratum of ``outputs`` outputs, and the labelled ones by human label and verdict of the judge.

    ``both`` passed with people and with the judge, ``human`` with people alone, ``judge`` with the judge alone. Counts
    are effective numbers, and may be fractional, if the labels are clustered.

    Raises:
        ValueError: a count is negative, there is no label, or there are more labels than outputs.
    """

    outputs: float
    both: float
    human: float
    judge: float
    neither: float

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("both", "human", "judge", "neither"):
            check_within(name, getattr(self, name), 0, math.inf)
        check_inside("the number of labels", self.labels, 0, math.inf)
        check_within("outputs", self.outputs, self.labels * (1 - ROUNDING), math.inf)

    @property
    def labels(self) -> float:
        """The number of labelled outputs."""
        return self.both + self.human + self.judge + self.neither

    @property
    def judge_passes(self) -> float:
        """The number of labelled outputs that the judge passed."""
        return self.both + self.judge

    @property
    def is_mixed(self) -> bool:
        """Whether the judge passed some of the labelled outputs and failed others.

        A stratum with one verdict is taken to be made of it: strata are the verdicts by which outputs were drawn.
        """
        return 0 < self.judge_passes < self.labels


@dataclass(frozen=True, slots=True)
class _Joint:
    """Shares of all outputs: passed by people and judge (``both``), by people alone (``human``), by the judge."""

    both: float
    human: float
    judge_pass: float

    @property
    def human_pass(self) -> float:
        return self.both + self.human

    @property
    def tpr(self) -> float:
        return self.both / self.human_pass if self.human_pass > 0 else math.nan

    @property
    def fpr(self) -> float:
        return (self.judge_pass - self.both) / (1 - self.human_pass) if self.human_pass < 1 else math.nan


@dataclass(frozen=True, slots=True)
class LabelDesign:
    """The labels of a stratified sample of one run, and the rates that they estimate.

    In 2,000 simulated builds each, for N = 200, 500 and 1,000 and 60, 150 and 300 labels, the 95 % intervals held the
    true rate in 94.0 to 96.0 % (`fresh_rate`) and 94.0 to 97.0 % (`own_rate`): see ``benchmarks/sampled_labels.py``.

    Raises:
        ValueError: there is no stratum.
    """

    strata: tuple[LabelStratum, ...]

    def __post_init__(self) -> None:
        """Check that there is a stratum."""
        if not self.strata:
            raise ValueError("strata must contain at least one stratum, got none")

    @property
    def is_stratified(self) -> bool:
        """Whether there is more than one stratum. A single one is a simple random sample."""
        return len(self.strata) > 1

    def tpr(self, confidence: float = 0.95) -> BoundedEstimate:
        """Return the judge's true positive rate with two-sided limits; NaN if people passed no output."""
        return self._rate(lambda joint: joint.tpr, confidence)

    def tnr(self, confidence: float = 0.95) -> BoundedEstimate:
        """Return the judge's true negative rate with two-sided limits; NaN if people failed no output."""
        return self._rate(lambda joint: 1 - joint.fpr, confidence)

    def youden(self, confidence: float = 0.95) -> BoundedEstimate:
        """Return ``J = TPR + TNR - 1`` with two-sided limits, which allow for the covariance of the two rates."""
        return self._rate(lambda joint: joint.tpr - joint.fpr, confidence)

    def fresh_rate(self, passed: Proportion, decided: Proportion, z: float) -> BoundedEstimate:
        """Return the share of good outputs in another run, at ``z`` standard errors.

        The judge decided the share ``decided`` of its cases and passed the share ``passed`` of these. Rogan-Gladen
        with the TPR and TNR of this sample. Its limits allow for their covariance: an error of one rate moves the
        estimate the opposite way as the error of the other that comes with it.
        """

        def rate(values: Sequence[float]) -> float:
            share, decided_share, *rest = values
            joint = self._joint(rest)
            youden = joint.tpr - joint.fpr
            return decided_share * (share - joint.fpr) / youden if youden > ROUNDING else math.nan

        return square_and_add(rate, [passed, decided, *self._proportions], z)

    def own_rate(self, passed: Proportion, decided: Proportion, z: float) -> BoundedEstimate:
        """Return the share of good outputs in the run that the sample was drawn from, as `fresh_rate`.

        The mean of the strata, weighted by their outputs; a simple random sample is stratified afterwards by the
        verdicts that the judge gave in the run. For a judge that passes or fails this is prediction-powered inference
        with the best weight (`judged.ppi_mean`), with limits that also hold if few errors were found: for 60 labels of
        200 outputs, 86 % of them good, 96 % of the intervals held the truth, and 91 % of those of `judged.ppi_mean`.
        """
        own = None if self.is_stratified or not self.strata[0].is_mixed else passed

        def rate(values: Sequence[float]) -> float:
            decided_share, *rest = values
            return decided_share * self._joint(rest).human_pass

        proportions = self._proportions if own is None else [own, *self._proportions[1:]]
        return square_and_add(rate, [decided, *proportions], z)

    def _rate(self, of: Callable[[_Joint], float], confidence: float) -> BoundedEstimate:
        found = square_and_add(
            lambda values: of(self._joint(values)), self._proportions, upper_z((1 - confidence) / 2)
        )
        return BoundedEstimate(found.value, max(-1.0, found.lower), min(1.0, found.upper))

    @property
    def _proportions(self) -> list[Proportion]:
        """The independent proportions behind all rates, in the order in which `_joint` reads them.

        The sizes of the strata are a multinomial sample: the share of each one in those that follow. Then for each
        stratum the share that the judge passes, and the shares that people pass among the judge's passes and fails.
        """
        left = math.fsum(one.outputs for one in self.strata)
        found = []
        for one in self.strata[:-1]:
            found.append(Proportion(one.outputs / left, left))
            left -= one.outputs
        for one in self.strata:
            known = one.judge_passes / one.labels
            found.append(Proportion(known, one.labels) if one.is_mixed else Proportion(known))
            found += [_share(one.both, one.judge), _share(one.human, one.neither)]
        return found

    def _joint(self, values: Sequence[float]) -> _Joint:
        sizes, rest = values[: len(self.strata) - 1], values[len(self.strata) - 1 :]
        left = 1.0
        both = human = judge_pass = 0.0
        for at, share in enumerate((*sizes, 1.0)):
            size = left * share
            left -= size
            passes, good_of_passes, good_of_fails = rest[3 * at : 3 * at + 3]
            both += size * passes * good_of_passes
            human += size * (1 - passes) * good_of_fails
            judge_pass += size * passes
        return _Joint(both, human, judge_pass)


def _share(good: float, bad: float) -> Proportion:
    """Return the share of the good ones; without any it is 0 and known, since nothing is multiplied by it."""
    return Proportion(good / (good + bad), good + bad) if good + bad > 0 else Proportion(0.0)


def effective_labels(estimate: BoundedEstimate, confidence: float = 0.95) -> float:
    """Return the number of independent labels whose Wilson interval has the lower limit of ``estimate``.

    At a value of 0, which has no lower limit, the upper one is used. Solves Wilson's equation
    ``(p - L)² = z² L (1 - L) / n`` for n.
    """
    z, value = upper_z((1 - confidence) / 2), estimate.value
    limit = min(1.0, estimate.upper) if value <= ROUNDING else max(0.0, estimate.lower)
    if limit in (0.0, 1.0) or abs(value - limit) <= ROUNDING:
        return 1.0
    return z * z * limit * (1 - limit) / (value - limit) ** 2

"""How many pairs a drop needs to be seen, and which drop a number of pairs can see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pytest_evalgate.stats.numeric import (
    binomial_tail,
    bisect,
    check_alpha,
    check_counts,
    check_inside,
    check_within,
    upper_t,
    upper_z,
)
from pytest_evalgate.stats.paired import midp

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Pairs needed (``n`` is ``n_formula`` rounded up) and the true power of the mid-p test with that many."""

    n_formula: float
    n: int
    exact_power_midp: float


@dataclass(frozen=True, slots=True)
class DetectableDrop:
    """The smallest drop, as a share, that is seen with the power asked for.

    Where it is not ``reachable``, not even losses alone would be seen; ``mde`` is then the discordance itself.
    ``mde_simple`` is the short form, from above.
    """

    mde: float
    mde_simple: float
    reachable: bool


def mcnemar_sample_size(p_loss: float, p_gain: float, alpha_one_sided: float = 0.05, power: float = 0.8) -> SampleSize:
    """Return the number of pairs at which a true drop ``p_loss - p_gain`` is found with ``power``.

    ``p_loss`` and ``p_gain`` are the shares of all pairs that are lost and gained. Source: Connor 1987; the power of
    the mid-p test is summed over the binomial distributions of discordant pairs and of losses among them.

    Raises:
        ValueError: a share is outside [0, 1], ``p_loss`` does not exceed ``p_gain``, together they exceed 1,
            ``alpha_one_sided`` is outside (0, 0.5) or ``power`` outside [0.5, 1).

    """
    check_within("p_gain", p_gain, 0.0, 1.0)
    check_within("p_loss", p_loss, 0.0, 1.0 - p_gain)
    if p_loss <= p_gain:
        raise ValueError(f"p_loss must exceed p_gain for there to be a drop, got {p_loss} and {p_gain}")
    z_alpha, z_power = _quantiles(alpha_one_sided, power)
    discordance, drop = p_loss + p_gain, p_loss - p_gain
    n_formula = (_reach(drop, discordance, z_alpha, z_power) / drop) ** 2
    n = math.ceil(n_formula)
    return SampleSize(n_formula, n, _exact_power(n, p_loss, discordance, alpha_one_sided))


def mde_mcnemar(n: int, discordance: float, alpha_one_sided: float = 0.05, power: float = 0.8) -> DetectableDrop:
    """Return the smallest drop that ``n`` pairs show with ``power`` where a share ``discordance`` of them differs.

    Source: Connor 1987, solved for the drop.

    Raises:
        ValueError: ``n`` is not a whole number above 0, ``discordance`` is not in (0, 1], ``alpha_one_sided`` is
            outside (0, 0.5) or ``power`` outside [0.5, 1).

    """
    check_counts(1, n=n)
    check_inside("discordance", discordance, 0.0, math.nextafter(1.0, 2.0))  # 1 itself is allowed
    z_alpha, z_power = _quantiles(alpha_one_sided, power)

    def too_small(drop: float) -> bool:
        return drop * math.sqrt(n) < _reach(drop, discordance, z_alpha, z_power)

    reachable = not too_small(discordance)
    return DetectableDrop(
        mde=bisect(too_small, inside=0.0, outside=discordance) if reachable else discordance,
        mde_simple=(z_alpha + z_power) * math.sqrt(discordance / n),
        reachable=reachable,
    )


def mde_with_flips(n: int, flips: float, alpha_one_sided: float = 0.05, power: float = 0.8) -> float | None:
    """Return the smallest drop that ``n`` pairs show with ``power`` on top of what flips in identical runs.

    Where a share ``flips`` of the pairs differs anyway, half of them as losses, a drop adds its size in losses. Unlike
    ``mde_mcnemar`` the discordance grows with the drop, so that small sets have an answer too; None where not even the
    loss of all that is left would be seen. Source: Connor 1987 with the discordance ``flips + drop``, solved for it.

    Raises:
        ValueError: ``n`` is not a whole number above 0, ``flips`` is outside [0, 1), ``alpha_one_sided`` outside
            (0, 0.5) or ``power`` outside [0.5, 1).

    """
    check_counts(1, n=n)
    check_within("flips", flips, 0.0, math.nextafter(1.0, 0.0))
    z_alpha, z_power = _quantiles(alpha_one_sided, power)

    def too_small(drop: float) -> bool:
        return drop * math.sqrt(n) < _reach(drop, flips + drop, z_alpha, z_power)

    largest = 1 - flips
    return None if too_small(largest) else bisect(too_small, inside=0.0, outside=largest)


def mcnemar_power(n: int, p_loss: float, p_gain: float, alpha_one_sided: float = 0.05) -> float:
    """Return the exact chance that the mid-p test rejects with ``n`` pairs.

    ``p_loss`` and ``p_gain`` are the true shares of all pairs that are lost and gained. Where they are equal nothing
    has changed, and the chance is that of a false alarm. Source: the binomial distributions of discordant pairs and of
    losses among them, summed.

    Raises:
        ValueError: ``n`` is not a whole number above 0, a share is outside [0, 1], together they exceed 1, or
            ``alpha_one_sided`` is outside (0, 0.5).

    """
    check_counts(1, n=n)
    check_within("p_gain", p_gain, 0.0, 1.0)
    check_within("p_loss", p_loss, 0.0, 1.0 - p_gain)
    check_alpha(alpha_one_sided, "alpha_one_sided")
    discordance = p_loss + p_gain
    return _exact_power(n, p_loss, discordance, alpha_one_sided) if discordance else 0.0


def not_proven_sample_size(
    discordance: float, margin: float, alpha_one_sided: float = 0.05, power: float = 0.8
) -> int:
    """Return the pairs at which a candidate that did not change is proven to have dropped by less than ``margin``.

    With probability ``power``, where a share ``discordance`` of the pairs differs between identical runs: what
    ``fail_on = "not_proven"`` asks for. Source: ``(z_alpha + z_power)² discordance / margin²``, Connor 1987 at no
    change.

    Raises:
        ValueError: ``discordance`` is not in (0, 1], ``margin`` is outside (0, 1), ``alpha_one_sided`` outside
            (0, 0.5) or ``power`` outside [0.5, 1).

    """
    check_inside("discordance", discordance, 0.0, math.nextafter(1.0, 2.0))  # 1 itself is allowed
    check_inside("margin", margin, 0.0, 1.0)
    return math.ceil((sum(_quantiles(alpha_one_sided, power)) / margin) ** 2 * discordance)


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    check_alpha(alpha, "alpha_one_sided")
    check_inside("power", power, math.nextafter(0.5, 0.0), 1.0)  # 0.5 itself is allowed
    return upper_z(alpha), upper_z(1 - power)


def _reach(drop: float, discordance: float, z_alpha: float, z_power: float) -> float:
    """Return ``drop * sqrt(n)`` at the n that Connor's formula asks for."""
    return z_alpha * math.sqrt(discordance) + z_power * math.sqrt(max(0.0, discordance - drop * drop))


def _exact_power(n: int, p_loss: float, discordance: float, alpha: float) -> float:
    spread = math.sqrt(n * discordance * (1 - discordance))
    # ten standard deviations and 50 pairs leave out less than 1e-12 of the distribution
    least, most = (n * discordance + sign * (10 * spread + 50) for sign in (-1, 1))
    discordant = np.arange(max(0, math.floor(least)), min(n, math.ceil(most)) + 1)
    chance = binomial_tail(discordant, n, discordance) - binomial_tail(discordant + 1, n, discordance)
    found = binomial_tail(_fewest_rejected(discordant, alpha), discordant, p_loss / discordance)
    return float(np.sum(chance * found))


def _fewest_rejected(discordant: npt.NDArray[np.int_], alpha: float) -> npt.NDArray[np.int_]:
    """Return the fewest losses that the mid-p test rejects, for each number of discordant pairs; one more if none."""
    accepted, rejected = np.zeros_like(discordant), discordant + 1
    while np.any(rejected - accepted > 1):
        middle = (accepted + rejected) // 2
        rejects = midp(middle, discordant) <= alpha
        accepted, rejected = np.where(rejects, accepted, middle), np.where(rejects, middle, rejected)
    return rejected


MAX_NONCENTRALITY = 1e9
"""A drop of this many standard errors is never missed; scipy's noncentral t knows no larger ones."""


@dataclass(frozen=True, slots=True)
class MeanSampleSize:
    """Pairs needed by Student's test (``n`` is ``n_t`` rounded up) and by the normal approximation."""

    n_t: float
    n_normal: float
    n: int


@dataclass(frozen=True, slots=True)
class VarianceTrials:
    """The variance of the mean change, and the number of trials from which on more of them hardly lower it."""

    var_delta: float
    trials_worthwhile: float


def paired_mean_sample_size(
    sd: float, delta: float, alpha_one_sided: float = 0.05, power: float = 0.8
) -> MeanSampleSize:
    """Return the number of pairs at which a true drop ``delta`` of the mean is found with ``power``.

    ``sd`` is the standard deviation of the differences of single pairs, ``delta`` the size of the drop, above 0.
    Source: the noncentral t distribution, solved for n (at least 2); ``((z_alpha + z_power) sd / delta)²``.

    Raises:
        ValueError: ``sd`` or ``delta`` is not positive and finite, ``alpha_one_sided`` is outside (0, 0.5) or
            ``power`` outside [0.5, 1).

    """
    check_inside("sd", sd, 0.0, math.inf)
    check_inside("delta", delta, 0.0, math.inf)
    _check_levels(alpha_one_sided, power)

    def too_few(n: float) -> bool:
        return _power(delta * math.sqrt(n) / sd, n - 1, alpha_one_sided) < power

    n_normal = ((upper_z(alpha_one_sided) + upper_z(1 - power)) * sd / delta) ** 2
    enough = 2.0
    while too_few(enough):
        enough *= 2
    n_t = bisect(too_few, inside=2.0, outside=enough)
    return MeanSampleSize(n_t=n_t, n_normal=n_normal, n=math.ceil(n_t))


def mean_power(drop: float, se: float, df: int, alpha_one_sided: float = 0.05) -> float:
    """Return the chance that Student's test finds a true ``drop`` of the mean, given its standard error.

    ``df`` is the number of pairs, or of clusters, less one. Source: the noncentral t distribution.

    Raises:
        ValueError: ``drop`` is negative or infinite, ``se`` is not positive and finite, ``df`` is not a whole number
            above 0, ``alpha_one_sided`` is outside (0, 0.5), or the two are too small together (1 and 1e-6, say).

    """
    check_inside("drop", drop, -math.ulp(0.0), math.inf)  # 0 itself is allowed
    check_inside("se", se, 0.0, math.inf)
    check_counts(1, df=df)
    check_alpha(alpha_one_sided, "alpha_one_sided")
    return _power(drop / se, df, alpha_one_sided)


def mde_mean(se: float, df: int, alpha_one_sided: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest drop of the mean that Student's test finds with ``power``, given its standard error.

    ``df`` is the number of pairs, or of clusters, less one. Example: 30 clusters and 300 pairs that differ by 0.4,
    with an intraclass correlation of 0.2: ``mde_mean(sqrt(variance_clusters(0.16, 300, 30, 0.2)), 29)`` is 0.098.
    Source: the noncentral t distribution, solved for the drop.

    Raises:
        ValueError: ``se`` is not positive and finite, ``df`` is not a whole number above 0, ``alpha_one_sided`` is
            outside (0, 0.5), ``power`` outside [0.5, 1), or ``df`` and alpha are too small together (1 and 1e-6, say).

    """
    check_inside("se", se, 0.0, math.inf)
    check_counts(1, df=df)
    _check_levels(alpha_one_sided, power)
    enough = 1.0
    while enough < MAX_NONCENTRALITY and _power(enough, df, alpha_one_sided) < power:
        enough *= 2
    return se * bisect(lambda drop: _power(drop, df, alpha_one_sided) < power, inside=0.0, outside=enough)


def variance_trials(var_between: float, var_within: float, k: int, n: int) -> VarianceTrials:
    """Return the variance of the mean change of ``n`` cases with ``k`` trials each in both runs.

    ``var_between / n + 2 var_within / (n k)``. ``var_between`` is the variance of the true per-case change,
    ``var_within`` the mean within-case variance of one trial (half of the flip rate of identical runs). Trials lower
    only the second part, cases both: beyond ``2 var_within / var_between`` trials the first part is the larger one.
    Source: Miller 2024.

    Raises:
        ValueError: a variance is negative or infinite, or ``k`` or ``n`` is not a whole number above 0.

    """
    check_inside("var_between", var_between, -math.ulp(0.0), math.inf)
    check_inside("var_within", var_within, -math.ulp(0.0), math.inf)
    check_counts(1, k=k, n=n)
    return VarianceTrials(
        var_delta=var_between / n + 2 * var_within / (n * k),
        trials_worthwhile=2 * var_within / var_between if var_between else math.inf,
    )


def variance_clusters(variance: float, n: int, clusters: int, icc: float) -> float:
    """Return the variance of the mean of ``n`` cases that come in ``clusters`` of about equal size.

    ``variance / n`` times the design effect ``1 + (n / clusters - 1) icc``. ``variance`` is that of single cases (or
    of their changes), ``icc`` the intraclass correlation within clusters. Source: Kish 1965.

    Raises:
        ValueError: ``variance`` is negative or infinite, ``clusters`` is not a whole number above 0, ``n`` not one of
            at least ``clusters``, or ``icc`` is outside [0, 1].

    """
    check_inside("variance", variance, -math.ulp(0.0), math.inf)
    check_counts(1, clusters=clusters)
    check_counts(clusters, n=n)
    check_within("icc", icc, 0.0, 1.0)
    return variance / n * (1 + (n / clusters - 1) * icc)


def _check_levels(alpha: float, power: float) -> None:
    check_alpha(alpha, "alpha_one_sided")
    check_inside("power", power, math.nextafter(0.5, 0.0), 1.0)  # 0.5 itself is allowed


def _power(noncentrality: float, df: float, alpha: float) -> float:
    missed = float(special.nctdtr(df, min(noncentrality, MAX_NONCENTRALITY), upper_t(alpha, df)))
    beyond_its_reach = missed == 1.0 and noncentrality >= MAX_NONCENTRALITY
    if math.isnan(missed) or beyond_its_reach:
        raise ValueError(f"no power is known for alpha {alpha:g} with {df:g} degrees of freedom: take more pairs")
    return 1.0 - missed

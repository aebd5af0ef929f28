"""Power analysis: sample sizes, minimum detectable effects and power of the paired tests.

The first half is for the mid-p McNemar test (one trial a case), the second for Student's t test (several trials,
graded scores, clusters). Levels ``alpha_one_sided`` are one-sided; drops and discordances are shares of the pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
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

MAX_NONCENTRALITY = 1e9
"""Upper limit of the noncentrality: scipy's ``nctdtr`` returns NaN above it, and the power is 1 there."""


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Pairs needed (``n`` is ``n_formula`` rounded up) and the exact power of the mid-p test with ``n`` pairs."""

    n_formula: float
    n: int
    exact_power_midp: float


@dataclass(frozen=True, slots=True)
class DetectableDrop:
    """The minimum detectable effect: the smallest drop, as a share, that is detected with the given power.

    If it is not ``reachable``, the test would not detect even losses alone, and ``mde`` is the discordance.
    ``mde_simple`` is the short formula, an upper estimate.
    """

    mde: float
    mde_simple: float
    reachable: bool


@dataclass(frozen=True, slots=True)
class MeanSampleSize:
    """Pairs needed by Student's t test (``n`` is ``n_t`` rounded up) and by the normal approximation."""

    n_t: float
    n_normal: float
    n: int


@dataclass(frozen=True, slots=True)
class VarianceTrials:
    """The variance of the mean change, and the number of trials beyond which more trials hardly reduce it."""

    var_delta: float
    trials_worthwhile: float


def mcnemar_sample_size(p_loss: float, p_gain: float, alpha_one_sided: float = 0.05, power: float = 0.8) -> SampleSize:
    """Return the number of pairs at which a true drop ``p_loss - p_gain`` is detected with ``power``.

    ``p_loss`` and ``p_gain`` are the shares of all pairs that are lost and gained. The power of the mid-p test is
    exact: summed over the numbers of discordant pairs and of losses among them. Source: Connor 1987.

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
    """Return the minimum detectable effect of ``n`` pairs of which a share ``discordance`` differs.

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
    """Return the minimum detectable effect of ``n`` pairs when a share ``flips`` of them differs in identical runs.

    Half of the flips are losses, and a drop adds its size in losses. Unlike in `mde_mcnemar` the discordance grows
    with the drop, so the effect is defined for small sets as well. None if not even the loss of all other pairs would
    be detected. Source: Connor 1987 with the discordance ``flips + drop``, solved for the drop.

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
    """Return the exact power of the mid-p McNemar test with ``n`` pairs.

    ``p_loss`` and ``p_gain`` are the true shares of all pairs that are lost and gained. If they are equal, the result
    is the false alarm rate. Source: the binomial distributions of discordant pairs and of losses among them, summed.

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
    """Return the pairs at which non-inferiority within ``margin`` is shown for an unchanged candidate with ``power``.

    A share ``discordance`` of the pairs differs between identical runs. Gates with ``fail_on = "not_proven"`` need
    this many. Source: ``(z_alpha + z_power)² discordance / margin²``, Connor 1987 at no change.

    Raises:
        ValueError: ``discordance`` is not in (0, 1], ``margin`` is outside (0, 1), ``alpha_one_sided`` outside
            (0, 0.5) or ``power`` outside [0.5, 1).
    """
    check_inside("discordance", discordance, 0.0, math.nextafter(1.0, 2.0))  # 1 itself is allowed
    check_inside("margin", margin, 0.0, 1.0)
    return math.ceil((sum(_quantiles(alpha_one_sided, power)) / margin) ** 2 * discordance)


def _reach(drop: float, discordance: float, z_alpha: float, z_power: float) -> float:
    """Return ``drop * sqrt(n)`` at the ``n`` of Connor's formula."""
    return z_alpha * math.sqrt(discordance) + z_power * math.sqrt(max(0.0, discordance - drop * drop))


def _exact_power(n: int, p_loss: float, discordance: float, alpha: float) -> float:
    spread = math.sqrt(n * discordance * (1 - discordance))
    # less than 1e-12 of the distribution is beyond ten standard deviations and 50 pairs
    least, most = (n * discordance + sign * (10 * spread + 50) for sign in (-1, 1))
    discordant = np.arange(max(0, math.floor(least)), min(n, math.ceil(most)) + 1)
    chance = binomial_tail(discordant, n, discordance) - binomial_tail(discordant + 1, n, discordance)
    found = binomial_tail(_fewest_rejected(discordant, alpha), discordant, p_loss / discordance)
    return float(np.sum(chance * found))


def _fewest_rejected(discordant: npt.NDArray[np.int_], alpha: float) -> npt.NDArray[np.int_]:
    """Return the fewest losses that the mid-p test rejects for each number of discordant pairs, or one more."""
    accepted, rejected = np.zeros_like(discordant), discordant + 1
    while np.any(rejected - accepted > 1):
        middle = (accepted + rejected) // 2
        rejects = midp(middle, discordant) <= alpha
        accepted, rejected = np.where(rejects, accepted, middle), np.where(rejects, middle, rejected)
    return rejected


def paired_mean_sample_size(
    sd: float, delta: float, alpha_one_sided: float = 0.05, power: float = 0.8
) -> MeanSampleSize:
    """Return the number of pairs at which a true drop ``delta`` of the mean is detected with ``power``.

    ``sd`` is the standard deviation of the differences of single pairs, ``delta`` the size of the drop, above 0.
    Source: the noncentral t distribution, solved for n (at least 2); normal: ``((z_alpha + z_power) sd / delta)²``.

    Raises:
        ValueError: ``sd`` or ``delta`` is not positive and finite, ``alpha_one_sided`` is outside (0, 0.5) or
            ``power`` outside [0.5, 1).
    """
    check_inside("sd", sd, 0.0, math.inf)
    check_inside("delta", delta, 0.0, math.inf)
    z_alpha, z_power = _quantiles(alpha_one_sided, power)

    def too_few(n: float) -> bool:
        return _power(delta * math.sqrt(n) / sd, n - 1, alpha_one_sided) < power

    n_normal = ((z_alpha + z_power) * sd / delta) ** 2
    enough = 2.0
    while too_few(enough):
        enough *= 2
    n_t = bisect(too_few, inside=2.0, outside=enough)
    return MeanSampleSize(n_t=n_t, n_normal=n_normal, n=math.ceil(n_t))


def mean_power(drop: float, se: float, df: int, alpha_one_sided: float = 0.05) -> float:
    """Return the power of Student's t test for a true ``drop`` of the mean, given its standard error.

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
    """Return the minimum detectable effect of Student's t test, given the standard error of the mean.

    ``df`` is the number of pairs, or of clusters, less one. Example: 30 clusters and 300 pairs that differ by 0.4,
    with an intraclass correlation of 0.2: ``mde_mean(sqrt(variance_clusters(0.16, 300, 30, 0.2)), 29)`` is 0.098.
    Source: the noncentral t distribution, solved for the drop.

    Raises:
        ValueError: ``se`` is not positive and finite, ``df`` is not a whole number above 0, ``alpha_one_sided`` is
            outside (0, 0.5), ``power`` outside [0.5, 1), or ``df`` and alpha are too small together (1 and 1e-6, say).
    """
    check_inside("se", se, 0.0, math.inf)
    check_counts(1, df=df)
    _quantiles(alpha_one_sided, power)  # checks the levels
    enough = 1.0
    while enough < MAX_NONCENTRALITY and _power(enough, df, alpha_one_sided) < power:
        enough *= 2
    return se * bisect(lambda drop: _power(drop, df, alpha_one_sided) < power, inside=0.0, outside=enough)


def _power(noncentrality: float, df: float, alpha: float) -> float:
    missed = float(special.nctdtr(df, min(noncentrality, MAX_NONCENTRALITY), upper_t(alpha, df)))
    failed = missed == 1.0 and noncentrality >= MAX_NONCENTRALITY
    if math.isnan(missed) or failed:
        raise ValueError(
            f"the power for alpha {alpha:g} with {df:g} degrees of freedom cannot be computed: use more pairs"
        )
    return 1.0 - missed


def _quantiles(alpha: float, power: float) -> tuple[float, float]:
    check_alpha(alpha, "alpha_one_sided")
    check_inside("power", power, math.nextafter(0.5, 0.0), 1.0)  # 0.5 itself is allowed
    return upper_z(alpha), upper_z(1 - power)


def variance_trials(var_between: float, var_within: float, k: int, n: int) -> VarianceTrials:
    """Return the variance of the mean change of ``n`` cases with ``k`` trials each in both runs.

    ``var_between / n + 2 var_within / (n k)``. ``var_between`` is the variance of the true per-case change,
    ``var_within`` the mean within-case variance of one trial (half of the flip rate of identical runs). More trials
    reduce only the second term, more cases both: beyond ``2 var_within / var_between`` trials the first is larger.
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
    """Return the variance of the mean of ``n`` cases in ``clusters`` clusters of about equal size.

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

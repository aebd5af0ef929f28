"""How many pairs a drop needs to be seen, and which drop a number of pairs can see."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import check_alpha, check_counts, check_inside, check_within
from pytest_evalgate.stats.numeric import at_least, bisect, upper_z
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


def drop_on_top(n: int, flips: float, alpha_one_sided: float = 0.05, power: float = 0.8) -> float | None:
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
    chance = at_least(discordant, n, discordance) - at_least(discordant + 1, n, discordance)
    found = at_least(_fewest_rejected(discordant, alpha), discordant, p_loss / discordance)
    return float(np.sum(chance * found))


def _fewest_rejected(discordant: npt.NDArray[np.int_], alpha: float) -> npt.NDArray[np.int_]:
    """Return the fewest losses that the mid-p test rejects, for each number of discordant pairs; one more if none."""
    accepted, rejected = np.zeros_like(discordant), discordant + 1
    while np.any(rejected - accepted > 1):
        middle = (accepted + rejected) // 2
        rejects = midp(middle, discordant) <= alpha
        accepted, rejected = np.where(rejects, accepted, middle), np.where(rejects, middle, rejected)
    return rejected

"""How a drop comes about in cases that flip anyway, and what that makes of cases, trials and power.

A drop of five points may be cases that flipped before and now fail more often, or cases that always passed and now
break. The first adds no discordant pairs, the second adds one for each case: the truth lies between the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.numeric import bisect
from pytest_evalgate.stats.planning import drop_on_top, mcnemar_power, mcnemar_sample_size, mde_mcnemar
from pytest_evalgate.stats.power import mean_power, paired_mean_sample_size, variance_trials

Hits = Literal["flipping", "steady"]
"""Which cases a drop hits: those that flip between identical runs, or those that always passed."""

HITS: tuple[Hits, ...] = get_args(Hits)

_FARTHEST = 30
"""Standard errors: no drop so large is missed, and scipy's noncentral t underflows from about 37 on."""

_STEADIEST = 6
"""A drop of more standard deviations of single cases needs as few cases as one of so many."""


@dataclass(frozen=True, slots=True)
class Level:
    """A one-sided ``alpha``, and the ``power`` with which a drop shall be found."""

    alpha: float
    power: float


@dataclass(frozen=True, slots=True)
class Damage:
    """Drops of one kind, in cases of which a share ``flips`` differs between two identical runs; shares in (0, 1)."""

    hits: Hits
    flips: float

    @property
    def largest(self) -> float:
        """The largest drop of this kind, as a share of the cases."""
        return self.flips if self.hits == "flipping" else 1 - self.flips

    def shares(self, drop: float) -> tuple[float, float]:
        """Return the shares of pairs that are lost and gained where both runs have one trial."""
        gained = (self.flips - drop if self.hits == "flipping" else self.flips) / 2
        return min(gained + drop, 1 - gained), gained

    def variance(self, drop: float, trials: int) -> float:
        """Return the variance of one case's change of its mean over ``trials`` in both runs."""
        between = 0.0 if self.hits == "flipping" else drop * (1 - drop)
        return variance_trials(between, self.flips / 2, k=trials, n=1).var_delta


def cases_needed(damage: Damage, drop: float, trials: int, level: Level) -> int | None:
    """Return the cases at which a ``drop`` (a share) is found, with ``trials`` in both runs; None if it cannot be.

    With one trial by Connor's formula for the paired test, else by Student's test of the means; never fewer than can
    fail at all.
    """
    if not 0 < drop <= damage.largest:
        return None
    if trials == 1:
        found = mcnemar_sample_size(*damage.shares(drop), level.alpha, level.power)
        return max(found.n, fewest_losses(level.alpha))
    sd = max(math.sqrt(damage.variance(drop, trials)), drop / _STEADIEST)
    means = paired_mean_sample_size(sd, drop, level.alpha, level.power)
    return max(means.n, fewest_losses(level.alpha))


def smallest_drop(damage: Damage, cases: int, trials: int, level: Level) -> float | None:
    """Return the smallest drop, as a share, that so many cases and trials show; None if they show none.

    The inverse of ``cases_needed``.
    """
    if trials == 1:
        return _smallest_of_one_trial(damage, cases, level)

    def too_small(drop: float) -> bool:
        power = power_of(damage, drop, cases, trials, level.alpha)
        return power is None or power < level.power

    return None if too_small(damage.largest) else bisect(too_small, inside=0.0, outside=damage.largest)


def _smallest_of_one_trial(damage: Damage, cases: int, level: Level) -> float | None:
    if cases < fewest_losses(level.alpha):
        return None
    if damage.hits == "steady":
        return drop_on_top(cases, damage.flips, level.alpha, level.power)
    found = mde_mcnemar(cases, damage.flips, level.alpha, level.power)
    return found.mde if found.reachable else None


def power_of(damage: Damage, drop: float, cases: int, trials: int, alpha: float) -> float | None:
    """Return the chance that a ``drop`` (a share) is found; None where there is no such drop.

    With one trial it is the exact one of the mid-p test, else that of Student's test of the means.
    """
    if not 0 < drop <= damage.largest:
        return None
    if trials == 1:
        return mcnemar_power(cases, *damage.shares(drop), alpha)
    if cases == 1:
        return 0.0
    se = math.sqrt(damage.variance(drop, trials) / cases)
    return mean_power(min(drop, _FARTHEST * se), se, cases - 1, alpha)

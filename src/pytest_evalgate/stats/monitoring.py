"""Evidence that may be looked at after every case: e-values, bets on a drop or on its absence.

An e-value is on average at most 1 if the hypothesis is true, at whatever case one stops; that it ever reaches
``1 / alpha`` has probability ``alpha`` at most. Cases must come in an order that does not depend on their outcomes
(seeded random). Monitoring at 0.01 and the fixed test at 0.04 after the last case share an alpha of 0.05.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from pytest_evalgate.stats.checks import (
    Numbers,
    as_numbers,
    as_whole_numbers,
    check_alpha,
    check_counts,
    check_inside,
    check_within,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

BETS = np.linspace(0.02, 0.9, 23)
"""The bets that the test of non-inferiority averages over, as shares of the largest one allowed."""
BETS.setflags(write=False)

MOST_LOG = np.log(sys.float_info.max)
"""Where an e-value is too large for a float, the largest float stands for it."""


@dataclass(frozen=True, slots=True)
class EProcess:
    """The e-value after each case, and after the last."""

    e_values: tuple[float, ...]
    final: float


@dataclass(frozen=True, slots=True)
class Betting:
    """What a stake of 1 has grown to after each case."""

    wealth: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Monitored:
    """What the cases so far have decided, and the place (from 0) of the case that did."""

    decided: Literal["regressed", "no_regression_beyond_margin", "open"]
    at: int | None


def eprocess_value(losses: int, gains: int) -> float:
    """Return the e-value against "a discordant pair is a loss at most every second time".

    ``E = 2^(m+1) B(L+1, G+1) P(Beta(L+1, G+1) > 1/2)``: a bet on every loss rate above 1/2 alike. At most the largest
    float. Source: Ramdas et al. 2023.

    Raises:
        ValueError: a count is negative, not whole or NaN.

    """
    check_counts(losses=losses, gains=gains)
    return float(_mixture(np.asarray(losses, dtype=np.float64), np.asarray(gains, dtype=np.float64)))


def eprocess_mixture(outcomes: Numbers) -> EProcess:
    """Return ``eprocess_value`` after each of n cases: -1 is a loss, 1 a gain, 0 no change; shape (n,).

    Raises:
        ValueError: no case, or an outcome other than -1, 0 and 1.

    """
    array = as_whole_numbers("outcomes", outcomes, -1, 1)
    losses, gains = (np.cumsum(changed).astype(np.float64) for changed in (array < 0, array > 0))
    return _process(_mixture(losses, gains))


def betting_noninferiority(outcomes: Numbers, margin: float, bet: float) -> Betting:
    """Return the wealth of one bet that the mean change of n cases lies above ``-margin``, after each of them.

    ``prod(1 + bet (d_i + margin))`` for changes ``d_i`` in [-1, 1], graded or not, shape (n,). Source: Waudby-Smith &
    Ramdas 2024.

    Raises:
        ValueError: no case, a change that is NaN or outside [-1, 1], ``margin`` outside (0, 1), or ``bet`` outside
            [0, 1 / (1 - margin)), where the stake could be lost altogether.

    """
    changes = _changes(outcomes, margin)
    check_within("bet", bet, 0.0, float(np.nextafter(1 / (1 - margin), 0.0)))
    return Betting(tuple(np.exp(_log_wealth(changes, margin, bet)).tolist()))


def noninferiority_mixture(outcomes: Numbers, margin: float) -> EProcess:
    """Return the e-value against "the mean change is ``-margin`` or worse" after each of n cases.

    The average wealth of 23 bets, small ones to large ones, on changes in [-1, 1], graded or not, shape (n,).
    Source: Waudby-Smith & Ramdas 2024.

    Raises:
        ValueError: no case, a change that is NaN or outside [-1, 1], or ``margin`` outside (0, 1).

    """
    changes = _changes(outcomes, margin)
    wealth = np.zeros(len(changes))
    for bet in BETS / (1 - margin):
        wealth += np.exp(_log_wealth(changes, margin, bet)) / len(BETS)
    return _process(wealth)


def first_crossing(e_values: Sequence[float], alpha: float = 0.01) -> int | None:
    """Return the place (from 0) of the first e-value that reaches ``1 / alpha``; None if none does.

    Source: Ville's inequality.

    Raises:
        ValueError: ``alpha`` is outside (0, 0.5).

    """
    check_alpha(alpha)
    return next((place for place, value in enumerate(e_values) if value >= 1 / alpha), None)


def monitored(outcomes: Numbers, margin: float | None = None, alpha: float = 0.01) -> Monitored:
    """Say what n cases, looked at one after the other, have decided, and at which of them: first come, first served.

    -1 is a loss, 1 a gain, 0 no change; shape (n,). Without a ``margin`` only a drop can be decided. Each of the two
    answers is wrong with probability ``alpha`` at most.

    Raises:
        ValueError: no case, an outcome other than -1, 0 and 1, ``margin`` outside (0, 1) or ``alpha`` outside
            (0, 0.5).

    """
    drop = first_crossing(eprocess_mixture(outcomes).e_values, alpha)
    proof = None if margin is None else first_crossing(noninferiority_mixture(outcomes, margin).e_values, alpha)
    if drop is not None and (proof is None or drop <= proof):
        return Monitored("regressed", drop)
    return Monitored("open" if proof is None else "no_regression_beyond_margin", proof)


def _mixture(losses: npt.NDArray[np.float64], gains: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the e-value elementwise.

    The integral over the half with fewer outcomes, ``2F1(1, -fewer; more + 2; -1) / (more + 1)``, is a short sum of
    positive terms, where the tail of the Beta distribution would be 0 in floats; the other half is the rest.
    """
    fewer, more = np.minimum(losses, gains), np.maximum(losses, gains)
    smaller: npt.NDArray[np.float64] = special.hyp2f1(1.0, -fewer.astype(np.float64), more + 2.0, -1.0) / (more + 1.0)
    log_both = (losses + gains + 1) * np.log(2) + special.betaln(losses + 1.0, gains + 1.0)
    both: npt.NDArray[np.float64] = np.exp(np.minimum(log_both, MOST_LOG))
    return np.where(losses <= gains, smaller, both - smaller)


def _changes(outcomes: Numbers, margin: float) -> npt.NDArray[np.float64]:
    check_inside("margin", margin, 0.0, 1.0)
    return as_numbers("outcomes", outcomes, -1.0, 1.0)


def _log_wealth(changes: npt.NDArray[np.float64], margin: float, bet: float) -> npt.NDArray[np.float64]:
    log_wealth: npt.NDArray[np.float64] = np.cumsum(np.log1p(bet * (changes + margin)))
    return np.minimum(log_wealth, MOST_LOG)


def _process(e_values: npt.NDArray[np.float64]) -> EProcess:
    values = tuple(e_values.tolist())
    return EProcess(e_values=values, final=values[-1])

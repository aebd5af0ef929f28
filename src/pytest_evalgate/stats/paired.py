"""Tests for a drop between two runs of the same cases. ``delta = candidate - baseline``."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_counts, check_same_length
from pytest_evalgate.stats.numeric import ROUNDING, at_least

MOST_FLIPS = 16
"""Sign vectors are enumerated up to this many differences (65,536 vectors, 1 ms); the t test is good above."""


def mcnemar_midp(losses: int, gains: int) -> float:
    """Return the one-sided mid-p of a drop from the discordant pairs alone; 1 without any.

    Source: Fagerland, Lydersen & Laake 2013.

    Raises:
        ValueError: a count is negative, not whole or NaN.

    """
    check_counts(losses=losses, gains=gains)
    return float(midp(losses, losses + gains))


def midp(losses: npt.ArrayLike, discordant: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``P(X > losses) + P(X = losses) / 2`` for ``X ~ Binomial(discordant, 1/2)``, elementwise; 1 for none."""
    more, same_or_more = at_least(np.add(losses, 1), discordant, 0.5), at_least(losses, discordant, 0.5)
    return np.where(np.equal(discordant, 0), 1.0, (more + same_or_more) / 2)


def sign_flip_midp(differences: npt.NDArray[np.float64]) -> float:
    """Return the one-sided mid-p of a drop from n differences, or cluster sums, by all sign vectors of those not zero.

    On passes and failures it equals McNemar's test. Shape: (n,). Source: Fisher 1935.

    Raises:
        ValueError: more than 16 differences are not zero.

    """
    moved = differences[np.abs(differences) > ROUNDING]
    if len(moved) == 0:
        return 1.0
    if len(moved) > MOST_FLIPS:
        raise ValueError(f"at most {MOST_FLIPS} differences may be non-zero, got {len(moved)}: use the t test")
    totals = np.zeros(1)
    for difference in moved:
        totals = np.concatenate((totals - difference, totals + difference))
    observed = moved.sum()
    below = float(np.mean(totals < observed - ROUNDING))
    same = float(np.mean(np.abs(totals - observed) <= ROUNDING))
    return below + same / 2


def paired_differences(baseline: Numbers, candidate: Numbers) -> npt.NDArray[np.float64]:
    """Return candidate minus baseline, shape (n,); what is only a rounding error becomes 0.

    Raises:
        ValueError: no pair, unequal lengths, or a mean that is NaN or outside [0, 1].

    """
    check_same_length(baseline=baseline, candidate=candidate)
    differences = as_numbers("candidate", candidate, 0.0, 1.0) - as_numbers("baseline", baseline, 0.0, 1.0)
    differences[np.abs(differences) <= ROUNDING] = 0.0
    return differences


def standard_error(differences: npt.NDArray[np.float64]) -> float:
    """Return the standard error of the mean; 0 where all differences are equal but for rounding."""
    if np.ptp(differences) <= ROUNDING:
        return 0.0
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))

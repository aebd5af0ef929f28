"""Families of tests: Holm's adjustment, the smallest testable slice, and shrinkage of slice rates.

Gates control the family-wise error rate: the share of builds that fail by chance stays at most alpha, however many
tests a build has. A false discovery rate would bound the share of wrongly reported slices, not of wrongly failed
builds.
"""

from __future__ import annotations

import math
import sys

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.numeric import Numbers, as_numbers, check_alpha, check_same_length


def holm_adjusted(p: Numbers) -> tuple[float, ...]:
    """Return Holm's adjusted p of K tests, shape (K,); tests whose adjusted p is at most alpha are rejected.

    Controls the family-wise error rate for any dependence between the tests. Source: Holm 1979.

    Raises:
        ValueError: no p, or one that is NaN or outside [0, 1].
    """
    array = as_numbers("p", p, 0.0, 1.0)
    order = np.argsort(array, kind="stable")
    tests_left = np.arange(len(array), 0, -1)
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(np.maximum.accumulate(tests_left * array[order]), 1.0)
    return tuple(adjusted.tolist())


def fewest_losses(alpha: float = 0.05) -> int:
    """Return the fewest losses, with no gain, that the mid-p McNemar test rejects at ``alpha``: 4 at 0.05, 6 at 0.01.

    A slice with fewer discordant pairs than this, at its own level, is too small to gate.
    Source: the smallest mid-p of m discordant pairs is ``2^-(m+1)``.

    Raises:
        ValueError: ``alpha`` is outside (0, 0.5).
    """
    check_alpha(alpha)
    return math.ceil(-math.log2(alpha)) - 1


@dataclass(frozen=True, slots=True)
class SliceShrinkage:
    """The common rate ``mu``, the intraclass correlation within slices ``rho`` and the shrunken rates, shape (K,)."""

    mu: float
    rho: float
    shrunk: tuple[float, ...]


def slice_shrinkage(passes: Numbers, n: Numbers) -> SliceShrinkage:
    """Estimate the pass rates of K slices, shrunk towards the common rate; small slices are shrunk more.

    For ranking and display, never for gating: 0 of 3 in a small slice is weak evidence that the slice is worse.
    Beta-binomial model, fitted by moments. At ``rho`` 0 (the slices differ no more than by chance) all rates become
    ``mu``, at ``rho`` 1 they stay as observed. Shapes: (K,), (K,). Source: Kleinman 1973.

    Raises:
        ValueError: no slice, unequal lengths, a slice without a case or with passes outside 0 to its cases, or NaN.
    """
    check_same_length(passes=passes, n=n)
    sizes = as_numbers("n", n, 1, sys.float_info.max)
    passed = as_numbers("passes", passes, 0, sizes)
    mu = float(passed.sum() / sizes.sum())
    slices, total, chance = len(sizes), float(sizes.sum()), mu * (1 - mu)
    room = chance * (total - float(np.sum(sizes**2)) / total - (slices - 1))
    rho = 0.0  # with one slice, slices of one case, or equal cases: no difference can be estimated
    if room > 0:
        spread = float(np.sum(sizes * (passed / sizes - mu) ** 2))
        rho = float(np.clip((spread - chance * (slices - 1)) / room, 0.0, 1.0))
    if rho == 0:
        return SliceShrinkage(mu, rho, (mu,) * len(sizes))
    prior = (1 - rho) / rho  # the number of cases that the common rate counts for
    return SliceShrinkage(mu, rho, tuple(((passed + mu * prior) / (sizes + prior)).tolist()))

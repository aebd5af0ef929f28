"""Several tests, one verdict: however many gates there are, the share of builds that fail by luck stays at alpha.

A family-wise alpha is what a build needs: a false discovery rate controls the share of wrongly named slices among the
named ones, not the share of builds that fail wrongly.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.numeric import Numbers, as_numbers, check_alpha, check_same_length


def holm_adjusted(p: Numbers) -> tuple[float, ...]:
    """Return Holm's adjusted p of K tests, shape (K,): those at or below alpha are rejected, family-wise.

    The tests may depend on one another in any way. Source: Holm 1979.

    Raises:
        ValueError: no p, or one that is NaN or outside [0, 1].

    """
    array = _p_values(p)
    order = np.argsort(array, kind="stable")
    tests_left = np.arange(len(array), 0, -1)
    return _in_input_order(np.maximum.accumulate(tests_left * array[order]), order)


def fewest_losses(alpha: float = 0.05) -> int:
    """Return the fewest losses, without a gain, that the mid-p test rejects at ``alpha``: 4 at 0.05, 6 at 0.01.

    A slice with fewer discordant pairs than this, at the level it has, is too small to gate.
    Source: the smallest mid-p of m discordant pairs is ``2^-(m+1)``.

    Raises:
        ValueError: ``alpha`` is outside (0, 0.5).

    """
    check_alpha(alpha)
    return math.ceil(-math.log2(alpha)) - 1


def _p_values(p: Numbers) -> npt.NDArray[np.float64]:
    return as_numbers("p", p, 0.0, 1.0)


def _in_input_order(adjusted: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> tuple[float, ...]:
    back = np.empty_like(adjusted)
    back[order] = np.minimum(adjusted, 1.0)
    return tuple(back.tolist())


@dataclass(frozen=True, slots=True)
class SliceShrinkage:
    """The common rate ``mu``, the share ``rho`` of real difference between slices, and the shrunken rates."""

    mu: float
    rho: float
    shrunk: tuple[float, ...]


def slice_shrinkage(passes: Numbers, n: Numbers) -> SliceShrinkage:
    """Estimate the pass rates of K slices, each the nearer to the common rate the fewer cases it has.

    For ranking and display, never for gating: a small slice at 0 of 3 is no worse than others until it is shown.
    Beta-binomial by moments; ``rho`` 0 (no difference beyond chance, or none that these sizes could show) makes all
    rates ``mu``, ``rho`` 1 leaves them as they are. Shapes: (K,), (K,). Source: Kleinman 1973.

    Raises:
        ValueError: no slice, unequal lengths, a slice without a case or with passes outside 0 to its cases, or NaN.

    """
    check_same_length(passes=passes, n=n)
    sizes = as_numbers("n", n, 1, sys.float_info.max)
    passed = as_numbers("passes", passes, 0, sizes)
    mu = float(passed.sum() / sizes.sum())
    rho = _rho(passed / sizes, sizes, mu)
    return SliceShrinkage(mu=mu, rho=rho, shrunk=tuple(_shrunk(passed, sizes, mu, rho).tolist()))


def _rho(rates: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], mu: float) -> float:
    slices, total = len(sizes), float(sizes.sum())
    chance = mu * (1 - mu)
    room = chance * (total - float(np.sum(sizes**2)) / total - (slices - 1))
    if room <= 0:  # one slice, slices of one case, or all cases alike
        return 0.0
    spread = float(np.sum(sizes * (rates - mu) ** 2))
    return float(np.clip((spread - chance * (slices - 1)) / room, 0.0, 1.0))


def _shrunk(
    passed: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], mu: float, rho: float
) -> npt.NDArray[np.float64]:
    if rho == 0:
        return np.full(len(sizes), mu)
    prior = (1 - rho) / rho  # the cases that the common rate counts for
    return (passed + mu * prior) / (sizes + prior)

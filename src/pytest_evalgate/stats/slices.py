"""Pass rates of slices, pulled towards the common rate: what to rank slices by."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_same_length


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

"""A few planned looks at a run: how much stricter each must be than a single test at the end."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import check_alpha, check_counts
from pytest_evalgate.stats.numeric import bisect, upper_z

NODES_PER_UNIT = 3
"""Nodes of the quadrature per standard deviation of one step; 2 already give nine decimals."""


def obrien_fleming_constant(looks: int, alpha_one_sided: float = 0.05) -> float:
    """Return the C of O'Brien & Fleming's limits for ``looks`` equally spaced looks.

    Look j of J stops if ``z_j >= C / sqrt(j / J)``; without a difference this happens at any look with probability
    ``alpha_one_sided``. Source: Jennison & Turnbull 2000; recursive integration of Armitage, McPherson & Rowe 1969.

    Raises:
        ValueError: ``looks`` is not a whole number above 0, or ``alpha_one_sided`` is outside (0, 0.5).

    """
    check_counts(1, looks=looks)
    check_alpha(alpha_one_sided, "alpha_one_sided")
    # several looks exceed the limit of one too often; by reflection, that of alpha / 2 suffices for any number of them
    single, endless = upper_z(alpha_one_sided), upper_z(alpha_one_sided / 2)
    nodes, weights = np.polynomial.legendre.leggauss(40 + NODES_PER_UNIT * math.ceil(14 * math.sqrt(looks)))

    def too_low(constant: float) -> bool:
        return 1 - _stays_below(constant * math.sqrt(looks), looks, nodes, weights) > alpha_one_sided

    return bisect(too_low, inside=single, outside=endless) if looks > 1 else single


def _stays_below(limit: float, looks: int, nodes: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Return the chance that a sum of standard normal steps stays below ``limit`` at every look."""
    lowest = -9 * math.sqrt(looks)  # nine standard deviations of the last sum
    half = (limit - lowest) / 2
    at = lowest + half * (nodes + 1)
    step = _density(at[:, None] - at[None, :]) * (weights * half)
    density = _density(at)
    for _ in range(looks - 1):
        density = step @ density
    return float(density @ (weights * half))


def _density(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    density: npt.NDArray[np.float64] = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return density

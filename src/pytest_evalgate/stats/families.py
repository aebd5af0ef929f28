"""Several tests, one verdict: however many gates there are, the share of builds that fail by luck stays at alpha.

A family-wise alpha is what a build needs: a false discovery rate controls the share of wrongly named slices among the
named ones, not the share of builds that fail wrongly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_alpha

if TYPE_CHECKING:
    import numpy.typing as npt


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

"""The few numerical pieces that the estimators share.

``scipy.stats`` and ``scipy.optimize`` would answer these too, but cost 0.75 s of start-up; ``scipy.special`` holds the
same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

BISECTION_STEPS = 60
"""Halvings of an interval of width 2 until it is below 2e-18, finer than any float near 1."""

ROUNDING = 1e-9
"""Below this, differences of scores are rounding errors of their means, not differences."""


def upper_z(alpha: float) -> float:
    """Return the z that a standard normal exceeds with probability ``alpha``."""
    # through the lower tail: 1 - alpha would lose digits for a small alpha
    return float(-special.ndtri(alpha))


def upper_t(alpha: float, df: float) -> float:
    """Return the t that Student's distribution with ``df`` degrees of freedom exceeds with probability ``alpha``."""
    return float(-special.stdtrit(df, alpha))


def at_least(
    successes: npt.ArrayLike, trials: npt.ArrayLike, rate: float | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``P(X >= successes)`` for ``X ~ Binomial(trials, rate)``, elementwise, accurate far into the tail."""
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = special.betainc(np.maximum(x, 1), np.maximum(n - x + 1, 1), rate)
    certain_or_impossible = np.where(x <= 0, 1.0, 0.0)
    return np.where((x <= 0) | (x > n), certain_or_impossible, tail)


def bisect(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the point furthest from ``inside`` at which ``holds`` is still seen to be true.

    ``holds`` is true at ``inside``, false at ``outside``, and changes once between them.
    """
    for _ in range(BISECTION_STEPS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside

"""Differences of rates on different cases, such as those of two groups, by Newcombe's square-and-add intervals.

A gap is a rate of one group minus that of another. All functions are vectorised over K gaps: 190 pairs of 20 groups
take about 5 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.numeric import as_numbers, check_alpha, check_inside, check_same_length

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_evalgate.stats.numeric import Numbers

    Array = npt.NDArray[np.float64]

_FAR = 40.0  # in standard errors: the normal tail beyond it is 0 in floating point
_MOST = 1e15  # cases

_STEPS = 45  # of the bisection over z: to 1e-12


@dataclass(frozen=True, slots=True)
class RateColumn:
    """K rates, shape (K,), each with its effective number of independent cases, which may be fractional."""

    value: Array
    n: Array

    @classmethod
    def of(cls, value: Numbers, n: Numbers) -> RateColumn:
        """Check the numbers.

        Raises:
            ValueError: Unequal lengths, no rate, a rate outside [0, 1], or no case.
        """
        check_same_length(value=value, n=n)
        sizes = as_numbers("n", n, 0.0, _MOST)
        if not (sizes > 0).all():
            raise ValueError("n must be positive: an interval needs at least one case")
        return cls(as_numbers("value", value, 0.0, 1.0), sizes)

    def reach(self, z: Array, sign: Array | float) -> Array:
        """Return the distance from each rate to Wilson's lower (``sign`` -1) or upper (1) limit at ``z``."""
        rate, n = self.value, self.n
        shrink = 1 + z * z / n
        centre = (rate + z * z / (2 * n)) / shrink
        half = z * np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / shrink
        limit = centre + sign * half
        exact = np.where(rate == (1 + sign) / 2, rate, limit)  # at 0 and 1 the limit has rounding errors
        return np.abs(np.clip(exact, 0.0, 1.0) - rate)


def newcombe_limits(high: RateColumn, low: RateColumn, alpha: float) -> tuple[Array, Array]:
    """Return the lower and upper limits of ``high - low``, each one-sided at ``alpha``; shape (K,).

    Both at 0.025 are Newcombe's two-sided 95 % interval, without continuity correction. Source: Newcombe 1998,
    method 10.

    Raises:
        ValueError: ``alpha`` is outside (0, 0.5).
    """
    check_alpha(alpha)
    z = np.full(len(high.value), -special.ndtri(alpha))
    gap = high.value - low.value
    return gap - _distance(high, low, z, -1.0), gap + _distance(high, low, z, 1.0)


def _distance(high: RateColumn, low: RateColumn, z: Array, sign: Array | float) -> Array:
    """Return the distance from each gap to its lower (``sign`` -1) or upper (1) limit at ``z``."""
    return np.hypot(high.reach(z, sign), low.reach(z, -sign))


def gap_p(high: RateColumn, low: RateColumn, allowed: float) -> Array:
    """Return the one-sided p of the hypothesis that ``high - low`` is at most ``allowed``; shape (K,).

    The smallest alpha at which Newcombe's lower limit exceeds ``allowed``, by bisection over z.

    Raises:
        ValueError: ``allowed`` is outside (-1, 1).
    """
    check_inside("allowed", allowed, -1.0, 1.0)
    gap = high.value - low.value
    beyond = gap > allowed
    sign = np.where(beyond, -1.0, 1.0)
    near, far = np.zeros_like(gap), np.full_like(gap, _FAR)
    for _ in range(_STEPS):
        middle = (near + far) / 2
        inside = _distance(high, low, middle, sign) >= np.abs(gap - allowed)
        near, far = np.where(inside, near, middle), np.where(inside, middle, far)
    tail: Array = special.ndtr(-far)
    return np.where(beyond, tail, 1 - tail)


def absolute_gap_p(high: RateColumn, low: RateColumn, allowed: float) -> Array:
    """Return the two-sided p of the hypothesis that two rates differ by at most ``allowed``; shape (K,).

    The sum of both tails at the nearest true difference: twice the one-sided p for ``allowed`` = 0, and nearly the
    one-sided p if ``allowed`` is some standard errors. A gap in the other direction has a p of 1.

    Raises:
        ValueError: ``allowed`` is outside [0, 1).
    """
    if not 0 <= allowed < 1:
        raise ValueError(f"allowed must be from 0 to below 1, got {allowed}")
    p = gap_p(high, low, allowed) + gap_p(high, low, -allowed)
    return np.where(high.value > low.value, np.minimum(p, 1.0), 1.0)

"""Confidence intervals of one pass rate: x passes of n cases."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from pytest_evalgate.stats.checks import check_inside, check_rate
from pytest_evalgate.stats.numeric import upper_z


@dataclass(frozen=True, slots=True)
class Interval:
    """Two confidence limits, as shares (0.05 is five points)."""

    lower: float
    upper: float


def wilson_interval(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the two-sided score interval of the rate ``passes / n``: the one to show.

    Both may be fractional, as with an effective n. Source: Wilson 1927; Brown, Cai & DasGupta 2001.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0, 1).

    """
    tail = _two_sided_tail(passes, n, confidence)
    z, rate = upper_z(tail), passes / n
    shrink = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z * math.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / shrink
    return _closed_at_the_ends(passes, n, centre - half, centre + half)


def clopper_pearson_interval(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the exact two-sided interval of the rate ``passes / n``: it never covers less than ``confidence``.

    Both may be fractional, as with an effective n. Source: Clopper & Pearson 1934.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0, 1).

    """
    tail = _two_sided_tail(passes, n, confidence)
    return Interval(
        lower=float(special.betaincinv(passes, n - passes + 1, tail)) if passes > 0 else 0.0,
        upper=float(special.betainccinv(passes + 1, n - passes, tail)) if passes < n else 1.0,
    )


def clopper_pearson_lower_one_sided(passes: float, n: float, confidence: float = 0.95) -> float:
    """Return the exact one-sided lower bound of the rate ``passes / n``: the one to gate on.

    Both may be fractional, as with an effective n. Source: Clopper & Pearson 1934; Cai 2005.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0.5, 1).

    """
    check_rate(passes, n)
    check_inside("confidence", confidence, 0.5, 1.0)
    return float(special.betaincinv(passes, n - passes + 1, 1 - confidence)) if passes > 0 else 0.0


def _two_sided_tail(passes: float, n: float, confidence: float) -> float:
    check_rate(passes, n)
    check_inside("confidence", confidence, 0.0, 1.0)
    return (1 - confidence) / 2


def _closed_at_the_ends(passes: float, n: float, lower: float, upper: float) -> Interval:
    return Interval(lower=0.0 if passes == 0 else lower, upper=1.0 if passes == n else upper)

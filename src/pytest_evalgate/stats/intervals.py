"""Confidence intervals of one pass rate: x passes of n cases."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from scipy import special

from pytest_evalgate.stats.numeric import check_counts, check_inside, check_rate, check_within, upper_z


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


MAX_CASES = 10_000_000
"""The search for a number of cases ends here: nobody writes a larger golden set."""


def passes_needed(n: int, threshold: float, confidence: float = 0.95) -> int | None:
    """Return the fewest passes of ``n`` whose exact one-sided lower bound reaches ``threshold``.

    None where even ``n`` of ``n`` do not. Example: 45 of 50 for a threshold of 0.80.
    Source: Clopper & Pearson 1934.

    Raises:
        ValueError: ``n`` is not a whole number above 0, ``threshold`` is outside [0, 1], ``confidence`` outside
            (0.5, 1).

    """
    check_counts(1, n=n)
    check_within("threshold", threshold, 0.0, 1.0)
    if not _clears(n, n, threshold, confidence):
        return None
    return bisect_left(range(n), x=True, key=lambda passes: _clears(passes, n, threshold, confidence))


def cases_needed(rate: float, threshold: float, confidence: float = 0.95) -> int | None:
    """Return the fewest cases from which on ``round(rate * n)`` passes of ``n`` always clear ``threshold``.

    "Always" means for this n and every larger one: rounding lets some smaller n clear it too, by luck. None where
    ``rate <= threshold`` (no number of cases will do) or where more than ten million would be needed.
    Source: the exact one-sided lower bound, Clopper & Pearson 1934.

    Raises:
        ValueError: ``rate`` or ``threshold`` is outside [0, 1], ``confidence`` outside (0.5, 1).

    """
    check_within("rate", rate, 0.0, 1.0)
    check_within("threshold", threshold, 0.0, 1.0)
    check_inside("confidence", confidence, 0.5, 1.0)

    def clears_however_rounded(n: int) -> bool:
        return _clears(max(rate * n - 0.5, 0.0), n, threshold, confidence)

    if rate <= threshold or not clears_however_rounded(MAX_CASES):
        return None
    # rounding costs at most half a pass, so the answer is at most this n and lies a few steps below it
    n = 1 + bisect_left(range(1, MAX_CASES), x=True, key=clears_however_rounded)
    while n > 1 and _clears(round(rate * (n - 1)), n - 1, threshold, confidence):
        n -= 1
    return n


def _clears(passes: float, n: int, threshold: float, confidence: float) -> bool:
    return clopper_pearson_lower_one_sided(passes, n, confidence) >= threshold

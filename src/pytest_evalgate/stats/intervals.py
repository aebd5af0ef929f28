"""Confidence intervals of a binomial pass rate, and the numbers of passes and cases that reach a threshold.

Wilson's interval is for display (best average coverage), the one-sided Clopper-Pearson bound for gates: the worst
coverage of the one-sided 95 % bound at n = 50 is 0.951 for Clopper-Pearson, 0.934 for Wilson and 0.222 for Wald.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import special
from pytest_evalgate.stats.numeric import check_counts, check_inside, check_rate, check_within, upper_z


@dataclass(frozen=True, slots=True)
class Interval:
    """Two confidence limits, as shares (0.05 is five percentage points)."""

    lower: float
    upper: float


def wilson_interval(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Return Wilson's two-sided score interval of the rate ``passes / n``, for display.

    Both may be fractional, as with an effective n. Source: Wilson 1927; Brown, Cai & DasGupta 2001.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0, 1).
    """
    tail = _two_sided_tail(passes, n, confidence)
    z, rate = upper_z(tail), passes / n
    shrink = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z * math.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / shrink
    # at 0 and n passes the limits are exact in theory, but not in floating point
    return Interval(lower=centre - half if passes > 0 else 0.0, upper=centre + half if passes < n else 1.0)


def clopper_pearson_interval(passes: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the exact (Clopper-Pearson) two-sided interval of the rate ``passes / n``.

    Its coverage is never below ``confidence``. Both may be fractional, as with an effective n.
    Source: Clopper & Pearson 1934.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0, 1).
    """
    tail = _two_sided_tail(passes, n, confidence)
    return Interval(
        lower=float(special.betaincinv(passes, n - passes + 1, tail)) if passes > 0 else 0.0,
        upper=float(special.betainccinv(passes + 1, n - passes, tail)) if passes < n else 1.0,
    )


def clopper_pearson_lower_one_sided(passes: float, n: float, confidence: float = 0.95) -> float:
    """Return the exact (Clopper-Pearson) one-sided lower bound of the rate ``passes / n``, for gates.

    Both may be fractional, as with an effective n. Source: Clopper & Pearson 1934; Cai 2005.

    Raises:
        ValueError: ``n`` is not positive, ``passes`` is not from 0 to ``n``, ``confidence`` is outside (0.5, 1).
    """
    check_rate(passes, n)
    check_inside("confidence", confidence, 0.5, 1.0)
    if passes == n >= 1:  # the same in closed form, equal in every bit, and without scipy
        return float((1 - confidence) ** (1 / n))
    return float(special.betaincinv(passes, n - passes + 1, 1 - confidence)) if passes > 0 else 0.0


def _two_sided_tail(passes: float, n: float, confidence: float) -> float:
    check_rate(passes, n)
    check_inside("confidence", confidence, 0.0, 1.0)
    return (1 - confidence) / 2


MAX_CASES = 10_000_000
"""Upper limit of the search for a number of cases, far above the size of any golden set."""


def passes_needed(n: int, threshold: float, confidence: float = 0.95) -> int | None:
    """Return the fewest passes of ``n`` whose exact one-sided lower bound reaches ``threshold``.

    None if not even ``n`` of ``n`` do. Example: 45 of 50 for a threshold of 0.80.
    Source: Clopper & Pearson 1934.

    Raises:
        ValueError: ``n`` is not a whole number above 0, ``threshold`` is outside [0, 1], ``confidence`` outside
            (0.5, 1).
    """
    check_counts(1, n=n)
    check_within("threshold", threshold, 0.0, 1.0)
    if not _reaches(n, n, threshold, confidence):
        return None
    return bisect_left(range(n), x=True, key=lambda passes: _reaches(passes, n, threshold, confidence))


def cases_needed(rate: float, threshold: float, confidence: float = 0.95) -> int | None:
    """Return the smallest n at which, and above which, ``round(rate * n)`` passes of ``n`` reach ``threshold``.

    They reach it when their exact one-sided lower bound does. Because of rounding, some smaller n may reach it as
    well. None if ``rate <= threshold`` (no number of cases is enough) or if more than ten million are needed.
    Source: Clopper & Pearson 1934.

    Raises:
        ValueError: ``rate`` or ``threshold`` is outside [0, 1], ``confidence`` outside (0.5, 1).
    """
    check_within("rate", rate, 0.0, 1.0)
    check_within("threshold", threshold, 0.0, 1.0)
    check_inside("confidence", confidence, 0.5, 1.0)

    def reaches_however_rounded(n: int) -> bool:
        return _reaches(max(rate * n - 0.5, 0.0), n, threshold, confidence)

    if rate <= threshold or not reaches_however_rounded(MAX_CASES):
        return None
    # rounding costs at most half a pass, so the smallest n is this one or a few steps below it
    n = 1 + bisect_left(range(1, MAX_CASES), x=True, key=reaches_however_rounded)
    while n > 1 and _reaches(round(rate * (n - 1)), n - 1, threshold, confidence):
        n -= 1
    return n


def _reaches(passes: float, n: int, threshold: float, confidence: float) -> bool:
    return clopper_pearson_lower_one_sided(passes, n, confidence) >= threshold

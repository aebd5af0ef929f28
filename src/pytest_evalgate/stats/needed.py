"""What a pass-rate gate asks for: how many passes, how many cases."""

from __future__ import annotations

from bisect import bisect_left

from pytest_evalgate.stats.checks import check_counts, check_inside, check_within
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

MOST_CASES = 10_000_000
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

    if rate <= threshold or not clears_however_rounded(MOST_CASES):
        return None
    # rounding costs at most half a pass, so the answer is at most this n and lies a few steps below it
    n = 1 + bisect_left(range(1, MOST_CASES), x=True, key=clears_however_rounded)
    while n > 1 and _clears(round(rate * (n - 1)), n - 1, threshold, confidence):
        n -= 1
    return n


def _clears(passes: float, n: int, threshold: float, confidence: float) -> bool:
    return clopper_pearson_lower_one_sided(passes, n, confidence) >= threshold

"""Fisher's exact test of two shares, in one stratum or in several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.numeric import check_counts, check_within

if TYPE_CHECKING:
    from collections.abc import Sequence

_EQUAL = 1e-7  # relative: tables that are exactly as probable differ by rounding


def fisher_exact(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Return the two-sided p that ``hits`` of ``n`` and ``other_hits`` of ``other_n`` have one underlying share.

    The sum of the hypergeometric probabilities of all tables with the same margins that are at most as probable as
    the observed one. Source: Fisher 1922; scipy and R use the same definition.

    Raises:
        ValueError: a count is negative, not whole or larger than its total.
    """
    check_counts(hits=hits, n=n, other_hits=other_hits, other_n=other_n)
    check_within("hits", hits, 0, n)
    check_within("other_hits", other_hits, 0, other_n)
    total = hits + other_hits

    def ways(first: int) -> int:
        return math.comb(n, first) * math.comb(other_n, total - first)

    # whole numbers, and no product with a float: that overflows from 1,040 rows
    limit = ways(hits)
    tables = range(max(0, total - other_n), min(n, total) + 1)
    as_rare = sum(found for first in tables if (found := ways(first)) <= limit)
    return min(1.0, as_rare / math.comb(n + other_n, total))


def stratified_exact(tables: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the two-sided p that each stratum has one share in both of its groups.

    Each table holds ``hits``, ``n``, ``other_hits`` and ``other_n`` of one stratum. The test conditions on the margins
    of every table; its statistic is the sum of the ``hits``. The p is the sum of the probabilities of all sums that
    are at most as probable as the observed one. With one table this is `fisher_exact`. Source: Gart 1970; Mehta,
    Patel & Gray 1985.

    Raises:
        ValueError: a count is negative, not whole or larger than its total.
    """
    chances, lowest, observed = np.ones(1), 0, 0
    for hits, n, other_hits, other_n in tables:
        check_counts(hits=hits, n=n, other_hits=other_hits, other_n=other_n)
        check_within("hits", hits, 0, n)
        check_within("other_hits", other_hits, 0, other_n)
        total = hits + other_hits
        first = max(0, total - other_n)
        logs = [_log_ways(n, at) + _log_ways(other_n, total - at) for at in range(first, min(n, total) + 1)]
        one = np.exp(np.array(logs) - _log_ways(n + other_n, total))
        chances = np.convolve(chances, one)
        lowest, observed = lowest + first, observed + hits
    as_rare = chances <= chances[observed - lowest] * (1 + _EQUAL)
    return min(1.0, float(chances[as_rare].sum()))


def _log_ways(n: int, chosen: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(chosen + 1) - math.lgamma(n - chosen + 1)

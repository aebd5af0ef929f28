"""Fisher's exact test of two shares."""

from __future__ import annotations

import math

from pytest_evalgate.stats.numeric import check_counts, check_within

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

    limit = ways(hits) * (1 + _EQUAL)
    tables = range(max(0, total - other_n), min(n, total) + 1)
    as_rare = sum(found for first in tables if (found := ways(first)) <= limit)
    return min(1.0, as_rare / math.comb(n + other_n, total))

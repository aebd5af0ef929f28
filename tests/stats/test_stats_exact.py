"""Fisher's exact test against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_evalgate.stats.exact import fisher_exact

_count = st.integers(0, 25)


@given(_count, _count, _count, _count)
def test_the_p_is_scipys(hits: int, misses: int, other_hits: int, other_misses: int) -> None:
    wanted = stats.fisher_exact([[hits, misses], [other_hits, other_misses]]).pvalue
    assert fisher_exact(hits, hits + misses, other_hits, other_hits + other_misses) == pytest.approx(wanted)


@pytest.mark.parametrize(("counts", "message"), [((3, 2, 0, 1), "hits"), ((1, 2, -1, 1), "other_hits")])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fisher_exact(*counts)

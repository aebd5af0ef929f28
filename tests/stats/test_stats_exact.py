"""Fisher's exact test and its form for strata, against scipy."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_evalgate.stats.exact import fisher_exact, stratified_exact

_count = st.integers(0, 25)


@given(_count, _count, _count, _count)
def test_the_p_is_scipys(hits: int, misses: int, other_hits: int, other_misses: int) -> None:
    wanted = stats.fisher_exact([[hits, misses], [other_hits, other_misses]]).pvalue
    assert fisher_exact(hits, hits + misses, other_hits, other_hits + other_misses) == pytest.approx(wanted)


@pytest.mark.parametrize(("counts", "message"), [((3, 2, 0, 1), "hits"), ((1, 2, -1, 1), "other_hits")])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fisher_exact(*counts)


@given(_count, _count, _count, _count)
def test_one_stratum_is_fishers_test(hits: int, misses: int, other_hits: int, other_misses: int) -> None:
    table = (hits, hits + misses, other_hits, other_hits + other_misses)
    assert stratified_exact([table]) == pytest.approx(fisher_exact(*table))
    assert stratified_exact([table, (0, 0, 0, 0), (3, 3, 0, 0)]) == pytest.approx(fisher_exact(*table))


def test_the_p_of_strata_is_that_of_all_tables_with_their_margins() -> None:
    tables = [(7, 8, 2, 6), (5, 9, 3, 9), (2, 3, 1, 4)]
    chances: dict[int, float] = {}
    supports = [[(at, stats.hypergeom(n + m, a + b, n).pmf(at)) for at in range(n + 1)] for a, n, b, m in tables]
    for combination in itertools.product(*supports):
        hits = sum(at for at, _ in combination)
        chances[hits] = chances.get(hits, 0) + math.prod(chance for _, chance in combination)
    limit = chances[14] * (1 + 1e-9)
    assert stratified_exact(tables) == pytest.approx(sum(one for one in chances.values() if one <= limit))


def test_large_tables_have_a_p() -> None:
    wanted = stats.fisher_exact([[900, 1100], [1000, 1000]]).pvalue
    assert fisher_exact(900, 2000, 1000, 2000) == pytest.approx(wanted)
    assert stratified_exact([(900, 2000, 1000, 2000)]) == pytest.approx(wanted)


def test_impossible_counts_of_a_stratum_are_refused() -> None:
    with pytest.raises(ValueError, match="other_hits"):
        stratified_exact([(1, 2, 3, 2)])

"""The mean of graded scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.clusters import cluster_mean_ci, mean_score_ci
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

holds = settings(deadline=None, database=None)
score_lists = st.lists(st.floats(0, 1), min_size=2, max_size=40)


@holds
@given(scores=score_lists, random=st.randoms(use_true_random=False))
def test_the_bounds_contain_the_mean_in_any_order(scores: list[float], random: object) -> None:
    found = mean_score_ci(scores)
    assert found.ci.lower <= found.mean <= found.ci.upper
    assert 0 <= found.lower_one_sided_exact <= found.mean + 1e-9
    shuffled = mean_score_ci(sorted(scores, key=lambda _: random.random()))  # type: ignore[attr-defined]
    assert (found.mean, found.se, found.lower_one_sided_exact) == pytest.approx(
        (shuffled.mean, shuffled.se, shuffled.lower_one_sided_exact), abs=1e-9
    )


@holds
@given(passes=st.lists(st.booleans(), min_size=2, max_size=40))
def test_passes_and_failures_get_the_bound_of_a_pass_rate(passes: list[bool]) -> None:
    found = mean_score_ci([float(passed) for passed in passes])
    assert found.lower_one_sided_exact == pytest.approx(
        clopper_pearson_lower_one_sided(sum(passes), len(passes)), abs=1e-12
    )


def test_standard_error_is_that_of_a_mean() -> None:
    found = mean_score_ci([0.2, 0.4, 0.9, 0.5])
    assert (found.mean, found.df) == (0.5, 3)
    assert found.se == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 3 / 4))
    assert found.ci.upper - found.mean == pytest.approx(3.182446305 * found.se)


def test_scores_of_one_document_count_together() -> None:
    scores, documents = [0.9, 0.9, 0.9, 0.2, 0.2, 0.2, 0.7, 0.7, 0.7], [0, 0, 0, 1, 1, 1, 2, 2, 2]
    found = mean_score_ci(scores, documents)
    assert found == cluster_mean_ci(scores, documents)
    assert found.df == 2
    assert 3 <= found.n_eff < 9
    assert found.lower_one_sided_exact < mean_score_ci(scores).lower_one_sided_exact


def test_unusable_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 cases are needed for a standard error, got 1"):
        mean_score_ci([0.5])
    with pytest.raises(ValueError, match="scores must be a list of one or more numbers"):
        mean_score_ci([])
    with pytest.raises(ValueError, match=r"scores\[1\] must be a number from 0 to 1, got nan"):
        mean_score_ci([0.5, math.nan])
    with pytest.raises(ValueError, match="one entry per case is needed"):
        mean_score_ci([0.5, 0.6], ["a"])

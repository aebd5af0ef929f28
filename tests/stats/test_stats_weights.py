from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.stats.clusters import mean_se_df
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.paired import finding_of_means
from pytest_evalgate.stats.weights import kish_n, relative_weights, weighted_mean, weighted_n

_ROWS = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=3, max_size=30)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1, 1, 1, 1], 4.0),
        ([7, 7, 7], 3.0),
        ([1, 1, 2], 16 / 6),
        ([1, 3], 1.6),
        ([1e300, 1e300], 2.0),
        ([1e-9, 1.0], pytest.approx(1.0)),
    ],
)
def test_kish_counts_the_cases_of_equal_weight_with_the_same_variance(weights: list[float], expected: float) -> None:
    assert kish_n(weights) == expected


@pytest.mark.parametrize("weights", [[], [0.0, 1.0], [-1.0], [float("nan")], [float("inf"), 1.0]])
def test_a_weight_that_is_not_positive_and_finite_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        relative_weights(weights)


@given(_ROWS)
def test_the_mean_is_that_of_numpy_and_only_ratios_of_weights_matter(rows: list[tuple[float, float]]) -> None:
    values, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = weighted_mean(values, weights)
    assert found.mean == pytest.approx(np.average(values, weights=weights))
    scaled = weighted_mean(values, 17.5 * weights)
    assert (scaled.mean, scaled.se, scaled.n_eff) == pytest.approx((found.mean, found.se, found.n_eff))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=5, max_size=30))
def test_equal_weights_give_the_estimate_without_weights(rows: list[tuple[float, int]]) -> None:
    values, clusters = np.array([value for value, _ in rows]), [cluster for _, cluster in rows]
    if len(set(clusters)) == 1:
        return
    for own in (None, clusters):
        found = weighted_mean(values, np.full(len(values), 3.0), own)
        mean, se, df = mean_se_df(values, range(len(values)) if own is None else own)
        assert (found.mean, found.se) == pytest.approx((mean, se))
        if own is None:
            assert found.df == pytest.approx(df)


def test_the_standard_error_is_the_linearised_one_of_the_ratio_mean() -> None:
    # by hand: sum w = 5, mean = 3/5; w (y - mean) = .4, .8, -1.2; se² = 3/2 * 2.24 / 25
    found = weighted_mean(np.array([1.0, 1.0, 0.0]), [1.0, 2.0, 2.0])
    assert (found.mean, found.se) == pytest.approx((0.6, (1.5 * 2.24 / 25) ** 0.5))


def test_clusters_are_the_units_of_the_effective_number() -> None:
    values, weights = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0]), [1.0, 2.0, 1.0, 3.0, 1.0, 1.0]
    found = weighted_mean(values, weights, ["a", "a", "b", "b", "c", "c"])
    assert found.units == 3
    assert found.n_eff == pytest.approx(kish_n([3.0, 4.0, 2.0]))


def test_the_effective_number_is_kishs_if_all_cases_pass_and_at_most_that_of_the_cases() -> None:
    weights = [1.0, 2.0, 5.0, 1.0]
    assert weighted_n(weighted_mean(np.ones(4), weights), 4.0) == kish_n(weights)
    assert weighted_n(weighted_mean(np.array([1.0, 1.0, 1.0, 0.0]), [9.0, 9.0, 9.0, 0.5]), 4.0) == 4.0


def test_the_effective_number_of_unrelated_weights_is_about_kishs() -> None:
    rng = np.random.default_rng(8)
    weights = rng.lognormal(0.0, 0.5, 20_000)
    found = weighted_mean((rng.random(20_000) < 0.7).astype(float), weights)
    assert weighted_n(found, 20_000) == pytest.approx(kish_n(weights), rel=0.03)


def test_one_case_has_no_standard_error() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        weighted_mean(np.array([1.0]), [2.0])


@pytest.mark.parametrize("changed", [3, 40])
def test_a_change_with_equal_weights_is_the_change_without(changed: int) -> None:
    rng = np.random.default_rng(5)
    before = rng.integers(0, 2, 60).astype(float)
    after = before.copy()
    after[:changed] = rng.random(changed)
    plain = finding_of_means(baseline=before, candidate=after, margin=0.05)
    weighted = finding_of_means(baseline=before, candidate=after, weights=np.full(60, 0.5), margin=0.05)
    assert weighted.test == plain.test
    assert (weighted.p, weighted.delta, weighted.lower, weighted.upper) == pytest.approx(
        (plain.p, plain.delta, plain.lower, plain.upper)
    )


def test_a_heavy_case_decides_the_direction_of_a_change() -> None:
    before, after = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0])
    assert finding_of_means(baseline=before, candidate=after).delta > 0
    assert finding_of_means(baseline=before, candidate=after, weights=[10.0, 1.0, 1.0]).delta == pytest.approx(-8 / 12)


def test_the_sign_flip_test_with_weights_enumerates_weighted_differences() -> None:
    # the observed sum -5 of the weights 3, 2 is the lowest of four: p = (0 + 1/2) / 4
    found = finding_of_means(baseline=[1.0, 1.0, 1.0], candidate=[0.0, 0.0, 1.0], weights=[3.0, 2.0, 1.0])
    assert (found.test, found.p) == ("sign-flip-midp", 0.125)


def test_a_weighted_sample_estimates_the_rate_of_its_population() -> None:
    """The benchmark ``weighted_cases`` has 2,000 draws of several designs."""
    rng = np.random.default_rng(11)
    size = rng.lognormal(0.0, 0.5, 20_000)  # cases are drawn in proportion to it, and weighted by its inverse
    passes = (rng.random(20_000) < 0.75).astype(float)
    truth, draws, covered, means = passes.mean(), 400, 0, []
    for _ in range(draws):
        drawn = rng.choice(20_000, 300, p=size / size.sum())
        found = weighted_mean(passes[drawn], 1 / size[drawn])
        n_eff = weighted_n(found, 300)
        interval = wilson_interval(found.mean * n_eff, n_eff)
        covered += interval.lower <= truth <= interval.upper
        means.append(found.mean)
    assert abs(np.mean(means) - truth) < 0.006
    assert 0.92 <= covered / draws <= 0.98

"""Paired tests at the edges: no difference, equal differences, few pairs, clusters, many pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ttest_rel

from pytest_evalgate.stats.clusters import cluster_delta, cluster_mean_ci, icc_anova, repeats_effective_n
from pytest_evalgate.stats.paired import (
    equivalent,
    finding,
    finding_name,
    finding_of_means,
    mcnemar_midp,
    mcnemar_midp_two_sided,
    sign_flip_midp,
)

Z2 = 1.6448536269514722**2


@pytest.mark.parametrize(
    ("p", "lower", "margin", "name"),
    [
        (0.05, -0.04, 0.05, "regressed_within_margin"),
        (0.05, -0.05, 0.05, "regressed"),
        (0.05, -0.04, None, "regressed"),
        (0.051, -0.04, 0.05, "no_regression_beyond_margin"),
        (0.051, -0.05, 0.05, "inconclusive"),
        (0.051, -0.04, None, "inconclusive"),
    ],
)
def test_finding_name(p: float, lower: float, margin: float | None, name: str) -> None:
    assert finding_name(p, lower, 0.05, margin) == name


@pytest.mark.parametrize(
    ("lower", "upper", "same"),
    [(-0.04, 0.04, True), (-0.05, 0.04, False), (-0.04, 0.05, False), (0.01, 0.04, True), (0.06, 0.07, False)],
)
def test_equivalence_needs_both_bounds_inside_the_margin(lower: float, upper: float, same: bool) -> None:  # noqa: FBT001 - a column of the table
    assert equivalent(lower, upper, 0.05) is same


def test_equivalence_takes_more_pairs_than_no_regression() -> None:
    found = finding(both_pass=180, losses=6, gains=10, both_fail=14, margin=0.05)
    assert found.name == "no_regression_beyond_margin"
    assert not equivalent(found.lower, found.upper, 0.05)


def test_unknown_bounds_are_never_equivalent() -> None:
    with pytest.raises(ValueError, match="upper must be from -inf to inf, got nan"):
        equivalent(-0.01, np.nan, 0.05)
    with pytest.raises(ValueError, match=r"lower must be from -inf to 0\.01, got nan"):
        equivalent(np.nan, 0.01, 0.05)
    with pytest.raises(ValueError, match=r"lower must be from -inf to -0.01, got 0.01"):
        equivalent(0.01, -0.01, 0.05)
    with pytest.raises(ValueError, match="margin must be strictly between 0 and 1, got 0"):
        equivalent(-0.01, 0.01, 0.0)


def test_all_pass_twice_is_no_regression_only_with_enough_pairs() -> None:
    few, many = (finding(both_pass=n, losses=0, gains=0, both_fail=0, margin=0.05) for n in (20, 200))
    assert (few.p, few.name) == (1.0, "inconclusive")
    assert (many.p, many.name) == (1.0, "no_regression_beyond_margin")


def test_every_case_lost() -> None:
    found = finding(both_pass=0, losses=30, gains=0, both_fail=0, margin=0.05)
    assert (found.name, found.delta, found.lower) == ("regressed", -1.0, -1.0)
    assert found.upper < -0.8


def test_one_pair_proves_nothing() -> None:
    for table in ({"losses": 1, "gains": 0}, {"losses": 0, "gains": 1}):
        assert finding(both_pass=0, both_fail=0, **table, margin=0.4).name == "inconclusive"
    found = finding_of_means(baseline=[1.0], candidate=[0.0])
    assert (found.p, found.lower, found.upper, found.name) == (0.25, -1.0, 1.0, "inconclusive")


def test_means_without_a_difference_get_the_bounds_of_a_table_without_one() -> None:
    found = finding_of_means(baseline=[0.5] * 40, candidate=[0.5] * 40)
    table = finding(both_pass=40, losses=0, gains=0, both_fail=0)
    assert (found.p, found.delta) == (1.0, 0.0)
    assert (found.lower, found.upper) == pytest.approx((-Z2 / (40 + Z2), Z2 / (40 + Z2)))
    assert (found.lower, found.upper) == pytest.approx((table.lower, table.upper))


def test_rounding_errors_of_means_are_no_differences() -> None:
    found = finding_of_means(baseline=[0.1 + 0.2] * 20, candidate=[0.3] * 20)
    assert (found.p, found.delta, found.test) == (1.0, 0.0, "sign-flip-midp")


@pytest.mark.parametrize(("n", "test", "p"), [(16, "sign-flip-midp", 2.0**-17), (17, "paired-t", 0.0)])
def test_equal_drops(n: int, test: str, p: float) -> None:
    found = finding_of_means(baseline=[0.7] * n, candidate=[0.6] * n)
    assert (found.test, found.name, found.p) == (test, "regressed", p)
    assert found.lower == pytest.approx(-0.1 - Z2 / (n + Z2))


def test_students_lower_bound_is_capped_where_few_of_many_pairs_differ() -> None:
    baseline, candidate = [1.0] * 50, [1.0] * 49 + [0.9]
    found = finding_of_means(baseline=baseline, candidate=candidate)
    assert found.lower == pytest.approx(-0.002 - Z2 / (50 + Z2))
    assert found.upper == pytest.approx(-0.002 + 1.6765508919142629 * 0.002)  # the standard error is 0.1 / 50


def test_more_than_sixteen_differences_take_the_t_test() -> None:
    baseline = [1.0] * 17 + [0.5] * 40
    candidate = [i / 17 for i in range(17)] + [0.5] * 40
    found = finding_of_means(baseline=baseline, candidate=candidate, margin=0.01)
    assert (found.test, found.name) == ("paired-t", "regressed")
    assert found.p == pytest.approx(ttest_rel(candidate, baseline, alternative="less").pvalue)
    with pytest.raises(ValueError, match="at most 16 differences may be non-zero, got 17: use the t test"):
        sign_flip_midp(np.subtract(candidate, baseline))


def test_clustered_losses_count_as_clusters() -> None:
    baseline, candidate, documents = [1.0] * 60, [0.0] * 6 + [1.0] * 54, [i // 6 for i in range(60)]
    alone = finding_of_means(baseline=baseline, candidate=candidate)
    together = finding_of_means(baseline=baseline, candidate=candidate, clusters=documents)
    assert (alone.name, together.name) == ("regressed", "inconclusive")
    assert (together.test, together.p) == ("cluster-sign-flip-midp", 0.25)
    assert together.lower < alone.lower


def test_many_moving_clusters_take_the_clustered_t_test() -> None:
    differences = [-0.5 if i % 3 else 0.25 for i in range(80)]
    documents = [f"doc-{i // 2}" for i in range(80)]
    found = finding_of_means(baseline=[0.5] * 80, candidate=[0.5 + d for d in differences], clusters=documents)
    expected = cluster_delta(differences, documents)
    assert found.test == "cluster-t"
    assert (found.delta, found.p) == pytest.approx((expected.delta, expected.p_regress))


def test_clusters_that_balance_out_are_no_drop() -> None:
    found = finding_of_means(baseline=[1, 0] * 10, candidate=[0, 1] * 10, clusters=[i // 2 for i in range(20)])
    assert (found.p, found.delta) == (1.0, 0.0)
    assert (found.lower, found.upper) == pytest.approx((-Z2 / (10 + Z2), Z2 / (10 + Z2)))


def test_equal_trials_count_as_one_and_equal_clusters_as_one_case() -> None:
    assert repeats_effective_n([5, 5, 5], [5, 5, 5]).n_eff == 3
    assert repeats_effective_n([0, 0, 0], [5, 5, 5]).lower_one_sided_exact == 0.0
    assert repeats_effective_n([2], [5]).n_eff == 1
    assert cluster_mean_ci([1.0] * 12, [i // 3 for i in range(12)]).n_eff == 4
    assert cluster_mean_ci([0.1, 0.2, 0.3] * 4, [i // 3 for i in range(12)]).n_eff == 4


def test_icc_is_unknown_for_one_trial_one_case_or_equal_data() -> None:
    assert icc_anova([1, 0, 1], 1) is None
    assert icc_anova([3], 5) is None
    assert icc_anova([5, 5, 5], 5) is None
    assert icc_anova([0, 0], 5) is None


def test_a_hundred_thousand_pairs() -> None:
    found = finding(both_pass=50_000, losses=10_200, gains=9_800, both_fail=30_000, margin=0.01)
    assert found.name == "regressed_within_margin"
    assert found.p == pytest.approx(0.0023388, rel=0.01)  # the normal tail beyond 400 / sqrt(20,000)
    half = 1.6448536 * np.sqrt(0.2 - 0.004**2) / np.sqrt(100_000)
    assert (found.lower, found.upper) == pytest.approx((-0.004 - half, -0.004 + half), abs=1e-6)
    assert mcnemar_midp(20_000, 0) == 0.0


def test_numpy_arrays_and_integers_serve_as_well_as_lists() -> None:
    before, after = np.array([1.0, 0.5, 1.0]), np.array([0.5, 0.5, 0.0])
    assert finding_of_means(baseline=before, candidate=after) == finding_of_means(
        baseline=before.tolist(), candidate=after.tolist()
    )
    assert before.tolist() == [1.0, 0.5, 1.0]
    table: Any = {"both_pass": np.int64(10), "losses": np.int64(3), "gains": np.int64(0), "both_fail": np.int64(2)}
    assert finding(**table) == finding(both_pass=10, losses=3, gains=0, both_fail=2)


@pytest.mark.parametrize("losses", range(9))
@pytest.mark.parametrize("gains", range(9))
def test_the_two_sided_midp_counts_the_observed_split_half(losses: int, gains: int) -> None:
    """Sum over all splits that are at most as likely, the observed one counted half (Fagerland 2013)."""
    m = losses + gains
    chance = binom.pmf(range(m + 1), m, 0.5)
    if losses == gains:
        expected = 1.0 if m == 0 else 1 - chance[losses] / 2
    else:  # exact two-sided p less the chance of the observed split
        expected = min(1, 2 * chance[: min(losses, gains) + 1].sum()) - chance[losses]
    assert mcnemar_midp_two_sided(losses, gains) == pytest.approx(expected, abs=1e-12)
    assert mcnemar_midp_two_sided(losses, gains) == pytest.approx(mcnemar_midp_two_sided(gains, losses), abs=1e-12)

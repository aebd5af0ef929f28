from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.rates import (
    Bootstrap,
    JudgeRate,
    Rates,
    Statistic,
    WeightedRow,
    cluster_codes,
    rate_of,
    rates_of,
)
from pytest_evalgate.stats.clusters import cluster_mean_ci
from pytest_evalgate.stats.intervals import wilson_interval


def test_independent_rows_have_wilsons_interval() -> None:
    found, bounds = rate_of([True] * 8 + [False] * 2), wilson_interval(8, 10)
    assert (found.value, found.hits, found.n, found.worth) == (0.8, 8, 10, 10)
    assert found.interval == (bounds.lower, bounds.upper)
    assert found.counts == (8, 10)


@given(rows=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2))
def test_clusters_are_those_of_the_gates(rows: list[tuple[bool, int]]) -> None:
    hits, clusters = [hit for hit, _ in rows], [cluster for _, cluster in rows]
    if len(set(clusters)) < 2:
        return
    found, wanted = rate_of(hits, clusters), cluster_mean_ci([float(hit) for hit in hits], clusters)
    assert (found.value, found.worth) == pytest.approx((wanted.mean, wanted.n_eff))
    assert found.interval == pytest.approx((wanted.wilson_two_sided.lower, wanted.wilson_two_sided.upper))


def test_uniform_clusters_count_once() -> None:
    assert rate_of([True] * 20, ["a", "b"] * 10).worth == 2
    assert rate_of([True, False] * 10, ["a", "b"] * 10).worth == 2
    assert rate_of([True, False], ["a", "a"]).worth == 1


def test_the_effective_sample_size_is_not_rounded() -> None:
    found = rate_of([True] * 19 + [False], ["a"] * 10 + list("bcdefghijk"))
    hits, n = found.counts
    assert n == found.worth < 20
    assert hits / n == pytest.approx(found.value)


def _marked(*cells: tuple[bool, bool, float, int]) -> list[WeightedRow]:
    return [WeightedRow(human, judge, weight) for human, judge, weight, number in cells for _ in range(number)]


def test_equal_weights_have_no_effect() -> None:
    rows = _marked((True, True, 7.0, 30), (True, False, 7.0, 10), (False, False, 7.0, 18), (False, True, 7.0, 2))
    assert rates_of(rows) == Rates(
        rate_of([True] * 30 + [False] * 10), rate_of([True] * 18 + [False] * 2), rate_of([True] * 48 + [False] * 12)
    )


def test_rows_count_by_weight() -> None:
    rows = _marked((True, True, 100.0, 90), (False, True, 100.0, 10), (True, False, 1.0, 50), (False, False, 1.0, 50))
    found = rates_of(rows)
    assert found.tpr is not None
    assert found.tnr is not None
    assert found.tpr.value == pytest.approx(9000 / 9050, abs=0.001)
    assert found.tnr.value == pytest.approx(50 / 1050, abs=0.01)
    assert found.accuracy.value == pytest.approx(9050 / 10100, abs=0.01)
    assert (found.tnr.hits, found.tnr.n) == (50, 60)


def test_a_stratum_without_errors_is_not_assumed_perfect() -> None:
    found = rates_of(_marked((True, True, 20.0, 50), (False, False, 1.0, 50)))
    assert found.tnr is not None
    assert (found.tnr.hits, found.tnr.n) == (50, 50)
    assert found.tnr.value == 1.0
    assert found.tnr.interval[0] < 0.6


def test_clusters_reduce_the_effective_sample_size_of_weighted_rows() -> None:
    rows = _marked((True, True, 9.0, 40), (True, False, 1.0, 20), (False, False, 1.0, 20), (False, True, 9.0, 10))
    clustered = [WeightedRow(row.human, row.judge, row.weight, at // 10) for at, row in enumerate(rows)]
    plain, held = rates_of(rows), rates_of(clustered)
    assert plain.tpr is not None
    assert held.tpr is not None
    assert held.tpr.value == plain.tpr.value
    assert held.tpr.worth < plain.tpr.worth


def test_a_class_without_a_label_has_no_rate() -> None:
    assert rates_of(_marked((True, True, 1.0, 3))).tnr is None
    assert rates_of(_marked((False, True, 1.0, 3), (False, False, 2.0, 3))).tpr is None


@pytest.mark.parametrize(("tpr", "tnr", "n"), [(0.9, 0.7, 100), (0.95, 0.9, 100), (0.9, 0.9, 200)])
def test_lower_bounds_hold_in_samples_drawn_by_the_verdict(tpr: float, tnr: float, n: int) -> None:
    random = np.random.default_rng(0)
    held = [0, 0]
    for _ in range(120):
        found = rates_of(_sampled(random, tpr, tnr, n))
        for at, (rate, truth) in enumerate([(found.tpr, tpr), (found.tnr, tnr)]):
            held[at] += rate is None or rate.interval[0] <= truth
    assert min(held) >= 114


def _sampled(random: np.random.Generator, tpr: float, tnr: float, n: int) -> list[WeightedRow]:
    """Sample equally many passed and failed outputs from a simulated run of 1,000 outputs, 85 % of them good."""
    human = random.random(1000) < 0.85
    judge = np.where(human, random.random(1000) < tpr, random.random(1000) >= tnr)
    passed, failed = np.flatnonzero(judge), np.flatnonzero(~judge)
    fails = min(n // 2, len(failed))
    drawn = [(passed, n - fails), (failed, fails)]
    return [
        WeightedRow(bool(human[at]), bool(judge[at]), len(members) / number)
        for members, number in drawn
        for at in random.choice(members, number, replace=False)
    ]


def test_weighted_hits_are_those_of_the_weighted_share() -> None:
    hits, n = JudgeRate.of(0.7753, 21, 27, 26.6).counts
    assert (hits / n, n) == pytest.approx((0.7753, 26.6))
    assert JudgeRate.of(99 / 105, 99, 105, 105).counts == (99, 105)


def test_clusters_are_numbered_as_they_appear() -> None:
    assert cluster_codes(["b", "a", "b", None]).tolist() == [0, 1, 0, 2]


def test_draws_are_of_whole_clusters() -> None:
    cells = np.array([[1.0, 0.0], [1.0, 1.0], [5.0, 0.0]])
    drawn = Bootstrap(draws=50).tables(cells, ["a", "a", "b"])
    assert drawn.shape == (50, 2)
    assert {tuple(row) for row in drawn.tolist()} == {(4.0, 2.0), (7.0, 1.0), (10.0, 0.0)}


def test_samples_hold_the_rows_of_the_clusters_that_tables_add_up() -> None:
    cells, clusters = np.arange(12.0).reshape(6, 2), ["a", "b", "a", "c", "b", "d"]
    bootstrap = Bootstrap(seed=3, draws=20)
    sums = [cells[rows].sum(axis=0) for rows in bootstrap.samples(clusters)]
    assert np.allclose(sums, bootstrap.tables(cells, clusters))


def test_the_seed_determines_the_draws() -> None:
    cells = np.arange(20.0).reshape(20, 1)
    one, again, other = (Bootstrap(seed, 10).tables(cells, range(20)).tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_an_interval_contains_the_middle_of_the_draws() -> None:
    found = Bootstrap().estimate(0.5, np.linspace(0, 1, 1001))
    assert found.value == 0.5
    assert found.interval == pytest.approx((0.025, 0.975))


def test_equal_or_undefined_draws_give_no_interval() -> None:
    assert Bootstrap().estimate(1.0, [1.0] * 100) == Statistic(1.0)
    assert Bootstrap().estimate(0.5, [None] * 6 + [0.1, 0.9] * 47) == Statistic(0.5)
    assert Bootstrap().estimate(None, [0.1, 0.9]) == Statistic(None)
    assert Bootstrap().estimate(0.5, [None] * 5 + [0.1] + [0.9] * 94).interval is not None


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    drawn = Bootstrap(draws=2000).tables(values, range(400))[:, 0] / 400
    found = Bootstrap().estimate(float(values.mean()), drawn)
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)

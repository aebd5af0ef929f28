from __future__ import annotations

import numpy as np
import pytest

from pytest_evalgate.judges.figures import Bootstrap, Figure, codes_of, figure


def test_clusters_are_numbered_as_they_appear() -> None:
    assert codes_of(["b", "a", "b", None]).tolist() == [0, 1, 0, 2]


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


def test_the_seed_makes_the_draws() -> None:
    cells = np.arange(20.0).reshape(20, 1)
    one, again, other = (Bootstrap(seed, 10).tables(cells, range(20)).tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_an_interval_holds_the_middle_of_the_draws() -> None:
    found = figure(0.5, np.linspace(0, 1, 1001))
    assert found.value == 0.5
    assert found.interval == pytest.approx((0.025, 0.975))


def test_draws_that_are_alike_or_mostly_undefined_make_no_interval() -> None:
    assert figure(1.0, [1.0] * 100) == Figure(1.0)
    assert figure(0.5, [None] * 6 + [0.1, 0.9] * 47) == Figure(0.5)
    assert figure(None, [0.1, 0.9]) == Figure(None)
    assert figure(0.5, [None] * 5 + [0.1] + [0.9] * 94).interval is not None


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    drawn = Bootstrap(draws=2000).tables(values, range(400))[:, 0] / 400
    found = figure(float(values.mean()), drawn)
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)

"""Alpha of tables of coincidences, against the krippendorff package and the alpha of ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import krippendorff_missing
from pytest_evalgate.stats.coincidences import alphas, coincidences

if TYPE_CHECKING:
    from pytest_evalgate.stats.agreement import Level

_VALUES = np.array([1.0, 2.0, 5.0, 9.0])


def _alpha(ratings: list[list[float | None]], level: Level) -> float:
    table = np.array(ratings, dtype=np.float64)
    counts = np.array([(table == value).sum(axis=0) for value in _VALUES], dtype=np.float64).T
    return float(alphas(coincidences(counts).sum(axis=0)[None], _VALUES, level)[0])


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@settings(max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from([None, 1.0, 2.0, 5.0, 9.0]), min_size=3, max_size=3), min_size=2, max_size=12)
)
def test_the_alpha_is_that_of_the_ratings(level: Level, units: list[list[float | None]]) -> None:
    ratings = [list(row) for row in zip(*units, strict=True)]
    if all(sum(one is not None for one in unit) < 2 for unit in units):
        assert np.isnan(_alpha(ratings, level))
        return
    wanted = krippendorff_missing(ratings, level)
    assert _alpha(ratings, level) == pytest.approx(float("nan") if wanted is None else wanted, nan_ok=True)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_the_alpha_is_that_of_the_krippendorff_package(level: Level) -> None:
    random = np.random.default_rng(3)
    table = random.choice(_VALUES, (4, 60))
    table[1:3] = np.where(random.random((2, 60)) < 0.6, table[0], table[1:3])
    table[random.random((4, 60)) < 0.2] = np.nan
    found = _alpha([[None if np.isnan(one) else one for one in row] for row in table.tolist()], level)
    assert found == pytest.approx(krippendorff.alpha(table, level_of_measurement=level))

"""The constant of planned looks, against published tables and a direct integral."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_evalgate.stats import obrien_fleming_constant


@pytest.mark.parametrize(("looks", "published"), [(1, 1.960), (2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)])
def test_constants_of_jennison_and_turnbull(looks: int, published: float) -> None:
    assert obrien_fleming_constant(looks, 0.025) == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_two_looks_against_a_direct_integral(alpha: float) -> None:
    limit = obrien_fleming_constant(2, alpha) * math.sqrt(2)
    first = np.linspace(-10, limit, 20_001)
    below = np.array([0.5 * math.erfc((u - limit) / math.sqrt(2)) for u in first])
    chance = np.exp(-(first**2) / 2) / math.sqrt(2 * math.pi) * below
    stays = float(np.sum((chance[1:] + chance[:-1]) / 2 * np.diff(first)))
    assert 1 - stays == pytest.approx(alpha, abs=1e-6)


def test_more_looks_need_a_stricter_limit() -> None:
    constants = [obrien_fleming_constant(looks) for looks in (1, 2, 3, 5, 10, 20)]
    assert constants == sorted(constants)
    assert constants[-1] < 1.959964  # that of alpha / 2, for a look after every case


def test_unusable_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="looks must be a whole number, 1 or more, got 0"):
        obrien_fleming_constant(0)
    with pytest.raises(ValueError, match=r"alpha_one_sided must lie strictly between 0 and 0\.5, got 0\.5"):
        obrien_fleming_constant(2, 0.5)

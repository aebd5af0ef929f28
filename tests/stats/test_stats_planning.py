"""Numbers to plan with: passes needed, cases needed, detectable drops."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_evalgate.stats.intervals import cases_needed, clopper_pearson_lower_one_sided, passes_needed
from pytest_evalgate.stats.paired import tango_bounds
from pytest_evalgate.stats.planning import (
    _exact_power,
    mcnemar_power,
    mcnemar_sample_size,
    mde_mcnemar,
    not_proven_sample_size,
)


@pytest.mark.parametrize(
    ("threshold", "n", "passes"),
    [
        (0.80, 20, 20),
        (0.80, 30, 28),
        (0.80, 50, 45),
        (0.80, 100, 87),
        (0.80, 200, 170),
        (0.80, 500, 416),
        (0.90, 20, None),
        (0.90, 30, 30),
        (0.90, 50, 49),
        (0.90, 100, 96),
        (0.90, 200, 188),
        (0.90, 500, 462),
        (0.00, 5, 0),
        (1.00, 5, None),
    ],
)
def test_passes_needed(threshold: float, n: int, passes: int | None) -> None:
    assert passes_needed(n, threshold) == passes


@pytest.mark.parametrize("n", [2, 13, 100_000])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_one_pass_less_than_needed_misses_the_threshold(n: int, confidence: float) -> None:
    needed = passes_needed(n, 0.05, confidence)
    assert needed is not None
    assert clopper_pearson_lower_one_sided(needed, n, confidence) >= 0.05
    assert clopper_pearson_lower_one_sided(needed - 1, n, confidence) < 0.05


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.95, 0.9), (1.0, 0.9), (0.9, 0.85), (0.55, 0.5), (0.333, 0.2), (0.2, 0.15), (0.07, 0.03)]
)
def test_cases_needed_is_the_last_n_to_miss_plus_one(rate: float, threshold: float) -> None:
    missing = [n for n in range(1, 4000) if clopper_pearson_lower_one_sided(round(rate * n), n) < threshold]
    assert cases_needed(rate, threshold) == missing[-1] + 1


def test_no_number_of_cases_proves_a_rate_that_is_not_above_the_threshold() -> None:
    assert cases_needed(0.9, 0.9) is None
    assert cases_needed(0.8, 0.9) is None
    assert cases_needed(1.0, 1.0) is None


def test_cases_needed_gives_up_beyond_ten_million() -> None:
    assert cases_needed(0.9, 0.8999) is None


@pytest.mark.parametrize(("n", "points"), [(100, 7.8), (200, 5.5), (500, 3.5), (1000, 2.5), (2000, 1.8)])
def test_detectable_drop_at_a_tenth_of_discordant_pairs(n: int, points: float) -> None:
    found = mde_mcnemar(n, 0.1)
    assert found.reachable
    assert round(100 * found.mde, 1) == points
    assert found.mde <= found.mde_simple


@pytest.mark.parametrize(("p_loss", "p_gain"), [(0.1, 0.05), (0.04, 0.01), (0.3, 0.0), (0.5, 0.45)])
def test_sample_size_and_detectable_drop_are_inverse(p_loss: float, p_gain: float) -> None:
    size = mcnemar_sample_size(p_loss, p_gain)
    drop = p_loss - p_gain
    at, one_less = (mde_mcnemar(n, p_loss + p_gain).mde for n in (size.n, size.n - 1))
    assert at <= drop + 1e-9
    assert one_less > drop - 1e-9
    assert at < one_less or p_gain == 0


@pytest.mark.parametrize("n", [10, 20, 50, 100, 200, 500])
@pytest.mark.parametrize("discordance", [0.01, 0.05, 0.1, 0.2, 0.4, 0.69])
def test_midp_gate_alarms_falsely_in_at_most_one_build_in_twenty(n: int, discordance: float) -> None:
    assert _exact_power(n, discordance / 2, discordance, 0.05) < 0.05035  # 5.03% at worst


def test_exact_power_where_every_pair_is_lost() -> None:
    assert _exact_power(4, 1.0, 1.0, 0.05) == 1.0
    assert _exact_power(3, 1.0, 1.0, 0.05) == 0.0


def test_power_of_a_sample_size_is_that_of_its_plan() -> None:
    size = mcnemar_sample_size(0.1, 0.05)
    assert mcnemar_power(size.n, 0.1, 0.05) == size.exact_power_midp


def test_pairs_that_prove_no_drop_beyond_the_margin() -> None:
    assert not_proven_sample_size(0.1, 0.05) == 248
    assert not_proven_sample_size(0.1, 0.025) == 990
    assert not_proven_sample_size(0.1, 0.05, power=0.5) == 109


def test_four_of_five_unchanged_builds_are_proven_at_that_size() -> None:
    n, discordance, margin = 990, 0.1, 0.025
    random = np.random.default_rng(5)
    discordant = random.binomial(n, discordance, 1000)
    losses = random.binomial(discordant, 0.5)
    proven = [
        tango_bounds(int(lost), int(m - lost), n).lower > -margin for lost, m in zip(losses, discordant, strict=True)
    ]
    assert sum(proven) / len(proven) == pytest.approx(0.8, abs=0.04)


def test_a_set_too_small_for_any_drop_says_so() -> None:
    found = mde_mcnemar(50, 0.1)
    assert not found.reachable
    assert found.mde == 0.1

"""Several tests at one family-wise alpha."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats import (
    bh_adjusted,
    by_adjusted,
    fallback_gate,
    fewest_losses,
    gate_family,
    holm_adjusted,
    mcnemar_midp,
)

holds = settings(deadline=None, database=None, max_examples=150)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)
few_p_values = st.lists(st.floats(0, 1), max_size=6)
ADJUSTMENTS = [holm_adjusted, bh_adjusted, by_adjusted]


@holds
@given(p=p_values, alpha=st.floats(0.001, 0.499))
def test_holm_rejects_what_stepping_down_rejects(p: list[float], alpha: float) -> None:
    by_size = sorted(range(len(p)), key=p.__getitem__)
    rejected = set()
    for step, place in enumerate(by_size):
        if (len(p) - step) * p[place] > alpha:
            break
        rejected.add(place)
    assert {i for i, adjusted in enumerate(holm_adjusted(p)) if adjusted <= alpha} == rejected


@holds
@given(p=p_values)
def test_adjusted_p_is_a_p_that_is_no_smaller(p: list[float]) -> None:
    for adjust in ADJUSTMENTS:
        adjusted = adjust(p)
        assert all(0 <= raw <= now * (1 + 1e-12) <= 1 + 1e-12 for raw, now in zip(p, adjusted, strict=True))
        assert sorted(range(len(p)), key=lambda i: (p[i], i)) == sorted(
            range(len(p)), key=lambda i: (adjusted[i], p[i], i)
        )


@holds
@given(p=p_values, random=st.randoms(use_true_random=False))
def test_order_of_tests_does_not_matter(p: list[float], random: object) -> None:
    order = sorted(range(len(p)), key=lambda _: random.random())  # type: ignore[attr-defined]
    for adjust in ADJUSTMENTS:
        shuffled = adjust([p[i] for i in order])
        assert shuffled == tuple(adjust(p)[i] for i in order)


@holds
@given(p=p_values)
def test_false_discovery_is_the_milder_aim(p: list[float]) -> None:
    for mild, strict in ((bh_adjusted, holm_adjusted), (bh_adjusted, by_adjusted)):
        assert all(low <= high + 1e-12 for low, high in zip(mild(p), strict(p), strict=True))


def test_a_single_slice_can_fail_where_the_overall_test_does_not() -> None:
    found = fallback_gate(0.4, [0.004, 0.2])
    assert (found.overall_rejected, found.slices_rejected) == (False, (True, False))
    assert (found.overall_alpha, found.slices_alpha) == (0.025, 0.025)


def test_a_p_at_its_level_rejects() -> None:
    found = fallback_gate(0.03125, [0.03125, 0.5], 0.0625)
    assert (found.overall_rejected, found.slices_rejected) == (True, (True, False))


def test_a_part_that_is_empty_leaves_all_of_alpha_to_the_other() -> None:
    assert fallback_gate(0.04, []).overall_rejected
    assert not fallback_gate(0.04, [0.9]).overall_rejected
    assert gate_family([], [0.04]).slices_rejected == (True,)
    assert gate_family([0.9], [0.04]).slices_rejected == (False,)


def test_alpha_is_recycled_only_where_all_overall_tests_reject() -> None:
    both, one = (gate_family([0.01, p], [0.03]) for p in (0.02, 0.2))
    assert (both.overall_rejected, both.slices_alpha, both.slices_rejected) == ((True, True), 0.05, (True,))
    assert (one.overall_rejected, one.slices_alpha, one.slices_rejected) == ((True, False), 0.025, (False,))


@holds
@given(overall=few_p_values, slices=few_p_values, smaller=st.floats(0, 1))
def test_a_smaller_p_never_rejects_less(overall: list[float], slices: list[float], smaller: float) -> None:
    before = gate_family(overall, slices)
    for part in (overall, slices):
        if part:
            part[0] *= smaller
    after = gate_family(overall, slices)
    assert before.overall_rejected <= after.overall_rejected or not overall
    assert all(now or not was for was, now in zip(before.overall_rejected, after.overall_rejected, strict=True))
    assert all(now or not was for was, now in zip(before.slices_rejected, after.slices_rejected, strict=True))


@pytest.mark.parametrize("true_drops", [0, 1, 2])
def test_share_of_builds_that_fail_by_luck_stays_at_alpha(true_drops: int) -> None:
    builds, alpha = 4000, 0.1
    p = np.random.default_rng(7).random((builds, 6))
    p[:, :true_drops] = 0.0  # drops that are there: rejecting these is no mistake
    mistakes = 0
    for row in p:
        found = gate_family(row[:2], row[2:], alpha)
        mistakes += any((found.overall_rejected + found.slices_rejected)[true_drops:])
    assert mistakes / builds <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / builds)
    assert mistakes / builds >= alpha / 4


@pytest.mark.parametrize("alpha", [0.4, 0.25, 0.05, 0.025, 0.01, 0.0025, 2.0**-20])
def test_fewest_losses_are_the_first_that_the_midp_test_rejects(alpha: float) -> None:
    fewest = fewest_losses(alpha)
    assert mcnemar_midp(fewest, 0) <= alpha
    assert fewest == 1 or mcnemar_midp(fewest - 1, 0) > alpha


def test_unusable_p_values_are_refused() -> None:
    for adjust in ADJUSTMENTS:
        with pytest.raises(ValueError, match="p must be a list of one or more numbers"):
            adjust([])
        with pytest.raises(ValueError, match=r"p\[1\] must be a number from 0 to 1, got nan"):
            adjust([0.5, math.nan])
    with pytest.raises(ValueError, match=r"p\[0\] must be a number from 0 to 1, got 1.2"):
        fallback_gate(1.2, [0.5])
    with pytest.raises(ValueError, match=r"alpha must lie strictly between 0 and 0\.5, got 0\.5"):
        gate_family([0.1], [0.5], 0.5)
    with pytest.raises(ValueError, match=r"alpha must lie strictly between 0 and 0\.5, got 0\.0"):
        fewest_losses(0.0)

"""A verdict that is called certain is that of every way in which the run can end."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats import (
    certainty,
    certainty_bounds,
    certainty_pass_rate,
    clopper_pearson_lower_one_sided,
    mcnemar_midp,
    tango_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

holds = settings(deadline=None, database=None, max_examples=150)
alphas = st.sampled_from([0.01, 0.04, 0.05, 0.0625])
STATE = {"losses": 3, "gains": 1, "remaining_baseline_pass": 5, "remaining_baseline_fail": 2}


@st.composite
def states(draw: st.DrawFn) -> dict[str, int]:
    return {
        "losses": draw(st.integers(0, 15)),
        "gains": draw(st.integers(0, 15)),
        "remaining_baseline_pass": draw(st.integers(0, 6)),
        "remaining_baseline_fail": draw(st.integers(0, 6)),
    }


def endings(state: dict[str, int]) -> Iterator[tuple[int, int]]:
    more = (range(state["remaining_baseline_pass"] + 1), range(state["remaining_baseline_fail"] + 1))
    for lost, gained in itertools.product(*more):
        yield state["losses"] + lost, state["gains"] + gained


@holds
@given(state=states(), alpha=alphas)
def test_a_decided_drop_holds_for_every_ending_and_an_open_one_for_some(state: dict[str, int], alpha: float) -> None:
    found = certainty(**state, alpha=alpha)
    answers = {mcnemar_midp(*ending) <= alpha for ending in endings(state)}
    assert answers == {"regressed": {True}, "not_regressed": {False}, "open": {True, False}}[found.decided]
    assert found.p_if_worst <= found.p_if_best or found.p_if_worst == 1.0  # no discordant pair at all


@settings(holds, max_examples=60)
@given(state=states(), unchanged=st.integers(1, 30), alpha=alphas)
def test_bounds_of_every_ending_lie_between_the_extremes(state: dict[str, int], unchanged: int, alpha: float) -> None:
    n = sum(state.values()) + unchanged
    found = certainty_bounds(**state, n=n, alpha=alpha)
    for losses, gains in endings(state):
        bounds = tango_bounds(losses, gains, n, alpha)
        assert found.if_worst.lower - 1e-12 <= bounds.lower <= found.if_best.lower + 1e-12
        assert found.if_worst.upper - 1e-12 <= bounds.upper <= found.if_best.upper + 1e-12


@holds
@given(n=st.integers(1, 60), data=st.data(), threshold=st.sampled_from([0.0, 0.3, 0.8, 0.9, 1.0]))
def test_a_decided_pass_rate_holds_for_every_ending(n: int, data: st.DataObject, threshold: float) -> None:
    done = data.draw(st.integers(0, n))
    passes = data.draw(st.integers(0, done))
    found = certainty_pass_rate(passes, done, n, threshold)
    answers = {clopper_pearson_lower_one_sided(passes + more, n) >= threshold for more in range(n - done + 1)}
    assert answers == {"pass": {True}, "fail": {False}, "open": {True, False}}[found.decided]
    assert found.lower_if_all_fail <= found.lower_if_all_pass


def test_a_run_that_is_over_is_decided() -> None:
    over = {"remaining_baseline_pass": 0, "remaining_baseline_fail": 0}
    assert certainty(losses=4, gains=0, **over).decided == "regressed"
    assert certainty(losses=3, gains=0, **over).decided == "not_regressed"
    assert certainty(losses=0, gains=0, **over).decided == "not_regressed"
    assert certainty_pass_rate(87, 100, 100, 0.8).decided == "pass"
    assert certainty_pass_rate(86, 100, 100, 0.8).decided == "fail"
    bounds = certainty_bounds(losses=4, gains=1, **over, n=50)
    assert bounds.if_best == bounds.if_worst == tango_bounds(4, 1, 50)


def test_a_value_at_its_limit_counts_as_in_the_full_run() -> None:
    over = {"remaining_baseline_pass": 0, "remaining_baseline_fail": 0}
    assert certainty(losses=3, gains=0, **over, alpha=0.0625).decided == "regressed"
    one_more = over | {"remaining_baseline_pass": 1}
    assert certainty(losses=2, gains=0, **one_more, alpha=0.0625).decided == "open"
    reached = clopper_pearson_lower_one_sided(9, 10)
    assert certainty_pass_rate(9, 10, 10, reached).decided == "pass"
    assert certainty_pass_rate(8, 9, 10, reached).decided == "open"


def test_a_threshold_out_of_reach_is_known_before_the_first_case() -> None:
    assert certainty_pass_rate(0, 0, 20, 0.9).decided == "fail"
    assert certainty_pass_rate(0, 0, 30, 0.9).decided == "open"


@pytest.mark.parametrize("name", list(STATE))
@pytest.mark.parametrize("count", [-1, 0.5, math.nan])
def test_counts_that_are_none_are_refused(name: str, count: float) -> None:
    state: dict[str, Any] = STATE | {name: count}
    with pytest.raises(ValueError, match=f"{name} must be a whole number, 0 or more, got {count}"):
        certainty(**state)
    with pytest.raises(ValueError, match=f"{name} must be a whole number, 0 or more, got {count}"):
        certainty_bounds(**state, n=100)


def test_counts_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="n must be a whole number, 11 or more, got 10"):
        certainty_bounds(**STATE, n=10)
    with pytest.raises(ValueError, match="n must be a whole number, 1 or more, got 0"):
        certainty_bounds(**dict.fromkeys(STATE, 0), n=0)
    with pytest.raises(ValueError, match=r"alpha must lie strictly between 0 and 0\.5, got 0\.5"):
        certainty(**STATE, alpha=0.5)
    with pytest.raises(ValueError, match="done must be a whole number, 5 or more, got 4"):
        certainty_pass_rate(5, 4, 10, 0.8)
    with pytest.raises(ValueError, match="n must be a whole number, 5 or more, got 4"):
        certainty_pass_rate(5, 5, 4, 0.8)
    with pytest.raises(ValueError, match="n must be a whole number, 1 or more, got 0"):
        certainty_pass_rate(0, 0, 0, 0.8)
    with pytest.raises(ValueError, match="threshold must lie from 0 to 1, got 80"):
        certainty_pass_rate(5, 5, 10, 80)

from __future__ import annotations

import pytest

from pytest_evalgate.config import NoRegressionGate, Suite
from pytest_evalgate.guard.directions import Direction, changed, direction_of, higher, lower, narrower, ranked


@pytest.mark.parametrize(
    ("direction", "before", "now", "effect"),
    [
        (higher, 0.8, 0.9, "stricter"),
        (higher, 0.9, 0.8, "weaker"),
        (higher, None, 0.1, "stricter"),
        (higher, 0.1, None, "weaker"),
        (lower, 2.0, 1.0, "stricter"),
        (lower, 1.0, 2.0, "weaker"),
        (lower, None, 0.0, "stricter"),
        (lower, 0.0, None, "weaker"),
        (narrower, 0.1, 0.05, "stricter"),
        (narrower, 0.05, 0.1, "weaker"),
        (narrower, 0.05, None, "stricter"),
        (narrower, None, 0.05, "weaker"),
        (ranked("record", None, "fail"), None, "fail", "stricter"),
        (ranked("record", None, "fail"), None, "record", "weaker"),
        (changed, 1, 2, "weaker"),
    ],
)
def test_which_way_is_weaker(direction: Direction, before: object, now: object, effect: str) -> None:
    assert direction(before, now) == effect


@pytest.mark.parametrize(
    ("gate", "raised", "lowered"),
    [
        (NoRegressionGate(kind="no-regression"), "stricter", "weaker"),
        (NoRegressionGate(kind="no-regression", margin=0.1), "weaker", "weaker"),
        (NoRegressionGate(kind="no-regression", margin=0.1, fail_on="not_proven"), "weaker", "stricter"),
        (NoRegressionGate(kind="no-regression", margin=0.1, fail_on="tolerance"), "stricter", "weaker"),
    ],
)
def test_which_alpha_is_stricter_depends_on_what_it_proves(gate: NoRegressionGate, raised: str, lowered: str) -> None:
    direction = direction_of(gate, "alpha")
    assert (direction(0.05, 0.1), direction(0.05, 0.01)) == (raised, lowered)


@pytest.mark.parametrize(
    ("before", "now", "effect"),
    [
        ("regressed", "not_proven", "stricter"),
        ("tolerance", "not_proven", "stricter"),
        ("tolerance", "regressed", "weaker"),
        ("regressed", "tolerance", "weaker"),
        ("not_proven", "regressed", "weaker"),
    ],
)
def test_only_not_proven_fails_whenever_another_policy_does(before: str, now: str, effect: str) -> None:
    gate = NoRegressionGate(kind="no-regression", margin=0.1)
    assert direction_of(gate, "fail_on")(before, now) == effect


def test_a_change_of_an_unlisted_key_is_weaker() -> None:
    assert direction_of(Suite(golden=("g.jsonl",)), "a key of tomorrow")(1, 2) == "weaker"

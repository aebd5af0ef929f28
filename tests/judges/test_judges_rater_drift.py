"""Drift of raters: detection and false alarms in simulations, and raters that only have each other."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pytest_evalgate.judges.rater_drift import drifts_of
from pytest_evalgate.judges.ratings import Rating

_ROWS = 200
_SIMULATIONS = 500


def _simulated(seed: int, raters: int, gold: float, *, turns: bool) -> dict[str, list[Rating]]:
    """Return 200 outputs that raters label with 90 % right labels; p0 guesses from the middle on if it ``turns``."""
    random = np.random.default_rng(seed)
    good, known = random.random(_ROWS) < 0.7, random.random(_ROWS) < gold
    labels = np.where(random.random((raters, _ROWS)) < 0.9, good, ~good)
    if turns:
        labels[0, _ROWS // 2 :] = random.random(_ROWS // 2) < 0.5
    return {
        str(at): [
            Rating(f"p{rater}", str(at), "all", float(label), bool(label), bool(good[at]) if known[at] else None)
            for rater, label in enumerate(labels[:, at].tolist())
        ]
        for at in range(_ROWS)
    }


@cache
def _flags(raters: int, gold: float, *, turns: bool) -> tuple[float, float]:
    """Return the shares of simulations in which p0 is named, and in which another rater is."""
    names = [f"p{rater}" for rater in range(raters)]
    found = [
        {name for name, drift in drifts_of(names, _simulated(seed, raters, gold, turns=turns)).items() if drift.found}
        for seed in range(_SIMULATIONS)
    ]
    own = sum("p0" in one for one in found) / _SIMULATIONS
    return own, sum(bool(one - {"p0"}) for one in found) / _SIMULATIONS


@pytest.mark.parametrize(("raters", "gold"), [(1, 1.0), (3, 0.0), (2, 0.2), (3, 0.1)])
def test_a_rater_who_turns_random_half_way_is_named_and_no_other(raters: int, gold: float) -> None:
    named, others = _flags(raters, gold, turns=True)
    assert named >= 0.95
    assert others <= 0.05


@pytest.mark.parametrize(("raters", "gold"), [(1, 1.0), (3, 0.0)])
def test_steady_raters_are_not_named(raters: int, gold: float) -> None:
    assert sum(_flags(raters, gold, turns=False)) <= 0.05


def test_of_two_raters_without_gold_labels_one_has_changed() -> None:
    found = drifts_of(["p0", "p1"], _simulated(0, 2, 0.0, turns=True))
    assert [(one.found, one.tied_with) for one in found.values()] == [(True, "p1"), (True, "p0")]
    assert found["p0"].p_adjusted == found["p1"].p_adjusted == pytest.approx(min(1, 2 * found["p0"].p))


def test_raters_without_anything_to_be_held_against_have_no_drift() -> None:
    alone = {name: [one[0]] for name, one in _simulated(0, 1, 0.0, turns=True).items()}
    assert drifts_of(["p0"], alone) == {}

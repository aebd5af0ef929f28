from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_evalgate.stats.trend import change_point
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.movement import ALPHA, movement

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.store.stored_run import StoredSource

ALL = RunFilter("shop")


def _push_all(place: StorePlace, make_source: Callable[..., StoredSource], misses: list[int]) -> None:
    with Database.open(place) as database:
        for number, missed in enumerate(misses):
            letters, created = "P" * (20 - missed) + "m" * missed, f"2026-01-{number + 1:02}T00:00:00Z"
            branch = "main" if number < 10 else "new-prompt"
            push(database, make_source(letters, f"r{number:02}", created=created, branch=branch))


def test_a_drop_is_found_at_its_run_with_what_changed_in_it(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 6, 7, 6, 6, 7, 6])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert (found.direction, found.since, found.previous, found.runs) == ("down", "r10", "r09", 16)
    assert found.causes == ("branch: main -> new-prompt",)
    assert found.sentence.startswith("down from 0.935 to 0.6833 since run r10 of 2026-01-11T00:00:00Z (p=")


def test_runs_that_differ_by_chance_have_no_direction(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [1, 2, 1, 3, 2, 1, 1, 2, 3, 1, 2, 1, 2, 3, 1, 2])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
        assert (found.direction, found.causes) == ("none", ())
        few = movement(database, "faq", "pass_rate", replace(ALL, limit=14))
    assert (few.direction, few.sentence) == ("unknown", "14 complete runs of the 15 that a trend needs")


@pytest.mark.parametrize("drop", [0, 10])
def test_a_planted_drop_is_found_in_simulated_histories(drop: int) -> None:
    """200 cases, of which some flip now and then, 40 runs, and 10 cases that miss from a random run on."""
    rng = np.random.default_rng(16)
    alarms = exact = 0
    for _ in range(100):
        chances = rng.beta(0.3, 0.053, 200)
        at, lost = int(rng.integers(8, 33)), rng.choice(np.flatnonzero(chances > 0.99), drop, replace=False)
        later = chances.copy()
        later[lost] = 0
        rates = [(rng.random(200) < (chances if run < at else later)).mean() for run in range(40)]
        found = change_point(rates, permutations=200)
        alarms += found.p <= ALPHA
        exact += found.p <= ALPHA and found.index == at
    assert (exact >= 90) if drop else (alarms <= 3)

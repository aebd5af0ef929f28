from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.movement import RATES, _outcomes, movement

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


def test_a_change_of_some_cases_is_found_at_its_run_with_their_ids(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    """Cases 0 to 2 are lost in the 13th run. The flips of the others are as large: the rates have no clear step."""
    rng = np.random.default_rng(7)
    with Database.open(place) as database:
        for number in range(24):
            flips = rng.random(40) < 0.2
            letters = "".join("m" if (flips[at] and at > 5) or (number >= 12 and at < 3) else "P" for at in range(40))
            push(database, make_source(letters, f"r{number:02}", created=f"2026-01-{number + 1:02}T00:00:00Z"))
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", replace(ALL, limit=60))
        of_scores = movement(database, "faq", "score.exact", replace(ALL, limit=60))
    assert (found.since, found.previous, found.lost, found.gained) == ("r12", "r11", ("c0", "c1", "c2"), ())
    assert [signal.name for signal in found.signals] == ["step", "cusum", "mann-kendall", "volume", "outlier"]
    assert [signal.name for signal in of_scores.signals][3:5] == ["ks", "jensen-shannon"]
    assert found.signals[0].line == "step (level): ALARM, p=0.001; 0.25 false alarms in 100 looks"


def test_outcomes_of_more_than_sixty_runs_are_in_several_words(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    with Database.open(place) as database:
        for number in range(62):
            created = f"2026-{1 + number // 28:02}-{1 + number % 28:02}T00:00:00Z"
            push(database, make_source("PPPPm" if number % 2 else "PPPm", f"r{number:02}", created=created))
    parameters = {**replace(ALL, suite="faq", limit=62).parameters(), "metric": "pass_rate"}
    with Database.reading(place) as database:
        cases, passed = _outcomes(database, 62, parameters)
    assert passed is not None
    assert dict(zip(cases, passed[:4].T.tolist(), strict=True)) == {
        "c0": [1, 1, 1, 1],
        "c1": [1, 1, 1, 1],
        "c2": [1, 1, 1, 1],
        "c3": [0, 1, 0, 1],
        "c4": [pytest.approx(np.nan, nan_ok=True), 0, pytest.approx(np.nan, nan_ok=True), 0],
    }
    assert (passed[4:] == passed[:-4])[:, :4].all()


def test_a_slow_decline_has_a_direction_and_no_run(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [run // 2 for run in range(24)])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert (found.direction, found.since) == ("down", None)
    assert found.sentence == "down little by little over 24 runs, at no single run"
    assert {"cusum", "mann-kendall"} <= {signal.name for signal in found.alarms}


def test_the_newest_run_is_an_outlier_or_of_another_volume(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    with Database.open(place) as database:
        for number in range(20):
            letters = "P" * 20 if number < 19 else "P" * 5 + "m" * 5
            push(database, make_source(letters, f"r{number:02}", created=f"2026-01-{number + 1:02}T00:00:00Z"))
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert {signal.name for signal in found.alarms} >= {"volume", "outlier"}
    assert found.signals[-1].z == pytest.approx(-5, abs=1.5)
    assert "but an alarm of: " in found.sentence


def test_the_rates_of_all_tests_sum_to_one_alarm_in_a_hundred_looks() -> None:
    assert sum(RATES.values()) <= 0.01

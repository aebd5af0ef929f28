from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.builders import baseline_of, suite_from

from pytest_evalgate.app.comparing import changes_of
from pytest_evalgate.gates import pair
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.stability import flaky_case_midp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.app.comparing import Changes


def _changes(before: Sequence[tuple[float, ...]], now: Sequence[str], alpha: float = 0.05) -> Changes:
    held = {f"c{index}": values for index, values in enumerate(before)}
    return changes_of(pair(suite_from(now), baseline_of(held)), alpha)


def test_a_case_that_passes_in_some_trials_on_both_sides_is_flaky() -> None:
    found = _changes([(1, 1, 0), (1, 1, 1), (0, 0, 0), (1, 0)], ["PmP", "PmP", "PmP", "PPP"])
    assert [
        (case.case, case.before_passes, case.before_trials, case.now_passes, case.now_trials) for case in found.flaky
    ] == [("c0", 2, 3, 2, 3)]


def test_flaky_cases_are_tested_together() -> None:
    before = [(1.0,) * 19 + (0.0,), (1, 1, 0), (1, 0, 0)]
    found = _changes(before, ["P" + "m" * 19, "Pmm", "PPm"])
    alone = [
        flaky_case_midp(baseline_passes=passes, baseline_trials=trials, candidate_passes=now, candidate_trials=trials)
        for passes, now, trials in ((19, 1, 20), (2, 1, 3), (1, 2, 3))
    ]
    assert [case.p for case in found.flaky] == pytest.approx(sorted(holm_adjusted(alone)))
    assert [(case.case, case.dropped) for case in found.flaky] == [("c0", True), ("c1", False), ("c2", False)]


def test_a_drop_that_one_flaky_case_shows_alone_may_be_luck_among_many() -> None:
    trials = (1.0,) * 5 + (0.0,)
    [alone] = _changes([trials], ["Pmmmmm"]).flaky
    assert alone.dropped
    assert alone.p == pytest.approx(19 / 924)
    among = _changes([trials] * 20, ["Pmmmmm"] + ["PPPPPm"] * 19).flaky
    assert not any(case.dropped for case in among)
    assert among[0].p == pytest.approx(20 * alone.p)


def test_alpha_decides_which_flaky_case_has_dropped() -> None:
    [case] = _changes([(1.0,) * 5 + (0.0,)], ["Pmmmmm"], alpha=0.001).flaky
    assert not case.dropped


def test_graded_trials_are_not_counted_as_flips() -> None:
    found = _changes([(0.5, 0.7)], ["Pm"])
    assert found.flaky == ()
    assert [case.case for case in found.regressed] == ["c0"]


def test_unchanged_cases_are_counted_apart_from_flaky_ones() -> None:
    found = _changes([(1, 1), (0, 0), (1, 0), (1, 1)], ["PP", "mm", "Pm", "Pm"])
    assert (found.passed_both, found.missed_both) == (1, 1)
    assert [case.case for case in found.regressed] == ["c3"]

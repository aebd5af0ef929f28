from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.figures import Bootstrap
from pytest_evalgate.judges.panel import bins_of, probability_figures
from pytest_evalgate.stats.judged import calibration_errors


def test_figures_are_those_of_the_statistics_with_intervals() -> None:
    random = np.random.default_rng(0)
    scores = random.random(200)
    human = random.random(200) < scores
    found = probability_figures(scores.tolist(), human.tolist(), range(200), Bootstrap(draws=40))
    wanted = calibration_errors(scores, human.astype(float))
    assert {name: one.value for name, one in found.items()} == {
        "brier": wanted.brier, "log_loss": wanted.log_loss, "ece": wanted.ece
    }  # fmt: skip
    assert all(one.interval is not None for one in found.values())


def test_bins_are_closed_above_and_the_first_one_below() -> None:
    scores = [0.0, 0.1, 0.1000001, 0.2, 0.95, 1.0]
    found = bins_of(scores, [False, False, True, True, True, False])
    assert [(one.low, one.high, one.n) for one in found] == [(0, 0.1, 2), (0.1, 0.2, 2), (0.9, 1.0, 2)]
    assert [(one.score, one.passed) for one in found[::2]] == [(0.05, 0.0), (0.975, 0.5)]


@given(rows=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_bins_add_up_to_the_calibration_error(rows: list[tuple[float, bool]]) -> None:
    scores, human = [score for score, _ in rows], [passed for _, passed in rows]
    found = bins_of(scores, human)
    assert sum(one.n for one in found) == len(rows)
    error = sum(one.n * abs(one.score - one.passed) for one in found) / len(rows)
    assert error == pytest.approx(calibration_errors(scores, [float(one) for one in human]).ece, abs=1e-9)
    assert all(one.interval[0] <= one.passed <= one.interval[1] for one in found)

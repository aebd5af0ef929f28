"""Simulated builds with labels: the arrays of the benchmark ``run_labels`` decide as `decide` does."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.run_labels import JUDGES, columns, decide_columns, decide_records


@pytest.mark.parametrize("judge", list(JUDGES))
@pytest.mark.parametrize(("n", "labels", "builds"), [(90, 60, 34), (60, 80, 16), (80, 0, 17)])
def test_arrays_give_the_decision_of_the_records(judge: str, n: int, labels: int, builds: int) -> None:
    random = np.random.default_rng(n)
    for seed in range(builds):
        one = columns(n, 0.1 * (seed % 2), JUDGES[judge], random)
        fast, whole = decide_columns(one, labels, seed), decide_records(one, labels, seed)
        assert (fast.delta, fast.p, fast.lower, fast.upper) == pytest.approx(
            (whole.delta, whole.p, whole.lower, whole.upper), abs=1e-12
        )
        assert (fast.test, fast.name) == (whole.test, whole.finding)

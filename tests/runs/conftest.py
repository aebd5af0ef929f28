from __future__ import annotations

from dataclasses import replace

import pytest
from tests.builders import planned, suite_of

from pytest_evalgate.records.results import CaseResult, Output, Run, Score, Trial


def _result(index: int, *values: float | None, outcome: str = "passed") -> CaseResult:
    case = planned(f"c{index}", index, fingerprint=f"f{index}", tags=("safety",), slices=(("lang", "de"),))
    trials = tuple(
        Trial(number, value, Output("text", {"tokens": 3}, 0.5), (Score("exact", value, bool(value), "why"),), "why")
        for number, value in enumerate(values)
    )
    return CaseResult(case, outcome, trials, "why")  # type: ignore[arg-type]


def _skipped(index: int) -> CaseResult:
    result = _result(index, outcome="skipped")
    return replace(result, case=replace(result.case, skip="later"))


@pytest.fixture
def run() -> Run:
    """A whole run of one suite with two trials."""
    results = (_result(1, 1.0, 1.0), _result(2, 0.0, 1.0, outcome="missed"), _skipped(3))
    return Run("20260101T000000Z-aaaa", "2026-01-01T00:00:00Z", "8c1f2d0", (suite_of(results),), 1.5)

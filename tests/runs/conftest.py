from __future__ import annotations

import pytest

from pytest_evalgate.records.results import (
    CaseResult,
    Output,
    Place,
    PlannedCase,
    Run,
    Score,
    SuitePlan,
    SuiteRun,
    Trial,
)


def _result(index: int, *values: float | None, outcome: str = "passed") -> CaseResult:
    case = PlannedCase(f"c{index}", Place("g.jsonl", index), f"f{index}", ("safety",), (("lang", "de"),))
    trials = tuple(
        Trial(number, value, Output("text", {"tokens": 3}, 0.5), (Score("exact", value, bool(value), "why"),), "why")
        for number, value in enumerate(values)
    )
    return CaseResult(case, outcome, trials, "why")  # type: ignore[arg-type]


@pytest.fixture
def run() -> Run:
    """A whole run of one suite with two trials."""
    results = (_result(1, 1.0, 1.0), _result(2, 0.0, 1.0, outcome="missed"), _result(3, outcome="skipped"))
    plan = SuitePlan("faq", ("g.jsonl",), "g" * 64, "s" * 64, 2, tuple(result.case for result in results))
    return Run("20260101T000000Z-aaaa", "2026-01-01T00:00:00Z", "8c1f2d0", (SuiteRun(plan, results),), 1.5)

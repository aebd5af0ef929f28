from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.cli.compare.sides import comparable, newer_of, older_of
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.results import (
    Baseline,
    BaselineCase,
    CaseResult,
    Place,
    PlannedCase,
    Provenance,
    Run,
    Score,
    SuitePlan,
    SuiteRun,
    Trial,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.records.results import Outcome, Side

_FROM = Provenance("r0", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None, "first", "g", "s")
_RUN = Run("r1", "2026-01-02T00:00:00Z", "8c1f2d0", ())


def _suite(*results: CaseResult, stopped: bool = False) -> SuiteRun:
    plan = SuitePlan("faq", ("g",), "g", "s", 1, tuple(result.case for result in results))
    return SuiteRun(plan, results, "certainty" if stopped else None)


def _result(case_id: str, outcome: Outcome = "passed", side: Side = "both") -> CaseResult:
    value = {"passed": 1.0, "missed": 0.0}.get(outcome)
    trials = () if outcome in {"not_run", "skipped"} else (Trial(0, value, scores=(Score("f1", 0.5, passed=True),)),)
    return CaseResult(PlannedCase(case_id, Place("g", 1), "f", side=side), outcome, trials)


def _baseline(cases: Mapping[str, BaselineCase], scorers: tuple[str, ...] = ()) -> Baseline:
    return Baseline("faq", "file:b.json", _FROM, 1, cases, scorers)


def _ids(suite: SuiteRun) -> list[str]:
    assert [case.id for case in suite.plan.cases] == [result.case.id for result in suite.results]
    return [case.id for case in suite.plan.cases]


def test_a_run_becomes_a_baseline_of_what_it_answered() -> None:
    suite = _suite(_result("a"), _result("b", "errored"), _result("c", "not_run"), _result("d", "missed"))
    found = older_of(suite, _RUN)
    assert {name: case.values for name, case in found.baseline.cases.items()} == {"a": (1.0,), "d": (0.0,)}
    assert found.unanswered == {"b", "c"}
    assert (found.baseline.source, found.baseline.provenance.run_id, found.baseline.scorers) == (
        "run r1",
        "r1",
        ("f1",),
    )


def test_what_only_the_base_branch_holds_is_no_part_of_it() -> None:
    found = older_of(_suite(_result("a", side="head"), _result("b@base", "errored", "base")), _RUN)
    assert (list(found.baseline.cases), found.unanswered) == (["a"], frozenset())


def test_a_stopped_run_lacks_what_it_did_not_run() -> None:
    assert older_of(_suite(_result("a"), _result("b", "not_run"), stopped=True), _RUN).unanswered == {"b"}


def test_a_run_without_an_answer_is_no_baseline() -> None:
    with pytest.raises(BaselineError, match="run r1 has no case of suite faq with an output"):
        older_of(_suite(_result("a", "errored")), _RUN)


def test_a_baseline_is_taken_as_it_is() -> None:
    held = _baseline({"a": BaselineCase("f", (1.0,))})
    assert older_of(held, _RUN).baseline is held


def test_a_baseline_becomes_a_suite_with_its_trials_and_scores() -> None:
    held = _baseline({"a": BaselineCase("f", (1.0, 0.0, 0.0), {"f1": (0.9, 0.2, 0.1)})}, ("exact", "f1"))
    [result] = newer_of(held).results
    assert (result.outcome, [trial.value for trial in result.trials]) == ("missed", [1.0, 0.0, 0.0])
    assert [[(score.name, score.value) for score in trial.scores] for trial in result.trials] == [
        [("exact", 1.0), ("f1", 0.9)],
        [("exact", 0.0), ("f1", 0.2)],
        [("exact", 0.0), ("f1", 0.1)],
    ]
    assert result.case.place.file == ""


def test_scores_that_a_baseline_lacks_are_left_out() -> None:
    held = _baseline({"a": BaselineCase("f", (1.0, 1.0), {"f1": (0.9,)})}, ("f1",))
    [result] = newer_of(held).results
    assert [len(trial.scores) for trial in result.trials] == [1, 0]


_CASES = st.dictionaries(
    st.text(min_size=1),
    st.builds(
        lambda fingerprint, marks: BaselineCase(
            fingerprint,
            tuple(value for value, _ in marks),
            {"f1": tuple(mark for _, mark in marks)} if any(value != mark for value, mark in marks) else {},
        ),
        st.text(),
        st.lists(st.tuples(st.sampled_from((0.0, 1.0)), st.floats(0, 1)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@given(cases=_CASES)
def test_a_baseline_comes_back_from_its_suite_as_it_was(cases: Mapping[str, BaselineCase]) -> None:
    held = _baseline(cases, ("f1",))
    found = older_of(newer_of(held), _RUN)
    assert (dict(found.baseline.cases), found.unanswered) == (dict(cases), frozenset())
    assert found.baseline.scorers == held.scorers


def test_only_what_both_sides_answered_is_comparable() -> None:
    older = older_of(_suite(_result("a"), _result("b", "errored"), _result("c"), _result("d")), _RUN)
    newer = _suite(_result("a"), _result("b"), _result("c", "not_run"), _result("d", "errored"), _result("e"))
    assert _ids(comparable(newer, older)) == ["a", "d", "e"]


def test_a_stopped_suite_keeps_its_plan() -> None:
    older = older_of(_suite(_result("a"), _result("b")), _RUN)
    assert _ids(comparable(_suite(_result("a"), _result("b", "not_run"), stopped=True), older)) == ["a", "b"]

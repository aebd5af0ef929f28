from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.data import Accounting, CaseResult, Place, PlannedCase, Score, ScoreSummary, Trial
from pytest_evalgate.gates.outcomes import account, counted, score_summaries

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def test_every_case_is_accounted_for_once(build: Build) -> None:
    assert account(build.suite("PPm?S-").results) == Accounting(6, 2, 1, 1, 1, 1)
    assert account(()) == Accounting()


def test_accounts_add_up() -> None:
    assert Accounting(3, 1, 1, 1) + Accounting(2, 0, 0, 0, 1, 1) == Accounting(5, 1, 1, 1, 1, 1)


def test_only_skipped_cases_are_not_counted(build: Build) -> None:
    assert [result.outcome for result in counted(build.suite("PmS?").results)] == ["passed", "missed", "errored"]


def test_a_case_whose_worker_died_has_no_trial_and_is_missing(build: Build) -> None:
    crashed = CaseResult(build.case(9), "errored")
    results = (*build.suite("PPm PPP").results, crashed)
    assert build.seen(results).rate.value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert build.seen(results, completion="best").rate.value == pytest.approx((2 / 3 + 1 + 1) / 3)


def test_scores_are_averaged_where_a_scorer_could_tell() -> None:
    scores = (Score("a", 1.0, passed=True), Score("b", None, passed=None))
    more = (Score("a", 0.5, passed=False), Score("b", None, passed=None))
    case = PlannedCase("c", Place("g", 1), "f")
    result = CaseResult(case, "errored", (Trial(0, 1.0, scores=scores), Trial(1, None, scores=more)))
    assert score_summaries([result]) == {"a": ScoreSummary(0.75, 2), "b": ScoreSummary(None, 0)}

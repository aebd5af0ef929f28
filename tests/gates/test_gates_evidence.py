from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.gates.pairing import count_outcomes, head_results, is_missing, not_skipped, score_summaries
from pytest_evalgate.records.results import Accounting, CaseResult, Place, PlannedCase, Score, ScoreSummary, Trial
from pytest_evalgate.stats.clusters import cluster_mean_ci
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import SuiteRun


def test_every_case_is_accounted_for_once(build: Build) -> None:
    assert count_outcomes(build.suite("PPm?S-").results) == Accounting(6, 2, 1, 1, 1, 1)
    assert count_outcomes(()) == Accounting()


def test_accounts_add_up() -> None:
    assert Accounting(3, 1, 1, 1) + Accounting(2, 0, 0, 0, 1, 1) == Accounting(5, 1, 1, 1, 1, 1)


def test_only_skipped_cases_are_not_counted(build: Build) -> None:
    assert [result.outcome for result in not_skipped(build.suite("PmS?").results)] == ["passed", "missed", "errored"]


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


def _clustered(build: Build, letters: str, clusters: str) -> SuiteRun:
    return build.suite(letters, fields={index: {"cluster": name} for index, name in enumerate(clusters)})


def test_the_rate_of_clusters_rests_on_their_effective_number(build: Build) -> None:
    letters, clusters = "PPPPmmmmPPPPPPPm", "aaaabbbbccccdddd"
    rate = build.seen(_clustered(build, letters, clusters)).rate
    wanted = cluster_mean_ci([float(letter == "P") for letter in letters], list(clusters), 0.95)
    assert (rate.n, rate.value, rate.n_eff) == (16, 11 / 16, wanted.n_eff)
    assert 4 <= rate.n_eff < 16
    assert (rate.lower, rate.interval) == (
        wanted.lower_one_sided_exact,
        (wanted.wilson_two_sided.lower, wanted.wilson_two_sided.upper),
    )


def test_clusters_of_one_case_are_worth_as_much_as_none(build: Build) -> None:
    rate = build.seen(_clustered(build, "PPmPPPPPPm", "abcdefghij")).rate
    plain = build.seen(build.suite("PPmPPPPPPm")).rate
    assert rate == plain


@pytest.mark.parametrize(("letters", "is_one"), [("PPPm", True), ("P", False)])
def test_one_cluster_is_a_single_observation(build: Build, letters: str, is_one: bool) -> None:  # noqa: FBT001 - a column of a table
    rate = build.seen(_clustered(build, letters, "aaaa"[: len(letters)])).rate
    assert (rate.n_eff, rate.is_one_cluster) == (1.0, is_one)
    assert not build.seen(build.suite(letters)).rate.is_one_cluster


def test_trials_inside_clusters_are_first_made_one_number_a_case(build: Build) -> None:
    suite = _clustered(build, "PPmm PPPP mmmm Pmmm", "aabb")
    wanted = cluster_mean_ci([0.5, 1.0, 0.0, 0.25], [0, 0, 1, 1], 0.95)
    assert build.seen(suite).rate.n_eff == wanted.n_eff
    assert build.seen(suite).rate.value == 0.4375


def test_trials_that_differ_are_worth_more_than_their_cases(build: Build) -> None:
    rate = build.seen(build.suite(" ".join(["PPPm", "PmPP"] * 10 + ["PPPP"] * 10))).rate
    assert rate.n == 30
    assert 30 < rate.n_eff <= 120


@pytest.mark.parametrize(
    ("aggregate", "value"), [("majority", 2 / 3), ("pass@2", (1 + 5 / 6 + 1) / 3), ("pass^2", (1 + 1 / 6 + 0.5) / 3)]
)
def test_an_aggregate_is_worth_its_cases_and_no_more(build: Build, aggregate: str, value: float) -> None:
    rate = build.seen(build.suite("PPPP PPmm mPPP"), aggregate=aggregate).rate
    assert rate.value == pytest.approx(value)
    assert (rate.n, rate.n_eff) == (3, 3)
    assert rate.lower == pytest.approx(clopper_pearson_lower_one_sided(3 * value, 3, 0.95))


def test_a_single_case_has_an_aggregate_too(build: Build) -> None:
    rate = build.seen(build.suite("PPm PPP").results[:1], aggregate="pass^2").rate
    assert rate.value == pytest.approx(1 / 3)
    assert rate.n_eff == 1


def test_only_scorers_that_grade_every_answer_have_a_mean(build: Build) -> None:
    tone, fact = Score("tone", 1.0, passed=True), Score("fact", 1.0, passed=True)
    both, one = (Trial(0, 1.0, scores=(tone, fact)), Trial(0, 1.0, scores=(tone,)))
    results = [CaseResult(build.case(index), "passed", (trial,)) for index, trial in enumerate([both, one])]
    failed = CaseResult(build.case(2), "missed", (Trial(0, 0.0, reason="it raised"),))
    assert build.seen([*results, failed]).scorers == {"tone"}
    assert build.seen([*results, failed]).ungraded("tone") is None
    assert build.seen(results).ungraded("fact") == "no scorer named fact grades every output; scorers that do: tone"
    assert build.seen([failed]).ungraded("tone") == "no scorer named tone grades every output; scorers that do: none"


def test_what_belongs_to_the_base_branch_is_not_of_this_one(build: Build) -> None:
    suite = build.suite("PPm", fields={1: {"side": "head"}, 2: {"side": "base"}})
    assert [result.case.id for result in head_results(suite.results)] == ["c000", "c001"]


@pytest.mark.parametrize(("letters", "missing"), [("P", False), ("m", False), ("?", True), ("-", True), ("S", False)])
def test_a_missing_answer_could_have_been_another_one(build: Build, letters: str, missing: bool) -> None:  # noqa: FBT001 - a column of a table
    assert is_missing(build.suite(letters).results[0]) is missing


def test_a_mark_that_could_not_be_told_is_missing_beside_a_miss(build: Build) -> None:
    scores = (Score("exact", 0.0, passed=False), Score("tone", None, passed=None))
    assert is_missing(CaseResult(build.case(0), "missed", (Trial(0, 0.0, scores=scores),)))

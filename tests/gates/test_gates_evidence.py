"""Columns of cases and pairs, their rates and their paired tests."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates.evidence import Measure, Pairs
from pytest_evalgate.gates.pairing import count_outcomes, head_results, is_missing, not_skipped, score_summaries
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, PlannedCase, Score, Trial
from pytest_evalgate.records.verdicts import Accounting, BaselineCase, ScoreSummary
from pytest_evalgate.stats.clusters import cluster_delta, cluster_mean_ci
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided
from pytest_evalgate.stats.paired import finding
from pytest_evalgate.stats.planning import mde_mcnemar, mde_mean, mde_with_flips
from pytest_evalgate.stats.stability import pass_at_k

if TYPE_CHECKING:
    from random import Random

    from tests.gates.conftest import Build

    from pytest_evalgate.gates.evidence import Completion
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


def test_scores_of_none_are_left_out_of_the_mean() -> None:
    scores = (Score("a", 1.0, passed=True), Score("b", None, passed=None))
    more = (Score("a", 0.5, passed=False), Score("b", None, passed=None))
    case = PlannedCase("c", Place("g", 1), "f")
    result = CaseResult(case, "errored", (Trial(0, 1.0, scores=scores), Trial(1, None, scores=more)))
    assert score_summaries([result]) == {"a": ScoreSummary(0.75, 2), "b": ScoreSummary(None, 0)}


def _clustered(build: Build, letters: str, clusters: str) -> SuiteRun:
    return build.suite(letters, fields={index: {"cluster": name} for index, name in enumerate(clusters)})


def test_the_rate_of_clusters_uses_their_effective_number(build: Build) -> None:
    letters, clusters = "PPPPmmmmPPPPPPPm", "aaaabbbbccccdddd"
    rate = build.seen(_clustered(build, letters, clusters)).rate
    wanted = cluster_mean_ci([float(letter == "P") for letter in letters], list(clusters), 0.95)
    assert (rate.n, rate.value, rate.n_eff) == (16, 11 / 16, wanted.n_eff)
    assert 4 <= rate.n_eff < 16
    assert (rate.lower, rate.interval) == (
        wanted.lower_one_sided_exact,
        (wanted.wilson_two_sided.lower, wanted.wilson_two_sided.upper),
    )


def test_clusters_of_one_case_count_as_independent_cases(build: Build) -> None:
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


def test_trials_that_differ_raise_the_effective_number(build: Build) -> None:
    rate = build.seen(build.suite(" ".join(["PPPm", "PmPP"] * 10 + ["PPPP"] * 10))).rate
    assert rate.n == 30
    assert 30 < rate.n_eff <= 120


@pytest.mark.parametrize(
    ("aggregate", "value"), [("majority", 2 / 3), ("pass@2", (1 + 5 / 6 + 1) / 3), ("pass^2", (1 + 1 / 6 + 0.5) / 3)]
)
def test_an_aggregate_counts_one_value_per_case(build: Build, aggregate: str, value: float) -> None:
    rate = build.seen(build.suite("PPPP PPmm mPPP"), aggregate=aggregate).rate
    assert rate.value == pytest.approx(value)
    assert (rate.n, rate.n_eff) == (3, 3)
    assert rate.lower == pytest.approx(clopper_pearson_lower_one_sided(3 * value, 3, 0.95))


def test_a_single_case_has_an_aggregate_too(build: Build) -> None:
    rate = build.seen(build.suite("PPm PPP").results[:1], aggregate="pass^2").rate
    assert rate.value == pytest.approx(1 / 3)
    assert rate.n_eff == 1


def test_only_scorers_that_grade_every_output_have_a_mean(build: Build) -> None:
    tone, fact = Score("tone", 1.0, passed=True), Score("fact", 1.0, passed=True)
    both, one = (Trial(0, 1.0, scores=(tone, fact)), Trial(0, 1.0, scores=(tone,)))
    results = [CaseResult(build.case(index), "passed", (trial,)) for index, trial in enumerate([both, one])]
    failed = CaseResult(build.case(2), "missed", (Trial(0, 0.0, reason="it raised"),))
    assert build.seen([*results, failed]).scorers == {"tone"}
    assert build.seen([*results, failed]).ungraded("tone") is None
    assert build.seen(results).ungraded("fact") == "no scorer named fact grades every output; scorers that do: tone"
    assert build.seen([failed]).ungraded("tone") == "no scorer named tone grades every output; scorers that do: none"


def test_cases_of_the_base_branch_are_not_of_this_branch(build: Build) -> None:
    suite = build.suite("PPm", fields={1: {"side": "head"}, 2: {"side": "base"}})
    assert [result.case.id for result in head_results(suite.results)] == ["c000", "c001"]


@pytest.mark.parametrize(("letters", "missing"), [("P", False), ("m", False), ("?", True), ("-", True), ("S", False)])
def test_missing_results_are_recognised(build: Build, letters: str, missing: bool) -> None:  # noqa: FBT001 - a column of a table
    assert is_missing(build.suite(letters).results[0]) is missing


def test_a_score_of_none_is_missing_beside_a_miss(build: Build) -> None:
    scores = (Score("exact", 0.0, passed=False), Score("tone", None, passed=None))
    assert is_missing(CaseResult(build.case(0), "missed", (Trial(0, 0.0, scores=scores),)))


def _pairs(
    before: list[float], now: list[float], clusters: list[int] | None = None, *, single_trial: bool = True
) -> Pairs:
    codes = None if clusters is None else np.array(clusters, dtype=np.int64)
    return Pairs(np.array(before, dtype=np.float64), np.array(now, dtype=np.float64), codes, single_trial)


def _table(n: int, losses: int, gains: int) -> Pairs:
    same = n - losses - gains
    return _pairs([1.0] * losses + [0.0] * gains + [1.0] * same, [0.0] * losses + [1.0] * gains + [1.0] * same)


def _means(losses: int, n: int, drop: float = 1 / 3) -> Pairs:
    return _pairs([1.0] * n, [1.0 - drop] * losses + [1.0] * (n - losses), single_trial=False)


@pytest.mark.parametrize(
    ("pairs", "test"),
    [
        (_table(50, 20, 3), "mcnemar-midp"),
        (_means(16, 40), "sign-flip-midp"),
        (_means(17, 40), "paired-t"),
        (_pairs([0.5, 1.0], [1.0, 1.0]), "sign-flip-midp"),
        (_pairs([1.0] * 4, [0.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]), "cluster-sign-flip-midp"),
        (_pairs([1.0] * 40, [0.0] * 34 + [1.0] * 6, [case // 2 for case in range(40)]), "cluster-t"),
    ],
)
def test_the_test_follows_the_trials_and_the_clusters(pairs: Pairs, test: str) -> None:
    assert pairs.finding(0.05).test == test


def test_single_trials_are_a_table_of_pairs() -> None:
    found, wanted = _table(60, 9, 2).finding(0.05, 0.1), finding(both_pass=49, losses=9, gains=2, both_fail=0)
    assert (found.p, found.lower, found.upper) == (wanted.p, wanted.lower, wanted.upper)
    assert found.delta == -7 / 60


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_means_of_single_trials_have_the_p_of_the_table(table: list[tuple[bool, bool]]) -> None:
    before, now = ([float(side) for side in sides] for sides in zip(*table, strict=True))
    single_trial, means = _pairs(before, now).finding(0.05), _pairs(before, now, single_trial=False).finding(0.05)
    assert means.p == pytest.approx(single_trial.p, abs=1e-12)
    assert means.delta == pytest.approx(single_trial.delta)


def test_cases_of_one_cluster_are_one_observation() -> None:
    now = [0.0] * 10 + [1.0] * 40
    alone = _pairs([1.0] * 50, now)
    together = _pairs([1.0] * 50, now, [case // 10 for case in range(50)])
    assert alone.finding(0.05).p < 0.001
    assert together.finding(0.05).p == 0.25  # one cluster of five changed: a fair coin, its mid-p
    assert together.finding(0.05).delta == alone.finding(0.05).delta
    assert together.finding(0.05).lower < alone.finding(0.05).lower


def test_clusters_of_one_case_equal_no_clusters() -> None:
    before, now = [0.5, 1.0, 0.75, 1.0, 0.0], [0.25, 1.0, 1.0, 0.5, 0.0]
    assert _pairs(before, now, list(range(5)), single_trial=False).finding(0.05).p == pytest.approx(
        _pairs(before, now, single_trial=False).finding(0.05).p
    )


def test_losses_and_gains_are_pairs_with_any_change() -> None:
    pairs = _pairs([0.5, 0.3, 0.1 + 0.2, 1.0], [0.4, 0.6, 0.3, 1.0], single_trial=False)
    assert (pairs.losses, pairs.gains, len(pairs)) == (1, 1, 4)


@pytest.mark.parametrize(
    ("pairs", "testable"),
    [
        (_table(1, 0, 0), True),
        (_pairs([], []), False),
        (_pairs([1.0, 1.0], [1.0, 0.0], [7, 7]), False),
        (_pairs([1.0, 1.0], [1.0, 0.0], [7, 8]), True),
    ],
)
def test_testable_pairs(pairs: Pairs, testable: bool) -> None:  # noqa: FBT001 - a column of a table
    assert pairs.are_testable is testable


def test_a_part_keeps_its_clusters_and_its_test() -> None:
    part = _pairs([1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [4, 5, 6], single_trial=False).take(np.array([0, 2]))
    assert part.before.tolist() == [1.0, 1.0]
    assert part.now.tolist() == [0.0, 1.0]
    assert part.clusters is not None
    assert part.clusters.tolist() == [4, 6]
    assert not part.single_trial


_DROPS = [
    _table(200, 40, 5),
    _means(30, 100),
    _pairs([1.0] * 60, [0.0] * 24 + [1.0] * 36, [i // 3 for i in range(60)]),
]


@pytest.mark.parametrize("pairs", _DROPS, ids=["table", "means", "clusters"])
@pytest.mark.parametrize("drop", [0.01, 0.03, 0.08])
def test_the_p_of_a_larger_drop_is_the_alpha_at_which_its_bound_touches(pairs: Pairs, drop: float) -> None:
    p = pairs.p_beyond(drop)
    if p < 0.5:
        assert pairs.finding(p).upper == pytest.approx(-drop, abs=1e-6)
    assert (pairs.finding(0.05).upper < -drop) == (p <= 0.05)


def test_the_p_of_a_larger_drop_has_its_ends() -> None:
    assert _table(100, 3, 3).p_beyond(0.01) == 0.5
    assert _table(2000, 1000, 0).p_beyond(0.01) < 1e-11
    assert _table(200, 40, 5).p_beyond(0.01) < _table(200, 40, 5).p_beyond(0.1)


@pytest.mark.parametrize("n", [100, 500])
def test_the_smallest_drop_of_single_trials_is_connors(n: int) -> None:
    wanted = mde_mcnemar(n, discordance=21 / (n + 2), alpha_one_sided=0.05, power=0.8)
    assert _table(n, 10, 10).detectable_drop(0.05) == wanted.mde


def test_the_smallest_drop_of_means_follows_their_spread() -> None:
    quiet, noisy = _means(20, 100, drop=0.2), _means(20, 100, drop=0.8)
    assert quiet.detectable_drop(0.05) == pytest.approx((noisy.detectable_drop(0.05) or 0) / 4)
    se = float((noisy.now - noisy.before).std(ddof=1)) / 10
    assert noisy.detectable_drop(0.05) == pytest.approx(mde_mean(se, 99, 0.05, 0.8))


def test_the_smallest_drop_of_clusters_has_their_degrees_of_freedom() -> None:
    pairs = _pairs([1.0] * 60, [0.0] * 6 + [1.0] * 54, [case // 6 for case in range(60)])
    found = cluster_delta((pairs.now - pairs.before).tolist(), [case // 6 for case in range(60)])
    assert pairs.detectable_drop(0.05) == mde_mean(found.se, 9, 0.05, 0.8)
    assert (pairs.detectable_drop(0.05) or 0) > (_table(60, 6, 0).detectable_drop(0.05) or 1) / 2


def test_pairs_without_any_change_have_an_mde() -> None:
    assert _means(0, 1000).detectable_drop(0.05) == pytest.approx(mde_mean(1 / math.sqrt(1000 * 1002), 999))
    assert _means(0, 1000).expected_detectable_drop(0.05) == _means(0, 1000).detectable_drop(0.05)
    assert _table(1000, 0, 0).expected_detectable_drop(0.05) == mde_with_flips(1000, 0.0, 0.05, 0.8)


def test_a_few_pairs_detect_drops_on_top_of_flips() -> None:
    few = _table(20, 2, 1)
    assert few.detectable_drop(0.05) is None
    assert few.expected_detectable_drop(0.05) == mde_with_flips(20, 3 / 21, 0.05, 0.8)
    assert (
        _table(3, 1, 1).expected_detectable_drop(0.05) is None
    )  # four losses are the fewest that a test can reject by


@pytest.mark.parametrize("pairs", [_means(1, 1), _table(3, 1, 1), _pairs([1.0, 1.0], [1.0, 0.0], [0, 1])])
def test_a_handful_of_pairs_can_detect_no_drop(pairs: Pairs) -> None:
    assert pairs.detectable_drop(0.05) is None


numbers = st.floats(0, 1).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
def test_the_bounds_of_means_contain_the_change_and_the_lower_one_is_capped(
    table: list[tuple[float, float]],
) -> None:
    before, now = (list(side) for side in zip(*table, strict=True))
    found = _pairs(before, now, single_trial=False).finding(0.05)
    swapped = _pairs(now, before, single_trial=False).finding(0.05)
    assert found.lower <= found.delta <= found.upper
    assert found.delta == pytest.approx(-swapped.delta, abs=1e-12)
    assert found.lower <= -swapped.upper + 1e-9


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))
def test_swapping_the_runs_mirrors_the_bounds_of_a_table(losses: int, gains: int, same: int) -> None:
    n = losses + gains + same + 1
    found, swapped = _table(n, losses, gains).finding(0.05), _table(n, gains, losses).finding(0.05)
    assert (found.lower, found.upper) == (-swapped.upper, -swapped.lower)
    assert found.delta == -swapped.delta


def test_judged_changes_are_divided_by_youdens_j() -> None:
    seen = _table(200, 20, 4)
    behind = replace(seen, youden=0.5)
    one, other = seen.finding(0.05), behind.finding(0.05)
    assert (other.p, other.test) == (one.p, one.test)
    assert (other.delta, other.lower, other.upper) == (2 * one.delta, 2 * one.lower, 2 * one.upper)
    assert behind.detectable_drop(0.05) == pytest.approx(2 * (seen.detectable_drop(0.05) or 0))
    assert behind.take(np.arange(30)).youden == 0.5


def test_no_change_behind_a_judge_is_larger_than_all_cases() -> None:
    found = replace(_table(20, 18, 0), youden=0.5).finding(0.05)
    assert (found.delta, found.lower, found.upper) == (-1.0, -1.0, -1.0)


def test_a_drop_that_only_a_better_judge_could_detect_is_none() -> None:
    seen = _table(30, 3, 3)
    assert seen.expected_detectable_drop(0.05) is not None
    assert replace(seen, youden=0.2).expected_detectable_drop(0.05) is None


@given(losses=st.integers(0, 30), gains=st.integers(0, 30), margin=st.floats(0.01, 0.5), youden=st.floats(0.3, 1.0))
def test_the_margin_is_compared_with_the_scaled_bound(losses: int, gains: int, margin: float, youden: float) -> None:
    pairs = replace(_table(80, losses, gains), youden=youden)
    found = pairs.finding(0.05, margin)
    assert (found.lower > -margin) == (found.name in {"regressed_within_margin", "no_regression_beyond_margin"})
    assert (found.p <= 0.05) == found.name.startswith("regressed")


def _numbers(build: Build, trials: str, aggregate: str, completion: Completion = "worst") -> list[float]:
    results = [build.result(index, case) for index, case in enumerate(trials.split())]
    return list(map(float, Measure(aggregate).of_results(results, completion)))


def _number(build: Build, trials: str, aggregate: str, completion: Completion = "worst") -> float:
    [number] = _numbers(build, trials, aggregate, completion)
    return number


@pytest.mark.parametrize(
    ("trials", "aggregate", "number"),
    [
        ("PPPm", "mean", 0.75),
        ("PPPm", "majority", 1.0),
        ("PPmm", "majority", 0.0),
        ("mmP", "majority", 0.0),
        ("PPmm", "pass@1", 0.5),
        ("PPmm", "pass@2", 1 - 1 / 6),
        ("PPmm", "pass@3", 1.0),
        ("PPmm", "pass^2", 1 / 6),
        ("PPmm", "pass^3", 0.0),
        ("PPPP", "pass^4", 1.0),
        ("mmmm", "pass@4", 0.0),
    ],
)
def test_a_case_is_one_number(build: Build, trials: str, aggregate: str, number: float) -> None:
    assert _number(build, trials, aggregate) == pytest.approx(number, abs=1e-15)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12))
def test_pass_at_k_and_pass_hat_k_are_those_of_the_statistics(build: Build, passed: int, missed: int, k: int) -> None:
    if passed + missed < k:
        return
    trials = "P" * passed + "m" * missed
    wanted = pass_at_k(n=passed + missed, c=passed, k=k)
    assert _number(build, trials, f"pass@{k}") == wanted.pass_at_k
    assert _number(build, trials, f"pass^{k}") == wanted.pass_hat_k


@pytest.mark.parametrize(("aggregate", "trials"), [("mean", 1), ("majority", 1), ("pass@3", 3), ("pass^12", 12)])
def test_the_fewest_trials_of_an_aggregate(aggregate: str, trials: int) -> None:
    assert Measure(aggregate).trials == trials


def test_too_few_trials_of_a_suite_are_a_problem() -> None:
    assert Measure("pass@3").trials_problem(3) is None
    message = "pass@3 needs 3 trials of a case, but the suite has 2: set trials = 3"
    assert Measure("pass@3").trials_problem(2) == message


@pytest.mark.parametrize(
    ("trials", "aggregate", "worst", "best"),
    [
        ("P?m", "mean", 1 / 3, 2 / 3),
        ("P?m", "majority", 0.0, 1.0),
        ("P?m?", "pass^2", 0.0, 1 / 2),
        ("P?m?", "pass@2", 1 / 2, 1.0),
        ("?", "mean", 0.0, 1.0),
    ],
)
def test_a_missing_trial_is_a_miss_at_worst_and_a_pass_at_best(
    build: Build, trials: str, aggregate: str, worst: float, best: float
) -> None:
    assert _number(build, trials, aggregate) == pytest.approx(worst)
    assert _number(build, trials, aggregate, "best") == pytest.approx(best)


@pytest.mark.parametrize("aggregate", ["mean", "majority", "pass@1", "pass@4", "pass^1", "pass^4"])
def test_a_case_that_broke_off_before_its_first_trial_is_all_missing(build: Build, aggregate: str) -> None:
    assert _number(build, "-", aggregate) == 0.0
    assert _number(build, "-", aggregate, "best") == 1.0


def test_a_case_that_broke_off_between_its_trials_misses_the_others(build: Build) -> None:
    assert _number(build, "PP", "pass^4") == 0.0
    assert _number(build, "PP", "pass^4", "best") == 1.0
    assert _number(build, "Pm", "pass^4", "best") == 0.0


@pytest.mark.parametrize("aggregate", ["mean", "majority", "pass@2", "pass^2"])
def test_no_cases_have_no_numbers(aggregate: str) -> None:
    assert Measure(aggregate).of_results([], "worst").shape == (0,)
    assert Measure(aggregate).of_baseline([]).shape == (0,)


def test_a_baseline_case_with_too_few_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="k must be at most the number of trials, got k = 4 of n = 1"):
        Measure("pass^4").of_baseline([BaselineCase("f", (1.0,))])


def test_a_scorers_number_is_its_mean_score(build: Build) -> None:
    suite = build.graded([0.25, 0.75], [1.0, 0.5])
    assert Measure(scorer="tone").of_results(suite.results, "worst").tolist() == [0.5, 0.75]


def test_a_score_of_none_is_missing(build: Build) -> None:
    results = build.graded([None, 0.75]).results
    assert Measure(scorer="tone").of_results(results, "worst").tolist() == [0.375]
    assert Measure(scorer="tone").of_results(results, "best").tolist() == [0.875]


def test_a_score_counts_though_another_scorer_could_not_tell(build: Build) -> None:
    scores = (Score("tone", 0.75, passed=True), Score("fact", None, passed=None))
    result = CaseResult(build.case(0), "errored", (Trial(0, None, scores=scores),))
    assert Measure(scorer="tone").of_results([result], "worst").tolist() == [0.75]
    assert Measure(scorer="fact").of_results([result], "best").tolist() == [1.0]


@pytest.mark.parametrize(("value", "worst", "best"), [(0.0, 0.0, 0.0), (None, 0.0, 1.0)])
def test_an_ungraded_output_has_the_value_of_its_trial(
    build: Build, value: float | None, worst: float, best: float
) -> None:
    result = replace(build.result(0, "P"), trials=(Trial(0, value),))
    assert Measure(scorer="tone").of_results([result], "worst").tolist() == [worst]
    assert Measure(scorer="tone").of_results([result], "best").tolist() == [best]


def test_a_baseline_keeps_only_the_scores_that_differ_from_its_values() -> None:
    cases = [BaselineCase("f", (1.0, 0.0), {"tone": (0.5, 0.25)}), BaselineCase("f", (1.0, 0.0))]
    assert Measure(scorer="tone").of_baseline(cases).tolist() == [0.375, 0.5]
    assert Measure().of_baseline(cases).tolist() == [0.5, 0.5]


@given(st.lists(st.sampled_from("Pm?"), min_size=3, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_trials_does_not_matter(build: Build, letters: list[str], random: Random) -> None:
    shuffled = list(letters)
    random.shuffle(shuffled)
    for aggregate in ("mean", "majority", "pass@3", "pass^3"):
        first, second = ("".join(order) for order in (letters, shuffled))
        assert _number(build, first, aggregate) == _number(build, second, aggregate)

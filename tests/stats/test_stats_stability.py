"""Aggregates of trials, flip rates, identical runs and flaky cases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.paired import finding_of_means, mcnemar_midp
from pytest_evalgate.stats.planning import mcnemar_power
from pytest_evalgate.stats.stability import aa_runs, aggregate_values, flaky_case_midp, flip_rate, pass_at_k

if TYPE_CHECKING:
    from collections.abc import Callable


holds = settings(deadline=None, database=None)


@st.composite
def repeated(draw: st.DrawFn) -> list[tuple[int, int]]:
    trials = draw(st.lists(st.integers(2, 7), min_size=1, max_size=20))
    return [(draw(st.integers(0, k)), k) for k in trials]


@holds
@given(cases=repeated())
def test_flip_rate_is_the_share_of_unequal_pairs_of_trials(cases: list[tuple[int, int]]) -> None:
    shares = []
    for passes, trials in cases:
        pairs = list(itertools.combinations([1] * passes + [0] * (trials - passes), 2))
        shares.append(sum(one != other for one, other in pairs) / len(pairs))
    found = flip_rate([passes for passes, _ in cases], [trials for _, trials in cases])
    assert found.rate == pytest.approx(sum(shares) / len(shares))
    assert found.interval.lower - 1e-12 <= found.rate <= found.interval.upper + 1e-12
    assert found.flaky == sum(share > 0 for share in shares)
    assert found.cases == len(cases)


def test_two_trials_give_a_plain_share() -> None:
    found = flip_rate([2, 1, 0, 1, 2, 2, 2, 2, 2, 2], [2] * 10)
    assert (found.rate, found.interval) == (0.2, wilson_interval(2, 10))


def test_more_trials_narrow_the_flip_rate() -> None:
    chances = np.random.default_rng(5).beta(2, 1, 300)
    few, many = (flip_rate(np.random.default_rng(6).binomial(k, chances).astype(float), [k] * 300) for k in (2, 10))
    assert many.interval.upper - many.interval.lower < few.interval.upper - few.interval.lower
    truth = float(np.mean(2 * chances * (1 - chances)))
    assert few.interval.lower < truth < few.interval.upper
    assert many.interval.lower < truth < many.interval.upper


def test_identical_runs_alarm_at_rate_alpha() -> None:
    random = np.random.default_rng(11)
    chances = random.beta(0.34, 0.085, 200)
    found = aa_runs([(random.random(200) < chances).astype(float) for _ in range(40)], alpha=0.05)
    assert found.false_alarm_interval.lower < 0.05 < found.false_alarm_interval.upper
    assert found.expected_false_alarm_rate == pytest.approx(0.05, abs=0.005)
    assert found.false_alarm_rate == pytest.approx(found.expected_false_alarm_rate, abs=0.05)
    truth = float(np.mean(2 * chances * (1 - chances)))
    assert found.flips.interval.lower < truth < found.flips.interval.upper


def test_every_ordered_pair_of_runs_is_one_comparison() -> None:
    runs = np.random.default_rng(1).integers(0, 2, (5, 30)).astype(float)
    runs[3] = 1.0
    alarms = 0
    for before, after in itertools.permutations(runs, 2):
        losses, gains = int(np.sum(before > after)), int(np.sum(before < after))
        alarms += mcnemar_midp(losses, gains) <= 0.05
    found = aa_runs(runs.tolist())
    assert alarms > 0
    assert found.false_alarm_rate == alarms / 20
    assert (found.comparisons, found.independent) == (20, 2)


def test_a_p_at_alpha_is_an_alarm() -> None:
    runs = [[1, 1, 1, 1], [0, 0, 0, 1]]  # three losses: a mid-p of 1 / 16
    assert aa_runs(runs, alpha=0.0625).false_alarm_rate == 0.5
    assert aa_runs(runs, alpha=0.0624).false_alarm_rate == 0.0


def test_runs_that_agree_have_no_false_alarm_and_prove_little() -> None:
    found = aa_runs([[1, 0, 1, 1]] * 4)
    assert (found.false_alarm_rate, found.expected_false_alarm_rate, found.flips.rate) == (0.0, 0.0, 0.0)
    assert found.false_alarm_interval.upper == pytest.approx(1 - 0.025**0.5)


def test_false_alarm_rate_is_the_power_at_no_change() -> None:
    assert mcnemar_power(200, 0.05, 0.05) == pytest.approx(0.05, abs=0.003)
    assert mcnemar_power(200, 0.0, 0.0) == 0.0
    assert mcnemar_power(200, 0.0775, 0.0225) == pytest.approx(0.8, abs=0.03)  # the detectable drop: 5.5 points


@settings(holds, max_examples=60)
@given(before=st.tuples(st.integers(0, 4), st.integers(1, 3)), now=st.tuples(st.integers(0, 4), st.integers(1, 3)))
def test_flaky_case_counts_every_way_to_share_the_passes(before: tuple[int, int], now: tuple[int, int]) -> None:
    trials_before, trials_now = sum(before), sum(now)
    p = flaky_case_midp(
        baseline_passes=before[0],
        baseline_trials=trials_before,
        candidate_passes=now[0],
        candidate_trials=trials_now,
    )
    chosen = itertools.combinations(range(trials_before + trials_now), before[0] + now[0])
    shares = [sum(place >= trials_before for place in places) for places in chosen]
    fewer = sum(share < now[0] for share in shares)
    assert p == pytest.approx((fewer + shares.count(now[0]) / 2) / len(shares))


def test_a_case_that_always_failed_or_passed_has_not_changed() -> None:
    for passes in (0, 5):
        assert (
            flaky_case_midp(baseline_passes=passes, baseline_trials=5, candidate_passes=passes, candidate_trials=5)
            == 0.5
        )


def test_fewer_passes_now_make_a_drop_more_credible() -> None:
    p = [
        flaky_case_midp(baseline_passes=4, baseline_trials=5, candidate_passes=now, candidate_trials=5)
        for now in range(6)
    ]
    assert p == sorted(p)
    assert p[0] == pytest.approx(0.0119, abs=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flip_rate([1, 1], [2, 1]), r"trials\[1\] must be a number from 2 .* got 1"),
        (lambda: flip_rate([3], [2]), r"passes\[0\] must be a number from 0 to 2, got 3"),
        (lambda: flip_rate([0.5], [2]), r"passes\[0\] must be a whole number, got 0.5"),
        (lambda: flip_rate([], []), "trials must be a list of one or more numbers"),
        (lambda: flip_rate([1], [2, 2]), "one entry per case is needed"),
        (lambda: flip_rate([1], [2], 1.0), "confidence must be strictly between 0 and 1, got 1.0"),
        (lambda: aa_runs([[1, 0]]), "at least 2 identical runs are needed, got 1"),
        (lambda: aa_runs([[1, 0], [1]]), r"one entry per case is needed in each of .*'outcomes\[1\]': 1"),
        (lambda: aa_runs([[1, 0], [1, 0.5]]), r"outcomes\[1\]\[1\] must be a whole number, got 0.5"),
        (lambda: aa_runs([[1, 0], [1, 2]]), r"outcomes\[1\]\[1\] must be a number from 0 to 1, got 2"),
        (lambda: aa_runs([[], []]), r"outcomes\[0\] must be a list of one or more numbers"),
        (lambda: aa_runs([[1], [1]], 0.5), "alpha must be strictly between 0 and 0.5, got 0.5"),
        (
            lambda: flaky_case_midp(baseline_passes=0, baseline_trials=0, candidate_passes=0, candidate_trials=1),
            "baseline_trials must be a whole number, 1 or more, got 0",
        ),
        (
            lambda: flaky_case_midp(baseline_passes=0, baseline_trials=1, candidate_passes=3, candidate_trials=2),
            "candidate_trials must be a whole number, 3 or more, got 2",
        ),
    ],
)
def test_unusable_runs_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@st.composite
def trials(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@holds
@given(case=trials())
def test_every_choice_of_k_trials_is_counted(case: tuple[int, int, int]) -> None:
    n, c, k = case
    choices = list(itertools.combinations([True] * c + [False] * (n - c), k))
    found = pass_at_k(n, c, k)
    assert found.pass_at_k == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)
    assert found.pass_hat_k == pytest.approx(sum(map(all, choices)) / len(choices), abs=1e-12)


@holds
@given(n=st.integers(1, 200), data=st.data())
def test_all_of_k_is_harder_than_one_of_k(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    found = pass_at_k(n, c, k)
    assert 0 <= found.pass_hat_k <= c / n + 1e-12
    assert c / n - 1e-12 <= found.pass_at_k <= 1


def test_a_tied_vote_fails() -> None:
    assert aggregate_values([2, 3, 0], [4, 4, 1], "majority").tolist() == [0.0, 1.0, 0.0]


def test_cases_may_have_different_numbers_of_trials() -> None:
    successes, runs = [3, 1, 5], [10, 2, 5]
    assert aggregate_values(successes, runs, "mean").tolist() == [0.3, 0.5, 1.0]
    for aggregate in ("pass_at_k", "pass_hat_k"):
        values = aggregate_values(successes, runs, aggregate, 2)
        assert values.tolist() == [
            getattr(pass_at_k(n, c, 2), aggregate) for n, c in zip(runs, successes, strict=True)
        ]


def test_the_change_of_an_aggregate_is_tested_by_case() -> None:
    before, after = (aggregate_values(passes, [4] * 8, "pass_hat_k", 2) for passes in ([4] * 8, [3] * 8))
    found = finding_of_means(baseline=before, candidate=after)
    assert (found.name, found.delta) == ("regressed", -0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pass_at_k(3, 1, 5), "k must be at most the number of trials, got k = 5 of n = 3: run more trials"),
        (lambda: pass_at_k(3, 1, 0), "k must be a whole number, 1 or more, got 0"),
        (lambda: pass_at_k(3, 4, 1), "n must be a whole number, 4 or more, got 3"),
        (lambda: pass_at_k(3, -1, 1), "c must be a whole number, 0 or more, got -1"),
        (lambda: aggregate_values([1], [1, 2], "mean"), "one entry per case is needed"),
        (lambda: aggregate_values([1, 3], [2, 2], "mean"), r"successes\[1\] must be a number from 0 to 2, got 3"),
        (lambda: aggregate_values([1, 0.5], [2, 2], "mean"), r"successes\[1\] must be a whole number, got 0.5"),
        (lambda: aggregate_values([0], [0], "mean"), r"trials\[0\] must be a number from 1 "),
        (lambda: aggregate_values([1, 1], [5, 2], "pass_at_k", 3), "got k = 3 of n = 2"),
    ],
)
def test_unusable_counts_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

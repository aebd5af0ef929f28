"""The pass rate behind a judge that errs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats import JudgeNotBetterThanChance, agreement_binary, ppi_mean, rogan_gladen

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=200)
LABELS = {
    "human_pass": 80,
    "judge_pass_given_human_pass": 72,
    "human_fail": 20,
    "judge_fail_given_human_fail": 15,
}
shares = st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@holds
@given(run=shares, passes=shares, fails=shares)
def test_correction_undoes_the_errors_of_the_judge(
    run: tuple[int, int], passes: tuple[int, int], fails: tuple[int, int]
) -> None:
    tpr, tnr = passes[0] / passes[1], fails[0] / fails[1]
    assume(tpr + tnr > 1 + 1e-9)
    found = rogan_gladen(
        n=run[1],
        judged_pass=run[0],
        human_pass=passes[1],
        judge_pass_given_human_pass=passes[0],
        human_fail=fails[1],
        judge_fail_given_human_fail=fails[0],
    )
    true = found.theta_unclipped
    assert true * tpr + (1 - true) * (1 - tnr) == pytest.approx(run[0] / run[1])
    assert found.theta == min(1, max(0, true))
    assert 0 <= found.lee_ci95.lower <= found.lee_ci95.upper <= 1
    assert found.youden_lower <= found.youden == pytest.approx(tpr + tnr - 1)
    assert found.delta_se >= 0


def test_a_perfect_judge_needs_no_correction() -> None:
    found = rogan_gladen(
        n=200,
        judged_pass=150,
        human_pass=500,
        judge_pass_given_human_pass=500,
        human_fail=500,
        judge_fail_given_human_fail=500,
    )
    assert (found.theta, found.youden) == (0.75, 1.0)
    assert found.delta_se == pytest.approx(math.sqrt(0.75 * 0.25 / 200))
    assert found.lee_ci95.lower < 0.75 < found.lee_ci95.upper


def test_few_labels_widen_the_interval() -> None:
    few = rogan_gladen(n=500, judged_pass=390, **LABELS)
    many = rogan_gladen(n=500, judged_pass=390, **{name: 10 * count for name, count in LABELS.items()})
    assert many.lee_ci95.upper - many.lee_ci95.lower < 0.7 * (few.lee_ci95.upper - few.lee_ci95.lower)
    assert many.youden_lower > few.youden_lower
    assert many.theta == few.theta


def test_the_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        found = rogan_gladen(
            n=300,
            judged_pass=int(random.binomial(300, 0.8 * 0.9 + 0.2 * 0.25)),
            human_pass=60,
            judge_pass_given_human_pass=int(random.binomial(60, 0.9)),
            human_fail=60,
            judge_fail_given_human_fail=int(random.binomial(60, 0.75)),
        )
        covered += found.lee_ci95.lower <= 0.8 <= found.lee_ci95.upper
    assert 0.92 <= covered / 400 <= 0.99


@pytest.mark.parametrize(("passed", "failed"), [(30, 10), (0, 20), (10, 0), (40, 0)])
def test_a_judge_no_better_than_chance_is_refused(passed: int, failed: int) -> None:
    labels = {"human_pass": 40, "human_fail": 40}
    with pytest.raises(JudgeNotBetterThanChance, match=f"passes {passed} of 40 human passes and fails {failed} of 40"):
        rogan_gladen(
            n=10, judged_pass=5, judge_pass_given_human_pass=passed, judge_fail_given_human_fail=failed, **labels
        )


def test_a_judge_hardly_better_than_chance_says_nothing() -> None:
    found = rogan_gladen(
        n=100,
        judged_pass=50,
        human_pass=1,
        judge_pass_given_human_pass=1,
        human_fail=100,
        judge_fail_given_human_fail=10,
    )
    assert (found.lee_ci95.lower, found.lee_ci95.upper) == (0.0, 1.0)
    assert found.youden_lower < 0 < found.youden


def test_agreement_brings_the_counts_that_the_correction_takes() -> None:
    found = agreement_binary([1] * 80 + [0] * 20, [1] * 72 + [0] * 8 + [0] * 15 + [1] * 5)
    assert {name: getattr(found, name) for name in LABELS} == LABELS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n must be a whole number, 1 or more, got 0"),
        ({"judged_pass": 501}, "judged_pass must lie from 0 to 500, got 501"),
        ({"judged_pass": math.nan}, "judged_pass must be a whole number, 0 or more, got nan"),
        ({"human_pass": 0}, "human_pass must be a whole number, 1 or more, got 0"),
        ({"human_fail": 0}, "human_fail must be a whole number, 1 or more, got 0"),
        ({"judge_fail_given_human_fail": 21}, "judge_fail_given_human_fail must lie from 0 to 20, got 21"),
        ({"judge_pass_given_human_pass": -1}, "judge_pass_given_human_pass must be a whole number"),
    ],
)
def test_unusable_counts_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rogan_gladen(**{"n": 500, "judged_pass": 390, **LABELS, **change})


@holds
@given(
    human=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    unlabelled=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    seed=st.integers(0, 1000),
)
def test_ppi_is_the_judges_mean_mended_by_the_labels(human: list[int], unlabelled: list[int], seed: int) -> None:
    judge = np.random.default_rng(seed).integers(0, 2, len(human)).tolist()
    found = ppi_mean(human, judge, unlabelled)
    plain = np.mean(unlabelled) + np.mean(human) - np.mean(judge)
    assert found.ppi_lambda1.point == pytest.approx(plain)
    best = found.ppi_plus_plus
    assert 0 <= best.weight <= 1
    assert best.point == pytest.approx(best.weight * plain + (1 - best.weight) * np.mean(human))
    for one in (found.ppi_lambda1, best):
        assert (one.ci95.lower + one.ci95.upper) / 2 == pytest.approx(one.point)


def test_a_good_judge_narrows_the_interval_and_a_useless_one_is_left_out() -> None:
    random = np.random.default_rng(3)
    human = (random.random(100) < 0.7).astype(float)
    run = (random.random(2000) < 0.7).astype(float)
    good, useless = ppi_mean(human, human, run).ppi_plus_plus, ppi_mean(human, [1] * 100, [1] * 2000).ppi_plus_plus
    assert good.weight > 0.9
    assert useless.weight == 0
    assert useless.point == pytest.approx(human.mean())
    assert good.ci95.upper - good.ci95.lower < 0.4 * (useless.ci95.upper - useless.ci95.lower)


def test_a_judge_the_wrong_way_round_is_left_out() -> None:
    human = [1, 1, 1, 0, 0, 1]
    assert ppi_mean(human, [1 - one for one in human], [1, 0, 1]).ppi_plus_plus.weight == 0


def test_differences_of_two_systems_can_be_negative() -> None:
    found = ppi_mean([-1, 0, 0, -1], [-1, 0, 0, 0], [0, -1, 0, -1, 1]).ppi_lambda1
    assert found.point == pytest.approx(-0.2 - 0.25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ppi_mean([1], [1], [1, 0]), "human must hold 2 or more values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], [1]), "judge_unlabelled must hold 2 or more values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], []), "judge_unlabelled must be a list of one or more numbers"),
        (lambda: ppi_mean([1, 0], [1], [1, 0]), "one entry per case is needed"),
        (lambda: ppi_mean([1, 2], [1, 0], [1, 0]), r"human\[1\] must be a number from -1 to 1, got 2"),
        (
            lambda: ppi_mean([1, 0], [1, math.nan], [1, 0]),
            r"judge_labelled\[1\] must be a number from -1 to 1, got nan",
        ),
    ],
)
def test_unusable_values_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

"""A judge against human labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import agreement_binary, agreement_graded, classification
from pytest_evalgate.stats.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=150)
verdicts = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
grades = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=20)


def sides(cases: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [one for one, _ in cases], [other for _, other in cases]


@holds
@given(cases=verdicts)
def test_rates_are_shares_of_the_humans_verdicts(cases: list[tuple[int, int]]) -> None:
    found = agreement_binary(*sides(cases))
    passed, failed = ([judge for human, judge in cases if human == side] for side in (1, 0))
    assert (found.human_pass, found.human_fail) == (len(passed), len(failed))
    assert found.tpr == (sum(passed) / len(passed) if passed else None)
    assert found.tnr == (failed.count(0) / len(failed) if failed else None)
    assert found.valid is (found.balanced_accuracy is not None) is bool(passed and failed)
    assert found.tpr_wilson95 == (wilson_interval(sum(passed), len(passed)) if passed else None)
    assert found.tnr_wilson95 == (wilson_interval(failed.count(0), len(failed)) if failed else None)


@holds
@given(cases=verdicts)
def test_two_classes_are_a_classification(cases: list[tuple[int, int]]) -> None:
    found, classes = agreement_binary(*sides(cases)), classification(*sides(cases))
    assert (found.accuracy, found.kappa, found.mcc) == (classes.accuracy, classes.kappa, classes.mcc)


@holds
@given(cases=verdicts)
def test_swapping_pass_and_fail_swaps_the_rates(cases: list[tuple[int, int]]) -> None:
    found = agreement_binary(*sides(cases))
    turned = agreement_binary(*sides([(1 - human, 1 - judge) for human, judge in cases]))
    assert (turned.tpr, turned.tnr) == (found.tnr, found.tpr)
    assert turned.krippendorff_nominal == pytest.approx(found.krippendorff_nominal)


def test_the_counts_behind_the_rates_are_reported() -> None:
    found = agreement_binary([1] * 80 + [0] * 20, [1] * 72 + [0] * 8 + [0] * 15 + [1] * 5)
    assert (found.human_pass, found.judge_pass_given_human_pass) == (80, 72)
    assert (found.human_fail, found.judge_fail_given_human_fail) == (20, 15)


@pytest.mark.parametrize("side", [0, 1])
def test_one_class_only_is_not_a_calibration(side: int) -> None:
    found = agreement_binary([side] * 5, [0, 1, 1, 1, 0])
    assert not found.valid
    assert (found.tpr is None, found.tnr is None) == (side == 0, side == 1)
    assert (found.balanced_accuracy, found.mcc) == (None, 0.0)


def test_a_judge_that_passes_everything_has_no_correlation() -> None:
    found = agreement_binary([1] * 90 + [0] * 10, [1] * 100)
    assert (found.accuracy, found.tpr, found.tnr, found.kappa, found.mcc) == (0.9, 1.0, 0.0, 0.0, 0.0)


def test_nobody_passes_anything() -> None:
    found = agreement_binary([0, 0], [0, 0])
    assert (found.f1, found.kappa, found.krippendorff_nominal, found.tpr, found.tnr) == (None, None, None, None, 1.0)


@holds
@given(cases=grades)
def test_kappas_weigh_all_pairs(cases: list[tuple[int, int]]) -> None:
    human, judge = sides(cases)
    scale = sorted({*human, *judge})
    found = agreement_graded(human, judge)
    for power, kappa in ((1, found.kappa_linear), (2, found.kappa_quadratic)):

        def weight(one: int, other: int, power: int = power) -> float:
            return float(abs(scale.index(one) - scale.index(other)) ** power)

        observed = np.mean([weight(*case) for case in cases])
        by_chance = np.mean([weight(one, other) for one in human for other in judge])
        assert kappa == (pytest.approx(1 - observed / by_chance, abs=1e-9) if by_chance else None)


@holds
@given(cases=grades)
def test_agreement_of_ranks_has_no_unit(cases: list[tuple[int, int]]) -> None:
    human, judge = sides(cases)
    found = agreement_graded(human, judge)
    stretched = agreement_graded([math.exp(one) for one in human], [math.exp(one) for one in judge])
    for name in ("kappa_linear", "kappa_quadratic", "krippendorff_ordinal", "spearman", "kendall_tau_b"):
        assert getattr(stretched, name) == pytest.approx(getattr(found, name), abs=1e-9)


@holds
@given(human=st.lists(st.integers(1, 5), min_size=2, max_size=20).filter(lambda grades: len(set(grades)) > 1))
def test_the_same_grades_agree_wholly(human: list[int]) -> None:
    found = agreement_graded(human, human)
    for name in found.__slots__:
        assert getattr(found, name) == pytest.approx(1)


def test_what_cannot_be_told_is_none() -> None:
    constant = agreement_graded([3, 3, 3], [3, 3, 3])
    assert {getattr(constant, name) for name in constant.__slots__} == {None}
    one_sided = agreement_graded([1, 2, 3], [3, 3, 3])
    assert (one_sided.spearman, one_sided.kendall_tau_b) == (None, None)
    assert one_sided.kappa_linear == pytest.approx(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: agreement_binary([], []), "human must be a list of one or more numbers"),
        (lambda: agreement_binary([1], [1, 0]), "one entry per case is needed"),
        (lambda: agreement_binary([1, 2], [1, 0]), r"human\[1\] must be a number from 0 to 1, got 2"),
        (lambda: agreement_binary([1, 0], [0.5, 0]), r"judge\[0\] must be a whole number, got 0.5"),
        (lambda: agreement_binary([1, 0], [1, math.nan]), r"judge\[1\] must be a number from 0 to 1, got nan"),
        (lambda: agreement_graded([], []), "human must be a list of 1 or more numbers"),
        (lambda: agreement_graded([1, 2], [1]), "one entry per case is needed"),
        (lambda: agreement_graded([1, math.nan], [1, 2]), r"human\[1\] must be a finite number, got nan"),
    ],
)
def test_unusable_verdicts_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

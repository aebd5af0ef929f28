"""Agreement of judges with labels, of raters with each other, and of a judge with itself."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import (
    agreement_binary,
    agreement_graded,
    classification,
    fleiss_kappa,
    judge_self_consistency,
    krippendorff_missing,
    position_bias,
)
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.stability import flip_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.stats.agreement import Level


holds = settings(deadline=None, database=None)
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


def test_no_passes_on_either_side() -> None:
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


def test_undefined_figures_are_none() -> None:
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


ratings = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | st.integers(1, 4), min_size=raters, max_size=raters), min_size=1, max_size=8
    )
)


def alpha(units: Sequence[Sequence[int | None]], level: Level) -> float | None:
    """Compute alpha from all ordered pairs of ratings."""
    kept = [[one for one in unit if one is not None] for unit in units]
    kept = [unit for unit in kept if len(unit) > 1]
    mixed = sorted(itertools.chain.from_iterable(kept))

    def distance(one: int, other: int) -> float:
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return float(one - other) ** 2
        low, high = sorted((one, other))
        between = sum(low <= rating <= high for rating in mixed)
        return (between - (mixed.count(low) + mixed.count(high)) / 2) ** 2 if low != high else 0.0

    observed = sum(sum(distance(*pair) for pair in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in kept)
    expected = sum(distance(*pair) for pair in itertools.permutations(mixed, 2)) / (len(mixed) - 1)
    return 1 - observed / expected if expected else None


@holds
@given(units=ratings, level=st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_all_pairs(units: list[list[int | None]], level: Level) -> None:
    assume(any(len(unit) - unit.count(None) > 1 for unit in units))
    found = krippendorff_missing(list(zip(*units, strict=True)), level)
    assert found == pytest.approx(alpha(units, level), abs=1e-9)


def test_a_unit_that_was_rated_once_does_not_count() -> None:
    whole = krippendorff_missing([[1, 2, 3, 1], [1, 2, 2, 1]], "interval")
    assert krippendorff_missing([[1, 2, 3, 1, 9], [1, 2, 2, 1, None]], "interval") == whole


def test_raters_who_agree_on_one_rating_have_no_alpha() -> None:
    assert krippendorff_missing([[1, 1], [1, 1]], "nominal") is None
    assert fleiss_kappa([[3, 0], [3, 0]]) is None


def test_a_large_scale_keeps_its_digits() -> None:
    small = krippendorff_missing([[0, 1, 2], [0, 1, 1]], "interval")
    large = krippendorff_missing([[1e6, 1e6 + 1, 1e6 + 2], [1e6, 1e6 + 1, 1e6 + 1]], "interval")
    assert large == pytest.approx(small)


@holds
@given(table=st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=8))
def test_fleiss_is_the_agreement_of_pairs_above_chance(table: list[list[int]]) -> None:
    units = [[unit.count(category) for category in range(3)] for unit in table]
    agreeing = sum(one == other for unit in table for one, other in itertools.permutations(unit, 2)) / (
        20 * len(table)
    )
    flat = [category for unit in table for category in unit]
    by_chance = sum((flat.count(category) / len(flat)) ** 2 for category in range(3))
    found = fleiss_kappa(units)
    assert found == (pytest.approx((agreeing - by_chance) / (1 - by_chance)) if by_chance < 1 else None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_missing([], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, 2, 3]], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, None], [None, 2]], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, 2], [1]], "nominal"), r"one entry per case .* 'ratings\[1\]': 1"),
        (lambda: krippendorff_missing([[1, 2], [None, math.nan]], "nominal"), r"ratings\[1\]\[1\] .* finite .* nan"),
        (lambda: fleiss_kappa([]), "counts must contain at least one unit"),
        (lambda: fleiss_kappa([[2, 0], [1]]), "one entry per case is needed"),
        (lambda: fleiss_kappa([[2, 0], [1, 0]]), r"counts\[1\] has 1 ratings, counts\[0\] has 2: every unit needs"),
        (lambda: fleiss_kappa([[1, 0], [1, 0]]), r"counts\[0\] has 1 ratings"),
        (lambda: fleiss_kappa([[2, -1]]), r"counts\[0\]\[1\] must be a number from 0"),
        (lambda: fleiss_kappa([[1.5, 0.5]]), r"counts\[0\]\[0\] must be a whole number"),
    ],
)
def test_unusable_ratings_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=25)


def f1_of(label: str, cases: list[tuple[str, str]]) -> float:
    right = sum(true == label == guess for true, guess in cases)
    wrong = sum((true == label) != (guess == label) for true, guess in cases)
    return 2 * right / (2 * right + wrong)


@holds
@given(cases=pairs)
def test_averages_are_those_of_the_single_labels(cases: list[tuple[str, str]]) -> None:
    truth, predicted = [true for true, _ in cases], [guess for _, guess in cases]
    found = classification(truth, predicted)
    labels = sorted({*truth, *predicted})
    recalls = [
        sum(pair == (label, label) for pair in cases) / truth.count(label) for label in labels if label in truth
    ]
    assert found.accuracy == found.micro_f1 == sum(true == guess for true, guess in cases) / len(cases)
    assert found.macro_f1 == pytest.approx(sum(f1_of(label, cases) for label in labels) / len(labels))
    assert found.weighted_f1 == pytest.approx(sum(f1_of(label, cases) for label in truth) / len(cases))
    assert found.balanced_accuracy == pytest.approx(sum(recalls) / len(recalls))


@holds
@given(cases=pairs)
def test_correlations_do_not_depend_on_the_side(cases: list[tuple[str, str]]) -> None:
    truth, predicted = [true for true, _ in cases], [guess for _, guess in cases]
    found, turned = classification(truth, predicted), classification(predicted, truth)
    assert -1 - 1e-12 <= found.mcc <= 1 + 1e-12
    assert turned.mcc == pytest.approx(found.mcc)
    assert turned.kappa == pytest.approx(found.kappa)


def test_all_right_is_one_throughout() -> None:
    found = classification(["a", "b", "c"], ["a", "b", "c"])
    assert (found.accuracy, found.balanced_accuracy, found.macro_f1, found.weighted_f1) == (1, 1, 1, 1)
    assert (found.mcc, found.kappa) == (1, 1)


def test_all_wrong_has_an_f1_of_nought() -> None:
    found = classification(["a", "b"], ["b", "a"])
    assert (found.accuracy, found.macro_f1, found.weighted_f1, found.mcc, found.kappa) == (0, 0, 0, -1, -1)


def test_one_label_only_leaves_kappa_open() -> None:
    found = classification(["a", "a"], ["a", "a"])
    assert (found.accuracy, found.mcc, found.kappa) == (1, 0, None)


def test_unusable_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="truth must contain at least one label"):
        classification([], [])
    with pytest.raises(ValueError, match=r"one entry per case is needed in each of .*'predicted': 2"):
        classification(["a"], ["a", "b"])


winners = st.sampled_from(["X", "Y", "tie"])
unknown: Any = "Z"


@holds
@given(items=st.lists(st.lists(st.integers(1, 3), min_size=2, max_size=5), min_size=1, max_size=10))
def test_flips_are_the_unequal_pairs_of_an_item(items: list[list[int]]) -> None:
    shares = []
    for item in items:
        pairs = list(itertools.combinations(item, 2))
        shares.append(sum(one != other for one, other in pairs) / len(pairs))
    found = judge_self_consistency(items)
    assert found.flip_rate == pytest.approx(sum(shares) / len(shares))
    assert found.unanimous == sum(len(set(item)) == 1 for item in items) / len(items)


def test_verdicts_flip_as_trials_do() -> None:
    items = [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]]
    assert judge_self_consistency(items).flip_rate == pytest.approx(
        flip_rate([sum(one) for one in items], [3] * 4).rate
    )


@holds
@given(pairs=st.lists(st.tuples(winners, winners), min_size=1, max_size=20))
def test_position_bias_is_a_fair_coin_over_the_pairs_that_turn(pairs: list[tuple[Any, Any]]) -> None:
    found = position_bias([one for one, _ in pairs], [other for _, other in pairs])
    assert found.inconsistent_first == pairs.count(("X", "Y"))
    assert found.inconsistent_second == pairs.count(("Y", "X"))
    assert found.consistency == sum(one == other for one, other in pairs) / len(pairs)
    m = found.inconsistent_first + found.inconsistent_second
    fewer = min(found.inconsistent_first, found.inconsistent_second)
    assert found.p_two_sided == pytest.approx(min(1, 2 * sum(math.comb(m, i) for i in range(fewer + 1)) / 2**m))


def test_a_judge_that_always_takes_the_first_is_found_out() -> None:
    found = position_bias(["X"] * 12, ["Y"] * 12)
    assert (found.consistency, found.inconsistent_first) == (0.0, 12)
    assert found.p_two_sided == pytest.approx(2**-11)


def test_a_judge_that_never_turns_has_no_bias() -> None:
    assert position_bias(["X", "Y", "tie"], ["X", "Y", "tie"]).p_two_sided == 1.0


def test_a_tie_in_one_order_is_inconsistent_and_takes_no_side() -> None:
    found = position_bias(["X", "tie"], ["tie", "Y"])
    assert (found.consistency, found.inconsistent_first, found.inconsistent_second) == (0.0, 0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge_self_consistency([]), "verdicts must contain at least one item"),
        (lambda: judge_self_consistency([[1, 1], [1]]), r"verdicts\[1\] must be a list of 2 or more numbers"),
        (lambda: judge_self_consistency([[1, math.nan]]), r"verdicts\[0\]\[1\] must be a finite number, got nan"),
        (lambda: position_bias([], []), "winner_x_shown_first must contain at least one winner"),
        (lambda: position_bias(["X"], ["X", "Y"]), "one entry per case is needed"),
        (lambda: position_bias(["X", unknown], ["X", "Y"]), r'winner_x_shown_first\[1\] must be "X", .* got \'Z\''),
        (lambda: position_bias(["X"], [unknown]), r"winner_y_shown_first\[0\] must be"),
    ],
)
def test_unusable_repeats_and_winners_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

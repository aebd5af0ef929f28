"""Predicted classes against true ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import classification

holds = settings(deadline=None, database=None, max_examples=150)
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

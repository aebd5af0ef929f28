from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.judges.labels import LabelScale, normalise_label, scale_of


@pytest.mark.parametrize("label", ["pass", "Passed ", "GOOD", "yes", True, 1, 1.0, "1"])
def test_words_for_a_pass(label: Any) -> None:
    assert scale_of([label, "fail"]).passed(label) is True


@pytest.mark.parametrize("label", ["fail", "Failed", "bad", "no", False, 0, "0"])
def test_words_for_a_fail(label: Any) -> None:
    assert scale_of([label, "pass"]).passed(label) is False


@pytest.mark.parametrize("label", ["2_full_refusal", "maybe", 2, "", [1], {"a": 1}])
def test_any_other_word_is_neither(label: Any) -> None:
    assert scale_of([label, "pass"]).passed(label) is None


def test_pass_labels_make_all_others_fails() -> None:
    scale = scale_of(["Full", "partial", "none"], [" full", "PARTIAL"])
    assert [scale.passed(label) for label in ("Full", "partial", "none", "other")] == [True, True, False, None]
    assert not scale.graded


def test_grades_pass_from_three_on() -> None:
    scale = scale_of([1, 2, 3, 4, 5, 3.5])
    assert scale.graded
    assert [scale.passed(grade) for grade in (1, 2, 3, 3.5, 5)] == [False, False, True, True, True]
    assert [scale.grade(grade) for grade in (1, 3, 3.5, 5)] == [0.0, 0.5, 0.625, 1.0]
    assert scale.passing == 0.5


def test_pass_labels_may_set_another_grade() -> None:
    scale = scale_of([1, 2, 3, 4, 5], ["4", "5"])
    assert (scale.graded, scale.passing, scale.passed(3)) == (True, 0.75, False)


def test_numbers_of_which_low_ones_pass_are_names() -> None:
    scale = scale_of([1, 2], ["1"])
    assert (scale.graded, scale.grade(1), scale.passed(1), scale.passed(2)) == (False, None, True, False)


@pytest.mark.parametrize("labels", [[0, 1], [1, 1], [0, 3], [3, 6], [3, "fail"], [True, 3]])
def test_what_is_not_all_grades_from_one_to_five_is_read_as_words(labels: list[Any]) -> None:
    assert scale_of(labels) == LabelScale(scale_of([]).passes, scale_of([]).fails)


def test_labels_are_compared_without_case_white_space_and_empty_decimals() -> None:
    assert [normalise_label(label) for label in (" Fully  OK ", 4.0, 3.5, True, "straße")] == [
        "fully  ok", "4", "3.5", "true", "strasse"
    ]  # fmt: skip

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.likeness import squad

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

answers = st.text(alphabet="ab the.,\n", max_size=20)


@pytest.mark.parametrize(
    ("prediction", "reference", "em", "f1"),
    [
        ("Paris", "paris.", 1, 1),
        ("the  Eiffel\tTower", "An Eiffel tower!", 1, 1),
        ("theatre", "atre", 0, 0),
        ("The The", "the", 1, 1),
        ("A-B", "ab", 1, 1),
        ("in Paris", "Paris", 0, 2 / 3),
        ("ha ha ha", "ha ha", 0, 4 / 5),
        ("ha", "ho", 0, 0),
        ("", "", 1, 1),
        ("", "Paris", 0, 0),
        ("Paris", "the", 0, 0),
        ("a", "", 1, 1),
    ],
)
def test_answers_are_compared_by_their_words(prediction: str, reference: str, em: float, f1: float) -> None:
    found = squad(prediction, reference)
    assert [found.em, found.f1] == pytest.approx([em, f1])


def test_the_best_of_several_references_counts() -> None:
    found = squad("the big dog", ["cat", "big dog barks", "dog"])
    assert [found.em, found.f1] == pytest.approx([0, 4 / 5])
    assert squad("dog", ["cat", "Dog"]).em == 1


def test_no_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="reference must hold one or more texts"):
        squad("x", [])


@given(one=answers, other=answers)
def test_f1_does_not_depend_on_the_side_and_is_one_where_the_words_are_the_same(one: str, other: str) -> None:
    found = squad(one, other)
    assert found.f1 == squad(other, one).f1
    assert 0 <= found.em <= found.f1 <= 1
    assert squad(found.normalised_prediction, one).em == 1


@pytest.mark.parametrize(
    ("output", "expected", "passed"),
    [
        ("The Eiffel Tower.", "eiffel tower", True),
        ("Louvre", "eiffel tower", False),
        ("Louvre", ["Eiffel Tower", "the Louvre"], True),
        (42, "42", True),
        ("forty-two", 42, False),
        ("", "", True),
        ("Paris", "", False),
    ],
)
def test_squad_em(output: object, expected: object, *, passed: bool, score_of: ScoreOf) -> None:
    assert score_of("squad-em", output, expected=expected).passed is passed
    assert score_of("not-squad-em", output, expected=expected).passed is not passed


def test_squad_em_says_what_was_wanted(score_of: ScoreOf) -> None:
    assert (
        score_of("squad-em", "Rome", expected=["Paris", "Lutetia"]).reason == 'wanted "Paris" or "Lutetia", got "Rome"'
    )
    assert score_of("squad-em", "paris", expected="Paris").reason == 'is "paris"'


def test_squad_f1_is_graded_and_passes_from_a_half_on(score_of: ScoreOf) -> None:
    half = score_of("squad-f1", "in Paris, France", expected="Paris")
    assert (half.value, half.passed, half.reason) == (0.5, True, 'word F1 0.500 with "Paris"')
    assert score_of("squad-f1", "somewhere in Paris, France", expected="Paris").passed is False
    assert score_of({"kind": "squad-f1", "threshold": 0.6}, "in Paris, France", expected="Paris").passed is False


def test_squad_f1_takes_the_best_reference(score_of: ScoreOf) -> None:
    wanted = {"expected": "ignored", "expected_any": ("Rome", "Paris France")}
    assert score_of("squad-f1", "Paris, France", **wanted).value == 1
    assert score_of("squad-f1", "ignored", **wanted).value == 0
    assert score_of({"kind": "squad-f1", "value": "ignored"}, "ignored", **wanted).value == 1


@pytest.mark.parametrize("kind", ["squad-em", "squad-f1"])
def test_nothing_to_compare_with_is_an_error(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match=rf'scorer "{kind}": nothing to compare with'):
        score_of(kind, "anything")

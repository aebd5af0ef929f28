from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.judges.label_rows import LabelRow
from pytest_evalgate.judges.labels import LabelScale, StoredScores, scale_of
from pytest_evalgate.records.results import Place

_WORDS = scale_of(["pass", "fail"])


def _rows(*verdicts: Any) -> list[LabelRow]:
    return [LabelRow(Place("l", at), {"id": at, "judge": {"a": one}}) for at, one in enumerate(verdicts, start=1)]


def _scores(scale: LabelScale, *verdicts: Any) -> list[list[tuple[float | None, bool | None]]]:
    rows = _rows(*verdicts)
    stored = StoredScores.at("judge.a", rows, scale)
    assert list(stored.problems(rows)) == []
    return [[(score.value, score.passed) for score in stored.of(row)] for row in rows]


def _faults(scale: LabelScale, *verdicts: Any) -> list[str]:
    rows = _rows(*verdicts)
    return list(map(str, StoredScores.at("judge.a", rows, scale).problems(rows)))


def test_words_and_truth_values_are_verdicts() -> None:
    assert _scores(_WORDS, *["Pass", False, 1, 0]) == [[(1.0, True)], [(0.0, False)]] * 2


def test_shares_are_scores_that_pass_from_a_half_on() -> None:
    assert _scores(_WORDS, 0.49, 0.5, 1) == [[(0.49, False)], [(0.5, True)], [(1.0, True)]]
    assert StoredScores.at("judge.a", _rows(0.4), _WORDS).probabilities


def test_numbers_up_to_five_are_grades() -> None:
    assert _scores(_WORDS, 2, 3, 5) == [[(0.25, False)], [(0.5, True)], [(1.0, True)]]
    assert not StoredScores.at("judge.a", _rows(2), _WORDS).probabilities


def test_one_is_the_lowest_grade_among_grades() -> None:
    assert _scores(scale_of([1, 3, 5]), 1, 1) == [[(0.0, False)], [(0.0, False)]]
    assert _scores(_WORDS, 1, 5)[0] == [(0.0, False)]


def test_numbers_that_are_labels_are_no_grades() -> None:
    assert _scores(scale_of([1, 2], ["1"]), 1, 2) == [[(1.0, True)], [(0.0, False)]]


def test_grades_pass_as_peoples_do() -> None:
    assert _scores(scale_of([1, 3, 4], ["4"]), 3, 4) == [[(0.5, False)], [(0.75, True)]]


def test_a_list_holds_answers_to_repeated_questions() -> None:
    assert _scores(_WORDS, ["pass", "fail", None]) == [[(1.0, True), (0.0, False), (None, None)]]


def test_what_is_no_label_is_unreadable_and_never_a_fail() -> None:
    scale = scale_of(["1", "2"], ["1"])
    rows = _rows("1", "2", "tie", None)
    read = [StoredScores.at("judge.a", rows, scale).of(row) for row in rows]
    assert [[score.passed for score in scores] for scores in read] == [[True], [False], [None], []]
    assert read[2][0].reason == '"tie" is not one of the labels'


@pytest.mark.parametrize(
    ("verdicts", "fault"),
    [
        ((7,), "l:1: judge.a: must be a number from 0 to 1, or like all others a grade from 1 to 5, not 7"),
        ((4, 0.5), "l:2: judge.a: must be a number from 0 to 1, or like all others a grade from 1 to 5, not 0.5"),
        (({"passed": True},), "l:1: judge.a: must be a score; name one of its fields, such as judge.a.passed, not "),
        (([[1]],), "l:1: judge.a: must be a score or a list of scores, not [1]"),
    ],
)
def test_what_cannot_be_a_verdict_is_named(verdicts: tuple[Any, ...], fault: str) -> None:
    [said] = _faults(_WORDS, *verdicts)
    assert said.startswith(fault)


def test_a_path_that_no_row_has_is_one_problem_that_names_those_there_are() -> None:
    rows = [LabelRow(Place("l", 1), {"id": 1, "judge": {"b": 1}}), LabelRow(Place("l", 2), {"id": 2})]
    [fault] = StoredScores.at("judge.a", rows, _WORDS).problems(rows)
    assert str(fault) == "l: judge.a: no row has this path; the first row has id, judge.b"

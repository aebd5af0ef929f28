"""ROUGE in every script, equal to rouge-score."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.rouge import rouge_2, rouge_f1, rouge_l, rouge_lsum
from pytest_evalgate.scorers.words import words_of

if TYPE_CHECKING:
    from tests.scorers.conftest import Pairs, ScoreOf

with_extra = pytest.mark.skipif(
    importlib.util.find_spec("rouge_score") is None,
    reason="rouge_score is not installed: pip install 'pytest-evalgate[metrics]'",
)


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL", "rougeLsum"])
def test_every_measure_is_that_of_rouge_score(kind: str, pairs: Pairs) -> None:
    library = pytest.importorskip("rouge_score.rouge_scorer", reason="needs the extra metrics")
    scorer = library.RougeScorer([kind])
    for one, other in pairs:
        if one.isascii() and other.isascii():  # rouge-score's own tokenizer drops all other letters
            lines = [text.replace(". ", ".\n") for text in (one, other)]
            assert rouge_f1(kind, *lines) == scorer.score(lines[1], lines[0])[kind].fmeasure


@with_extra
def test_rouge_lsum_reads_lines_and_rouge_l_does_not() -> None:
    case, output = Case("q", expected="the cat sat\nthe dog ran"), Output("the dog ran\nthe cat sat")
    assert rouge_lsum(case, output)[0] == 1
    assert rouge_l(case, output)[0] == pytest.approx(0.5)
    assert rouge_lsum(case, Output("the dog ran\r\nthe cat sat"))[0] == 1


@with_extra
def test_rouge_2_of_one_word_is_0_unless_the_texts_are_the_same() -> None:
    assert rouge_2(Case("q", expected="cat"), Output("a cat"))[0] == 0
    assert rouge_2(Case("q", expected="cat"), Output("Cat"))[0] == 1


def test_a_text_too_long_to_compare_is_left_open() -> None:
    value, reason = rouge_l(Case("q1", expected="word " * 4_000), Output("words " * 4_000))
    assert value is None
    assert reason == "the output has 4,000 words, too many for ROUGE-L: limit them with word-count"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat's 2 mats_x", ["the", "cat", "s", "2", "mats", "x"]),
        ("\u00e9t\u00e9 e\u0301te\u0301", ["\u00e9t\u00e9", "\u00e9t\u00e9"]),
        ("Москва в 2024", ["москва", "в", "2024"]),
        ("答案是 42 天", ["答", "案", "是", "42", "天"]),
        ("हिन्दी", ["हिन्दी"]),
        ("\u0e17\u0e35\u0e48", ["\u0e17\u0e35\u0e48"]),
        ("+ 👍", []),
    ],
)
def test_words_of_every_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


ROUGE: list[tuple[str, str, float | None]] = [
    ("The cat sat down", "the cat", 2 / 3),
    ("cat", "cats", 0),  # no stemming
    ("Москва в 2024", "Москва в 2024", 1),
    ("北京", "北京", 1),
    ("مرحبا", "مرحبا", 1),
    ("été", "été", 1),
    ("👍", "👍", 1),
    ("👍", "👎", None),
    ("Париж 2", "Москва 2", 0.5),
    ("答案是 42 天", "我不知道 42", 0.2),
    ("à péché", "pêche ch", 0),
    ("word", "👍", 0),
]


@pytest.mark.parametrize(("expected", "output", "value"), ROUGE)
@with_extra
def test_rouge_l_of_every_script(expected: str, output: str, value: float | None, score_of: ScoreOf) -> None:
    score = score_of("rouge-l", output, expected=expected)
    assert score.value == (None if value is None else pytest.approx(value))

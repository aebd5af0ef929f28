"""BLEU, chrF, TER, ROUGE, GLEU and SQuAD; the first four are tested only if the extra ``metrics`` is installed."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build, likeness
from pytest_evalgate.scorers.likeness import gleu, sentence_gleu, sentence_ter, squad_em, squad_f1, ter
from pytest_evalgate.scorers.words import tokens_of

if TYPE_CHECKING:
    from tests.scorers.conftest import Pairs, ScoreOf


LIBRARY = {
    **dict.fromkeys(("bleu", "chrf", "ter"), "sacrebleu"),
    **dict.fromkeys(("rouge-1", "rouge-2", "rouge-l", "rouge-lsum"), "rouge_score"),
}
KINDS = [*LIBRARY]

with_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(library) is None for library in LIBRARY.values()),
    reason="sacrebleu or rouge_score is not installed: pip install 'pytest-evalgate[metrics]'",
)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_extra_a_suite_is_refused_before_it_runs(
    kind: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sacrebleu", "rouge_score.rouge_scorer"):
        monkeypatch.setitem(sys.modules, module, None)
    message = (
        rf"^suites.faq.scorers: {kind}: {LIBRARY[kind]} is not installed: pip install 'pytest-evalgate\[metrics\]'$"
    )
    with pytest.raises(SettingsError, match=message):
        build(kind, context=context)


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_the_more_like_its_reference_the_better(kind: str, score_of: ScoreOf) -> None:
    wanted = "The cat is on the mat."
    same, near, far = (
        score_of(kind, text, expected=wanted) for text in (wanted, "The cat is on the big mat.", "Dogs bark loudly")
    )
    assert same.value == 1.0
    assert near.value is not None
    assert far.value is not None
    assert 1 > near.value > 0.5 > far.value
    assert (same.passed, near.passed, far.passed) == (True, True, False)


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_references_stand_in_the_case_or_in_the_scorer(kind: str, score_of: ScoreOf) -> None:
    text = "a cat sat on the mat"
    assert score_of(kind, text, expected=["dogs bark", text]).value == 1
    assert score_of(kind, text, expected="dogs bark", expected_any=("no", text)).value == 1
    assert score_of({"kind": kind, "value": text}, text, expected="dogs bark").value == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bleu", 'BLEU 1.000 with "a cat sat here"'),
        ("chrf", 'chrF 1.000 with "a cat sat here"'),
        ("ter", 'TER 0.000 with "a cat sat here"'),
        ("rouge-1", 'ROUGE-1 1.000 with "a cat sat here"'),
        ("rouge-2", 'ROUGE-2 1.000 with "a cat sat here"'),
        ("rouge-l", 'ROUGE-L 1.000 with "a cat sat here"'),
        ("rouge-lsum", 'ROUGE-Lsum 1.000 with "a cat sat here"'),
    ],
)
@with_extra
def test_reason(kind: str, reason: str, score_of: ScoreOf) -> None:
    assert score_of(kind, "a cat sat here", expected="a cat sat here").reason == reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("case", "message"), [({}, "nothing to compare with"), ({"expected": ""}, "the reference is empty")]
)
@with_extra
def test_no_reference_is_an_error(kind: str, case: dict[str, Any], message: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match=message):
        score_of(kind, "anything", **case)


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_an_empty_value_is_refused(kind: str, context: Context) -> None:
    with pytest.raises(SettingsError, match="value: must not be empty"):
        build({"kind": kind, "value": ""}, context=context)


def test_the_same_text_is_perfect_and_never_more() -> None:
    pytest.importorskip("sacrebleu", reason="needs the extra metrics")
    for text in ("yes", "a b c d e", "The quick brown fox jumps over the lazy dog."):
        assert likeness.sentence_bleu(text, [text]) == 1.0
        assert likeness.sentence_chrf(text, [text]) == 1.0


def test_several_references_help() -> None:
    pytest.importorskip("sacrebleu", reason="needs the extra metrics")
    wanted = ["the cat is on the mat", "a cat sat there"]
    for measure in (likeness.sentence_bleu, likeness.sentence_chrf):
        assert measure("the cat sat on the mat", wanted) >= measure("the cat sat on the mat", wanted[:1]) > 0


def test_a_text_with_nothing_in_common_scores_nought() -> None:
    pytest.importorskip("sacrebleu", reason="needs the extra metrics")
    assert likeness.sentence_bleu("", ["cat"]) == likeness.sentence_chrf("", ["cat"]) == 0.0


@pytest.mark.parametrize("kind", KINDS)
@with_extra
def test_measures_compare_canonically_equivalent_texts(kind: str, score_of: ScoreOf) -> None:
    assert score_of(kind, "un cafe\u0301 noir ici", expected="un caf\u00e9\u00a0noir ici").value == 1


@pytest.mark.parametrize(
    ("options", "output", "passed"),
    [
        ({}, "Paris", True),
        ({"strict": True}, "Paris", False),
        ({"strict": True}, "Paris is the capital of France", False),
        ({"strict": True, "value": "a b c d"}, "a b c d", True),
        ({"value": "A B C D"}, "a b c d", False),
        ({"value": "A B C D", "ignore_case": True}, "a b c d", True),
        ({"value": "a , b c d e"}, "a, b c d e", True),
        ({"value": "a , b c d e", "tokenize": "none", "threshold": 0.9}, "a, b c d e", False),
        ({"value": "北京是首都", "tokenize": "zh"}, "北京是首都。", True),
    ],
)
@with_extra
def test_options_of_bleu(options: dict[str, Any], output: str, *, passed: bool, score_of: ScoreOf) -> None:
    assert score_of({"kind": "bleu", **options}, output, expected="Paris").passed is passed


def test_ter_is_that_of_sacrebleu(pairs: Pairs) -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="needs the extra metrics")
    for ignore_case, normalize in ((True, False), (False, True)):
        for one, other in pairs[::4]:
            wanted = sacrebleu.sentence_ter(one, [other], case_sensitive=not ignore_case, normalized=normalize).score
            assert 100 * sentence_ter(one, [other], ignore_case=ignore_case, normalize=normalize) == wanted
            case = Case("q", expected=other or "a")
            value, reason = ter(case, Output(one), ignore_case=ignore_case, normalize=normalize)
            assert not other or value == pytest.approx(max(0.0, 1 - wanted / 100))
            assert not other or reason.startswith(f"TER {wanted / 100:.3f} with ")


@with_extra
def test_ter_of_texts_too_long_to_compare_is_left_open() -> None:
    value, reason = ter(Case("q", expected="word " * 600), Output("words " * 600))
    assert (value, reason) == (None, "the output has 600 words, too many for TER: limit them with word-count")


def test_gleu_is_that_of_nltk(pairs: Pairs) -> None:
    gleu_score = pytest.importorskip("nltk.translate.gleu_score", reason="nltk is installed for tests only")
    tokens = [(tokens_of(one), tokens_of(other)) for one, other in pairs]
    several = [[other, *(more for _, more in tokens[at : at + 2])] for at, (_, other) in enumerate(tokens)]
    for (one, other), references in zip(tokens, several, strict=True):
        for most in (1, 4):
            assert sentence_gleu(one, [other], max_n=most) == gleu_score.sentence_gleu([other], one, max_len=most)
        assert sentence_gleu(one, references) == gleu_score.sentence_gleu(references, one)


@pytest.mark.parametrize(
    ("expected", "output", "options", "value"),
    [
        ("the cat sat", "the cat sat", {}, 1.0),
        ("the cat sat", "The cat sat", {}, 3 / 6),
        ("the cat sat", "The cat sat", {"ignore_case": True}, 1.0),
        ("the cat sat.", "the cat sat .", {}, 1.0),
        ("the cat sat", "the cat", {}, 3 / 6),
        ("the cat sat", "the cat", {"max_n": 1}, 2 / 3),
        ("the cat sat", "", {}, 0.0),
        (["dogs bark", "the cat"], "the cat", {}, 1.0),
        ("北京是首都", "北京是首都", {}, 1.0),
        ("un café noir", "un cafe\u0301\u00a0noir", {}, 1.0),
    ],
)
def test_gleu_of_words_and_punctuation(expected: Any, output: str, options: dict[str, Any], value: float) -> None:
    assert gleu(Case("q", expected=expected), Output(output), **options)[0] == pytest.approx(value)


def test_gleu_is_graded_and_needs_no_extra(score_of: ScoreOf) -> None:
    score = score_of("gleu", "the cat", expected="the cat sat")
    assert (score.value, score.passed, score.reason) == (0.5, True, 'GLEU 0.500 with "the cat sat"')
    with pytest.raises(ScorerError, match="the reference is empty"):
        score_of("gleu", "x", expected="")


answers = st.text(alphabet="ab the.,\n", max_size=20)


def _squad(prediction: str, *references: str) -> tuple[float | None, float | None]:
    case, output = Case("q", expected_any=references), Output(prediction)
    return squad_em(case, output)[0], squad_f1(case, output)[0]


@pytest.mark.parametrize(
    ("prediction", "reference", "em", "f1"),
    [
        ("Paris", "paris.", 1, 1),
        ("the  Eiffel\tTower", "An Eiffel tower!", 1, 1),
        ("theatre", "atre", 0, 0),
        ("A-B", "ab", 1, 1),
        ("in Paris", "Paris", 0, 2 / 3),
        ("ha ha ha", "ha ha", 0, 4 / 5),
        ("ha", "ho", 0, 0),
        ("", "", 1, 1),
        ("", "Paris", 0, 0),
        ("a", "", 1, 1),
        # a reference that loses everything
        ("", "A", 0, 0),
        ("The", "A", 0, 0),
        ("an", "A", 0, 0),
        ("A", "A", 1, 1),
        ("a.", "A", 1, 1),
        ("(A)", "A", 1, 1),
        ("The The", "the", 0, 2 / 3),
        ("Paris", "the", 0, 0),
        ("-", "+", 0, 0),
        ("+", "+", 1, 1),
        ("", "+", 0, 0),
        ("B", "B", 1, 1),
        # sign and point of a number
        ("5", "-5", 0, 0),
        ("-5", "-5", 1, 1),
        ("\u22125", "-5", 1, 1),
        ("$-5", "-$5", 1, 1),
        ("15", "1.5", 0, 0),
        ("1.5.", "1.5", 1, 1),
        ("5", ".5", 0, 0),
        ("1,500", "1500", 1, 1),
        ("1990-91", "199091", 1, 1),
        # every script
        ("cafe\u0301", "caf\u00e9", 1, 1),
        ("don\u2019t", "don't", 1, 1),
        ("北京。", "北京", 1, 1),
        ("«Paris»", "Paris", 1, 1),
    ],
)
def test_answers_are_compared_by_normalised_words(prediction: str, reference: str, em: float, f1: float) -> None:
    assert _squad(prediction, reference) == pytest.approx((em, f1))


def test_the_best_of_several_references_counts() -> None:
    assert _squad("the big dog", "cat", "big dog barks", "dog") == pytest.approx((0, 4 / 5))
    assert _squad("dog", "cat", "Dog")[0] == 1


@given(one=answers, other=answers)
def test_f1_is_at_least_the_exact_match(one: str, other: str) -> None:
    em, f1 = _squad(one, other)
    assert em is not None
    assert f1 is not None
    assert 0 <= em <= f1 <= 1
    assert _squad(one, one) == (1, 1)


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


def test_squad_em_names_the_references_in_its_reason(score_of: ScoreOf) -> None:
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

"""The measures themselves need the extra ``metrics``; without it only the message is tested."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers import likeness

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = (["The cat sat on the mat."], ["The cat is on the mat."])


def test_a_library_that_is_absent_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(ScorerError, match=r"^sacrebleu is not installed: pip install 'pytest-evalgate\[metrics\]'$"):
        likeness.library_bleu(*PAIR)
    with pytest.raises(ScorerError, match=r"^rouge_score is not installed: pip install 'pytest-evalgate\[metrics\]'$"):
        likeness.rouge(*PAIR)


@pytest.mark.parametrize("measure", [likeness.library_bleu, likeness.rouge])
@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_unpaired_texts_are_refused(
    measure: Callable[..., object], predictions: list[str], references: list[str]
) -> None:
    with pytest.raises(ValueError, match=f"got {len(predictions)} predictions and {len(references)} references"):
        measure(predictions, references)


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


def test_rouge_reads_the_prediction_first() -> None:
    pytest.importorskip("rouge_score", reason="needs the extra metrics")
    (found,) = likeness.rouge(["the cat"], ["The cat sat down"])
    assert (found.rouge1.precision, found.rouge1.recall) == (1.0, 0.5)
    assert found.rouge_l.f1 == pytest.approx(2 / 3)
    assert likeness.rouge(["cats"], ["cat"])[0].rouge1.f1 == 0.0  # no stemming

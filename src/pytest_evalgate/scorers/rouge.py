"""Rules that measure the similarity of an output and its references by ROUGE (extra ``metrics``).

The library rouge-score computes the measures, which Lin 2004 defines. It is imported when a scorer needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator

from pytest_evalgate.scorers.compare import comparable, folded
from pytest_evalgate.scorers.extras import require, requires
from pytest_evalgate.scorers.likeness import Reference, wanted_references
from pytest_evalgate.scorers.text import best_reference, format_list, format_value, text_of
from pytest_evalgate.scorers.words import words_of

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

MAX_WORD_PAIRS: Final = 5_000_000
"""Limit of ROUGE-L and ROUGE-Lsum: words of the output times words of the reference. At the limit it takes 2.5 s and
140 MB."""

_Value = Annotated[str | None, Reference, AfterValidator(requires("rouge_score.rouge_scorer", "metrics"))]


def rouge_1(case: Case, output: Output, /, *, value: _Value = None) -> Graded:
    """Return rouge-score's F1 of the words that the output shares with the best reference; as `rouge_l` otherwise."""
    return _rouge("rouge1", "ROUGE-1", case, output, value)


def rouge_2(case: Case, output: Output, /, *, value: _Value = None) -> Graded:
    """Return rouge-score's F1 of the shared pairs of neighbouring words; as `rouge_l` otherwise.

    A reference of one word has no pair: the score is 0, unless the texts are the same.
    """
    return _rouge("rouge2", "ROUGE-2", case, output, value)


def rouge_l(case: Case, output: Output, /, *, value: _Value = None) -> Graded:
    """Return rouge-score's F1 of ROUGE-L with the best reference, from 0 to 1; references as for `bleu`.

    Words are sequences of letters and digits of any script; of scripts without spaces, such as Chinese, Japanese and
    Thai, each character is a word. The same text scores 1. The score is unknown (None) if the output is too long to
    compare, or the references have no words.
    """
    return _rouge("rougeL", "ROUGE-L", case, output, value)


def rouge_lsum(case: Case, output: Output, /, *, value: _Value = None) -> Graded:
    """Return rouge-score's F1 of ROUGE-L over all lines, for summaries of several sentences, each on its own line.

    A text of one line has the score of `rouge_l`. References, words and unknown scores are as there.
    """
    return _rouge("rougeLsum", "ROUGE-Lsum", case, output, value)


def _rouge(kind: str, name: str, case: Case, output: Output, value: str | None) -> Graded:
    text, wanted = text_of(output), wanted_references(case, value=value)
    if any(folded(text).strip() == folded(one).strip() for one in wanted):
        return 1.0, f"{name} 1.000 with {format_value(text)}"
    words, most = len(words_of(text)), max(len(words_of(one)) for one in wanted)
    if kind.startswith("rougeL") and words * most > MAX_WORD_PAIRS:
        return None, f"the output has {words:,} words, too many for {name}: limit them with word-count"
    if not most:
        return None, f"could not tell: {format_list(wanted)} has no words to compare"
    score, reference = best_reference(lambda one, other: rouge_f1(kind, one, other), text, wanted)
    return score, f"{name} {score:.3f} with {format_value(reference)}"


def rouge_f1(kind: str, prediction: str, reference: str) -> float:
    """Return the F1 of one measure of rouge-score: ``rouge1``, ``rouge2``, ``rougeL`` or ``rougeLsum``."""
    scorer = require("rouge_score.rouge_scorer", "metrics").RougeScorer([kind], tokenizer=_Tokenizer())
    # lines are the sentences of ROUGE-Lsum, so every line end has to be one that rouge-score knows
    return float(scorer.score(comparable(reference), comparable(prediction))[kind].fmeasure)


class _Tokenizer:
    """The tokenizer for rouge-score, whose default one keeps only a to z and 0 to 9."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text."""
        return words_of(text)

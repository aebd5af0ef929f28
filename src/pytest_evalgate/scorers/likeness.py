"""Rules that measure the similarity of an output and its references: BLEU, chrF, ROUGE-L (extra ``metrics``), SQuAD.

The libraries sacrebleu and rouge-score compute the measures. They are imported when a scorer needs them.
"""

from __future__ import annotations

import importlib
import re
import string
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.text import best_reference, format_list, format_value, mismatch, references, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.records.results import Case, Graded, Output

MAX_WORD_PAIRS: Final = 5_000_000
"""Limit of ROUGE-L: words of the output times words of the reference. At the limit it takes 2.5 s and 140 MB."""

_PERFECT: Final = 100.0
_WORD: Final = re.compile(r"[a-z0-9]+", re.IGNORECASE | re.ASCII)
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def _requires(library: str) -> Callable[[str | None], str | None]:
    """Return a validator that imports ``library``, so that a suite without it fails before anything runs."""

    def installed(value: str | None) -> str | None:
        try:
            require(library)
        except ScorerError as error:
            raise ValueError(str(error)) from error
        return value

    return installed


_Reference = Field(min_length=1, validate_default=True)
ForSacrebleu = Annotated[str | None, _Reference, AfterValidator(_requires("sacrebleu"))]
ForRouge = Annotated[str | None, _Reference, AfterValidator(_requires("rouge_score.rouge_scorer"))]


def bleu(case: Case, output: Output, /, *, value: ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence BLEU, from 0 to 1.

    The references are ``value``, or else ``expected_any`` or ``expected`` of the case, which may be a list; none may
    be empty. BLEU uses them together.
    """
    wanted = _require_text(references(case, value))
    score = sentence_bleu(text_of(output), wanted)
    return score, f"BLEU {score:.3f} with {format_list(wanted)}"


def chrf(case: Case, output: Output, /, *, value: ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence chrF2 with the best reference, from 0 to 1; references as for `bleu`."""
    wanted = _require_text(references(case, value))
    score = sentence_chrf(text_of(output), wanted)
    return score, f"chrF {score:.3f} with {format_list(wanted)}"


def rouge_l(case: Case, output: Output, /, *, value: ForRouge = None) -> Graded:
    """Return rouge-score's F1 of ROUGE-L with the best reference, from 0 to 1; references as for `bleu`.

    The score is unknown (None) if the output is too long to compare.
    """
    text, wanted = text_of(output), _require_text(references(case, value))
    words = len(_WORD.findall(text))
    if words * max(len(_WORD.findall(one)) for one in wanted) > MAX_WORD_PAIRS:
        return None, f"the output has {words:,} words, too many for ROUGE-L: limit them with word-count"
    score, reference = best_reference(lambda got, want: rouge([got], [want])[0].rouge_l.f1, text, wanted)
    return score, f"ROUGE-L {score:.3f} with {format_value(reference)}"


def squad_em(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Pass if the output equals a reference, apart from case, punctuation, articles and white space.

    The references are ``value``, or else ``expected_any`` or ``expected`` of the case, which may be a list; any may
    match. An empty reference means that the output has to be empty.
    """
    text, wanted = text_of(output), references(case, value)
    same, _ = best_reference(_same, text, wanted)
    return (1.0, f"is {format_value(text)}") if same else (0.0, mismatch(wanted, text))


def squad_f1(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Return the F1 of the words that the output and its best reference share; references as for `squad_em`."""
    f1, reference = best_reference(_f1, text_of(output), references(case, value))
    return f1, f"word F1 {f1:.3f} with {format_value(reference)}"


def _require_text(wanted: tuple[str, ...]) -> tuple[str, ...]:
    if "" in wanted:
        raise ScorerError('the reference is empty: set "expected"')
    return wanted


def require(library: str) -> Any:
    """Import a library of the extra ``metrics``.

    Raises:
        ScorerError: The library is not installed; the message contains the command that installs it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ScorerError(
            f"{library.partition('.')[0]} is not installed: pip install 'pytest-evalgate[metrics]'"
        ) from error


def sentence_bleu(prediction: str, references: Sequence[str]) -> float:
    """Return the BLEU of one text with all of its references together, from 0 to 1."""
    return _share(require("sacrebleu").sentence_bleu(prediction, list(references)).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """Return the chrF2 of one text with its best reference, from 0 to 1."""
    return _share(require("sacrebleu").sentence_chrf(prediction, list(references)).score)


def _share(score: float) -> float:
    return min(1.0, float(score) / _PERFECT)  # a perfect match gives 100.00000000000004


@dataclass(frozen=True, slots=True)
class Bleu:
    """BLEU of all texts together and of each, and chrF2 of all together; from 0 to 100."""

    corpus_bleu: float
    sentence_bleu: tuple[float, ...]
    chrf: float


def library_bleu(predictions: Sequence[str], references: Sequence[str]) -> Bleu:
    """Compute BLEU and chrF2 of n texts with one reference each, with the defaults of sacrebleu.

    These are: tokens of mteval-v13a, 4-grams, exponential smoothing, and the effective order for single sentences.
    Shapes: (n,), (n,). Source: Papineni et al. 2002; Popović 2015; Post 2018.

    Raises:
        ValueError: There is no text, or the lengths differ.
        ScorerError: sacrebleu is not installed.
    """
    _check_pairs(predictions, references)
    sacrebleu = require("sacrebleu")
    return Bleu(
        corpus_bleu=float(sacrebleu.corpus_bleu(list(predictions), [list(references)]).score),
        sentence_bleu=tuple(
            float(sacrebleu.sentence_bleu(one, [reference]).score)
            for one, reference in zip(predictions, references, strict=True)
        ),
        chrf=float(sacrebleu.corpus_chrf(list(predictions), [list(references)]).score),
    )


@dataclass(frozen=True, slots=True)
class Overlap:
    """Share of the prediction that is in the reference, the reverse, and their harmonic mean; from 0 to 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Rouge:
    """Overlap of the words, of the pairs of neighbouring words, and of the longest common subsequence of words."""

    rouge1: Overlap
    rouge2: Overlap
    rouge_l: Overlap


def rouge(predictions: Sequence[str], references: Sequence[str]) -> tuple[Rouge, ...]:
    """Compute ROUGE-1, -2 and -L of each of n texts with its reference, as rouge-score does without stemming.

    Words are sequences of a to z and 0 to 9, lower-cased. Shapes: (n,), (n,) to (n,). Source: Lin 2004.

    Raises:
        ValueError: There is no text, or the lengths differ.
        ScorerError: rouge-score is not installed.
    """

    def overlap(score: Any) -> Overlap:
        return Overlap(float(score.precision), float(score.recall), float(score.fmeasure))

    _check_pairs(predictions, references)
    scorer = require("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    found = (scorer.score(reference, one) for one, reference in zip(predictions, references, strict=True))
    return tuple(Rouge(overlap(one["rouge1"]), overlap(one["rouge2"]), overlap(one["rougeL"])) for one in found)


def _check_pairs(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references) or not predictions:
        raise ValueError(
            "expected one or more predictions with one reference each, "
            f"got {len(predictions)} predictions and {len(references)} references"
        )


@dataclass(frozen=True, slots=True)
class Squad:
    """Exact match (1.0 or 0.0) and F1 of an answer, and the normalised text that was compared."""

    em: float
    f1: float
    normalised_prediction: str


def squad(prediction: str, reference: str | Sequence[str]) -> Squad:
    """Compare an answer with its reference answers; for each measure, the best reference counts.

    Texts are lower-cased, and ASCII punctuation, the words a, an and the, and repeated white space are removed. F1 is
    that of the multisets of words; it is 1 if both are empty, and 0 if only one of them is. Source: Rajpurkar et al.
    2016, 2018.

    Raises:
        ValueError: There is no reference.
    """
    choices = (reference,) if isinstance(reference, str) else tuple(reference)
    if not choices:
        raise ValueError("reference must contain one or more texts, got none")
    return Squad(
        em=max(_same(prediction, one) for one in choices),
        f1=max(_f1(prediction, one) for one in choices),
        normalised_prediction=_normalised(prediction),
    )


def _same(prediction: str, reference: str) -> float:
    return float(_normalised(prediction) == _normalised(reference))


def _f1(prediction: str, reference: str) -> float:
    got, wanted = (Counter(_normalised(text).split()) for text in (prediction, reference))
    if not got or not wanted:
        return float(got == wanted)
    return 2 * (got & wanted).total() / (got.total() + wanted.total())


def _normalised(text: str) -> str:
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())

"""BLEU, chrF and ROUGE as their reference libraries compute them (extra ``metrics``), which load on first use."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PERFECT = 100.0


@dataclass(frozen=True, slots=True)
class Bleu:
    """BLEU of all texts together and of each, and chrF2 of all together; from 0 to 100."""

    corpus_bleu: float
    sentence_bleu: tuple[float, ...]
    chrf: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the prediction is in the reference, the reverse, and their harmonic mean; from 0 to 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Rouge:
    """The overlap in words, in pairs of neighbouring words, and in the longest common subsequence of words."""

    rouge1: Overlap
    rouge2: Overlap
    rouge_l: Overlap


def require(library: str) -> Any:
    """Import a library of the extra ``metrics``.

    Raises:
        ScorerError: it is not installed; names the command that installs it.

    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ScorerError(
            f"{library.partition('.')[0]} is not installed: pip install 'pytest-evalgate[metrics]'"
        ) from error


def bleu(predictions: Sequence[str], references: Sequence[str]) -> Bleu:
    """Compute BLEU and chrF2 of n texts against one reference each, with the defaults of sacrebleu.

    That is: tokens of mteval-v13a, 4-grams, exponential smoothing, and the effective order for single sentences.
    Shapes: (n,), (n,). Source: Papineni et al. 2002; Popović 2015; Post 2018.

    Raises:
        ValueError: no text, or unequal lengths.
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


def rouge(predictions: Sequence[str], references: Sequence[str]) -> tuple[Rouge, ...]:
    """Compute ROUGE-1, -2 and -L of each of n texts against its reference, as rouge-score does without stemming.

    Words are runs of a to z and 0 to 9, lower-cased. Shapes: (n,), (n,) to (n,). Source: Lin 2004.

    Raises:
        ValueError: no text, or unequal lengths.
        ScorerError: rouge-score is not installed.

    """
    _check_pairs(predictions, references)
    scorer = require("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    found = (scorer.score(reference, one) for one, reference in zip(predictions, references, strict=True))
    return tuple(Rouge(_overlap(one["rouge1"]), _overlap(one["rouge2"]), _overlap(one["rougeL"])) for one in found)


def sentence_bleu(prediction: str, references: Sequence[str]) -> float:
    """Return the BLEU of one text against all of its references together, from 0 to 1.

    Raises:
        ScorerError: sacrebleu is not installed.

    """
    return _share(require("sacrebleu").sentence_bleu(prediction, list(references)).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """Return the chrF2 of one text against its best reference, from 0 to 1.

    Raises:
        ScorerError: sacrebleu is not installed.

    """
    return _share(require("sacrebleu").sentence_chrf(prediction, list(references)).score)


def _share(score: float) -> float:
    return min(1.0, float(score) / _PERFECT)  # a perfect match gives 100.00000000000004


def _overlap(score: Any) -> Overlap:
    return Overlap(float(score.precision), float(score.recall), float(score.fmeasure))


def _check_pairs(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references) or not predictions:
        raise ValueError(
            f"one reference for each of one or more predictions is needed, got {len(predictions)} predictions and "
            f"{len(references)} references"
        )

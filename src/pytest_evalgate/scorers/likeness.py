"""Rules that measure the similarity of an output and its references: BLEU, chrF, ROUGE-L (extra ``metrics``), SQuAD.

The libraries sacrebleu and rouge-score compute the measures. They are imported when a scorer needs them.
"""

from __future__ import annotations

import importlib
import re
import string
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.compare import collapsed, comparable, folded
from pytest_evalgate.scorers.text import best_reference, format_list, format_value, mismatch, references, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

MAX_WORD_PAIRS: Final = 5_000_000
"""Limit of ROUGE-L: words of the output times words of the reference. At the limit it takes 2.5 s and 140 MB."""

_PERFECT: Final = 100.0
_ALMOST_NOTHING: Final = 1e-7
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
# Characters of a number that SQuAD's normalisation would remove: private-use characters replace them meanwhile
_SIGN: Final = re.compile(r"(?<![^\s$€£¥])[-\u2212\u2013](?=[$€£¥]?\.?\d)")
_POINT: Final = re.compile(r"(?<![^\s\d$€£¥\ue000])\.(?=\d)")
_KEPT: Final = str.maketrans({"\ue000": "-", "\ue001": "."})
_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS: Final = rf"[{_UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"


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


Tokens = Literal["13a", "none", "zh", "char", "intl"]
"""A tokenizer of sacrebleu that needs no further library."""


def bleu(
    case: Case,
    output: Output,
    /,
    *,
    value: ForSacrebleu = None,
    tokenize: Tokens = "13a",
    ignore_case: bool = False,
    strict: bool = False,
) -> Graded:
    """Return sacrebleu's sentence BLEU, from 0 to 1.

    The references are ``value``, or else ``expected_any`` or ``expected`` of the case, which may be a list; none may
    be empty. BLEU uses them together. ``tokenize`` is a tokenizer of sacrebleu: ``"zh"`` or ``"char"`` for texts
    without spaces. If ``strict`` is True, all four orders count, also in texts shorter than four words, and an order
    without a match counts as almost 0.
    """
    wanted = wanted_references(case, value=value)
    score = sentence_bleu(
        comparable(text_of(output)),
        [comparable(one) for one in wanted],
        tokenize=tokenize,
        ignore_case=ignore_case,
        strict=strict,
    )
    return score, f"BLEU {score:.3f} with {format_list(wanted)}"


def chrf(case: Case, output: Output, /, *, value: ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence chrF2 with the best reference, from 0 to 1; references as for `bleu`."""
    wanted = wanted_references(case, value=value)
    score = sentence_chrf(comparable(text_of(output)), [comparable(one) for one in wanted])
    return score, f"chrF {score:.3f} with {format_list(wanted)}"


def rouge_l(case: Case, output: Output, /, *, value: ForRouge = None) -> Graded:
    """Return rouge-score's F1 of ROUGE-L with the best reference, from 0 to 1; references as for `bleu`.

    Words are sequences of letters and digits of any script; of scripts without spaces, such as Chinese, Japanese and
    Thai, each character is a word. The same text scores 1. The score is unknown (None) if the output is too long to
    compare, or the references have no words.
    """
    text, wanted = text_of(output), wanted_references(case, value=value)
    if any(folded(text).strip() == folded(one).strip() for one in wanted):
        return 1.0, f"ROUGE-L 1.000 with {format_value(text)}"
    words, most = len(words_of(text)), max(len(words_of(one)) for one in wanted)
    if words * most > MAX_WORD_PAIRS:
        return None, f"the output has {words:,} words, too many for ROUGE-L: limit them with word-count"
    if not most:
        return None, f"could not tell: {format_list(wanted)} has no words to compare"
    score, reference = best_reference(rouge_l_f1, text, wanted)
    return score, f"ROUGE-L {score:.3f} with {format_value(reference)}"


def squad_em(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Pass if the output equals a reference, apart from case, punctuation, articles and white space.

    The references are ``value``, or else ``expected_any`` or ``expected`` of the case, which may be a list; any may
    match. An empty reference means that the output has to be empty. Source: Rajpurkar et al. 2016, 2018. Unlike in the
    source, punctuation of every script is removed, the sign and the decimal point of a number are kept, and a
    reference of articles or punctuation alone, such as the option "A", keeps them.
    """
    text, wanted = text_of(output), references(case, value=value)
    same, _ = best_reference(_same, text, wanted)
    return (1.0, f"is {format_value(text)}") if same else (0.0, mismatch(wanted, text))


def squad_f1(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Return the F1 of the words that the output and its best reference share; references as for `squad_em`."""
    f1, reference = best_reference(_f1, text_of(output), references(case, value=value))
    return f1, f"word F1 {f1:.3f} with {format_value(reference)}"


def wanted_references(case: Case, *, value: str | None = None) -> tuple[str, ...]:
    """Return the references of a measure; raise ScorerError if there is none, or one is empty."""
    wanted = references(case, value=value)
    if not all(comparable(one).strip() for one in wanted):
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


def sentence_bleu(
    prediction: str,
    references: Sequence[str],
    *,
    tokenize: Tokens = "13a",
    ignore_case: bool = False,
    strict: bool = False,
) -> float:
    """Return the BLEU of one text with all of its references together, from 0 to 1; options as for `bleu`."""
    smoothing = {"smooth_method": "floor", "smooth_value": _ALMOST_NOTHING} if strict else {"smooth_method": "exp"}
    sacrebleu = require("sacrebleu")
    options = {"tokenize": tokenize, "lowercase": ignore_case, "use_effective_order": not strict, **smoothing}
    return _share(sacrebleu.sentence_bleu(prediction, list(references), **options).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """Return the chrF2 of one text with its best reference, from 0 to 1."""
    return _share(require("sacrebleu").sentence_chrf(prediction, list(references)).score)


def _share(score: float) -> float:
    return min(1.0, float(score) / _PERFECT)  # a perfect match gives 100.00000000000004


def rouge_l_f1(prediction: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of words, as rouge-score computes it. Source: Lin 2004."""
    scorer = require("rouge_score.rouge_scorer").RougeScorer(["rougeL"], tokenizer=_Tokenizer())
    return float(scorer.score(reference, prediction)["rougeL"].fmeasure)


class _Tokenizer:
    """The tokenizer for rouge-score, whose default one keeps only a to z and 0 to 9."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text."""
        return words_of(text)


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower-cased: for ASCII, those that rouge-score finds without stemming."""
    import regex  # noqa: PLC0415 - 25 ms, and only ROUGE needs it here

    return regex.findall(_WORDS, comparable(text).lower(), flags=regex.V1)


def _same(prediction: str, reference: str) -> float:
    got, wanted = _normalised(prediction, reference)
    return float(got == wanted)


def _f1(prediction: str, reference: str) -> float:
    got, wanted = (Counter(one.split()) for one in _normalised(prediction, reference))
    if not got or not wanted:
        return float(got == wanted)
    return 2 * (got & wanted).total() / (got.total() + wanted.total())


def _normalised(prediction: str, reference: str) -> tuple[str, str]:
    """Return both texts in the strictest form in which the reference keeps a character."""
    forms = (_without_articles, _without_punctuation, lambda text: collapsed(folded(text)))
    form = next((one for one in forms if one(reference)), forms[0])
    return form(prediction), form(reference)


def _without_articles(text: str) -> str:
    return collapsed(_ARTICLE.sub(" ", _without_punctuation(text)))


def _without_punctuation(text: str) -> str:
    text = _POINT.sub("\ue001", _SIGN.sub("\ue000", comparable(text).lower())).translate(_NO_PUNCTUATION)
    if not text.isascii():
        text = "".join(one for one in text if one.isascii() or not unicodedata.category(one).startswith("P"))
    return collapsed(text.translate(_KEPT))

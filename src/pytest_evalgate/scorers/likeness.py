"""Rules that measure the similarity of an output and its references: BLEU, chrF, TER (extra ``metrics``), GLEU, SQuAD.

The library sacrebleu computes the first three. It is imported when a scorer needs it.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.compare import collapsed, comparable, folded
from pytest_evalgate.scorers.extras import require, requires
from pytest_evalgate.scorers.text import best_reference, format_list, format_value, mismatch, references, text_of
from pytest_evalgate.scorers.words import tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

MAX_TER_PAIRS: Final = 40_000
"""Limit of TER: words of the output times words of the reference. At the limit, unrelated texts take 3.5 s."""

_PERFECT: Final = 100.0
_ALMOST_NOTHING: Final = 1e-7
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
# Characters of a number that SQuAD's normalisation would remove: private-use characters replace them meanwhile
_SIGN: Final = re.compile(r"(?<![^\s$€£¥])[-\u2212\u2013](?=[$€£¥]?\.?\d)")
_POINT: Final = re.compile(r"(?<![^\s\d$€£¥\ue000])\.(?=\d)")
_KEPT: Final = str.maketrans({"\ue000": "-", "\ue001": "."})


Reference = Field(min_length=1, validate_default=True)
"""Bounds of the key ``value`` of a measure."""

_ForSacrebleu = Annotated[str | None, Reference, AfterValidator(requires("sacrebleu", "metrics"))]

_Given = Annotated[str | None, Field(min_length=1)]
MaxN = Annotated[int, Field(ge=1, le=8)]
Tokens = Literal["13a", "none", "zh", "char", "intl"]
"""A tokenizer of sacrebleu that needs no further library."""


def bleu(
    case: Case,
    output: Output,
    /,
    *,
    value: _ForSacrebleu = None,
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


def chrf(case: Case, output: Output, /, *, value: _ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence chrF2 with the best reference, from 0 to 1; references as for `bleu`."""
    wanted = wanted_references(case, value=value)
    score = sentence_chrf(comparable(text_of(output)), [comparable(one) for one in wanted])
    return score, f"chrF {score:.3f} with {format_list(wanted)}"


def ter(
    case: Case, output: Output, /, *, value: _ForSacrebleu = None, ignore_case: bool = True, normalize: bool = False
) -> Graded:
    """Return 1 - TER, or 0 if TER is above 1; references as for `bleu`.

    TER, the translation edit rate of sacrebleu, is the number of words to insert, delete, replace or move to get the
    nearest reference, divided by the mean number of words of the references. Words are separated by white space;
    ``normalize`` also separates punctuation. The score is unknown (None) if the texts are too long to compare.
    Source: Snover et al. 2006.
    """
    text, wanted = comparable(text_of(output)), wanted_references(case, value=value)
    words, most = len(text.split()), max(len(one.split()) for one in wanted)
    if words * most > MAX_TER_PAIRS:
        return None, f"the output has {words:,} words, too many for TER: limit them with word-count"
    rate = sentence_ter(text, [comparable(one) for one in wanted], ignore_case=ignore_case, normalize=normalize)
    return max(0.0, 1 - rate), f"TER {rate:.3f} with {format_list(wanted)}"


def gleu(case: Case, output: Output, /, *, value: _Given = None, ignore_case: bool = False, max_n: MaxN = 4) -> Graded:
    """Return the sentence GLEU with the best reference, from 0 to 1; references as for `bleu`.

    GLEU is the smaller one of precision and recall of the sequences of 1 to ``max_n`` tokens, as nltk defines it. A
    token is a word or a punctuation mark. Source: Wu et al. 2016.
    """
    wanted = wanted_references(case, value=value)
    form = folded if ignore_case else comparable
    got = tokens_of(form(text_of(output)))
    score, reference = max(
        ((sentence_gleu(got, [tokens_of(form(one))], max_n=max_n), one) for one in wanted), key=itemgetter(0)
    )
    return score, f"GLEU {score:.3f} with {format_value(reference)}"


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
    sacrebleu = require("sacrebleu", "metrics")
    options = {"tokenize": tokenize, "lowercase": ignore_case, "use_effective_order": not strict, **smoothing}
    return _share(sacrebleu.sentence_bleu(prediction, list(references), **options).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """Return the chrF2 of one text with its best reference, from 0 to 1."""
    return _share(require("sacrebleu", "metrics").sentence_chrf(prediction, list(references)).score)


def sentence_ter(
    prediction: str, references: Sequence[str], *, ignore_case: bool = True, normalize: bool = False
) -> float:
    """Return the TER of one text: edits to its nearest reference, per word of the mean reference."""
    options = {"case_sensitive": not ignore_case, "normalized": normalize}
    return (
        float(require("sacrebleu", "metrics").sentence_ter(prediction, list(references), **options).score) / _PERFECT
    )


def sentence_gleu(prediction: Sequence[str], references: Sequence[Sequence[str]], *, max_n: int = 4) -> float:
    """Return the GLEU of a sequence of tokens with its best reference; 0 if there is no token at all."""
    got = _sequences(prediction, max_n)
    best = 0.0
    for reference in references:
        wanted = _sequences(reference, max_n)
        if most := max(got.total(), wanted.total()):
            best = max(best, (got & wanted).total() / most)
    return best


def _sequences(tokens: Sequence[str], longest: int) -> Counter[tuple[str, ...]]:
    """Count the sequences of 1 to ``longest`` tokens."""
    return Counter(
        found for size in range(1, longest + 1) for found in zip(*(tokens[at:] for at in range(size)), strict=False)
    )


def _share(score: float) -> float:
    return min(1.0, float(score) / _PERFECT)  # a perfect match gives 100.00000000000004


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

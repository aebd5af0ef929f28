"""Rules about how like an output is to its references: ``bleu``, ``chrf``, ``rouge-l`` (extra ``metrics``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers import overlap
from pytest_evalgate.scorers.references import nearest, references
from pytest_evalgate.scorers.wanted import listed, shown, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.data import Case, Graded, Output

MOST_PAIRS: Final = 5_000_000
"""Words of an output times words of its reference that ROUGE-L compares: 2.5 s and 140 MB."""

_WORD: Final = re.compile(r"[a-z0-9]+", re.IGNORECASE | re.ASCII)


def _with(library: str) -> Callable[[str | None], str | None]:
    """Make a check that ``library`` is there: a suite without it is refused before anything runs."""

    def installed(value: str | None) -> str | None:
        try:
            overlap.require(library)
        except ScorerError as error:
            raise ValueError(str(error)) from error
        return value

    return installed


_Checked = Field(min_length=1, validate_default=True)
ForSacrebleu = Annotated[str | None, _Checked, AfterValidator(_with("sacrebleu"))]
ForRouge = Annotated[str | None, _Checked, AfterValidator(_with("rouge_score.rouge_scorer"))]


def bleu(case: Case, output: Output, /, *, value: ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence BLEU, from 0 to 1.

    Args:
        case: its references are ``expected_any``, or ``expected``, which may be a list; all of them count together.
        output: what the target returned.
        value: the only reference, in place of the case's.

    Raises:
        ScorerError: a reference is empty.

    """
    wanted = _filled(references(case, value))
    score = overlap.sentence_bleu(text_of(output), wanted)
    return score, f"BLEU {score:.3f} with {listed(wanted)}"


def chrf(case: Case, output: Output, /, *, value: ForSacrebleu = None) -> Graded:
    """Return sacrebleu's sentence chrF2 with the best reference, from 0 to 1; references as `bleu`."""
    wanted = _filled(references(case, value))
    score = overlap.sentence_chrf(text_of(output), wanted)
    return score, f"chrF {score:.3f} with {listed(wanted)}"


def rouge_l(case: Case, output: Output, /, *, value: ForRouge = None) -> Graded:
    """Return rouge-score's F1 of ROUGE-L with the best reference, from 0 to 1; references as `bleu`.

    None where the output is too long to be compared.
    """
    text, wanted = text_of(output), _filled(references(case, value))
    words = _words(text)
    if words * max(map(_words, wanted)) > MOST_PAIRS:
        return None, f"the output has {words:,} words, too many for ROUGE-L: bound it with word-count"
    score, reference = nearest(_rouge_l, text, wanted)
    return score, f"ROUGE-L {score:.3f} with {shown(reference)}"


def _rouge_l(prediction: str, reference: str) -> float:
    (found,) = overlap.rouge([prediction], [reference])
    return found.rouge_l.f1


def _words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def _filled(wanted: tuple[str, ...]) -> tuple[str, ...]:
    if "" in wanted:
        raise ScorerError('a reference is an empty text, and nothing is like it: fill "expected"')
    return wanted

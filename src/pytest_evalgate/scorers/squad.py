"""Short answers as the SQuAD benchmark compares them: exact match and F1 of the words, case and articles aside."""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.scorers.references import nearest, references
from pytest_evalgate.scorers.wanted import shown, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import Case, Graded, Output

_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Squad:
    """Exact match (1.0 or 0.0) and F1 of an answer, and the form in which it was compared."""

    em: float
    f1: float
    normalised_prediction: str


def squad(prediction: str, reference: str | Sequence[str]) -> Squad:
    """Compare an answer with a reference answer; of several references the best one counts, for each number apart.

    Both are lower-cased, and lose ASCII punctuation, the words a, an and the, and needless white space. F1 is that of
    the words, each as often as it occurs; where either side has none, it is 1 for two empty sides and else 0.
    Source: Rajpurkar et al. 2016, 2018.

    Raises:
        ValueError: there is no reference.

    """
    choices = (reference,) if isinstance(reference, str) else tuple(reference)
    if not choices:
        raise ValueError("reference must hold one or more texts, got none")
    return Squad(
        em=max(_same(prediction, one) for one in choices),
        f1=max(_f1(prediction, one) for one in choices),
        normalised_prediction=_normalised(prediction),
    )


def squad_em(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Pass when the output and a reference are the same, but for case, punctuation, articles and white space.

    Args:
        case: its references are ``expected_any``, or ``expected``, which may be a list; any of them will do. An empty
            one wants no answer.
        output: what the target returned.
        value: the only reference, in place of the case's.

    """
    text, wanted = text_of(output), references(case, value)
    same, _ = nearest(_same, text, wanted)
    if same:
        return 1.0, f"is {shown(text)}"
    return 0.0, f"wanted {' or '.join(map(shown, wanted[:3]))}, got {shown(text)}"


def squad_f1(case: Case, output: Output, /, *, value: str | None = None) -> Graded:
    """Return the F1 of the words that the output and its best reference have in common; references as `squad_em`."""
    f1, reference = nearest(_f1, text_of(output), references(case, value))
    return f1, f"word F1 {f1:.3f} with {shown(reference)}"


def _normalised(text: str) -> str:
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _same(prediction: str, reference: str) -> float:
    return float(_normalised(prediction) == _normalised(reference))


def _f1(prediction: str, reference: str) -> float:
    got, wanted = (Counter(_normalised(text).split()) for text in (prediction, reference))
    if not got or not wanted:
        return float(got == wanted)
    return 2 * (got & wanted).total() / (got.total() + wanted.total())

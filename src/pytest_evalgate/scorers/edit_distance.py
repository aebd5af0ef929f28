"""Rules on the edit distance between an output and its references (extra ``metrics``).

The library rapidfuzz computes the Levenshtein distance: the least number of characters to insert, delete or replace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field

from pytest_evalgate.scorers.compare import comparable, folded
from pytest_evalgate.scorers.extras import require, requires
from pytest_evalgate.scorers.text import best_reference, format_value, references, text_of

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

_LIBRARY: Final = "rapidfuzz.distance.Levenshtein"

MAX_PAIRS: Final = 10_000_000_000
"""Limit of ``levenshtein-ratio``: characters of the output times characters of the reference, which take 0.2 s."""

_Value = Annotated[str | None, Field(validate_default=True), AfterValidator(requires(_LIBRARY, "metrics"))]
_Distance = Annotated[int, Field(ge=0)]


def levenshtein(
    case: Case,
    output: Output,
    /,
    *,
    max: _Distance,  # noqa: A002 - the name that users write
    value: _Value = None,
    ignore_case: bool = False,
) -> Graded:
    """Pass if at most ``max`` characters have to be inserted, deleted or replaced to get a reference.

    The references are ``value``, or else ``expected_any`` or ``expected`` of the case, which may be a list; the
    nearest one counts. Texts are compared in the form that all rules compare.
    """
    form = folded if ignore_case else comparable
    text, wanted = form(text_of(output)), references(case, value=value)
    distance, reference = min(((_distance(text, form(one), max), one) for one in wanted), key=lambda pair: pair[0])
    if distance > max:
        return 0.0, f"more than {max} edits from {format_value(reference)}"
    return 1.0, f"{distance} edits from {format_value(reference)}"


def levenshtein_ratio(case: Case, output: Output, /, *, value: _Value = None, ignore_case: bool = False) -> Graded:
    """Return 1 - distance / length of the longer text, from 0 to 1; distance and references as for `levenshtein`.

    This is rapidfuzz's ``Levenshtein.normalized_similarity``, and the ``Levenshtein`` of autoevals. rapidfuzz's
    ``fuzz.ratio`` differs: it allows no replacement. Two empty texts score 1. The score is unknown (None) if the texts
    are too long to compare.
    """
    form = folded if ignore_case else comparable
    text, wanted = form(text_of(output)), references(case, value=value)
    if len(text) * max(map(len, wanted)) > MAX_PAIRS:
        return None, f"the output has {len(text):,} characters, too many to compare: limit them with length"
    ratio, reference = best_reference(lambda one, other: similarity(one, form(other)), text, wanted)
    return ratio, f"similarity {ratio:.3f} with {format_value(reference)}"


def _distance(one: str, other: str, most: int) -> int:
    """Return the distance of two texts; ``most + 1`` if it is larger, which takes time only in proportion to it."""
    return int(require(_LIBRARY, "metrics").distance(one, other, score_cutoff=most))


def similarity(one: str, other: str) -> float:
    """Return 1 - distance / length of the longer text."""
    return float(require(_LIBRARY, "metrics").normalized_similarity(one, other))

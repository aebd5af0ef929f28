"""``similar``: the cosine of the embeddings of the output and its best reference."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.asking import AskingScorer, named
from pytest_evalgate.scorers.registry import ScorerOptions, SpecError, read_options
from pytest_evalgate.scorers.scorer import BuiltScorer
from pytest_evalgate.scorers.text import all_expected, as_text, format_value, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded, Output
    from pytest_evalgate.scorers.scorer import WeightedScorer
    from pytest_evalgate.scorers.sources import Sources

_LOCAL: Final = "wordllama"
_ABOVE: Final = 2e-9  # a value at the threshold passes, and its negation does not

Reference = Annotated[str, Field(min_length=1)]
References = Annotated[list[Reference], Field(min_length=1)]


class SimilarOptions(ScorerOptions):
    """Return the cosine of the embeddings of the output and its best reference, from 0 to 1.

    The references are ``value``, a text or a list, or else ``expected_any`` or ``expected`` of the case. ``model`` is
    the key of a model with ``api = "embeddings"``; it may be left out if there is one such model. An endpoint gets
    each text once; the score is unknown (None) if it does not reply. ``model = "wordllama"`` is a small model on this
    machine, mainly for English (extra ``embed``).

    ``threshold`` is needed: embeddings of unrelated texts have cosines of 0.0 to 0.8, depending on the model. Measure
    yours on outputs that are right and wrong. ``not-similar`` passes below it. A negative cosine counts as 0.
    """

    model: str | None = None
    value: Reference | References | None = None


def build(given: Mapping[str, Any], context: Sources, *, negated: bool) -> WeightedScorer:
    """Build the scorer; raise SpecError if its specification cannot be used."""
    options = read_options(SimilarOptions, given, "similar")
    assert isinstance(options, SimilarOptions)  # noqa: S101 - the model that was passed
    if options.threshold is None:
        raise SpecError(
            "similar: threshold is missing: write the least cosine that passes, such as threshold = 0.8, and measure "
            "it with outputs that are right and wrong"
        )
    value = options.value
    references = None if value is None else (value,) if isinstance(value, str) else tuple(value)
    if options.model == _LOCAL and (context.models is None or _LOCAL not in context.models.models):
        return _local(options, references, negated=negated)
    if context.models is None:
        raise SpecError("similar asks a model: use it in a suite of the configuration")
    return AskingScorer(
        name=named(options, "similar", negated=negated),
        kind="similar",
        question=Similarity(references),
        asked=context.models.find(options.model, "embeddings", "similar"),
        threshold=options.threshold,
        weight=options.weight,
        field=options.field,
        negated=negated,
    )


def _local(options: SimilarOptions, references: tuple[str, ...] | None, *, negated: bool) -> BuiltScorer:
    from pytest_evalgate.scorers import local_embeddings  # noqa: PLC0415 - an extra

    local_embeddings.check_installed()
    least = options.threshold or 0.0
    return BuiltScorer(
        name=named(options, "similar", negated=negated),
        function=functools.partial(local_embeddings.similarity, references=references, negated=negated),
        threshold=1 - least + _ABOVE if negated else least,
        weight=options.weight,
        field=options.field,
    )


@dataclass(frozen=True, slots=True)
class Similarity:
    """The question for embeddings of an output and its references; None for those of the case."""

    references: tuple[str, ...] | None = None

    @property
    def reads(self) -> frozenset[str]:
        """Names of the fields of the case that decide the grade."""
        return frozenset({"expected", "expected_any"} if self.references is None else ())

    def texts(self, case: Case, output: Output) -> tuple[str, ...]:
        """Return the output and the references; raise ScorerError if there is none, or one is empty."""
        wanted = tuple(map(as_text, all_expected(case, self.references)))
        if not all(text.strip() for text in wanted):
            raise ScorerError('the reference is empty: set "expected"')
        return text_of(output), *wanted

    def grade(self, texts: Sequence[str], values: Sequence[Json]) -> Graded:
        """Return the largest cosine of the first vector and one of the others."""
        lengths = {len(vector) for vector in values}
        if len(lengths) > 1:
            return None, f"the endpoint returned embeddings of {min(lengths)} and {max(lengths)} numbers"
        found = [cosine(values[0], vector) for vector in values[1:]]
        best = max(range(len(found)), key=found.__getitem__)
        return max(0.0, found[best]), f"cosine {found[best]:.3f} with {format_value(texts[1 + best])}"

    def grade_empty(self) -> Graded:
        """Return 0: no reference is empty."""
        return 0.0, "the output is empty"


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, from -1 to 1.

    Both are divided by their largest number first, so that no square overflows.
    """
    left, right = _scaled(one), _scaled(other)
    product = math.fsum(a * b for a, b in zip(left, right, strict=True))
    lengths = math.sqrt(math.fsum(a * a for a in left)) * math.sqrt(math.fsum(b * b for b in right))
    return max(-1.0, min(1.0, product / lengths))


def _scaled(vector: Sequence[float]) -> list[float]:
    largest = max(map(abs, vector))
    return [number / largest for number in vector]

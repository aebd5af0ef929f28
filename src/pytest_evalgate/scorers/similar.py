"""``similar``: the cosine of the embeddings of the output and its best reference."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from pytest_evalgate.scorers.asking import AskingScorer, named
from pytest_evalgate.scorers.cosines import Similarity
from pytest_evalgate.scorers.registry import ScorerOptions, SpecError, read_options
from pytest_evalgate.scorers.scorer import BuiltScorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.scorers.scorer import WeightedScorer
    from pytest_evalgate.scorers.suite_sources import Sources

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
        counts=options.counts,
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
        counts=options.counts,
    )

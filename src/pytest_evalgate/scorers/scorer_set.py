"""``set``: several scorers as one, of which all, or a share by weight, have to pass."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Score
from pytest_evalgate.scorers.build import build_members
from pytest_evalgate.scorers.registry import ScorerOptions, SpecError, read_options
from pytest_evalgate.scorers.scorer import asks_model, compares_originals, passes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output
    from pytest_evalgate.scorers.build import Context
    from pytest_evalgate.scorers.scorer import WeightedScorer

_MOST_NAMED = 3


class SetOptions(ScorerOptions):
    """Pass if all ``asserts`` pass, or, with a ``threshold``, if the weighted mean of their values reaches it.

    ``asserts`` is a list of rules, each with its own ``weight`` (1 by default). With ``threshold =
    0.5``, one of two has to pass. The value of the set is the mean.
    """

    asserts: Annotated[list[str | dict[str, Any]], Field(min_length=1)]


def build(given: Mapping[str, Any], context: Context, *, negated: bool) -> SetScorer:  # noqa: ARG001 - has no negation
    """Build the scorer; raise SpecError if its specification cannot be used."""
    options = read_options(SetOptions, given, "set")
    assert isinstance(options, SetOptions)  # noqa: S101 - the model that was passed
    if options.field is not None:
        raise SpecError("set: field belongs to its asserts: move it there")
    if any(isinstance(spec, dict) and "judge" in spec for spec in options.asserts):
        raise SpecError(
            "set: a judge is not a member of a set, since it may decide only by its calibration: move it out"
        )
    if any(isinstance(spec, dict) and "python" in spec for spec in options.asserts):
        raise SpecError("set: a function is not a member of a set: combine the checks in the function, or move it out")
    members = build_members(options.asserts, context=replace(context, place="asserts"))
    if any(map(compares_originals, members)):
        raise SpecError("set: same-as is not a member of a set: move it out")
    if not any(getattr(member, "counts", True) for member in members):
        raise SpecError('set: no member decides anything: remove severity = "warn" from one, or give it to the set')
    return SetScorer(options.name or "set", members, options.threshold, options.weight, options.counts)


@dataclass(frozen=True, slots=True)
class SetScorer:
    """Scorer of the mean of its members. Without ``least``, all of them have to pass."""

    name: str
    members: tuple[WeightedScorer, ...]
    least: float | None = None
    weight: float | None = None
    counts: bool = True

    @property
    def threshold(self) -> float:
        """Smallest value that passes."""
        return 1.0 if self.least is None else self.least

    @property
    def waits(self) -> bool:
        """Whether a member may wait for something."""
        return any(getattr(member, "waits", True) for member in self.members)

    @property
    def asks_model(self) -> bool:
        """Whether a member asks a model."""
        return any(map(asks_model, self.members))

    def asked_models(self) -> Mapping[str, Json]:
        """Return the identity of the models that the members ask, by their keys in the configuration."""
        asking = [member for member in self.members if asks_model(member)]
        return {name: identity for member in asking for name, identity in member.asked_models().items()}

    def calls_of(self, case: Case, output: Output) -> Iterator[Call]:
        """Yield the calls of the members. Sends nothing."""
        for member in self.members:
            if asks_model(member):
                yield from member.calls_of(case, output)

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:
        """Return why a member could not grade an output of ``case``; None if all can."""
        for member in self.members:
            check = getattr(member, "case_problem", None)
            if check is not None and (problem := check(case, output)) is not None:
                return f"{member.name}: {problem}"
        return None

    def reads(self, case: Case) -> frozenset[str] | None:
        """Return the names of the fields of ``case`` that the members read; None if that is unknown."""
        found: set[str] = set()
        for member in self.members:
            reads = getattr(member, "reads", None)
            names = None if reads is None else reads(case)
            if names is None:
                return None
            found |= names
        return frozenset(found)

    async def score(self, case: Case, output: Output) -> Score:
        """Score one output; raises like the members."""
        scores = [await member.score(case, output) for member in self.members]
        calls = tuple(call for score in scores for call in score.calls)
        spans = tuple(span for score in scores for span in score.spans)
        scores = [score for score in scores if score.counts]
        if self.least is None:
            passed = passes([replace(score, weight=None) for score in scores], None)
        else:
            passed = passes(scores, self.least, mean=True)
        if passed is None:
            unknown = next(score for score in scores if score.value is None)
            reason, may_change = f"{unknown.name}: {unknown.reason}", any(score.may_change for score in scores)
            return Score(self.name, None, None, reason, self.weight, self.counts, calls=calls, may_change=may_change)
        return Score(
            self.name, _mean(scores), passed, _reason(scores), self.weight, self.counts, calls=calls, spans=spans
        )


def _mean(scores: list[Score]) -> float:
    """Return the weighted mean; an unknown value, beside one that misses, counts as 0."""
    weights = [1.0 if score.weight is None else score.weight for score in scores]
    values = [score.value or 0.0 for score in scores]
    return min(1.0, math.fsum(map(float.__mul__, weights, values)) / math.fsum(weights))


def _reason(scores: list[Score]) -> str:
    failing = [score for score in scores if not score.passed]
    text = f"{len(scores) - len(failing)} of {len(scores)} pass"
    named = "; ".join(f"{score.name}: {score.reason}" for score in failing[:_MOST_NAMED])
    return f"{text}: {named}" if named else text

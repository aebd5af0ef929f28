"""LLM judge: a scorer that asks a model, by one or several votes.

Flow: obviously empty outputs fail without a call; otherwise a `Voter` casts votes, one call each (two for a
comparison, and for a share of statements), until the median of all votes is known.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.judges.ask import JudgeClient, JudgeQuestion
from pytest_evalgate.judges.escaping import escape_for_judge
from pytest_evalgate.judges.material import Material, material_of, nonce_of, references_of, text_of
from pytest_evalgate.judges.question import (
    Instructions,
    messages,
    pair_messages,
    pair_reply_instructions,
    pair_response_format,
    reply_instructions,
    response_format,
)
from pytest_evalgate.judges.reply import Choice, ParsedVerdict, Unreadable, read, read_choice
from pytest_evalgate.judges.shares import grades_output, input_problem
from pytest_evalgate.judges.votes import Vote, agreeing_vote, collect_votes, decided_value, reason
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers.part import NoPartError, part_of
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.judges.rubric import Rubric
    from pytest_evalgate.judges.votes import Lookup, Voter
    from pytest_evalgate.records.calls import Call, CallRecord
    from pytest_evalgate.records.cases import Case, Json

_MAX_REASON: Final = 500  # characters of a score's reason
_MAX_QUOTE: Final = 200  # characters of the evidence in it


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """Scorer that asks a model to grade by a rubric. An unreadable reply scores None: neither a pass nor a fail.

    ``votes`` is the largest number of votes, an odd one. A score passes from ``threshold``, a value in [0, 1].
    ``weight`` is that in the weighted mean of a case, if the suite has one. ``counts`` is false if its scores are only
    reported and do not decide whether a case passes. ``field`` is the path of the part of the output that is graded;
    an output without it scores 0. ``note`` is the note on the case that it asks for; None for all notes of the case
    together.
    """

    is_judge: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    name: str
    voter: Voter
    rubric: Rubric
    votes: int
    threshold: float
    weight: float | None = None
    counts: bool = True
    field: str | None = None
    note: str | None = None

    @property
    def grades_notes(self) -> bool:
        """Whether it can be asked for the notes on a case."""
        return self.rubric.grades_notes

    def for_note(self, note: str, name: str) -> JudgeScorer:
        """Return the same judge, asking for one note on a case. Its scores are called ``name``."""
        return replace(self, note=note, name=name)

    def calls_of(self, case: Case, output: Output, lookup: Lookup | None = None) -> Iterator[Call]:
        """Yield the calls that `score` makes if all votes agree and every reply is readable. Sends nothing.

        ``lookup`` returns the cached reply to a call: the second call of a share depends on the first reply.
        """
        with suppress(NoPartError):  # what the part will be is not known yet: count as if it was the output
            output = self._part(case, output)
        material = material_of(case, output, self.note)
        if self._fails(case, output) is None and self._problem(material) is None and material.image_problem is None:
            for index in range(self.votes // 2 + 1):
                yield from self.voter.calls_of(material, index, lookup)

    def _fails(self, case: Case, output: Output) -> str | None:
        """Return why the output fails without a call; never if the rubric grades passages or an agent's steps."""
        if "trajectory" in self.rubric.needs or not grades_output(self.rubric):
            return None
        return trivial_fail(text_of(output.value), references_of(case))

    def _problem(self, material: Material) -> str | None:
        return material.missing_input(self.rubric) or input_problem(self.rubric, material)

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:
        """Return what the rubric needs and the case lacks, or why its images cannot be sent; None if it lacks nothing.

        Context, trajectory and conversation may also come from the metadata of the output. Without an ``output``, they
        are unknown.
        """
        metadata = {} if output is None else output.metadata
        material = material_of(case, Output(case.output or "", metadata), self.note)
        if output is None:
            unknown = ("unknown",)
            material = replace(
                material,
                context=material.context or unknown,
                trajectory=material.trajectory or unknown,
                conversation=material.conversation or unknown,
            )
        return self._problem(material) or material.image_problem

    def reads(self, case: Case) -> frozenset[str]:  # noqa: ARG002 - as for a rule
        """Return the names of the fields that the judge is shown."""
        return _SHOWN if self.grades_notes else _SHOWN - {"rubric"}

    async def score(self, case: Case, output: Output) -> Score:
        """Grade one output. The value is the median of the votes, as a share of the scale.

        Raises:
            ScorerError: the case lacks what the rubric needs, or the output cannot be represented as JSON.
            RunStopped: the run was stopped, or its budget is spent.
        """
        try:
            output = self._part(case, output)
            failed = self._fails(case, output)
            material = material_of(case, output, self.note)
        except NoPartError as error:
            return self._score(0.0, str(error))
        except (TypeError, ValueError) as error:
            raise self._error(case, f"the output cannot be represented as JSON: {error}") from error
        if failed is not None:
            return self._score(0.0, failed)
        if (problem := self._problem(material)) is not None:
            raise self._error(case, problem)
        if (problem := material.image_problem) is not None:  # images of the output: those of the case were checked
            return self._score(None, problem)
        cast = await collect_votes(self.voter, material, self.votes)
        value = decided_value(cast, self.votes)
        score = self._score(value, reason(cast, value), tuple(call for vote in cast for call in vote.calls))
        return replace(
            score,
            may_change=value is None and any(vote.may_change for vote in cast),
            rationale=agreeing_vote(cast, value).rationale,
        )

    def _part(self, case: Case, output: Output) -> Output:
        """Return the part of an output that is graded; raise NoPartError if it does not have the part."""
        return output if self.field is None else replace(output, value=part_of(output, self.field, case).value)

    def _score(self, value: float | None, reason: str, calls: tuple[CallRecord, ...] = ()) -> Score:
        passed = None if value is None else value >= self.threshold
        return Score(self.name, value, passed, reason[:_MAX_REASON], self.weight, self.counts, calls)

    def _error(self, case: Case, message: str) -> ScorerError:
        return ScorerError(f'{case.place}: case "{case.id}": judge "{self.name}": {message}')


_SHOWN: Final = frozenset({"input", "messages", "context", "expected", "expected_any", "rubric", "trajectory"})

_MIN_ALPHANUMERIC: Final = 2
_MAX_OPENER: Final = 80
_AROUND: Final = re.compile(r"^[\W_]+|[\W_]+$")

_OPENERS: Final = frozenset(
    {
        "answer",
        "final answer",
        "here is my answer",
        "let me think step by step",
        "let us solve this problem step by step",
        "let us think step by step",
        "let us work through this one step at a time",
        "let's solve this problem step by step",
        "let's think step by step",
        "n/a",
        "okay, let us work through this one step at a time",
        "output",
        "reasoning",
        "respuesta",
        "response",
        "solution",
        "sure, here is the answer",
        "the answer is",
        "thinking",
        "thought",
        "thought process",
        "答え",
        "答案",
        "解",
        "解答",
        "解説",
        "解决方案",
        "かいせつ",
    }
)
"""Openings of an answer that made LLM judges pass an output without content (arXiv 2507.08794), and translations."""


def trivial_fail(text: str, references: Iterable[Json]) -> str | None:
    """Return why an output without content fails without a call; None if the judge must be asked.

    An output equal to one of the ``references`` never fails here, even if it has a single character.
    """
    if not text.strip():
        return "the output is empty"
    is_bare = len(list(islice(filter(str.isalnum, text), _MIN_ALPHANUMERIC))) < _MIN_ALPHANUMERIC
    if not is_bare and len(text) > _MAX_OPENER:  # most outputs: neither they nor the references are normalized
        return None
    if _normalized(text) in {_normalized(text_of(one)) for one in references}:
        return None
    if is_bare:
        return "the output has fewer than two letters or digits"
    if _AROUND.sub("", _normalized(text)) in _OPENERS:
        return f"the output is only the opening of an answer: {quote_text(text.strip())}"
    return None


def _normalized(text: str) -> str:
    return " ".join(text.split()).casefold().replace("\u2019", "'")  # U+2019: typographic apostrophe


@dataclass(frozen=True, slots=True)
class SingleVoter:
    """Voter that asks for the score of one output."""

    judge_client: JudgeClient
    instructions: Instructions

    def calls_of(self, material: Material, index: int, lookup: Lookup | None = None) -> Iterator[Call]:  # noqa: ARG002 - as of a share
        """Yield the call of a vote."""
        yield self.judge_client.call_of(self._question(material), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote: the score as a share of the scale."""
        reply = await self.judge_client.ask(self._question(material), index)
        if isinstance(reply.value, Unreadable):
            return Vote(None, "no verdict", reply.value.reason, reply.calls, reply.value.may_change)
        scale, score = self.instructions.scale, reply.value.score
        quote = quote_text(reply.value.evidence, _MAX_QUOTE) if reply.value.evidence else ""
        return Vote(scale.share(score), scale.describe(score), quote, reply.calls, rationale=reply.value.rationale)

    def _question(self, material: Material) -> JudgeQuestion[ParsedVerdict]:
        scale = self.instructions.scale
        nonce = nonce_of(self.judge_client.version, material.case, [material.candidate])
        return JudgeQuestion(
            messages=messages(self.instructions, material, nonce),
            response_format=response_format(scale),
            retry_prompt=reply_instructions(self.instructions, nonce),
            read=partial(read, nonce=nonce, candidate=material.quotable(self.instructions.rubric), scale=scale),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )


_OUTCOMES: Final = {("first", "second"): (1.0, "better"), ("second", "first"): (0.0, "worse")}
_TIE: Final = (0.5, "tie")


@dataclass(frozen=True, slots=True)
class PairVoter:
    """Voter that asks whether the output or the reference is better, once in each order.

    The value is 1 if the output is better in both orders, 0 if the reference is better in both, and 0.5 otherwise.
    Both orders are needed because models prefer a position (arXiv 2306.05685).
    """

    judge_client: JudgeClient
    rubric: Rubric

    def calls_of(self, material: Material, index: int, lookup: Lookup | None = None) -> Iterator[Call]:  # noqa: ARG002 - as of a share
        """Yield the two calls of a vote."""
        for output_first in (True, False):
            yield self.judge_client.call_of(self._question(material, output_first=output_first), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote. If a reply is unreadable, the value is None and the other order is not asked for."""
        choices: list[str] = []
        calls: tuple[CallRecord, ...] = ()
        evidence = rationale = ""
        for output_first in (True, False):
            reply = await self.judge_client.ask(self._question(material, output_first=output_first), index)
            calls += reply.calls
            if isinstance(reply.value, Unreadable):
                return Vote(None, "no verdict", reply.value.reason, calls, reply.value.may_change)
            choices.append(reply.value.choice)
            evidence = evidence or reply.value.evidence
            rationale = rationale or reply.value.rationale
        value, summary = _OUTCOMES.get((choices[0], choices[1]), _TIE)
        if (value, summary) == _TIE:
            reason = "{} when first, {} when second".format(*choices)
            return Vote(value, summary, reason, calls, rationale=rationale)
        return Vote(value, summary, quote_text(evidence, _MAX_QUOTE), calls, rationale=rationale)

    def _question(self, material: Material, *, output_first: bool) -> JudgeQuestion[Choice]:
        reference = escape_for_judge(text_of(material.references[0]))
        pair = (material.candidate, reference) if output_first else (reference, material.candidate)
        nonce = nonce_of(self.judge_client.version, material.case, pair)
        return JudgeQuestion(
            messages=pair_messages(self.rubric, material, pair, nonce),
            response_format=pair_response_format(),
            retry_prompt=pair_reply_instructions(nonce),
            read=partial(read_choice, nonce=nonce, pair=pair),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )

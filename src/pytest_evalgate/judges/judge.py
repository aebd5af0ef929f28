"""What needs no judge: outputs that say nothing at all. Some of them talk a model into passing them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.judges.ask import JudgeClient, JudgeQuestion
from pytest_evalgate.judges.question import (
    Instructions,
    background,
    fenced,
    material_of,
    messages,
    nonce_of,
    references_of,
    request,
    response_format,
    rubric_reminder,
    strict_schema,
    system_message,
    text_of,
)
from pytest_evalgate.judges.question import visible as shown
from pytest_evalgate.judges.reply import (
    ParsedVerdict,
    Unreadable,
    UnreadableReply,
    parse_object,
    read,
    require_evidence,
)
from pytest_evalgate.records.results import Score
from pytest_evalgate.text.jsonl import canonical, escape_text, quote_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.judges.question import Material
    from pytest_evalgate.judges.rubric import Rubric
    from pytest_evalgate.records.calls import Call, CallRecord
    from pytest_evalgate.records.results import Case, Json, Output

_FEWEST: Final = 2
_LONGEST_OPENER: Final = 80
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
"""Openings of an answer that have been seen to pass alone (arXiv 2507.08794), and their translations."""


def trivial_miss(text: str, references: Iterable[Json]) -> str | None:
    """Say why an output is a miss that no judge has to look at; None where one has to.

    Args:
        text: The whole output.
        references: What is wanted of it: an output that is one of them is never decided here, however short.

    """
    if not text.strip():
        return "the output is empty"
    if _normalized(text) in {_normalized(text_of(one)) for one in references}:
        return None
    if len(list(islice(filter(str.isalnum, text), _FEWEST))) < _FEWEST:
        return "the output holds fewer than two letters or digits"
    if len(text) <= _LONGEST_OPENER and _AROUND.sub("", _normalized(text)) in _OPENERS:
        return f"the output only opens an answer: {quote_text(text.strip())}"
    return None


def _normalized(text: str) -> str:
    return " ".join(text.split()).casefold().replace("\u2019", "'")


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote: a value in [0, 1], None where there is no knowing; how people call it, and why."""

    value: float | None
    summary: str
    reason: str
    calls: tuple[CallRecord, ...] = ()


class Voter(Protocol):
    """Casts the votes of a judge."""

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the calls of the 0-based vote ``index``, those of a repair left out; sends nothing."""

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast the 0-based vote ``index``.

        Raises:
            RunStopped: no call of this run can succeed, or may be paid.

        """


async def collect_votes(voter: Voter, material: Material, votes: int) -> list[Vote]:
    """Have votes cast until `decided_value` knows the outcome of all ``votes`` (odd), or cannot know it any more.

    Raises:
        RunStopped: no call of this run can succeed, or may be paid.

    """
    cast: list[Vote] = []
    while len(cast) < votes and decided_value(cast, votes) is None and _is_open(cast, votes):
        cast.append(await voter.vote(material, len(cast)))
    return cast


def decided_value(cast: Sequence[Vote], votes: int) -> float | None:
    """Return the median of all ``votes`` (odd), which for two values is what most of them say.

    A vote without a value, or not cast yet, may have any: None where the median depends on it.
    """
    known = sorted(vote.value for vote in cast if vote.value is not None)
    unknown, middle = votes - len(known), votes // 2
    lowest = ([0.0] * unknown + known)[middle]
    highest = (known + [1.0] * unknown)[middle]
    return lowest if lowest == highest else None


def reason(cast: Sequence[Vote], value: float | None) -> str:
    """Say what the votes say: the first that agrees with the outcome says why; several are listed."""
    speaker = next(vote for vote in cast if vote.value == value)
    told = f"{speaker.summary}: {speaker.reason}" if speaker.reason else speaker.summary
    return told if len(cast) == 1 else f"{told}; votes: {', '.join(vote.summary for vote in cast)}"


def _is_open(cast: Sequence[Vote], votes: int) -> bool:
    """Tell whether the votes that are left may still settle it: half of them or more without a value cannot."""
    return sum(vote.value is None for vote in cast) <= votes // 2


_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """Asks a model for a score by a rubric; what it cannot read is None, neither a pass nor a miss.

    Args:
        name: What its scores are called.
        voter: What casts its votes.
        rubric: What it looks for.
        votes: How many votes there are at most, an odd number.
        threshold: The value in [0, 1] from which it passes.
        weight: Its part in the weighted mean of a case, if the suite has one.
        counts: Whether its scores decide what passes, or are only reported.

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

    def calls_of(self, case: Case, output: Output) -> Iterator[Call]:
        """Yield the calls that `score` makes where all votes agree and every reply is readable; sends nothing."""
        if (
            self._miss(case, output) is None
            and (material := material_of(case, output)).missing_input(self.rubric) is None
        ):
            for index in range(self.votes // 2 + 1):
                yield from self.voter.calls_of(material, index)

    async def score(self, case: Case, output: Output) -> Score:
        """Grade one output: its value is the median of the votes, as a share of the scale.

        Raises:
            ScorerError: the rubric needs what the case does not bring, or the output is not JSON.
            RunStopped: no call of this run can succeed, or may be paid.

        """
        try:
            missed = self._miss(case, output)
            material = material_of(case, output)
        except (TypeError, ValueError) as error:
            raise self._broken(case, f"the output cannot be shown to it: {error}") from error
        if missed is not None:
            return self._score(0.0, missed)
        return await self._asked(material)

    async def _asked(self, material: Material) -> Score:
        if lack := material.missing_input(self.rubric):
            raise self._broken(material.case, lack)
        cast = await collect_votes(self.voter, material, self.votes)
        value = decided_value(cast, self.votes)
        return self._score(value, reason(cast, value), cast)

    def _miss(self, case: Case, output: Output) -> str | None:
        return trivial_miss(text_of(output.value), references_of(case))

    def _score(self, value: float | None, why: str, cast: list[Vote] | None = None) -> Score:
        calls = tuple(call for vote in cast or () for call in vote.calls)
        passed = None if value is None else value >= self.threshold
        return Score(self.name, value, passed, why[:_REASON], self.weight, self.counts, calls)

    def _broken(self, case: Case, why: str) -> ScorerError:
        return ScorerError(f'{case.place}: case "{case.id}": judge "{self.name}": {why}')


_FIELDS: Final = ("nonce", "evidence", "choice")
_CHOICES: Final = ("first", "second", "tie")
_OUTCOMES: Final = {("first", "second"): (1.0, "better"), ("second", "first"): (0.0, "worse")}
"""Value and word for what was chosen when the output came first, and when it came second."""

_TIE: Final = (0.5, "tie")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of two outputs is better; ``evidence`` stands in it, and is empty for a tie."""

    choice: str
    evidence: str


@dataclass(frozen=True, slots=True)
class PairVoter:
    """Asks twice whether the output or the reference is better: once with either of them first.

    The value is 1 where the output is better both times, 0 where the reference is, 0.5 for everything else.
    """

    judge_client: JudgeClient
    rubric: Rubric

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the two calls of a vote."""
        for ours_first in (True, False):
            yield self.judge_client.call_of(self._question(material, ours_first=ours_first), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote; None where one of the replies is unreadable."""
        choices: list[str] = []
        calls: tuple[CallRecord, ...] = ()
        evidence = ""
        for ours_first in (True, False):
            reply = await self.judge_client.ask(self._question(material, ours_first=ours_first), index)
            calls += reply.calls
            if isinstance(reply.value, Unreadable):
                return Vote(None, "no verdict", reply.value.why, calls)
            choices.append(reply.value.choice)
            evidence = evidence or reply.value.evidence
        value, summary = _OUTCOMES.get((choices[0], choices[1]), _TIE)
        told = quote_text(evidence, 200) if value != _TIE[0] else "{} when first, {} when second".format(*choices)
        return Vote(value, summary, told, calls)

    def _question(self, material: Material, *, ours_first: bool) -> JudgeQuestion[Choice]:
        reference = shown(text_of(material.references[0]))
        pair = (material.candidate, reference) if ours_first else (reference, material.candidate)
        nonce = nonce_of(self.judge_client.version, material.case, pair)
        return JudgeQuestion(
            messages=pair_messages(self.rubric, material, pair, nonce),
            response_format=_RESPONSE_FORMAT,
            retry_prompt=_request(nonce),
            read=partial(read_choice, nonce=nonce, pair=pair),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )


_RESPONSE_FORMAT: Final = strict_schema(
    "preference",
    {
        "nonce": {"type": "string"},
        "evidence": {"type": "string"},
        "choice": {"type": "string", "enum": list(_CHOICES)},
    },
)


def pair_messages(rubric: Rubric, material: Material, pair: tuple[str, str], nonce: str) -> list[dict[str, Json]]:
    """Return the messages that ask which of two outputs is better; neither is called the reference."""
    outputs = [fenced(f"THE {name} OUTPUT", one, nonce) for name, one in zip(("FIRST", "SECOND"), pair, strict=True)]
    asked = [*background(material, references=False), *outputs, rubric_reminder(rubric), _request(nonce)]
    return [system_message(rubric), {"role": "user", "content": "\n\n".join(asked)}]


def read_choice(text: str, *, nonce: str, pair: tuple[str, str]) -> Choice | Unreadable:
    """Read a reply; nothing is raised, whatever it holds.

    Args:
        text: The reply.
        nonce: The word that it has to repeat.
        pair: The two outputs as the judge was shown them.

    """
    try:
        return _choice(parse_object(text, _FIELDS, nonce), pair)
    except UnreadableReply as error:
        return Unreadable(str(error))


def _choice(found: Mapping[str, Any], pair: tuple[str, str]) -> Choice:
    choice = found["choice"]
    if choice not in _CHOICES:
        raise UnreadableReply(f"the choice is {escape_text(canonical(choice), 40)}, none of {', '.join(_CHOICES)}")
    chosen = "\n".join(pair) if choice == "tie" else pair[_CHOICES.index(choice)]
    return Choice(choice, require_evidence(found["evidence"], chosen, needed=choice != "tie"))


def _request(nonce: str) -> str:
    return f"""\
Reply with one JSON object and nothing else. It has these fields and no others:
- nonce: the text "{nonce}".
- evidence: the passage of the better output that shows best why, copied word for word; an empty text for a tie.
- choice: "first", "second" or "tie"."""


@dataclass(frozen=True, slots=True)
class SingleVoter:
    """Asks for the score of one output."""

    judge_client: JudgeClient
    instructions: Instructions

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the call of a vote."""
        yield self.judge_client.call_of(self._question(material), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote: the score as a share of the scale."""
        reply = await self.judge_client.ask(self._question(material), index)
        if isinstance(reply.value, Unreadable):
            return Vote(None, "no verdict", reply.value.why, reply.calls)
        scale, score = self.instructions.scale, reply.value.score
        reason = quote_text(reply.value.evidence, 200) if reply.value.evidence else ""
        return Vote(scale.share(score), scale.describe(score), reason, reply.calls)

    def _question(self, material: Material) -> JudgeQuestion[ParsedVerdict]:
        nonce = nonce_of(self.judge_client.version, material.case, [material.candidate])
        return JudgeQuestion(
            messages=messages(self.instructions, material, nonce),
            response_format=response_format(self.instructions.scale),
            retry_prompt=request(self.instructions.scale, nonce),
            read=partial(read, nonce=nonce, candidate=material.candidate, scale=self.instructions.scale),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )

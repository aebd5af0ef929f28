"""Scorers that ask a model about single texts: ``similar`` asks for embeddings, ``moderation`` for flags.

Each text is one call, which goes through the limits, the retries, the cache and the budget of the engine like any
other call. The engine sends calls that wait at the same time as one request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import FINISH_MESSAGES, CallFailed, RunStopped, record_of
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers.part import NoPartError, part_of, reads_trajectory
from pytest_evalgate.text.exceptions import truncate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.calls import Call, CallRecord, Reply
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded
    from pytest_evalgate.scorers.registry import ScorerOptions
    from pytest_evalgate.scorers.suite_sources import AskedModel


class TextQuestion(Protocol):
    """The texts that a scorer asks about, and the grade for the replies."""

    @property
    def reads(self) -> frozenset[str]:
        """Names of the fields of the case that decide the grade."""

    def texts(self, case: Case, output: Output) -> tuple[str, ...]:
        """Return the texts, the output first.

        Raises:
            ScorerError: The case lacks what the question needs.
        """

    def grade(self, texts: Sequence[str], values: Sequence[Json]) -> Graded:
        """Return the value and the reason, from the reply to each text."""

    def grade_empty(self) -> Graded:
        """Return the value and the reason of an output without text, which is not asked about."""


@dataclass(frozen=True, slots=True)
class AskingScorer:
    """Scorer that asks a model. A text without a reply makes the score unknown (None).

    ``kind`` is its name in the purpose of its calls. If ``negated``, it passes if the value misses the threshold.
    ``field`` is the path of the part of the output that is graded; an output without it scores 0. If it does not
    ``count``, its scores decide nothing.
    """

    asks_model: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    name: str
    kind: str
    question: TextQuestion
    asked: AskedModel
    threshold: float
    weight: float | None = None
    field: str | None = None
    negated: bool = False
    counts: bool = True

    def asked_models(self) -> Mapping[str, Json]:
        """Return the identity of the model that the scorer asks, by its key in the configuration."""
        return {self.asked.name: self.asked.identity}

    def calls_of(self, case: Case, output: Output) -> Iterator[Call]:
        """Yield the calls that `score` makes. Sends nothing."""
        try:
            texts = self._texts(case, output)
        except (NoPartError, ScorerError):
            return
        yield from self._calls(case, texts).values()

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:  # noqa: ARG002 - as for a judge
        """Return what the case lacks; None if it lacks nothing."""
        try:
            self.question.texts(case, _EMPTY)
        except ScorerError as error:
            return str(error)
        return None

    def reads(self, case: Case) -> frozenset[str]:  # noqa: ARG002 - as for a rule
        """Return the names of the fields of the case that decide its score."""
        return self.question.reads | ({"trajectory"} if reads_trajectory(self.field) else set())

    async def score(self, case: Case, output: Output) -> Score:
        """Score one output.

        Raises:
            ScorerError: The case lacks what the scorer needs.
            RunStopped: The run was stopped, or its budget is spent.
        """
        try:
            texts = self._texts(case, output)
        except NoPartError as error:
            return self._score((0.0, str(error)))
        except ScorerError as error:
            raise ScorerError(
                f'{case.place}: case "{case.id}": scorer "{self.name}": {truncate(str(error))}'
            ) from error
        if not texts[0].strip():
            return self._score(self.question.grade_empty())
        import asyncio  # noqa: PLC0415 - 16 ms, which sessions with recorded outputs do not need

        calls = self._calls(case, texts)
        replies = await asyncio.gather(
            *(self.asked.client.send(call) for call in calls.values()), return_exceptions=True
        )
        answers = dict(zip(calls, replies, strict=True))
        records = tuple(record for text, reply in answers.items() if (record := _record(calls[text], reply)))
        for reply in answers.values():
            if isinstance(reply, RunStopped) or (
                isinstance(reply, BaseException) and not isinstance(reply, CallFailed)
            ):
                raise reply
        for reply in answers.values():
            if isinstance(reply, CallFailed):
                return self._score((None, str(reply)), records, may_change=not reply.is_final)
            if not isinstance(reply, BaseException) and reply.finish != "complete":
                return self._score((None, FINISH_MESSAGES[reply.finish]), records)
        values = [reply.value[0] for text in texts if not isinstance(reply := answers[text], BaseException)]
        return self._score(self.question.grade(texts, values), records)

    def _texts(self, case: Case, output: Output) -> tuple[str, ...]:
        return self.question.texts(case, output if self.field is None else part_of(output, self.field, case))

    def _calls(self, case: Case, texts: Sequence[str]) -> dict[str, Call]:
        purpose = f"scorer:{self.kind}"
        return {text: self.asked.call_of(text, purpose, case) for text in texts} if texts[0].strip() else {}

    def _score(self, graded: Graded, calls: tuple[CallRecord, ...] = (), *, may_change: bool = False) -> Score:
        value, reason = graded
        passed = None if value is None else (value >= self.threshold - _ROUNDING) is not self.negated
        if value is not None and self.negated:
            value = 1 - value
        return Score(self.name, value, passed, reason, self.weight, self.counts, calls=calls, may_change=may_change)


_EMPTY: Final = Output("")
_ROUNDING: Final = 1e-9


def _record(call: Call, reply: Reply | BaseException) -> CallRecord | None:
    if isinstance(reply, CallFailed):
        return reply.record
    return None if isinstance(reply, BaseException) else record_of(call, reply)


def named(options: ScorerOptions, kind: str, *, negated: bool) -> str:
    """Return the name of a scorer: the configured one, else its kind."""
    return options.name or f"not-{kind}" * negated or kind

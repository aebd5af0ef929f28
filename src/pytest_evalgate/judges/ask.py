"""Client of one judge: sends a question, and asks once more if the reply is unreadable."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.judges.escaping import escape_for_judge
from pytest_evalgate.judges.reply import Unreadable
from pytest_evalgate.records.calls import FINISH_MESSAGES, Call, CallFailed, RunStopped, record_of
from pytest_evalgate.targets.request import to_responses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_evalgate import config
    from pytest_evalgate.judges.material import Message
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import CallRecord, Finish, Reply
    from pytest_evalgate.records.cases import Json

T = TypeVar("T")

_MAX_REPLY_SHOWN: Final = 4_000  # characters of an unreadable reply that are shown to the judge again
# Replies after which the question is not repeated: it would end in the same way, and a correction makes it longer.
_REPEATED: Final[tuple[Finish, ...]] = ("refusal", "content_filter", "context_length")


@dataclass(frozen=True, slots=True)
class JudgeQuestion(Generic[T]):
    """Messages to a judge and the parser of its reply.

    ``retry_prompt`` is sent after an unreadable reply. ``label`` identifies the question.
    """

    messages: Sequence[Message]
    response_format: Json
    retry_prompt: str
    read: Callable[[str], T | Unreadable]
    label: str

    def parse(self, reply: Reply) -> T | Unreadable:
        """Return the parsed reply. A reply that is incomplete is not parsed."""
        if reply.finish != "complete":
            return Unreadable(FINISH_MESSAGES[reply.finish], may_change=reply.finish not in _REPEATED)
        return self.read(reply.value if isinstance(reply.value, str) else "")

    def is_readable(self, reply: Reply) -> bool:
        """Return whether a reply has a verdict. Other replies are not cached: the next run asks again."""
        return not isinstance(self.parse(reply), Unreadable)


class _Parser(Generic[T]):
    """Parser of the reply to one question. The cache asks whether it is readable, and the voter for what it says."""

    def __init__(self, question: JudgeQuestion[T]) -> None:
        self._question = question
        self._parsed: tuple[Finish, Json, T | Unreadable] | None = None

    def parse(self, reply: Reply) -> T | Unreadable:
        """Return the parsed reply, like `JudgeQuestion.parse`."""
        if self._parsed is None or self._parsed[:2] != (reply.finish, reply.value):
            self._parsed = reply.finish, reply.value, self._question.parse(reply)
        return self._parsed[2]

    def is_readable(self, reply: Reply) -> bool:
        """Return whether a reply has a verdict, like `JudgeQuestion.is_readable`."""
        return not isinstance(self.parse(reply), Unreadable)


@dataclass(frozen=True, slots=True)
class JudgeReply(Generic[T]):
    """Parsed reply of the judge and the calls it took, unsuccessful ones included."""

    value: T | Unreadable
    calls: tuple[CallRecord, ...]


@dataclass(frozen=True, slots=True)
class JudgeClient:
    """Client of one judge, which sends its questions to its model; ``route`` is the model's key in the configuration.

    ``version`` is the digest of everything in the prompt except the case. The ``params`` of the judge override those
    of the model.
    """

    client: ModelClient
    model: config.Model
    route: str
    purpose: str
    """``judge:NAME``."""
    version: str
    params: Mapping[str, Json] = field(default_factory=dict)

    async def ask(self, question: JudgeQuestion[T], index: int) -> JudgeReply[T]:
        """Ask for the 0-based vote ``index``, and once more if the reply is unreadable.

        Unreadable replies are not cached. A readable second reply is cached as the reply to the question, so that the
        next run neither pays for it nor gets another one. A failed call gives an Unreadable value with its reason.

        Raises:
            RunStopped: the run was stopped, or its budget is spent.
        """
        first, reply = await self._send(question, question.messages, index)
        if reply is None or not isinstance(first.value, Unreadable) or reply.finish in _REPEATED:
            return first
        shown = escape_for_judge(str(reply.value or ""), _MAX_REPLY_SHOWN) or "(nothing)"
        correction = f"Your reply could not be used: {first.value.reason}.\n\n{question.retry_prompt}"
        turns: list[Message] = [{"role": "assistant", "content": shown}, {"role": "user", "content": correction}]
        second, _ = await self._send(
            question, [*question.messages, *turns], index, cached_as=self.call_of(question, index)
        )
        return JudgeReply(second.value, first.calls + second.calls)

    async def _send(
        self, question: JudgeQuestion[T], messages: Sequence[Message], index: int, cached_as: Call | None = None
    ) -> tuple[JudgeReply[T], Reply | None]:
        parser = _Parser(question)
        call = replace(self._call(question, messages, index), cached_as=cached_as, accepts=parser.is_readable)
        try:
            reply = await self.client.send(call)
        except RunStopped:
            raise
        except CallFailed as failed:
            unreadable = Unreadable(str(failed), may_change=not failed.is_final)
            return JudgeReply(unreadable, (failed.record,) if failed.record else ()), None
        return JudgeReply(parser.parse(reply), (record_of(call, reply),)), reply

    def call_of(self, question: JudgeQuestion[T], index: int) -> Call:
        """Return the call that asks ``question`` for the 0-based vote ``index``. Sends nothing."""
        return self._call(question, question.messages, index)

    def _call(self, question: JudgeQuestion[T], messages: Sequence[Message], index: int) -> Call:
        # The judge's params may replace response_format, for endpoints without JSON schemas. The model's may not: its
        # response_format is meant for targets.
        chat = {
            **self.model.params,
            "response_format": question.response_format,
            **self.params,
            "model": self.model.model,
            "messages": list(messages),
        }
        return Call(
            kind=self.model.api,
            endpoint=self.model.base_url,
            model=self.model.model,
            payload=to_responses(chat) if self.model.api == "responses" else chat,
            trial=index,
            version=self.version,
            route=self.route,
            purpose=self.purpose,
            label=question.label,
            accepts=question.is_readable,
        )

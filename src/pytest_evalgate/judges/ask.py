"""Asking a judge: one call, and a second one that shows it its own reply where that could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pytest_evalgate.judges.question import visible
from pytest_evalgate.judges.reply import Unreadable
from pytest_evalgate.records.calls import Call, CallFailed, RunStopped, record_of
from pytest_evalgate.targets.request import to_responses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_evalgate import config
    from pytest_evalgate.judges.question import Message
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import CallRecord, Finish, Reply
    from pytest_evalgate.records.results import Json

T = TypeVar("T")

_MOST_SHOWN: Final = 4_000
_FINISH_MESSAGES: Final[Mapping[Finish, str]] = {
    "length": "the reply was cut off at the token limit: raise max_tokens in the judge's params",
    "content_filter": "the endpoint's content filter withheld the reply",
    "refusal": "the judge refused",
}


@dataclass(frozen=True, slots=True)
class JudgeQuestion(Generic[T]):
    """What a judge is asked, and how its reply is read.

    ``retry_prompt`` is sent once more when the reply is unreadable; ``label`` names the question.
    """

    messages: Sequence[Message]
    response_format: Json
    retry_prompt: str
    read: Callable[[str], T | Unreadable]
    label: str

    def parse(self, reply: Reply) -> T | Unreadable:
        """Return what a reply says; one that is not whole is not read."""
        if reply.finish != "complete":
            return Unreadable(_FINISH_MESSAGES[reply.finish])
        return self.read(reply.value if isinstance(reply.value, str) else "")


@dataclass(frozen=True, slots=True)
class JudgeReply(Generic[T]):
    """What the judge says, and the calls that it took, those in vain included."""

    value: T | Unreadable
    calls: tuple[CallRecord, ...]


@dataclass(frozen=True, slots=True)
class JudgeClient:
    """Sends the questions of one judge.

    Args:
        client: What sends them.
        model: The model, as it is configured; ``route`` is its key.
        route: The key of the model.
        purpose: ``judge:NAME``.
        version: Digest of what the judge is told, beside the case.
        params: Parameters of its requests, over those of the model.

    """

    client: ModelClient
    model: config.Model
    route: str
    purpose: str
    version: str
    params: Mapping[str, Json] = field(default_factory=dict)

    def call_of(self, question: JudgeQuestion[T], index: int) -> Call:
        """Return the call that asks ``question`` for the 0-based vote ``index``; sends nothing."""
        return self._call(question, question.messages, index)

    async def ask(self, question: JudgeQuestion[T], index: int) -> JudgeReply[T]:
        """Ask for one vote, and once more where the reply is unreadable.

        A call without an answer is heard as Unreadable, with the reason.

        Raises:
            RunStopped: no call of this run can succeed, or may be paid.

        """
        first, reply = await self._send(question, question.messages, index)
        if reply is None or not isinstance(first.value, Unreadable) or reply.finish in ("refusal", "content_filter"):
            return first
        retry_prompt = [*question.messages, *_once_more(question.retry_prompt, reply, first.value)]
        second, _ = await self._send(question, retry_prompt, index)
        return JudgeReply(second.value, first.calls + second.calls)

    async def _send(
        self, question: JudgeQuestion[T], messages: Sequence[Message], index: int
    ) -> tuple[JudgeReply[T], Reply | None]:
        call = self._call(question, messages, index)
        try:
            reply = await self.client.send(call)
        except RunStopped:
            raise
        except CallFailed as failed:
            return JudgeReply(Unreadable(str(failed)), (failed.record,) if failed.record else ()), None
        return JudgeReply(question.parse(reply), (record_of(call, reply),)), reply

    def _call(self, question: JudgeQuestion[T], messages: Sequence[Message], index: int) -> Call:
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
        )


def _once_more(request: str, reply: Reply, unreadable: Unreadable) -> list[Message]:
    value = visible(str(reply.value or ""), _MOST_SHOWN) or "(nothing)"
    return [
        {"role": "assistant", "content": value},
        {"role": "user", "content": f"This cannot be used: {unreadable.why}.\n\n{request}"},
    ]

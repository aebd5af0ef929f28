"""Calls: requests that may cost money, their replies, and the records of both."""

from __future__ import annotations

import re
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.errors import EvalgateError, MissingOutput
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.records.traces import Timing

CallKind = Literal["chat", "responses", "embeddings", "moderations", "http", "command", "python"]

LIST_KINDS: Final[frozenset[CallKind]] = frozenset({"embeddings", "moderations"})
"""Kinds whose ``input`` is one text or a list of texts, and whose reply is a list with a value for each of them."""

Finish = Literal["complete", "length", "content_filter", "refusal", "context_length", "reasoning"]
"""Reason why a reply ended. Only a ``complete`` reply is graded and cached.

``context_length``: there is no reply, because the prompt is longer than the model's context. ``reasoning``: no answer
follows the reasoning.
"""

FINISH_MESSAGES: Mapping[Finish, str] = MappingProxyType(
    {
        "length": "the reply was cut off at the token limit: raise max_tokens, or ask for a shorter output",
        "content_filter": "the endpoint's content filter withheld the reply",
        "refusal": "the model refused",
        "context_length": "the prompt is longer than the model's context: shorten it, or use another model",
        "reasoning": "the output is reasoning without an answer after it: raise max_tokens or limit the reasoning",
    }
)
"""Messages about replies that are not complete."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. The fields up to ``version`` decide the reply and form the cache key.

    Args:
        kind: The protocol.
        endpoint: Base URL of the model, URL of the application, or the name of the callable or command.
        model: The name of the model at the endpoint; empty if there is none.
        payload: The body as JSON: parameters, messages and tools, or the input.
        trial: Counts from 0. Each trial is a separate call.
        version: Version of the application's code, or a judge's fingerprint; the payload contains neither.
        route: Name of the client that sends the call: a key of ``models``, or the suite of an ``http`` target.
        purpose: ``target``, or ``judge:NAME``.
        label: ``suite::case id``, for messages.
        accepts: Whether a reply can be used; others are not cached. All complete replies can, if it is None.
        allow_empty: Whether a reply without a text or tool calls is valid; otherwise it is a fault.
        cached_as: The call under which the reply is cached, if it is another one: the question that this one repeats.
        traceparent: Trace context to send with the request; empty for none.
    """

    kind: CallKind
    endpoint: str
    model: str
    payload: Mapping[str, Any]
    trial: int = 0
    version: str = ""
    route: str = field(default="", compare=False)
    purpose: str = field(default="target", compare=False)
    label: str = field(default="", compare=False)
    accepts: Callable[[Reply], bool] | None = field(default=None, compare=False, repr=False)
    cached_as: Call | None = field(default=None, compare=False, repr=False)
    allow_empty: bool = field(default=False, compare=False, repr=False)
    traceparent: str = field(default="", compare=False, repr=False)

    @property
    def texts(self) -> int:
        """Number of texts in the ``input`` of a call of one of the `LIST_KINDS`."""
        given = self.payload.get("input")
        return len(given) if isinstance(given, list | tuple) else 1


@dataclass(frozen=True, slots=True)
class Reply:
    """The validated reply to a call.

    Args:
        value: Text, or any JSON value.
        finish: Reason why it ended.
        reasoning: Reasoning that the endpoint reports apart from the value.
        metadata: Other parts of the response that belong to the output, such as ``tool_calls``.
        served_model: The model that replied, according to the endpoint.
        tokens_in: Input tokens; None if the endpoint does not report them.
        tokens_out: Output tokens; None if the endpoint does not report them.
        latency_s: Seconds that the successful attempt took.
        attempts: Number of requests sent; 0 if the reply was cached.
        cost_usd: Cost; None if the price is unknown, 0 if the reply was cached.
        limited: Number of attempts that a rate limit refused (429).
        waited_s: Seconds that the call waited for a slot, for a limit and before retries.
        timing: Begin and end of the call; None if the run has no trace.
    """

    value: Any
    finish: Finish = "complete"
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    served_model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_s: float = 0.0
    attempts: int = 1
    cost_usd: float | None = None
    reasoning: str = ""
    limited: int = field(default=0, compare=False)
    waited_s: float = field(default=0.0, compare=False)
    timing: Timing | None = field(default=None, compare=False)

    @property
    def cached(self) -> bool:
        """Whether the reply came from the cache."""
        return self.attempts == 0


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The record of a call in a run. ``attempts`` is 0 if the reply was cached.

    ``served`` is the model that replied, if it is another one than ``model``. ``limited`` attempts were refused by a
    rate limit; ``waited_s`` is the time that the call waited for a slot, for a limit and before retries. ``timing`` is
    None if the run has no trace.
    """

    purpose: str
    model: str
    attempts: int
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    served: str = ""
    limited: int = field(default=0, compare=False)
    waited_s: float = field(default=0.0, compare=False)
    timing: Timing | None = field(default=None, compare=False)

    @property
    def is_local(self) -> bool:
        """Whether a function or a command on this machine returned the output: it costs 0, and has no tokens.

        A failed call has neither tokens nor a latency. A scorer's call that costs 0 is one to a free endpoint.
        """
        is_free = self.cost_usd == 0 and self.tokens_in is None and not self.purpose.startswith("scorer:")
        return is_free and self.latency_s is not None and self.attempts > 0


class CallFailed(MissingOutput):
    """A call without a reply. ``record`` counts the requests that were sent."""

    def __init__(self, message: str, record: CallRecord | None = None, *, is_final: bool = False) -> None:
        """Store the message and the record."""
        super().__init__(message, is_final=is_final)
        self.record = record


class RunStopped(CallFailed):
    """The run sends no further call, because none can succeed or a limit of the run was reached."""


class ApplicationFailure(EvalgateError):  # noqa: N818 - the application failed, as by an exception
    """An application replied with an HTTP error, which its users would see as well: the trial is a miss.

    ``record`` counts the requests that were sent.
    """

    def __init__(self, message: str, record: CallRecord | None = None) -> None:
        """Store the message and the record."""
        super().__init__(message)
        self.record = record


def record_of(call: Call, reply: Reply) -> CallRecord:
    """Return the record of a call that has a reply."""
    return CallRecord(
        call.purpose,
        call.model or call.endpoint,
        reply.attempts,
        reply.tokens_in,
        reply.tokens_out,
        reply.cost_usd,
        reply.latency_s,
        other_model(call.model, reply.served_model),
        reply.limited,
        reply.waited_s,
        reply.timing,
    )


# --- names of models ------------------------------------------------------------------------------------------------

# Providers before the name on Bedrock: "us.anthropic.claude-3-haiku-20240307-v1:0".
_REGION: Final = re.compile(
    r"^(?:(?:us|eu|apac|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai)\."
)
# ":free" and the like choose an offer of a router, "-v1:0" is a version of Bedrock's interface, not of the model.
_OFFER: Final = re.compile(r"(?:-v\d+)?(?::(?:free|nitro|floor|online|exacto|thinking|latest|\d+))?$")
# YYYY-MM-DD, YYYYMMDD, YYYY-MM, MM-DD or MMDD or YYMM, 001, latest
_SNAPSHOT: Final = re.compile(
    r"[-@:](?:20\d\d-?(?:0[1-9]|1[0-2])(?:-?(?:0[1-9]|[12]\d|3[01]))?"
    r"|(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|2\d(?:0[1-9]|1[0-2])|0\d\d|latest)$"
)


def other_model(asked: str, served: str) -> str:
    """Return ``served`` if it is another model than ``asked``, else an empty text.

    An endpoint may resolve a name to a dated snapshot (``gpt-4o`` to ``gpt-4o-2024-08-06``), or omit the provider. Any
    other difference is another model: a fallback of a gateway, another snapshot, or a name that was moved. An unknown
    name is not another model.

    Example::

        other_model("openai/gpt-4o", "gpt-4o-2024-08-06")  # ""
        other_model("gpt-4o", "gpt-4o-mini")  # "gpt-4o-mini"
    """
    if asked == served or not asked.strip() or not served.strip():
        return ""
    before, now = _normalized(asked), _normalized(served)
    if before == now or _without_snapshot(now) == before:
        return ""
    undated = _without_snapshot(before)
    # "claude-3-5-sonnet-latest" resolves to a date; a name without a date is that of any of its snapshots
    if undated != before and undated == (_without_snapshot(now) if before.endswith("latest") else now):
        return ""
    return served


def _normalized(name: str) -> str:
    last = name.strip().casefold().rpartition("/")[2]
    return _OFFER.sub("", _REGION.sub("", last))


def _without_snapshot(name: str) -> str:
    return _SNAPSHOT.sub("", name)

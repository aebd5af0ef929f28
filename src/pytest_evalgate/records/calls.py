"""Calls: requests that may cost money, what came back, and what is kept of them for the accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pytest_evalgate.errors import MissingOutput

if TYPE_CHECKING:
    from collections.abc import Mapping

CallKind = Literal["chat", "responses", "http", "command", "python"]

Finish = Literal["complete", "length", "content_filter", "refusal"]
"""How an answer ended; anything but ``complete`` is not an answer in full: it is shown apart and never cached."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Call:
    """One request; the fields up to ``version`` decide its answer, and together they are its cache key.

    Args:
        kind: The way it is asked.
        endpoint: Base URL of the model, URL of the application, or the name of the callable or command.
        model: The model's own name; empty where no model is named.
        payload: The body as JSON: parameters, messages, tools; or the input.
        trial: 0-based: each trial is a call of its own.
        version: What the payload cannot show: the version of the application's code, or a judge's fingerprint.
        route: Which configured client sends it: a key of ``models``, or the suite of an ``http`` target.
        purpose: ``target``, or ``judge:NAME``.
        label: Whose call it is, ``suite::case id``, for people.

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


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of a call, checked.

    Args:
        value: Text, or any JSON value.
        finish: How it ended.
        metadata: What else the endpoint said that an output keeps, such as ``tool_calls``.
        served_model: The model that the endpoint says has answered.
        tokens_in: Tokens read; None where the endpoint does not say.
        tokens_out: Tokens written; None where the endpoint does not say.
        latency_s: Seconds that the successful attempt took.
        attempts: Requests that were sent for it; 0 where it was remembered.
        cost_usd: What it cost; None where the price is unknown. 0 where it was remembered.

    """

    value: Any
    finish: Finish = "complete"
    metadata: Mapping[str, Any] = field(default_factory=_nothing)
    served_model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_s: float = 0.0
    attempts: int = 1
    cost_usd: float | None = None

    @property
    def cached(self) -> bool:
        """Tell whether nothing was sent for it."""
        return self.attempts == 0


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What the accounts keep of a call; ``attempts`` is 0 where its answer was remembered."""

    purpose: str
    model: str
    attempts: int
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


class CallFailed(MissingOutput):
    """A call without an answer; ``record`` says what was sent in vain."""

    def __init__(self, message: str, record: CallRecord | None = None) -> None:
        """Keep the message and the record."""
        super().__init__(message)
        self.record = record


class RunStopped(CallFailed):
    """No call of this run can succeed any more, or may be paid: none is sent from here on."""


def record_of(call: Call, reply: Reply) -> CallRecord:
    """Return what the accounts keep of an answered call."""
    return CallRecord(
        call.purpose,
        call.model or call.endpoint,
        reply.attempts,
        reply.tokens_in,
        reply.tokens_out,
        reply.cost_usd,
        reply.latency_s,
    )

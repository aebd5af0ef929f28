"""Replies of models: parsing and checking of responses. A 200 without a valid reply is a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.engine.refusals import finish_of
from pytest_evalgate.records.calls import Reply
from pytest_evalgate.text.jsonl import escape_text, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.engine.faults import FaultFactory, HttpResponse
    from pytest_evalgate.records.calls import CallKind, Finish

PATHS: Final[Mapping[str, str]] = {"chat": "/chat/completions", "responses": "/responses"}
"""Path of each kind of call, below the base URL."""

# Bytes of the longest body that is read.
MAX_BYTES: Final = 16 * 1024 * 1024

_EXCERPT: Final = 60

# Finish reasons of incomplete replies, as several servers name them. Any other reason means a complete reply.
_FINISHES: Final[Mapping[str, Finish]] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
}


class _Malformed(ValueError):  # noqa: N818 - private, always converted to a fault
    """A body that is not a reply."""


class _ErrorBody(Exception):  # noqa: N818 - the same
    """A body that contains an error."""


def read_reply(kind: CallKind, response: HttpResponse, fault_factory: FaultFactory) -> Reply:
    """Return the reply in a response to a call of kind ``chat`` or ``responses``.

    Raises:
        CallFault: there is no valid reply.
    """
    if response.status != 200:  # noqa: PLR2004 - HTTP's OK
        return _refused(response, fault_factory)
    try:
        check_size(response)
        return _READERS[kind](_typed(loads(response.body), dict, "the reply"))
    except _ErrorBody:
        return _refused(response, fault_factory)
    except ValueError as error:
        excerpt = escape_text(response.body[:_EXCERPT].decode("utf-8", "replace"))
        raise fault_factory.fault("malformed", f"{error}, in a reply that begins: {excerpt}", response) from None


def check_size(response: HttpResponse) -> None:
    """Check that the body was read completely.

    Raises:
        ValueError: it exceeds `MAX_BYTES`.
    """
    if len(response.body) > MAX_BYTES:
        raise _Malformed(f"{len(response.body):,} bytes are more than {MAX_BYTES:,}")


def _refused(response: HttpResponse, fault_factory: FaultFactory) -> Reply:
    """Return a reply if the input was withheld or is too long, which are findings about it; else raise the fault."""
    if (found := finish_of(response.status, response.body)) is not None:
        finish, message = found
        tokens = 0 if finish == "context_length" else None  # a filter reads the input, which some providers bill
        return Reply(fault_factory.redact(message), finish=finish, tokens_in=tokens, tokens_out=tokens)
    raise fault_factory.classify(response)


def _chat(body: dict[str, Any]) -> Reply:
    if body.get("error"):
        raise _ErrorBody
    choices = _typed(body.get("choices"), list, "choices")
    if not choices:
        raise _Malformed("choices is empty")
    choice = _typed(choices[0], dict, "choices[0]")
    message = _typed(choice.get("message"), dict, "choices[0].message")
    refusal = _typed(message.get("refusal"), str | None, "choices[0].message.refusal")
    text = _typed(message.get("content"), str | None, "choices[0].message.content")
    tools = _typed(message.get("tool_calls") or [], list, "choices[0].message.tool_calls")
    reason = _typed(choice.get("finish_reason"), str | None, "choices[0].finish_reason")
    return _reply(body, text, refusal, tools, _FINISHES.get(reason or "", "complete"))


def _responses(body: dict[str, Any]) -> Reply:
    if body.get("error"):
        raise _ErrorBody
    status = body.get("status")
    if status not in {"completed", "incomplete"}:
        raise _Malformed(f"status is {status!r}")
    items = [_typed(item, dict, "an item of output") for item in _typed(body.get("output"), list, "output")]
    parts = [
        _typed(part, dict, "a part of a message")
        for item in items
        if item.get("type") == "message"
        for part in _typed(item.get("content"), list, "the content of a message")
    ]
    texts = [_typed(part.get("text"), str, "a text") for part in parts if part.get("type") == "output_text"]
    refusals = [_typed(part.get("refusal"), str, "a refusal") for part in parts if part.get("type") == "refusal"]
    tools = [item for item in items if item.get("type") == "function_call"]
    finish: Finish = "complete"
    if status == "incomplete":
        details = _typed(body.get("incomplete_details") or {}, dict, "incomplete_details")
        finish = _FINISHES.get(str(details.get("reason")), "length")  # incomplete for an unknown reason, too
    return _reply(body, "".join(texts) if texts else None, "".join(refusals), tools, finish)


def _reply(body: dict[str, Any], text: str | None, refusal: str | None, tools: list[Any], finish: Finish) -> Reply:
    if refusal:  # in its own field, while finish_reason is "stop"
        text, finish = refusal, "refusal"
    if text is None and not tools:
        if finish == "complete":
            raise _Malformed("there is neither a text nor a tool call")
        text = ""
    usage = _typed(body.get("usage") or {}, dict, "usage")
    model = body.get("model")
    return Reply(
        value=text,
        finish=finish,
        metadata={"tool_calls": [_typed(tool, dict, "a tool call") for tool in tools]} if tools else {},
        served_model=model if isinstance(model, str) else "",
        tokens_in=_count(usage, "prompt_tokens", "input_tokens"),
        tokens_out=_count(usage, "completion_tokens", "output_tokens"),
    )


def _typed(value: Any, expected: Any, name: str) -> Any:
    if isinstance(value, expected):
        return value
    raise _Malformed(f"{name} is {'null' if value is None else type(value).__name__}")


def _count(usage: dict[str, Any], *names: str) -> int | None:
    counts = (usage.get(name) for name in names)
    # `type(...) is int` excludes booleans; an unknown usage is None, never 0, since it has a price
    return next((count for count in counts if type(count) is int and count >= 0), None)


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Reply]]] = {"chat": _chat, "responses": _responses}

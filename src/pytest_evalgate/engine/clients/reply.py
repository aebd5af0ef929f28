"""Replies of models: the URL of the request, and the checked parse of the response.

A 200 without a valid reply is a fault.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import LIST_KINDS, Reply
from pytest_evalgate.targets.outputs import has_answer
from pytest_evalgate.text.jsonl import escape_text, loads_received
from pytest_evalgate.text.reasoning import is_reasoning_part, message_reasoning, split_text, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.engine.faults import FaultFactory, HttpResponse
    from pytest_evalgate.records.calls import CallKind, Finish

PATHS: Final[Mapping[str, str]] = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
}
"""Path of each kind of call, below the base URL."""

# Bytes of the longest body that is read.
MAX_BYTES: Final = 16 * 1024 * 1024

_EXCERPT: Final = 60
_TEXT_OR_NULL: Final = (str, type(None))  # `str | None` takes 0.5 us to make
_MAX_TOKENS: Final = 10**9  # more is no count of one call, and the price of 10**400 is no float
_FILTERED: Final = frozenset({"content_filter", "content_policy_violation", "content_filtered", "sensitive"})

# Finish reasons as servers name them, in lower case; Gemini writes them in upper case. With any other reason there
# is no reply: servers report their failures there ("error", "abort", "network_error", "insufficient_system_resource").
_FINISHES: Final[Mapping[str, Finish]] = {
    **dict.fromkeys(("", "stop", "end_turn", "tool_calls", "function_call", "eos"), "complete"),
    **dict.fromkeys(
        ("length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"), "length"
    ),
    **dict.fromkeys(
        (*_FILTERED, "safety", "recitation", "blocklist", "prohibited_content", "spii", "guardrail_intervened"),
        "content_filter",
    ),
    "refusal": "refusal",
}


class _Malformed(ValueError):  # noqa: N818 - private, always converted to a fault
    """A body that is not a reply."""


class _NoAnswer(ValueError):  # noqa: N818 - the same
    """A reply without an answer, for which ``tokens`` were billed."""

    def __init__(self, message: str, tokens: tuple[int, int] = (0, 0)) -> None:
        self.tokens = tokens
        super().__init__(message)


class _ErrorBody(Exception):  # noqa: N818 - the same
    """A body with an error, or with a choice that has one; ``error`` is the error of the choice."""

    def __init__(self, error: Any = None) -> None:
        self.error = error
        super().__init__()


@lru_cache(maxsize=64)
def request_url(base_url: str, path: str) -> str:
    """Return ``base_url`` with ``path`` appended to its path, before the query that some gateways need.

    A base URL that already ends with ``path`` is used unchanged, with its trailing slash if it has one: some servers
    redirect to that form.

    Example::

        request_url("https://x/v1?api-version=1", "/chat/completions")  # https://x/v1/chat/completions?api-version=1
    """
    parts = urlsplit(base_url)
    base = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=parts.path if base.endswith(path) else base + path, fragment=""))


def read_reply(
    kind: CallKind, response: HttpResponse, fault_factory: FaultFactory, *, allow_empty: bool = False, texts: int = 1
) -> Reply:
    """Return the reply in a response to a call to a model.

    Without ``allow_empty``, a complete reply has a text beside its reasoning, or tool calls. ``texts`` is the number
    of texts in a call of one of the `LIST_KINDS`, whose reply has a value for each.

    Raises:
        CallFault: there is no valid reply.
    """
    if response.status != 200:  # noqa: PLR2004 - HTTP's OK
        return _refused(response, fault_factory)
    try:
        check_size(response)
        body = _typed(loads_received(response.body), dict, "the reply")
        if kind in LIST_KINDS:
            return (_embeddings if kind == "embeddings" else _moderations)(body, texts)
        return _answer(_READERS[kind], body, allow_empty=allow_empty)
    except _NoAnswer as error:
        fault = fault_factory.fault("no_answer", str(error), response)
        fault.tokens = error.tokens
        raise fault from None
    except _ErrorBody as found:
        content = response.body if found.error is None else json.dumps({"error": found.error}).encode()
        return _refused(replace(response, body=content), fault_factory)
    except ValueError as error:
        excerpt = escape_text(response.body[:_EXCERPT].decode("utf-8", "replace"))
        raise fault_factory.fault("malformed", f"{error}, in a reply that begins: {excerpt}", response) from None


def _answer(read: Callable[[dict[str, Any]], Reply], body: dict[str, Any], *, allow_empty: bool) -> Reply:
    """Return the reply in a body.

    Raises:
        _NoAnswer: it has no answer, or did not end normally.
    """
    try:
        reply = read(body)
    except _NoAnswer as error:
        raise _NoAnswer(str(error), _billed(body)) from None
    if not (allow_empty or has_answer(reply)):
        raise _NoAnswer(_describe_empty(reply), _billed(body))
    return reply


def _billed(body: dict[str, Any]) -> tuple[int, int]:
    """Return the input and output tokens of a body; 0 if they are unknown."""
    usage = _usage_of(body)
    return _count(usage, *_READ) or 0, _count(usage, *_WRITTEN) or 0


def check_size(response: HttpResponse) -> None:
    """Check that the body was read completely.

    Raises:
        ValueError: it exceeds `MAX_BYTES`.
    """
    if len(response.body) > MAX_BYTES:
        raise _Malformed(f"{len(response.body):,} bytes are more than {MAX_BYTES:,}")


def _refused(response: HttpResponse, fault_factory: FaultFactory) -> Reply:
    """Return a reply if the input was withheld or is too long, which concerns the case; else raise the fault."""
    from pytest_evalgate.engine.refusals import finish_of  # noqa: PLC0415 - its patterns take 25 ms, most runs need none

    if (found := finish_of(response.status, response.body)) is not None:
        finish, message = found
        tokens = 0 if finish == "context_length" else None  # a filter reads the input, which some providers bill
        return Reply(fault_factory.redact(message), finish=finish, tokens_in=tokens, tokens_out=tokens)
    raise fault_factory.classify(response)


@dataclass(frozen=True, slots=True)
class _Message:
    """The parts of a reply."""

    text: str | None
    reasoning: str
    refusal: str
    tools: list[Any]
    finish: Finish


def _chat(body: dict[str, Any]) -> Reply:
    if body.get("error") or ("choices" not in body and (body.get("object") == "error" or body.get("code"))):
        raise _ErrorBody
    choices = _typed(body.get("choices"), list, "choices")
    if not choices:
        raise _Malformed("choices is empty")
    choice = _typed(choices[0], dict, "choices[0]")
    if error := choice.get("error"):
        raise _ErrorBody(error)
    reason = _typed(choice.get("finish_reason"), _TEXT_OR_NULL, "choices[0].finish_reason")
    finish = _finish_of(reason)
    message = _typed(choice.get("message"), dict, "choices[0].message")
    if error := message.get("error"):
        raise _ErrorBody(error)
    content = _content(message.get("content"), "choices[0].message.content")
    tools = _typed(message.get("tool_calls") or [], list, "choices[0].message.tool_calls")
    if not tools and (function := message.get("function_call")):  # before tools, there was one function
        tools = [{"type": "function", "function": _typed(function, dict, "choices[0].message.function_call")}]
    return _reply(
        body,
        _Message(
            text=content.text,
            reasoning=message_reasoning(message) or content.reasoning,
            refusal=_refusal(message.get("refusal")) or content.refusal,
            tools=tools,
            finish=finish,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Content:
    text: str | None
    reasoning: str = ""
    refusal: str = ""


def _content(content: Any, name: str) -> _Content:
    """Return the content of a message: a text, or parts of which some may be reasoning or a refusal."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return _Content(_typed(content, _TEXT_OR_NULL, name))
    texts: list[str] = []
    reasoning: list[str] = []
    refusals: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        _typed(part, dict, f"a part of {name}")
        if is_reasoning_part(part):
            reasoning.append(texts_of(part))
        elif part.get("type") == "refusal":
            refusals.append(_refusal(part.get("refusal")))
        elif part.get("type") in ("text", "output_text", None):
            texts.append(_typed(part.get("text"), str, f"the text of a part of {name}"))
    return _Content("".join(texts) if texts else None, "\n\n".join(filter(None, reasoning)), "".join(refusals))


def _refusal(value: Any) -> str:
    """Return the refusal of a message: a text; some servers send null, false or an empty object if there is none."""
    if not value or (isinstance(value, str) and not value.strip()):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _finish_of(reason: str | None) -> Finish:
    """Return the finish of a reply.

    Raises:
        ValueError: the reason is not that of a complete, truncated or withheld reply.
    """
    finish = _FINISHES.get((reason or "").strip().casefold())
    if finish is None:
        raise _NoAnswer(f"the reply did not end normally: its finish reason is {escape_text(reason or '')!r}")
    return finish


def _responses(body: dict[str, Any]) -> Reply:
    if body.get("error"):
        raise _ErrorBody
    status = body.get("status")
    if status not in {"completed", "incomplete"}:
        raise _Malformed(f"status is {status!r}")
    items = [_typed(item, dict, "an item of output") for item in _typed(body.get("output"), list, "output")]
    messages = [item for item in items if item.get("type") == "message"]
    contents = [
        _content(_typed(item.get("content"), list, "the content of a message"), "a message") for item in messages
    ]
    texts = [content.text for content in contents if content.text is not None]
    reasoning = [texts_of(item) for item in items if item.get("type") == "reasoning"]
    finish: Finish = "complete"
    if status == "incomplete":
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        finish = _FINISHES.get(str(reason).casefold(), "length")
        if finish == "complete":  # the reason contradicts the status
            finish = "length"
    elif any(item.get("status") in {"incomplete", "in_progress", "failed"} for item in messages):
        finish = "length"
    return _reply(
        body,
        _Message(
            text="".join(texts) if texts else None,
            reasoning="\n\n".join(filter(None, [*reasoning, *(content.reasoning for content in contents)])),
            refusal="".join(content.refusal for content in contents),
            tools=[item for item in items if item.get("type") in ("function_call", "custom_tool_call")],
            finish=finish,
        ),
    )


def _embeddings(body: dict[str, Any], texts: int) -> Reply:
    """Return the vectors of the texts, in the order of the texts: of one length, finite, and none of zeros alone."""
    items = _items(body, "data", texts)
    vectors: dict[int, list[float]] = {}
    for position, item in enumerate(items):
        index = item.get("index", position)
        if type(index) is not int or not 0 <= index < texts or index in vectors:
            raise _Malformed(f"data[{position}].index is {index!r}, for {texts} texts")
        vectors[index] = _vector(item.get("embedding"), f"data[{position}].embedding")
    lengths = sorted({len(vector) for vector in vectors.values()})
    if len(lengths) > 1:
        raise _Malformed(f"the embeddings have {lengths[0]} and {lengths[-1]} numbers")
    return _list_reply(body, [vectors[index] for index in range(texts)])


def _vector(value: Any, name: str) -> list[float]:
    numbers = _typed(value, list, name)
    if not all(type(number) in (int, float) for number in numbers):
        raise _Malformed(f"{name} has a member that is not a number")
    try:
        vector = list(map(float, numbers))
    except OverflowError:
        vector = [math.inf]
    if not all(map(math.isfinite, vector)):
        raise _Malformed(f"{name} has a number that is not finite")
    if not any(vector):
        raise _Malformed(f"{name} is empty or has only zeros")
    return vector


def _moderations(body: dict[str, Any], texts: int) -> Reply:
    """Return for each text whether it is flagged, and whether each category is."""
    found = []
    for position, item in enumerate(_items(body, "results", texts)):
        name = f"results[{position}]"
        categories = _typed(item.get("categories"), dict, f"{name}.categories")
        # a category that the model does not support for this kind of input is null
        known = {key: _typed(flag, bool, f"{name}.categories") for key, flag in categories.items() if flag is not None}
        found.append({"flagged": _typed(item.get("flagged"), bool, f"{name}.flagged"), "categories": known})
    return _list_reply(body, found)


def _items(body: dict[str, Any], name: str, texts: int) -> list[dict[str, Any]]:
    if body.get("error"):
        raise _ErrorBody
    items = _typed(body.get(name), list, name)
    if len(items) != texts:
        raise _Malformed(f"{name} has {len(items)} members for {texts} texts")
    return [_typed(item, dict, f"{name}[{position}]") for position, item in enumerate(items)]


def _list_reply(body: dict[str, Any], values: list[Any]) -> Reply:
    model = body.get("model")
    # nothing is written, so that the price depends on the texts alone
    return Reply(
        values, served_model=model if isinstance(model, str) else "", tokens_in=_read_tokens(body), tokens_out=0
    )


def _read_tokens(body: dict[str, Any]) -> int | None:
    usage = _usage_of(body)
    return _count(usage, *_READ, "total_tokens")


def _reply(body: dict[str, Any], message: _Message) -> Reply:
    text, finish = message.text, message.finish
    if message.refusal:  # in its own field, while finish_reason is "stop"
        text, finish = message.refusal, "refusal"
    usage = _usage_of(body)
    if text is None and not message.tools:
        text = ""
    metadata: dict[str, Any] = {}
    if message.tools:
        metadata["tool_calls"] = [_typed(tool, dict, "a tool call") for tool in message.tools]
    if reasoned := _reasoning_tokens(usage):
        metadata["reasoning_tokens"] = reasoned
    model = body.get("model")
    return Reply(
        value=text,
        finish=finish,
        metadata=metadata,
        served_model=model if isinstance(model, str) else "",
        tokens_in=_count(usage, *_READ),
        tokens_out=_count(usage, *_WRITTEN),
        reasoning=message.reasoning,
    )


def _describe_empty(reply: Reply) -> str:
    """Return the message about a reply without an answer, with the tokens of its reasoning if they are known."""
    message = "the model returned no answer: neither a text nor a tool call"
    reasoning = reply.reasoning or split_text(reply.value or "").reasoning
    if tokens := reply.metadata.get("reasoning_tokens"):
        total = f" of {reply.tokens_out:,} output" if reply.tokens_out else ""
        return f"{message} ({tokens:,}{total} tokens are reasoning)"
    return f"{message} ({len(reasoning):,} characters of reasoning)" if reasoning else message


_READ: Final = ("prompt_tokens", "input_tokens")
_WRITTEN: Final = ("completion_tokens", "output_tokens")


def _usage_of(body: dict[str, Any]) -> dict[str, Any]:
    usage = body.get("usage")
    return usage if isinstance(usage, dict) else {}  # a malformed usage must not lose a reply that was paid for


def _reasoning_tokens(usage: dict[str, Any]) -> int | None:
    places = (usage.get("completion_tokens_details"), usage.get("output_tokens_details"), usage)
    counts = (_count(place, "reasoning_tokens") for place in places if isinstance(place, dict))
    return next(filter(None, counts), None)


def _typed(value: Any, expected: Any, name: str) -> Any:
    if isinstance(value, expected):
        return value
    raise _Malformed(f"{name} is {'null' if value is None else type(value).__name__}")


def _count(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        count = usage.get(name)
        if isinstance(count, float) and count.is_integer():
            count = int(count)
        # `type(...) is int` excludes booleans; an unknown usage is None, never 0, since it has a price
        if type(count) is int and 0 <= count <= _MAX_TOKENS:
            return count
    return None


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Reply]]] = {"chat": _chat, "responses": _responses}

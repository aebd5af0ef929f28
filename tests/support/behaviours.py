"""Behaviours of the fault server: the replies and faults that it can send."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, Literal

from tests.support.replies import (
    USAGE,
    FinishReason,
    Reply,
    Response,
    Usage,
    error_body,
    json_response,
    last_user_text,
    make_response,
    without_choices,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.replies import Request

Ending = Literal["whole", "torn", "reset"]
"""``torn`` closes the connection in the middle of the body, ``reset`` drops it before the first byte."""

RetryForm = Literal["seconds", "milliseconds", "date"]
"""How a 429 gives its pause: ``Retry-After``, ``retry-after-ms``, or ``Retry-After`` with a date."""

QUOTA_CODES: Final = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "enforced_spend_limit_reached",
)
"""Error codes of an exhausted account: no further call succeeds until the bill is paid."""

_HTML: Final = b"<!doctype html><title>Gateway</title><h1>The service is being updated</h1>"
_SAMPLE: Final = "The refund period is 30 days."
_SERVER_ERROR: Final = 500
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The handling of one request. The class methods make the usual behaviours.

    Args:
        respond: Makes the response. Called in the server's thread: it must not block.
        latency_s: Seconds between the request and the first byte of the response.
        pieces: Number of pieces in which the body is sent.
        every_s: Seconds between two pieces; 0 sends everything at once.
        ending: Whether the connection survives the response.

    """

    respond: Callable[[Request], Response]
    latency_s: float = 0.0
    pieces: int = 1
    every_s: float = 0.0
    ending: Ending = "whole"

    @classmethod
    def text(
        cls,
        text: str,
        *,
        latency_s: float = 0.0,
        finish_reason: FinishReason = "stop",
        usage: Usage | None = USAGE,
        model: str | None = None,
    ) -> Behaviour:
        """Reply with ``text``; for the other parameters see `Reply`."""
        return _replying(Reply(text, finish_reason, usage=usage, model=model), latency_s)

    @classmethod
    def echo(cls, *, latency_s: float = 0.0) -> Behaviour:
        """Reply with the text of the last user message."""
        return cls(lambda request: make_response(Reply(last_user_text(request)), request), latency_s)

    @classmethod
    def reply(cls, value: Any, *, latency_s: float = 0.0) -> Behaviour:
        """Respond 200 with any JSON value."""
        return _fixed(json_response(value), latency_s)

    @classmethod
    def refusal(cls, text: str = "I cannot help with that.") -> Behaviour:
        """Reply with a refusal, in the field ``refusal``."""
        return _replying(Reply(None, refusal=text))

    @classmethod
    def cut_off(cls, text: str = "The refund period is") -> Behaviour:
        """Reply with a text that ended at the token limit."""
        return _replying(Reply(text, "length"))

    @classmethod
    def content_filter(cls, text: str = "") -> Behaviour:
        """Reply with a text that the provider's content filter cut."""
        return _replying(Reply(text, "content_filter"))

    @classmethod
    def tool_calls(cls, *calls: tuple[str, Mapping[str, Any]], latency_s: float = 0.0) -> Behaviour:
        """Reply with tool calls, each a name and its arguments."""
        return _replying(Reply(None, "tool_calls", tool_calls=calls), latency_s)

    @classmethod
    def status(
        cls, code: int, body: Any = None, *, headers: Mapping[str, str] | None = None, latency_s: float = 0.0
    ) -> Behaviour:
        """Respond with a status; for the parameters see `status_response`."""
        return _fixed(status_response(code, body, headers), latency_s)

    @classmethod
    def rate_limited(
        cls, retry_after: float | str | None = 1, *, form: RetryForm = "seconds", skew_s: float = 0.0
    ) -> Behaviour:
        """Respond 429; for the parameters see `retry_headers`."""
        return cls(lambda _: status_response(429, headers=retry_headers(retry_after, form, skew_s)))

    @classmethod
    def quota(cls, code: str = "insufficient_quota", *, status: int = 429) -> Behaviour:
        """Report an exhausted account with one of `QUOTA_CODES`. Some providers send it with status 402."""
        return cls.status(status, error_body("the account has reached its limit", code, code))

    @classmethod
    def unauthorized(cls, status: int = 401) -> Behaviour:
        """Report a wrong key (401) or a missing permission (403)."""
        return cls.status(status)

    @classmethod
    def unknown_model(cls) -> Behaviour:
        """Respond 404: the model does not exist."""
        return cls(
            lambda request: json_response(
                error_body(f'there is no model "{request.model}"', code="model_not_found"), status=404
            )
        )

    @classmethod
    def hang(cls) -> Behaviour:
        """Never respond; the connection stays open."""
        return cls.text("", latency_s=math.inf)

    @classmethod
    def trickle(cls, chunks: int = 10, every_s: float = 0.1, text: str = _SAMPLE) -> Behaviour:
        """Send the head at once, then the body in ``chunks`` pieces, one every ``every_s`` seconds."""
        return replace(cls.text(text), pieces=chunks, every_s=every_s)

    @classmethod
    def truncated(cls) -> Behaviour:
        """Respond 200 with the first half of a JSON body, with a matching content length."""

        def half(request: Request) -> Response:
            whole = make_response(Reply(_SAMPLE), request)
            return replace(whole, body=whole.body[: len(whole.body) // 2])

        return cls(half)

    @classmethod
    def torn(cls) -> Behaviour:
        """Announce the whole body and close the connection after half of it."""
        return replace(cls.text(_SAMPLE), ending="torn")

    @classmethod
    def html(cls, status: int = 200) -> Behaviour:
        """Respond with an HTML page, as a proxy does."""
        return _fixed(Response(status, _HTML, "text/html"))

    @classmethod
    def error_object(cls, message: str = "the model is overloaded") -> Behaviour:
        """Respond 200 with an OpenAI error body."""
        return cls.reply(error_body(message, "server_error"))

    @classmethod
    def no_choices(cls, *, null: bool = False) -> Behaviour:
        """Respond 200 with an empty list of choices (or of output items), or with null in its place."""
        return cls(lambda request: json_response(without_choices(request, null=null)))

    @classmethod
    def reset(cls) -> Behaviour:
        """Drop the connection without a response."""
        return replace(cls.text(""), ending="reset")


def _replying(reply: Reply, latency_s: float = 0.0) -> Behaviour:
    return Behaviour(lambda request: make_response(reply, request), latency_s)


def _fixed(response: Response, latency_s: float = 0.0) -> Behaviour:
    return Behaviour(lambda _: response, latency_s)


def status_response(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a status.

    Args:
        status: The status code.
        body: Text or bytes are sent as they are, other values as JSON; None sends an OpenAI error body.
        headers: Response headers. A content type here replaces the one that fits the body.

    """
    response = _with_body(status, _error_of(status) if body is None else body)
    types = [value for name, value in (headers or {}).items() if name.lower() == "content-type"]
    rest = {name: value for name, value in (headers or {}).items() if name.lower() != "content-type"}
    return replace(response, headers=rest, content_type=types[-1] if types else response.content_type)


def retry_headers(retry_after: float | str | None, form: RetryForm, skew_s: float) -> dict[str, str]:
    """Return the headers that ask for a pause before the next attempt.

    Args:
        retry_after: Seconds, or milliseconds if ``form`` is that. Text is sent as it is; None sends no header.
        form: How the pause is given.
        skew_s: How far the server's clock is ahead, in seconds. Affects the date and the ``Date`` header beside it.

    """
    if retry_after is None:
        return {}
    if form == "date" and not isinstance(retry_after, str):
        now = time.time() + skew_s
        return {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + retry_after, usegmt=True)}
    return {"retry-after-ms" if form == "milliseconds" else "Retry-After": str(retry_after)}


def _with_body(status: int, body: Any) -> Response:
    if isinstance(body, bytes):
        return Response(status, body, "application/octet-stream")
    if isinstance(body, str):
        return Response(status, body.encode(), "text/plain; charset=utf-8")
    return json_response(body, status)


def _error_of(status: int) -> dict[str, Any]:
    kind, code = _ERRORS.get(status, ("server_error" if status >= _SERVER_ERROR else "invalid_request_error", None))
    return error_body(f"scripted error {status}", kind, code)

"""Answers that are a status: errors in OpenAI's form, and the headers that say when to come back."""

from __future__ import annotations

import time
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.testing.exchange import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

RetryForm = Literal["seconds", "milliseconds", "date"]
"""How a 429 says when to come back: ``Retry-After``, ``retry-after-ms``, or ``Retry-After`` with a date."""

QUOTA_CODES: Final = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "enforced_spend_limit_reached",
)
"""The error codes that say that no further call will be answered until somebody pays."""

_SERVER_ERROR: Final = 500
_KNOWN: Final[Mapping[int, tuple[str, str]]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def error_body(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's form; ``kind`` is its ``type``."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def status_answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with a status.

    Args:
        status: the status.
        body: text or bytes as they are, anything else as JSON; None for an error in OpenAI's form.
        headers: headers of the answer; a content type goes before the one that fits the body.

    """
    answer = _with_body(status, _usual_error(status) if body is None else body)
    kinds = [value for name, value in (headers or {}).items() if name.lower() == "content-type"]
    rest = {name: value for name, value in (headers or {}).items() if name.lower() != "content-type"}
    return replace(answer, headers=rest, content_type=kinds[-1] if kinds else answer.content_type)


def retry_headers(retry_after: float | str | None, form: RetryForm, skew_s: float) -> dict[str, str]:
    """Return the headers that say when to come back.

    Args:
        retry_after: seconds, or milliseconds where the form says so; a text is sent as it is, None says nothing.
        form: how it is said.
        skew_s: how far the clock is ahead, in seconds, that the date and the ``Date`` beside it go by.

    """
    if retry_after is None:
        return {}
    if form == "date" and not isinstance(retry_after, str):
        now = time.time() + skew_s
        return {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + retry_after, usegmt=True)}
    return {"retry-after-ms" if form == "milliseconds" else "Retry-After": str(retry_after)}


def _with_body(status: int, body: Any) -> Answer:
    if isinstance(body, bytes):
        return Answer(status, body, "application/octet-stream")
    if isinstance(body, str):
        return Answer(status, body.encode(), "text/plain; charset=utf-8")
    return json_answer(body, status)


def _usual_error(status: int) -> dict[str, Any]:
    kind, code = _KNOWN.get(status, ("server_error" if status >= _SERVER_ERROR else "invalid_request_error", None))
    return error_body(f"scripted error {status}", kind, code)

"""What the scripted server does with a request: answers, and every fault that a server can have."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.testing.exchange import Answer, json_answer
from pytest_evalgate.testing.openai_forms import (
    USAGE,
    FinishReason,
    Said,
    Usage,
    answer_in_form,
    last_user_text,
    without_choices,
)
from pytest_evalgate.testing.status_answers import RetryForm, error_body, retry_headers, status_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.testing.exchange import Request

Ending = Literal["whole", "torn", "reset"]
"""``torn`` closes the connection in the middle of the body, ``reset`` drops it before the first byte."""

_HTML: Final = b"<!doctype html><title>Gateway</title><h1>The service is being updated</h1>"
_SAMPLE: Final = "The refund period is 30 days."


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is done with one request; the class methods make the usual ones.

    Args:
        answer: makes the answer, in the server's own thread: it must not block.
        latency_s: seconds between the request and the first byte of its answer.
        pieces: the body leaves in as many pieces,
        every_s: each so many seconds after the one before; 0 sends all of it at once.
        ending: what becomes of the connection.

    """

    answer: Callable[[Request], Answer]
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
        """Answer with ``text``, in the form that fits the path.

        Args:
            text: what the model says.
            latency_s: seconds until it does.
            finish_reason: how it ended, in the words of chat completions.
            usage: tokens read and written; None leaves them out.
            model: who answers; None for the model that was asked.

        """
        return _saying(Said(text, finish_reason, usage=usage, model=model), latency_s)

    @classmethod
    def echo(cls, *, latency_s: float = 0.0) -> Behaviour:
        """Answer with the last message of the user's."""
        return cls(lambda request: answer_in_form(Said(last_user_text(request)), request), latency_s)

    @classmethod
    def reply(cls, value: Any, *, latency_s: float = 0.0) -> Behaviour:
        """Answer 200 with any JSON value."""
        return _fixed(json_answer(value), latency_s)

    @classmethod
    def refusal(cls, text: str = "I cannot help with that.") -> Behaviour:
        """Refuse to answer, in the field that is made for it."""
        return _saying(Said(None, refusal=text))

    @classmethod
    def cut_off(cls, text: str = "The refund period is") -> Behaviour:
        """Answer with a text that ended at the limit of tokens."""
        return _saying(Said(text, "length"))

    @classmethod
    def content_filter(cls, text: str = "") -> Behaviour:
        """Answer with what the provider's filter left of a text."""
        return _saying(Said(text, "content_filter"))

    @classmethod
    def tool_calls(cls, *calls: tuple[str, Mapping[str, Any]]) -> Behaviour:
        """Answer with calls of tools, each a name and its arguments."""
        return _saying(Said(None, "tool_calls", tool_calls=calls))

    @classmethod
    def status(
        cls, code: int, body: Any = None, *, headers: Mapping[str, str] | None = None, latency_s: float = 0.0
    ) -> Behaviour:
        """Answer with a status.

        Args:
            code: the status.
            body: text or bytes as they are, anything else as JSON; None for an error in OpenAI's form.
            headers: headers of the answer; a content type goes before the one that fits the body.
            latency_s: seconds until the answer.

        """
        return _fixed(status_answer(code, body, headers), latency_s)

    @classmethod
    def rate_limited(
        cls, retry_after: float | str | None = 1, *, form: RetryForm = "seconds", skew_s: float = 0.0
    ) -> Behaviour:
        """Answer 429.

        Args:
            retry_after: seconds, or milliseconds where the form says so; a text is sent as it is, None says nothing.
            form: how it is said: ``seconds``, ``milliseconds``, ``date``.
            skew_s: how far the server's clock is ahead, in seconds, that a date and the ``Date`` beside it go by.

        """
        return cls(lambda _: status_answer(429, headers=retry_headers(retry_after, form, skew_s)))

    @classmethod
    def quota(cls, code: str = "insufficient_quota", *, status: int = 429) -> Behaviour:
        """Answer that the account has nothing left, with one of ``QUOTA_CODES``; a provider may use 402 for it."""
        return cls.status(status, error_body("the account has reached its limit", code, code))

    @classmethod
    def unauthorized(cls, status: int = 401) -> Behaviour:
        """Answer that the key is wrong (401), or may not do this (403)."""
        return cls.status(status)

    @classmethod
    def unknown_model(cls) -> Behaviour:
        """Answer 404: there is no such model."""
        return cls(
            lambda request: json_answer(
                error_body(f'there is no model "{request.model}"', code="model_not_found"), status=404
            )
        )

    @classmethod
    def hang(cls) -> Behaviour:
        """Never answer; the connection stays open."""
        return cls.text("", latency_s=math.inf)

    @classmethod
    def trickle(cls, chunks: int = 10, every_s: float = 0.1, text: str = _SAMPLE) -> Behaviour:
        """Answer with ``text``: the head at once, then the body in ``chunks`` pieces, one each ``every_s`` seconds."""
        return replace(cls.text(text), pieces=chunks, every_s=every_s)

    @classmethod
    def truncated(cls) -> Behaviour:
        """Answer 200 with the first half of a JSON body, as if that were all."""

        def answer(request: Request) -> Answer:
            whole = answer_in_form(Said(_SAMPLE), request)
            return replace(whole, body=whole.body[: len(whole.body) // 2])

        return cls(answer)

    @classmethod
    def torn(cls) -> Behaviour:
        """Announce a whole answer and close the connection in the middle of its body."""
        return replace(cls.text(_SAMPLE), ending="torn")

    @classmethod
    def html(cls, status: int = 200) -> Behaviour:
        """Answer with a page, as a proxy in between does."""
        return _fixed(Answer(status, _HTML, "text/html"))

    @classmethod
    def error_object(cls, message: str = "the model is overloaded") -> Behaviour:
        """Answer 200 with an error in OpenAI's form."""
        return cls.reply(error_body(message, "server_error"))

    @classmethod
    def no_choices(cls, *, null: bool = False) -> Behaviour:
        """Answer 200 with an empty list of choices (or of output items), or with null in its place."""
        return cls(lambda request: json_answer(without_choices(request, null=null)))

    @classmethod
    def reset(cls) -> Behaviour:
        """Drop the connection without an answer."""
        return replace(cls.text(""), ending="reset")


def _saying(said: Said, latency_s: float = 0.0) -> Behaviour:
    return Behaviour(lambda request: answer_in_form(said, request), latency_s)


def _fixed(answer: Answer, latency_s: float = 0.0) -> Behaviour:
    return Behaviour(lambda _: answer, latency_s)

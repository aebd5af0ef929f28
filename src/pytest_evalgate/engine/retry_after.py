"""Waits that a server asks for when it refuses a call, in the forms of several providers.

In order: ``retry-after-ms``, ``Retry-After``, the error's body (Google's ``retryDelay``, "try again in 20s"), and for
a rate limit the headers with the time of its reset (``x-ratelimit-reset-requests: 6m0s``). The first valid one counts.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.engine.error_body import ErrorBody

# Longest wait that is accepted: quotas are renewed at least once a month. Most runs end long before, see
# `RetryingClient`.
LONGEST_S: Final = 31 * 86_400.0

_UNITS: Final[Mapping[str, float]] = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*"
    r"(ms|millis(?:econds?)?|milliseconds?|us|µs|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"
    r"(?![a-z])[\s,]*(?:and\s+)?",
    re.IGNORECASE,
)
_ADVICE: Final = re.compile(
    r"(?:try(?:ing)?\s+again|retry(?:ing)?|wait|available|resets?)(?:\s+again)?\s+"
    r"(?:(?:in|after|for|at\s+least|about|approximately|another)\s+)*(?=\d)",
    re.IGNORECASE,
)
_RESET: Final = re.compile(r"rate-?limit.*reset")
_FIELDS: Final = re.compile(r"\b(limit|remaining|reset|r|t)=(\d+)")
_BODY_FIELDS: Final = ("retry_after", "retryAfter", "retry_after_seconds", "retry_delay", "retryDelay")
# Numbers from LONGEST_S on are Unix times: in seconds, milliseconds, microseconds, or nanoseconds.
_EPOCH_UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (LONGEST_S, 1.0))


def asked_wait_s(
    headers: Mapping[str, str], body: ErrorBody, *, is_rate_limit: bool, now: float | None = None
) -> float | None:
    """Return the seconds that a refused call should wait, from 0 to `LONGEST_S`; None if it requests none.

    Dates and Unix times are relative to the ``Date`` of the response, since the clocks of server and client may
    differ; without one, to ``now``. The reset of a rate limit counts only if ``is_rate_limit``: some endpoints send it
    with every response.
    """
    date = _date(headers.get("date", ""))
    start = date if date is not None else (time.time() if now is None else now)
    milliseconds = _number(headers.get("retry-after-ms", ""))
    asked = None if milliseconds is None else _valid(milliseconds / 1000)
    if asked is None:
        asked = _seconds(headers.get("retry-after", ""), start)
    if asked is None:
        asked = _asked_by_body(body, start)
    if asked is None and is_rate_limit:
        asked = _until_reset(headers, start)
        if asked is None and isinstance(repeated := body.metadata.get("headers"), dict):  # OpenRouter
            asked = _until_reset({str(name).lower(): str(value) for name, value in repeated.items()}, start)
    return asked


def _asked_by_body(body: ErrorBody, start: float) -> float | None:
    for holder in (*body.details, body.error, body.metadata):
        for name in _BODY_FIELDS:
            value = holder.get(name)
            if isinstance(value, dict):  # a protobuf Duration
                value = value.get("seconds")
            if isinstance(value, str | int | float) and (asked := _seconds(str(value), start)) is not None:
                return asked
    for advice in _ADVICE.finditer(body.message):
        seconds, end = _duration(body.message, advice.end())
        if end > advice.end() and (asked := _valid(seconds)) is not None:
            return asked
    return None


def _until_reset(headers: Mapping[str, str], start: float) -> float | None:
    """Return the longest time until the reset of a limit that is exhausted.

    An endpoint has several limits, each with its own reset. If every ``remaining`` is above 0, the request needed more
    tokens than were left, so limits on requests are ignored.
    """
    resets = list(_resets(headers, start))
    exhausted = [seconds for _, seconds, left in resets if left is not None and left <= 0]
    unknown = [seconds for _, seconds, left in resets if left is None]
    not_requests = [seconds for name, seconds, _ in resets if "request" not in name]
    return max(exhausted or unknown or not_requests, default=None)


def _resets(headers: Mapping[str, str], start: float) -> Iterator[tuple[str, float, float | None]]:
    """Yield the name of each limit, the seconds until its reset, and what is left of it if that is known."""
    for name, value in headers.items():
        lower = name.lower()
        if _RESET.search(lower):
            seconds = _seconds(value, start)
            if seconds is not None:
                yield lower, seconds, _number(headers.get(lower.replace("reset", "remaining"), ""))
        elif lower == "ratelimit":  # draft-ietf-httpapi-ratelimit-headers
            fields = {key[0]: float(number) for key, number in _FIELDS.findall(value.replace("reset=", "t="))}
            if (seconds := _valid(fields.get("t"))) is not None:
                yield lower, seconds, fields.get("r")


def _seconds(text: str, start: float) -> float | None:
    """Return the seconds in a header: a number, a duration such as ``6m0s``, a date, or a Unix time."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        unit = next((unit for least, unit in _EPOCH_UNITS if number > least), None)
        return _valid(number if unit is None else number / unit - start)
    seconds, end = _duration(text, 0)
    if end and end == len(text):
        return _valid(seconds)
    date = _date(text)
    return None if date is None else _valid(date - start)


def _duration(text: str, start: int) -> tuple[float, int]:
    """Return the sum of the numbers with units that begin at ``start``, and the end of the last one."""
    total, end = 0.0, start
    while part := _PART.match(text, end):
        total += float(part[1]) * _unit(part[2].lower())
        end = part.end()
    return total, end


def _unit(name: str) -> float:
    if name in _UNITS:
        return _UNITS[name]
    return _UNITS["ms"] if name.startswith("milli") else _UNITS["us"] if name == "µs" else _UNITS[name[0]]


def _valid(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_S else None  # NaN fails both comparisons


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _date(text: str) -> float | None:
    """Return the time of an HTTP date, or of an RFC 3339 date such as Anthropic sends."""
    parsers: tuple[Any, ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for parse in parsers:
        try:
            date: datetime = parse(text)
            if date.tzinfo is not None:
                return date.astimezone(UTC).timestamp()
        except (
            ValueError,
            TypeError,
            OverflowError,
            IndexError,
        ):  # for invalid dates, and those of year 1
            continue
    return None

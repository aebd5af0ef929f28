from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.error_body import ErrorBody, parse_error
from pytest_evalgate.engine.retry_after import LONGEST_S, asked_wait_s

_NOON = "Sat, 21 Nov 2026 12:00:00 GMT"
_NOON_S = 1795262400.0


def _asked(headers: dict[str, str], error: Any = None, *, is_rate_limit: bool = True) -> float | None:
    body = ErrorBody() if error is None else parse_error(json.dumps(error).encode())
    return asked_wait_s(headers, body, is_rate_limit=is_rate_limit, now=_NOON_S)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 3 "}, 3),
        ({"retry-after": "21s"}, 21),
        ({"retry-after": "20.5 seconds"}, 20.5),
        ({"retry-after": "1m30s"}, 90),
        ({"retry-after": "86401"}, 86_401),  # beyond the end of most runs, which says so
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after-ms": "-250", "retry-after": "9"}, 9),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT", "date": _NOON}, 7),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:07 +0100", "date": _NOON}, 7),
        (
            {"retry-after": "Sat, 21 Nov 2020 12:00:07 GMT", "date": "Sat, 21 Nov 2020 12:00:00 GMT"},
            7,
        ),  # another clock
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT"}, 7),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:07 GMT", "date": "today"}, 7),
        ({"retry-after": "2026-11-21T12:00:07Z"}, 7),
        ({"retry-after": "1795262421"}, 21),
    ],
)
def test_each_form_of_retry_after_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert _asked(headers) == pytest.approx(seconds)
    assert _asked(headers, is_rate_limit=False) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": ""},
        {"retry-after": "soon"},
        {"retry-after": "-1"},
        {"retry-after": "-5s"},
        {"retry-after": "inf"},
        {"retry-after": "nan"},
        {"retry-after": "1e9"},
        {"retry-after": "1e99"},
        {"retry-after": "99d"},
        {"retry-after": "5 parsecs"},
        {"retry-after-ms": "-250"},
        {"retry-after": "Sat, 21 Nov 2026 11:59:59 GMT", "date": _NOON},
        {"retry-after": "Sat, 21 Nov 2026 12:00:07", "date": _NOON},
        {"retry-after": "Sat, 99 Nov 2026 12:00:07 GMT", "date": _NOON},
        {"retry-after": "9999-12-31T23:59:59-12:00", "date": _NOON},
        {"retry-after": "Fri, 31 Dec 9999 23:59:59 -1200"},
        {"retry-after": "0001-01-01T00:00:00+12:00", "date": "9999-12-31T23:59:59-12:00"},
        {"x-ratelimit-reset": "0001-01-01T00:00:00Z"},
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0"},
    ],
)
def test_an_invalid_wait_is_ignored(headers: dict[str, str]) -> None:
    assert _asked(headers) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "350ms"}, 0.35),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3_723.5),
        ({"x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"x-ratelimit-reset-requests": "20s", "x-ratelimit-reset-tokens": "6ms"}, 20),
        (  # the limit on tokens is exhausted, that on the requests of a day is not
            {
                "x-ratelimit-remaining-requests": "199",
                "x-ratelimit-reset-requests": "7m12s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "20s",
            },
            20,
        ),
        (  # the request needs more tokens than are left
            {
                "x-ratelimit-remaining-requests": "199",
                "x-ratelimit-reset-requests": "7m12s",
                "x-ratelimit-remaining-tokens": "50",
                "x-ratelimit-reset-tokens": "20s",
            },
            20,
        ),
        ({"x-ratelimit-reset": "1795262421000"}, 21),  # OpenRouter: milliseconds since 1970
        ({"x-ratelimit-reset": "1795262421"}, 21),
        ({"x-ratelimit-reset": "1795262421", "date": "Sat, 21 Nov 2026 12:00:01 GMT"}, 20),
        ({"x-ratelimit-reset": "21"}, 21),
        ({"x-rate-limit-reset": "21"}, 21),
        ({"ratelimit-reset": "21"}, 21),
        ({"x-ratelimit-reset-after": "21"}, 21),
        ({"ratelimit": "limit=100, remaining=0, reset=21"}, 21),
        ({"ratelimit": '"default";r=0;t=21'}, 21),
        ({"anthropic-ratelimit-requests-reset": "2026-11-21T12:00:21Z"}, 21),
        (
            {
                "anthropic-ratelimit-requests-remaining": "40",
                "anthropic-ratelimit-requests-reset": "2026-11-21T12:01:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:21Z",
            },
            21,
        ),
        ({"retry-after": "3", "x-ratelimit-reset-requests": "6m0s"}, 3),
        ({"retry-after": "soon", "x-ratelimit-reset-requests": "6m0s"}, 360),
    ],
)
def test_the_reset_of_a_limit_is_a_wait_of_a_rate_limit_only(headers: dict[str, str], seconds: float) -> None:
    assert _asked(headers) == pytest.approx(seconds, abs=1e-6)
    if headers.get("retry-after") != "3":
        assert _asked(headers, is_rate_limit=False) is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ([{"error": {"message": "no", "details": [{"@type": "RetryInfo", "retryDelay": "21s"}]}}], 21),
        ([{"error": {"message": "no", "details": [{"retryDelay": "20.123456789s"}]}}], 20.123),
        ({"error": {"message": "no", "details": [{"retryDelay": {"seconds": 21}}]}}, 21),
        ({"error": {"message": "Rate limit reached on RPM: Limit 3, Used 3. Please try again in 20s. Visit"}}, 20),
        ({"error": {"message": "Please try again in 1m2.5s."}}, 62.5),
        ({"error": {"message": "Please try again in 350ms."}}, 0.35),
        ({"error": {"message": "Please retry in 20.3s."}}, 20.3),
        ({"error": {"message": "Please retry after 20 seconds."}}, 20),
        ({"error": {"message": "Try again in about 3 minutes and 5 seconds"}}, 185),
        ({"error": {"message": "Please wait 1 minute."}}, 60),
        ({"message": "slow down", "retry_after": 20}, 20),
        ({"error": {"message": "no", "metadata": {"headers": {"X-RateLimit-Reset": "1795262421000"}}}}, 21),
        ({"error": {"message": "Try again later"}}, None),
        ({"error": {"message": "You have 20 seconds of audio, try again in 5 parsecs"}}, None),
    ],
)
def test_each_wait_in_a_body_is_understood(error: Any, seconds: float | None) -> None:
    assert _asked({}, error) == (seconds if seconds is None else pytest.approx(seconds, abs=1e-3))


def test_a_header_precedes_the_body() -> None:
    assert _asked({"retry-after": "3"}, {"error": {"message": "Please try again in 20s."}}) == 3


_NAMES = ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-remaining", "ratelimit"]


@given(st.dictionaries(st.sampled_from(_NAMES), st.text()), st.text())
def test_any_text_gives_a_valid_wait_or_none(headers: dict[str, str], message: str) -> None:
    seconds = _asked(headers, {"error": {"message": message, "retry_after": message}})
    assert seconds is None or 0 <= seconds <= LONGEST_S


@given(st.floats())
def test_any_number_is_a_wait_a_time_or_ignored(number: float) -> None:
    seconds = _asked({"retry-after": repr(number)})
    assert seconds == number if 0 <= number <= LONGEST_S else seconds is None or number > _NOON_S

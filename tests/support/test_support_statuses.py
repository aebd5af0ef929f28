from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from tests.support.behaviours import retry_headers, status_response


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (403, "permission_error", "permission_denied"),
        (404, "invalid_request_error", "model_not_found"),
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (499, "invalid_request_error", None),
        (500, "server_error", None),
        (529, "server_error", None),
    ],
)
def test_a_status_alone_comes_with_an_error_in_the_form_of_openai(status: int, kind: str, code: str | None) -> None:
    response = status_response(status)
    error = json.loads(response.body)["error"]
    assert (response.status, response.content_type) == (status, "application/json")
    assert error == {"message": f"scripted error {status}", "type": kind, "param": None, "code": code}


@pytest.mark.parametrize(
    ("body", "raw", "kind"),
    [
        ({"a": 1}, b'{"a": 1}', "application/json"),
        ([], b"[]", "application/json"),
        ("é", b"\xc3\xa9", "text/plain; charset=utf-8"),
        (b"\x00", b"\x00", "application/octet-stream"),
    ],
)
def test_a_body_has_the_type_that_fits_it(body: Any, raw: bytes, kind: str) -> None:
    response = status_response(200, body)
    assert (response.body, response.content_type) == (raw, kind)


def test_the_content_type_can_be_said_and_stands_there_once() -> None:
    response = status_response(200, "{}", {"Content-Type": "application/json", "X-A": "1"})
    assert (response.content_type, response.headers) == ("application/json", {"X-A": "1"})


@pytest.mark.parametrize(
    ("retry_after", "form", "headers"),
    [
        (None, "seconds", {}),
        (2, "seconds", {"Retry-After": "2"}),
        (0.5, "seconds", {"Retry-After": "0.5"}),
        ("soon", "seconds", {"Retry-After": "soon"}),
        (1500, "milliseconds", {"retry-after-ms": "1500"}),
        ("inf", "milliseconds", {"retry-after-ms": "inf"}),
        ("Wed, 21 Oct 2099", "date", {"Retry-After": "Wed, 21 Oct 2099"}),
    ],
)
def test_how_a_429_says_when_to_come_back(retry_after: Any, form: Any, headers: dict[str, str]) -> None:
    assert retry_headers(retry_after, form, 0.0) == headers


@pytest.mark.parametrize("skew_s", [0.0, -7200.0, 86_400.0])
def test_a_date_goes_by_the_date_beside_it(skew_s: float) -> None:
    before = int(time.time())
    headers = {name: parsedate_to_datetime(value) for name, value in retry_headers(5, "date", skew_s).items()}
    assert (headers["Retry-After"] - headers["Date"]).total_seconds() == 5
    assert before <= headers["Date"].timestamp() - skew_s <= time.time()

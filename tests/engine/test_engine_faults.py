from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.faults import FAULT_POLICIES, FaultFactory, HttpResponse
from pytest_evalgate.text.redaction import Secret

_KEY = Secret("MY_KEY", "sk-canary-0123456789")
_MODEL = FaultFactory("https://api.example.com/v1", "m-1", (_KEY,))
_APPLICATION = FaultFactory("https://bot.example.com/ask", secrets=(_KEY,))


def _response(status: int, error: Any = None, **headers: str) -> HttpResponse:
    body = error if isinstance(error, bytes) else json.dumps({"error": error or {"message": "no"}}).encode()
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "credit_balance_exhausted",
        "project_spend_limit_exceeded",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
    ],
)
@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize("status", [200, 400, 403, 429])
def test_the_code_of_a_spent_quota_overrides_the_status(code: str, field: str, status: int) -> None:
    fault = _MODEL.classify(_response(status, {field: code, "message": "used up"}))
    assert fault.kind == "quota"
    assert fault.policy.stops_run


@pytest.mark.parametrize(
    ("status", "kind", "tries", "stops"),
    [
        (302, "redirect", 1, True),
        (304, "bad_request", 1, False),
        (400, "bad_request", 1, False),
        (401, "auth", 1, True),
        (402, "quota", 1, True),
        (403, "forbidden", 1, True),
        (404, "not_found", 1, True),
        (408, "timeout", 5, False),
        (409, "overloaded", 5, False),
        (422, "bad_request", 1, False),
        (429, "rate_limit", 5, False),
        (500, "server", 5, False),
        (502, "overloaded", 5, False),
        (503, "overloaded", 5, False),
        (504, "overloaded", 5, False),
        (529, "overloaded", 5, False),
        (200, "malformed", 3, False),
    ],
)
def test_without_a_code_the_status_decides(status: int, kind: str, tries: int, *, stops: bool) -> None:
    fault = _MODEL.classify(_response(status))
    assert (fault.kind, fault.policy.tries, fault.policy.stops_run) == (kind, tries, stops)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "auth"),
        (402, "bad_request"),
        (403, "bad_request"),
        (404, "bad_request"),
        (429, "rate_limit"),
        (500, "server"),
    ],
)
def test_a_403_or_404_of_an_application_fails_one_case(status: int, kind: str) -> None:
    assert _APPLICATION.classify(_response(status)).kind == kind


def test_codes_of_models_have_no_meaning_for_applications() -> None:
    assert _APPLICATION.classify(_response(500, {"code": "insufficient_quota"})).kind == "server"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_and_not_shown(status: int) -> None:
    fault = _MODEL.classify(_response(status, {"message": f"Incorrect API key provided: {_KEY.value}."}))
    assert "MY_KEY" in str(fault)
    assert "Incorrect API key provided: ***." in str(fault)
    assert _KEY.value not in str(fault)


def test_without_a_key_the_message_names_api_key_env() -> None:
    assert "api_key_env" in str(FaultFactory("http://localhost/v1", "m").classify(_response(401)))


def test_an_unknown_model_is_named_with_its_url() -> None:
    message = str(_MODEL.classify(_response(404, {"code": "model_not_found", "message": "no such model"})))
    assert message == (
        "404 unknown model: no such model (https://api.example.com/v1): check the model name 'm-1' and base_url"
    )


def test_a_key_is_redacted_before_the_text_is_truncated() -> None:
    message = "x" * 190 + _KEY.value
    assert "sk-" not in str(_MODEL.classify(_response(400, {"message": message})))


def test_passwords_and_queries_of_a_url_are_not_shown() -> None:
    fault_factory = FaultFactory("https://user:pass@example.com:8443/v1?api-key=123", "m")
    assert fault_factory.place == "https://example.com:8443/v1"


@pytest.mark.parametrize("message", ["\x1b[31mred", "two\nlines", "\u202egnirts", "x" * 5000])
def test_a_message_is_one_printable_line_of_bounded_length(message: str) -> None:
    message = str(_MODEL.classify(_response(400, {"message": message})))
    assert message.isprintable()
    assert len(message) < 300


def test_a_fault_has_the_retry_after_of_the_response() -> None:
    assert _MODEL.classify(_response(429, retry_after="20")).retry_after_s == 20.0


@given(st.binary(), st.integers(100, 599))
def test_any_body_is_classified(body: bytes, status: int) -> None:
    fault = _MODEL.classify(HttpResponse(status, {}, body))
    assert fault.kind in FAULT_POLICIES
    assert str(fault).isprintable()

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.faults import FAULT_POLICIES, FaultFactory, HttpResponse, error_of
from pytest_evalgate.text.redaction import Secret

_KEY = Secret("MY_KEY", "sk-canary-0123456789")
_MODEL = FaultFactory("https://api.example.com/v1", "m-1", (_KEY,))
_APPLICATION = FaultFactory("https://bot.example.com/ask", secrets=(_KEY,))


def _answer(status: int, error: Any = None, **headers: str) -> HttpResponse:
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
def test_a_used_up_quota_shows_in_the_body_whatever_the_status(code: str, field: str, status: int) -> None:
    fault = _MODEL.classify(_answer(status, {field: code, "message": "used up"}))
    assert fault.kind == "quota"
    assert fault.policy.stops_run


@pytest.mark.parametrize(
    ("status", "kind", "tries", "stops"),
    [
        (302, "bad_request", 1, False),
        (400, "bad_request", 1, False),
        (401, "auth", 1, True),
        (402, "quota", 1, True),
        (403, "auth", 1, True),
        (404, "unknown_model", 1, True),
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
def test_the_status_decides_where_the_body_is_silent(status: int, kind: str, tries: int, *, stops: bool) -> None:
    fault = _MODEL.classify(_answer(status))
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
def test_an_application_may_forbid_a_single_case(status: int, kind: str) -> None:
    assert _APPLICATION.classify(_answer(status)).kind == kind


def test_what_an_application_says_in_a_models_words_is_its_own_matter() -> None:
    assert _APPLICATION.classify(_answer(500, {"code": "insufficient_quota"})).kind == "server"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_and_not_shown(status: int) -> None:
    fault = _MODEL.classify(_answer(status, {"message": f"Incorrect API key provided: {_KEY.value}."}))
    assert "MY_KEY" in str(fault)
    assert "Incorrect API key provided: ***." in str(fault)
    assert _KEY.value not in str(fault)


def test_where_no_key_is_configured_the_next_step_is_to_name_one() -> None:
    assert "api_key_env" in str(FaultFactory("http://localhost/v1", "m").classify(_answer(401)))


def test_the_model_and_the_address_are_named_where_it_is_unknown() -> None:
    message = str(_MODEL.classify(_answer(404, {"code": "model_not_found", "message": "no such model"})))
    assert message == (
        "404 unknown model: no such model (https://api.example.com/v1): check the model name 'm-1' and base_url"
    )


def test_a_key_is_taken_out_before_the_text_is_cut() -> None:
    said = "x" * 190 + _KEY.value
    assert "sk-" not in str(_MODEL.classify(_answer(400, {"message": said})))


def test_passwords_and_queries_of_an_address_are_not_shown() -> None:
    fault_factory = FaultFactory("https://user:pass@example.com:8443/v1?api-key=123", "m")
    assert fault_factory.place == "https://example.com:8443/v1"


@pytest.mark.parametrize("said", ["\x1b[31mred", "two\nlines", "\u202egnirts", "x" * 5000])
def test_a_message_is_one_printable_line_of_bounded_length(said: str) -> None:
    message = str(_MODEL.classify(_answer(400, {"message": said})))
    assert message.isprintable()
    assert len(message) < 300


def test_what_the_server_asks_for_is_kept() -> None:
    assert _MODEL.classify(_answer(429, retry_after="20")).retry_after_s == 20.0


@pytest.mark.parametrize(
    ("body", "codes", "said"),
    [
        (b'{"error": {"code": "c", "type": "t", "message": "m"}}', ("c", "t"), "m"),
        (b'{"error": {"code": 404, "message": "m"}}', (), "m"),
        (b'{"error": "plain"}', (), "plain"),
        (b'{"object": "error", "type": "NotFoundError", "message": "m"}', ("NotFoundError",), "m"),
        (b'{"detail": "not found"}', (), "not found"),
        (b'{"detail": [{"loc": ["body"]}]}', (), '[{"loc": ["body"]}]'),
        (b'{"error": {}}', (), "{}"),
        (b"[1]", (), "[1]"),
        (b"<h1>Bad Gateway</h1>", (), "<h1>Bad Gateway</h1>"),
        (b"\xff", (), "\ufffd"),
        (b"", (), ""),
    ],
)
def test_errors_are_read_in_the_forms_of_several_servers(body: bytes, codes: tuple[str, ...], said: str) -> None:
    assert error_of(body) == (codes, said)


@given(st.binary(), st.integers(100, 599))
def test_no_body_breaks_it(body: bytes, status: int) -> None:
    fault = _MODEL.classify(HttpResponse(status, {}, body))
    assert fault.kind in FAULT_POLICIES
    assert str(fault).isprintable()

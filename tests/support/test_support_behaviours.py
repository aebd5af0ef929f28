"""Every behaviour over a real socket."""

from __future__ import annotations

import http.client
import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import QUOTA_CODES, Behaviour, retry_headers, status_response

if TYPE_CHECKING:
    from tests.support.conftest import Client, Got
    from tests.support.server import ScriptedServer


RESPONSES = "/v1/responses"


@pytest.fixture
def got(server: ScriptedServer, client: Client) -> Any:
    """Ask once and get what a behaviour answers."""

    def ask(behaviour: Behaviour, path: str = "/v1/chat/completions") -> Got:
        server.queue(behaviour)
        return client.ask(path)

    return ask


def test_a_text_fits_the_path(got: Any) -> None:
    assert got(Behaviour.text("30 days")).said == "30 days"
    assert got(Behaviour.text("30 days"), RESPONSES).json["output"][0]["content"][0]["text"] == "30 days"
    assert got(Behaviour.text("30 days"), "/ask").raw == b"30 days"


def test_a_text_has_the_given_ending_usage_and_model(got: Any) -> None:
    reply = got(Behaviour.text("30", finish_reason="length", usage=(7, 2), model="other")).json
    assert (reply["choices"][0]["finish_reason"], reply["model"]) == ("length", "other")
    assert reply["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert "usage" not in got(Behaviour.text("30", usage=None)).json


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour.text("x", latency_s=0.05),
        Behaviour.echo(latency_s=0.05),
        Behaviour.reply([], latency_s=0.05),
        Behaviour.status(503, latency_s=0.05),
    ],
)
def test_a_response_has_the_given_latency(got: Any, behaviour: Behaviour) -> None:
    start = time.monotonic()
    got(behaviour)
    assert time.monotonic() - start >= 0.05


def test_an_echo(got: Any) -> None:
    assert got(Behaviour.echo()).said == "Hello?"


def test_any_json_value(got: Any) -> None:
    assert got(Behaviour.reply({"answer": ["30 days"]}), "/ask").json == {"answer": ["30 days"]}


def test_endings_of_incomplete_replies(got: Any) -> None:
    choices = [
        got(behaviour).json["choices"][0]
        for behaviour in (Behaviour.refusal("no"), Behaviour.cut_off("The"), Behaviour.content_filter())
    ]
    assert [
        (choice["finish_reason"], choice["message"]["content"], choice["message"]["refusal"]) for choice in choices
    ] == [("stop", None, "no"), ("length", "The", None), ("content_filter", "", None)]


def test_tool_calls(got: Any) -> None:
    calls = got(Behaviour.tool_calls(("look_up", {"id": 7}), ("stop", {}))).json["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]) for call in calls] == [
        ("call_0", {"name": "look_up", "arguments": '{"id": 7}'}),
        ("call_1", {"name": "stop", "arguments": "{}"}),
    ]


@pytest.mark.parametrize("code", [400, 500, 502, 503, 504, 529])
def test_a_status(got: Any, code: int) -> None:
    reply = got(Behaviour.status(code, headers={"X-Request-Id": "7"}))
    assert (reply.status, reply.headers["x-request-id"]) == (code, "7")
    assert reply.json["error"]["message"] == f"scripted error {code}"


def test_a_status_with_a_body(got: Any) -> None:
    reply = got(Behaviour.status(503, "down for today", headers={"Content-Type": "text/x-note"}))
    assert (reply.raw, reply.headers["content-type"]) == (b"down for today", "text/x-note")


def test_rate_limits_have_a_retry_header(got: Any) -> None:
    replies = [
        got(Behaviour.rate_limited()),
        got(Behaviour.rate_limited("garbage")),
        got(Behaviour.rate_limited(1500, form="milliseconds")),
        got(Behaviour.rate_limited(None)),
    ]
    assert {(reply.status, reply.json["error"]["code"]) for reply in replies} == {(429, "rate_limit_exceeded")}
    said = [(reply.headers.get("retry-after"), reply.headers.get("retry-after-ms")) for reply in replies]
    assert said == [("1", None), ("garbage", None), (None, "1500"), (None, None)]


def test_a_date_counts_from_the_time_of_the_response(got: Any) -> None:
    behaviour = Behaviour.rate_limited(60, form="date", skew_s=-3600.0)
    headers = got(behaviour).headers
    assert headers["retry-after"].endswith(" GMT")
    assert headers["date"].endswith(" GMT")
    assert headers["retry-after"] != headers["date"]


@pytest.mark.parametrize("code", QUOTA_CODES)
@pytest.mark.parametrize("status", [402, 429])
def test_an_empty_account(got: Any, code: str, status: int) -> None:
    reply = got(Behaviour.quota(code, status=status))
    assert (reply.status, reply.json["error"]["code"], reply.json["error"]["type"]) == (status, code, code)


def test_a_key_that_is_refused(got: Any) -> None:
    assert got(Behaviour.unauthorized()).json["error"]["code"] == "invalid_api_key"
    assert got(Behaviour.unauthorized(403)).status == 403


def test_a_model_that_is_unknown(got: Any) -> None:
    reply = got(Behaviour.unknown_model())
    assert (reply.status, reply.json["error"]["code"]) == (404, "model_not_found")
    assert reply.json["error"]["message"] == 'there is no model "gpt-x-mini"'


def test_a_hanging_call_sends_no_byte(server: ScriptedServer, client: Client) -> None:
    server.queue(Behaviour.hang())
    client.connection.timeout = 0.1
    with pytest.raises(TimeoutError):
        client.ask()
    client.connection.close()
    client.connection.timeout = 60
    assert client.ask().said == "Hello?"


def test_a_trickle_sends_its_head_at_once_and_its_body_in_pieces(server: ScriptedServer, client: Client) -> None:
    server.queue(Behaviour.trickle(chunks=4, every_s=0.05, text="30 days"))
    start = time.monotonic()
    client.connection.request("POST", "/v1/chat/completions", "{}")
    response = client.connection.getresponse()
    pieces = []
    while piece := response.read1():
        pieces.append(piece)
    assert time.monotonic() - start >= 4 * 0.05
    assert len(pieces) > 1
    assert json.loads(b"".join(pieces))["choices"][0]["message"]["content"] == "30 days"


def test_a_trickle_of_one_piece_keeps_the_body_back(server: ScriptedServer, client: Client) -> None:
    server.queue(Behaviour.trickle(chunks=1, every_s=3600.0))
    client.connection.request("POST", "/v1/chat/completions", "{}")
    with client.connection.getresponse() as response:
        client.connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            response.read()


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES])
def test_truncated_json_has_a_matching_content_length(got: Any, path: str) -> None:
    reply = got(Behaviour.truncated(), path)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert len(reply.raw) == int(reply.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        reply.json  # noqa: B018 - parsing is what is tried


def test_a_torn_response_is_shorter_than_its_content_length(got: Any) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        got(Behaviour.torn())
    assert caught.value.partial
    assert caught.value.expected


def test_a_reset_drops_the_connection(got: Any) -> None:
    with pytest.raises(ConnectionResetError):
        got(Behaviour.reset())


def test_an_html_page_in_place_of_a_response(got: Any) -> None:
    reply = got(Behaviour.html())
    assert (reply.status, reply.headers["content-type"], reply.raw[:9]) == (200, "text/html", b"<!doctype")
    assert got(Behaviour.html(502)).status == 502


def test_an_error_that_comes_with_200(got: Any) -> None:
    reply = got(Behaviour.error_object("too busy"))
    assert (reply.status, reply.json["error"]["message"]) == (200, "too busy")


@pytest.mark.parametrize(("null", "choices"), [(False, []), (True, None)])
def test_a_response_without_choices(got: Any, choices: Any, *, null: bool) -> None:
    assert got(Behaviour.no_choices(null=null)).json["choices"] == choices
    assert got(Behaviour.no_choices(null=null), RESPONSES).json["output"] == choices


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


def test_the_content_type_can_be_replaced() -> None:
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

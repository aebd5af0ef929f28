from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import HttpRequest
from pytest_evalgate.engine.clients import EndpointClient
from pytest_evalgate.engine.clients.reply import MAX_BYTES
from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "canary-0123456789"


def _send(server: ScriptedServer, *payloads: dict[str, Any], **settings: Any) -> Sequence[Reply]:
    url = server.base_url.removesuffix("/v1") + "/ask"
    request = HttpRequest(url=url, **settings)

    async def send() -> list[Reply]:
        client = EndpointClient(request, {"BOT_KEY": _KEY}, "suites.bot.target.http")
        defaults = {"method": "POST", "url": url, "headers": {}, "body": {"q": "hi"}}
        try:
            return [await client.send(Call("http", url, "", defaults | payload)) for payload in payloads or ({},)]
        finally:
            await client.close()

    return asyncio.run(send())


def test_a_request_has_the_payload_of_the_call_and_the_keys(server: ScriptedServer) -> None:
    server.script(Behaviour.reply({"answer": {"text": "hello"}}))
    url = server.base_url.removesuffix("/v1") + "/ask/7?lang=de%20AT"
    payload = {"method": "PUT", "url": url, "headers": {"X-Tenant": "a"}, "body": {"q": "hé"}}
    (reply,) = _send(server, payload, headers_env={"Authorization": "BOT_KEY"})
    assert reply.value == {"answer": {"text": "hello"}}
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", "/ask/7?lang=de%20AT", {"q": "hé"})
    assert request.headers["authorization"] == _KEY
    assert request.headers["x-tenant"] == "a"
    assert request.headers["content-type"] == "application/json"


def test_a_get_has_no_body_and_no_content_type(server: ScriptedServer) -> None:
    _send(server, {"method": "GET", "body": None})
    assert "content-type" not in server.requests[0].headers
    assert not server.requests[0].body


def test_a_configured_header_overrides_the_default(server: ScriptedServer) -> None:
    _send(server, {"headers": {"CONTENT-TYPE": "application/vnd.bot+json"}})
    assert server.requests[0].headers["content-type"] == "application/vnd.bot+json"


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        ('{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        ('{"a": 1}', "application/vnd.bot+json", {"a": 1}),
        ("null", "application/json", None),
        ('{"a": "\\ud83d\\u0000", "b": NaN}', "application/json", {"a": "\ufffd\ufffd", "b": None}),
        ('{"a": 1}', "text/plain", '{"a": 1}'),
        ("grüß dich", "text/plain", "grüß dich"),
        ("", "text/plain", ""),
    ],
)
def test_the_value_is_json_if_the_content_type_is_json_else_text(
    server: ScriptedServer, body: str, content_type: str, value: Any
) -> None:
    server.script(Behaviour.status(200, body, headers={"Content-Type": content_type}))
    assert _send(server)[0].value == value


@pytest.mark.parametrize(
    ("body", "content_type"),
    [('{"a": ', "application/json"), (b"\xff\xfe", "text/plain"), ("<p>", "application/json")],
)
def test_a_body_that_contradicts_its_content_type_is_malformed(
    server: ScriptedServer, body: str | bytes, content_type: str
) -> None:
    server.script(Behaviour.status(200, body, headers={"Content-Type": content_type}))
    with pytest.raises(CallFault) as fault:
        _send(server)
    assert fault.value.kind == "malformed"


def test_a_body_that_is_too_long_is_a_fault(server: ScriptedServer) -> None:
    server.script(Behaviour.status(200, "x" * (MAX_BYTES + 1)))
    with pytest.raises(CallFault, match="more than"):
        _send(server)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (403, "bad_request"),
        (404, "bad_request"),
        (429, "rate_limit"),
        (500, "server"),
        (503, "overloaded"),
    ],
)
def test_a_status_other_than_2xx_is_a_fault(server: ScriptedServer, status: int, kind: str) -> None:
    server.script(Behaviour.status(status, json.dumps({"detail": f"sorry, {_KEY}"})))
    with pytest.raises(CallFault, match="sorry") as fault:
        _send(server, headers_env={"X-Key": "BOT_KEY"})
    assert (fault.value.kind, fault.value.status) == (kind, status)
    assert _KEY not in str(fault.value)


def test_a_redirect_is_not_followed_with_the_key(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        server.script(Behaviour.status(307, headers={"Location": other.base_url}))
        with pytest.raises(CallFault, match="307"):
            _send(server, headers_env={"X-Key": "BOT_KEY"})
        assert other.calls == 0


def test_a_url_with_another_host_is_never_called(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        with pytest.raises(CallFault, match="another host"):
            _send(server, {"url": other.base_url}, headers_env={"X-Key": "BOT_KEY"})
        assert (server.calls, other.calls) == (0, 0)


def test_cookies_are_not_stored(server: ScriptedServer) -> None:
    server.script(Behaviour.status(200, "{}", headers={"Set-Cookie": "session=1; Path=/"}))
    _send(server, {}, {})
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_a_missing_key_is_an_error_before_anything_is_sent() -> None:
    request = HttpRequest(url="http://127.0.0.1:9/ask", headers_env={"X-Key": "NO_KEY"})
    with pytest.raises(SettingsError, match=r"suites\.bot\.target\.http\.headers_env\.X-Key: .* NO_KEY is not set"):
        EndpointClient(request, {}, "suites.bot.target.http")


def test_a_reset_connection_is_a_fault(server: ScriptedServer) -> None:
    server.script(Behaviour.reset())
    with pytest.raises(CallFault) as fault:
        _send(server)
    assert fault.value.kind == "connection"

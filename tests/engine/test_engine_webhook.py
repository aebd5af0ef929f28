from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.engine.webhook import TIMEOUT_S, TRIES, Message, send_all

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.script(Behaviour.reply({"ok": True}))
        yield server


def _send(server: ScriptedServer, timeout_s: float = TIMEOUT_S) -> str | None:
    (reason,) = send_all([Message(f"{server.base_url}/hook?token=s3cret", b'{"a": 1}')], timeout_s)
    assert "s3cret" not in (reason or "")
    return reason


def test_a_message_is_posted_as_json(receiver: ScriptedServer) -> None:
    assert _send(receiver) is None
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/hook?token=s3cret", {"a": 1})
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("first", "calls", "reason"),
    [
        ([Behaviour.status(500)], 2, None),
        ([Behaviour.status(503), Behaviour.rate_limited(0)], 3, None),
        ([Behaviour.status(500)] * TRIES, TRIES, "HTTP 500 (3 tries)"),
        ([Behaviour.status(404)], 1, "HTTP 404 (1 try)"),
        ([Behaviour.rate_limited(3600)] * TRIES, 1, "HTTP 429 (1 try)"),
    ],
    ids=["500 once", "503 and 429", "500 always", "404", "a pause that is too long"],
)
def test_temporary_failures_are_tried_again(
    receiver: ScriptedServer, first: list[Behaviour], calls: int, reason: str | None
) -> None:
    receiver.queue(*first)
    assert _send(receiver, 2.0) == reason
    assert receiver.calls == calls


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: ScriptedServer, status: int) -> None:
    with ScriptedServer() as other:
        receiver.script(Behaviour.status(status, headers={"Location": f"{other.base_url}/hook"}))
        assert _send(receiver) == f"HTTP {status}: a redirect, which is not followed (1 try)"
        assert (receiver.calls, other.calls) == (1, 0)


def test_a_slow_receiver_does_not_hold_up_the_run(receiver: ScriptedServer) -> None:
    receiver.script(Behaviour.reply({}, latency_s=60))
    started = time.monotonic()
    assert _send(receiver, 0.3) is not None
    assert time.monotonic() - started < TIMEOUT_S
    assert receiver.calls == 1


def test_a_receiver_that_is_down_is_named_by_its_error_only() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    (reason,) = send_all([Message(f"http://127.0.0.1:{port}/s3cret", b"{}")], 2.0)
    assert reason == "ConnectError: the receiver cannot be reached (3 tries)"


@pytest.mark.parametrize("url", ["http://", "http://[::1", "ftp://example.org/s3cret", "https://\x00s3cret"])
def test_a_url_that_cannot_be_used_is_a_reason(url: str) -> None:
    (reason,) = send_all([Message(url, b"{}")], 2.0)
    assert reason is not None
    assert "s3cret" not in reason


def test_one_receiver_does_not_delay_the_others(receiver: ScriptedServer) -> None:
    with ScriptedServer() as slow:
        slow.script(Behaviour.reply({}, latency_s=60))
        messages = [Message(f"{server.base_url}/", b"{}") for server in (slow, receiver)]
        reasons = send_all(messages, 0.5)
    assert reasons[0] is not None
    assert reasons[1] is None


def test_nothing_is_sent_without_messages() -> None:
    assert send_all([]) == []

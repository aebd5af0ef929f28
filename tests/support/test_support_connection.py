from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.behaviours import Behaviour
from tests.support.server import Limits, ScriptedServer, split_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.conftest import Client

GET = b"GET /%d HTTP/1.1\r\n\r\n"


def dial(server: ScriptedServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0), timeout=60)


def read_to_end(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_connection_is_kept_for_the_next_call(server: ScriptedServer, client: Client) -> None:
    for _ in range(3):
        assert client.ask().status == 200
    assert (server.calls, server.connections) == (3, 1)


def test_a_client_may_have_it_closed(server: ScriptedServer, client: Client) -> None:
    for _ in range(2):
        assert client.ask(Connection="close").status == 200
    assert (server.calls, server.connections) == (2, 2)
    with dial(server) as sock:
        sock.sendall(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_that_come_at_once_are_answered_in_order(server: ScriptedServer) -> None:
    server.answer_with(
        lambda request: Behaviour.text(f"[{request.path}]", latency_s=0.05 if request.number == 1 else 0)
    )
    with dial(server) as sock:
        sock.sendall(GET % 0 + GET % 1 + b"GET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
        received = read_to_end(sock)
    assert re.findall(rb"\[/\d\]", received) == [b"[/0]", b"[/1]", b"[/2]"]
    assert server.peak_in_flight == 1


def test_a_request_that_comes_during_another_waits_its_turn(server: ScriptedServer) -> None:
    server.queue(Behaviour.text("[first]", latency_s=0.1), Behaviour.text("[second]"))
    with dial(server) as sock:
        sock.sendall(GET % 1)
        wait_until(lambda: server.calls == 1)
        sock.sendall(b"GET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert re.findall(rb"\[\w+\]", read_to_end(sock)) == [b"[first]", b"[second]"]


def test_a_chunked_request_is_read(server: ScriptedServer, client: Client) -> None:
    body = json.dumps({"model": "m", "input": "a" * 1000}).encode()
    chunks = (body[start : start + 100] for start in range(0, len(body), 100))
    client.connection.request("POST", "/v1/responses", chunks, encode_chunked=True)
    with client.connection.getresponse() as response:
        assert response.status == 200
    assert server.requests[0].body == {"model": "m", "input": "a" * 1000}


def test_what_is_no_http_is_answered_400_and_closed(server: ScriptedServer) -> None:
    with dial(server) as sock:
        sock.sendall(b"what is this\r\n\r\n")
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"not an HTTP/1.1 request line: 'what is this'" in answer
    assert server.calls == 0


@pytest.mark.parametrize(
    "slow", [Behaviour.hang(), Behaviour.text("", latency_s=3600.0), Behaviour.trickle(2, 3600.0)]
)
def test_a_client_that_leaves_is_no_longer_in_flight(slow: Behaviour) -> None:
    with ScriptedServer(Limits(capacity=1)) as server:
        server.queue(slow)
        with dial(server) as leaving:
            leaving.sendall(GET % 1)
            wait_until(lambda: server.calls == 1)
            assert status_of(server) == 429
        wait_until(lambda: status_of(server) == 200)
        assert server.peak_in_flight == 1


def test_calls_in_flight_are_counted_at_their_peak(server: ScriptedServer) -> None:
    server.script(Behaviour.hang())
    with contextlib.ExitStack() as stack:
        for number in range(5):
            stack.enter_context(dial(server)).sendall(GET % number)
        wait_until(lambda: server.calls == 5)
        assert (server.peak_in_flight, server.connections) == (5, 5)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def status_of(server: ScriptedServer) -> int:
    with dial(server) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
        return int(read_to_end(sock).split(b" ")[1])


@given(body=st.binary(max_size=200), count=st.integers(1, 250))
def test_a_body_is_cut_into_pieces_that_make_it_up(body: bytes, count: int) -> None:
    pieces = split_body(body, count)
    assert b"".join(pieces) == body
    assert len(pieces) <= count
    assert all(pieces)

"""Fault server: its script, connections, limits and counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.behaviours import Behaviour
from tests.support.http1 import Message
from tests.support.replies import Request
from tests.support.server import Admission, Counts, Dispatcher, Limits, ScriptedServer, Traffic, split_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.conftest import Client


def test_the_openai_package_understands_both_forms(server: ScriptedServer) -> None:
    server.queue(Behaviour.text("30 days", usage=(7, 2)), Behaviour.tool_calls(("look_up", {"id": 7})))
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "How long?"}])
        response = client.responses.create(model="m", input="How long?")
        echoed = client.responses.create(model="m", input="How long?")
    assert completion.choices[0].message.content == "30 days"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 9
    assert response.output[0].type == "function_call"
    assert (echoed.output_text, echoed.model) == ("How long?", "m")
    assert [request.path for request in server.requests] == ["/v1/chat/completions", *["/v1/responses"] * 2]


def test_the_openai_package_raises_its_errors(server: ScriptedServer) -> None:
    cases = [
        (Behaviour.rate_limited(), openai.RateLimitError),
        (Behaviour.unauthorized(), openai.AuthenticationError),
        (Behaviour.unauthorized(403), openai.PermissionDeniedError),
        (Behaviour.unknown_model(), openai.NotFoundError),
        (Behaviour.status(529), openai.InternalServerError),
        (Behaviour.torn(), openai.APIConnectionError),
        (Behaviour.reset(), openai.APIConnectionError),
    ]
    server.queue(*[behaviour for behaviour, _ in cases])

    async def ask_all() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
            for _, error in cases:
                with pytest.raises(error):
                    await client.chat.completions.create(model="m", messages=[])

    asyncio.run(ask_all())
    assert server.calls == len(cases)


def test_requests_are_kept_as_they_came(server: ScriptedServer, client: Client) -> None:
    client.ask(Authorization="Bearer k")
    client.ask("/other?x=1", b"plain", "PUT")
    first, second = server.requests
    assert (first.number, first.method, first.path, first.model) == (1, "POST", "/v1/chat/completions", "gpt-x-mini")
    assert first.headers["authorization"] == "Bearer k"
    assert (second.number, second.method, second.path, second.body) == (2, "PUT", "/other?x=1", "plain")
    assert first.at < second.at


def test_the_script_can_change_between_calls(server: ScriptedServer, client: Client) -> None:
    server.queue(Behaviour.text("queued"))
    server.script(Behaviour.text("scripted"))
    said = [client.ask().said, client.ask().said]
    server.answer_with(lambda request: Behaviour.text(f"for {request.model}"))
    assert [*said, client.ask().said] == ["queued", "scripted", "for gpt-x-mini"]


def test_many_threads_ask_at_once(server: ScriptedServer) -> None:
    def ask(number: int) -> bytes:
        with socket.create_connection(address_of(server), timeout=60) as sock:
            sock.sendall(b"POST /x HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\n%03d" % number)
            return b"".join(iter(lambda: sock.recv(4096), b""))[-3:]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(100, 200))) == [b"%03d" % number for number in range(100, 200)]
    assert server.counts == Counts(100, 0, server.peak_in_flight, 100)
    assert [request.number for request in server.requests] == list(range(1, 101))


def test_leaving_drops_every_connection_and_ends_the_thread() -> None:
    with ScriptedServer() as server:
        server.script(Behaviour.hang())
        address = address_of(server)
        idle, waiting = (socket.create_connection(address, timeout=60) for _ in range(2))
        waiting.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        while server.calls < 1:
            time.sleep(0.001)
        assert threads()
    with idle, waiting:
        assert (idle.recv(1), waiting.recv(1)) == (b"", b"")
    assert not threads()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


def test_no_connection_outlives_the_server_though_it_was_just_being_made() -> None:
    for _ in range(50):
        with ScriptedServer() as server:
            sock = socket.create_connection(address_of(server), timeout=60)
        with sock, contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""


def test_a_server_leaves_on_an_error_too() -> None:
    with pytest.raises(KeyError), ScriptedServer():
        raise KeyError
    assert not threads()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fault-server"]


def test_a_server_can_run_again(server: ScriptedServer) -> None:
    again = ScriptedServer()
    for _ in range(2):
        with again, socket.create_connection(address_of(again), timeout=60) as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
            assert again.base_url != server.base_url
    assert again.calls == 2


def test_a_server_that_does_not_run_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="use it in a with statement"):
        ScriptedServer().base_url  # noqa: B018 - the look-up is what is tried


def address_of(server: ScriptedServer) -> tuple[str, int]:
    host, _, port = server.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    return host, int(port)


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


def test_pipelined_requests_are_served_in_order(server: ScriptedServer) -> None:
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


def test_malformed_http_gets_400_and_a_close(server: ScriptedServer) -> None:
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


ASKED = Message("POST", "/v1/chat/completions", {"x": "1"}, b'{"messages": [{"role": "user", "content": "Hello?"}]}')


def dispatcher_of(limits: Limits | None = None) -> Dispatcher:
    return Dispatcher(Traffic(), limits or Limits())


def said(dispatcher: Dispatcher) -> str:
    exchange = dispatcher.begin(ASKED)
    dispatcher.end(exchange)
    text: str = json.loads(exchange.response().body)["choices"][0]["message"]["content"]
    return text


def test_it_echoes_until_a_script_is_set() -> None:
    assert said(dispatcher_of()) == "Hello?"


def test_the_queue_comes_before_the_script() -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = lambda _: Behaviour.text("usual")
    dispatcher.queue.extend([Behaviour.text("first"), Behaviour.text("second")])
    assert [said(dispatcher) for _ in range(3)] == ["first", "second", "usual"]


def test_a_script_sees_the_request() -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = lambda request: Behaviour.text(
        f"{request.number} {request.method} {request.path} {request.headers}"
    )
    assert [said(dispatcher), said(dispatcher)] == [
        f"{number} POST /v1/chat/completions {{'x': '1'}}" for number in (1, 2)
    ]


def _raise(_: Any) -> Any:
    raise KeyError("lost")


def _nothing(_: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (_raise, "raised KeyError: 'lost'"),
        (_nothing, "raised TypeError: it returned None, expected a Behaviour"),
        (lambda _: Behaviour(_raise), "raised KeyError: 'lost'"),
        (lambda _: Behaviour(_nothing), "raised TypeError: it returned None, expected a Response"),
    ],
)
def test_a_raising_script_is_reported_to_the_client(decide: Any, message: str) -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = decide
    response = dispatcher.begin(ASKED).response()
    assert response.status == 500
    assert json.loads(response.body)["error"]["message"] == f"the script of the fault server {message}"


def test_requests_above_the_limits_never_reach_the_script() -> None:
    dispatcher = dispatcher_of(Limits(capacity=1))
    dispatcher.queue.append(Behaviour.text("first"))
    admitted, refused = dispatcher.begin(ASKED), dispatcher.begin(ASKED)
    response = refused.response()
    assert (response.status, response.headers) == (429, {"Retry-After": "1"})
    assert json.loads(admitted.response().body)["choices"][0]["message"]["content"] == "first"
    dispatcher.end(refused)
    assert dispatcher.traffic.in_flight == 1
    dispatcher.end(admitted)
    assert said(dispatcher) == "Hello?"
    assert dispatcher.traffic.counts == Counts(calls=3, refused=1, peak_in_flight=1, connections=0)


def test_asking_for_the_counts_counts_as_nothing() -> None:
    dispatcher = dispatcher_of()
    said(dispatcher)
    first = dispatcher.traffic.first_at
    assert first is not None
    said(dispatcher)
    for method, path, calls, at in (
        ("GET", "/_stats", 2, first),
        ("POST", "/_reset", 0, None),
        ("GET", "/_stats", 0, None),
    ):
        exchange = dispatcher.begin(Message(method, path, {}, b""))
        dispatcher.end(exchange)
        told = json.loads(exchange.response().body)
        assert (told["calls"], told["first_at"]) == (calls, at)
    assert dispatcher.traffic.in_flight == 0


def test_without_limits_everything_is_taken_on() -> None:
    assert Admission(Limits()).admits(10**6, 0.0)


@pytest.mark.parametrize(("in_flight", "admitted"), [(0, True), (1, True), (2, False), (3, False)])
def test_no_more_than_the_capacity_is_worked_on(in_flight: int, *, admitted: bool) -> None:
    assert Admission(Limits(capacity=2)).admits(in_flight, 0.0) is admitted


def test_a_burst_is_admitted_and_then_the_rate_applies() -> None:
    admission = Admission(Limits(requests_per_second=10, burst=3))
    assert [admission.admits(0, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [admission.admits(0, 0.25) for _ in range(3)] == [True, True, False]
    assert [admission.admits(0, 0.375) for _ in range(2)] == [True, False]


def test_a_long_pause_fills_the_bucket_and_no_more() -> None:
    admission = Admission(Limits(requests_per_second=10, burst=2))
    assert admission.admits(0, 0.0)
    assert [admission.admits(0, 1000.0) for _ in range(3)] == [True, True, False]


def test_requests_above_the_capacity_cost_no_token() -> None:
    admission = Admission(Limits(capacity=1, requests_per_second=1, burst=1))
    assert not admission.admits(1, 0.0)
    assert admission.admits(0, 0.0)


REQUEST = Request(1, "POST", "/v1/x", {}, None, 0.0)


def busy(*, keeps_requests: bool = True) -> Traffic:
    """Two connections; three requests, of which one was refused, one is done and one is in flight."""
    traffic = Traffic(keeps_requests=keeps_requests)
    for _ in range(2):
        traffic.connected()
        traffic.arrived(REQUEST, admitted=True)
    traffic.arrived(REQUEST, admitted=False)
    traffic.ended()
    return traffic


def test_everything_is_counted() -> None:
    traffic = busy()
    assert traffic.counts == Counts(calls=3, refused=1, peak_in_flight=2, connections=2)
    assert (traffic.in_flight, traffic.requests) == (1, (REQUEST,) * 3)


def test_the_requests_need_not_be_kept() -> None:
    traffic = busy(keeps_requests=False)
    assert (traffic.counts.calls, traffic.requests) == (3, ())


def test_a_reset_keeps_only_requests_in_flight() -> None:
    traffic = busy()
    traffic.reset()
    assert traffic.counts == Counts(calls=0, refused=0, peak_in_flight=1, connections=0)
    assert (traffic.in_flight, traffic.requests) == (1, ())

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import openai
import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import Counts, ScriptedServer

if TYPE_CHECKING:
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


def test_the_openai_package_raises_what_it_should(server: ScriptedServer) -> None:
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

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import openai
import pytest

from pytest_evalgate.testing import Behaviour, Request, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-1", max_retries=0) as client:
        yield client


def chat(client: openai.OpenAI) -> str | None:
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "How long?"}])
    return reply.choices[0].message.content


def get(server: ScriptedServer, path: str = "/ask", body: bytes | None = None) -> tuple[str, str]:
    with urllib.request.urlopen(server.base_url + path, body, timeout=60) as response:  # noqa: S310 - loopback
        return response.headers["content-type"], response.read().decode()


def test_a_reply_may_name_another_model(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.script(Behaviour.text("30 days", model="m-mini"))
    completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "How long?"}])
    assert completion.model == client.responses.create(model="m", input="How long?").model == "m-mini"


def test_a_text_fits_the_path(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.script(Behaviour.text("30 days", usage=(7, 2)))
    completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "How long?"}])
    response = client.responses.create(model="m", input="How long?")
    assert completion.choices[0].message.content == response.output_text == "30 days"
    assert completion.model == response.model == "m"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (7, 9)
    assert response.usage is not None
    assert (response.usage.output_tokens, response.usage.total_tokens) == (2, 9)
    assert get(server) == ("text/plain; charset=utf-8", "30 days")


def test_it_replies_ok_until_a_script_is_set(server: ScriptedServer, client: openai.OpenAI) -> None:
    assert chat(client) == "ok"
    server.queue(Behaviour.text("first"), Behaviour.text("second"))
    server.script(Behaviour.text("usual"))
    assert [chat(client) for _ in range(4)] == ["first", "second", "usual", "usual"]


def test_any_json_value_is_a_reply(server: ScriptedServer) -> None:
    server.queue(Behaviour.reply({"answer": ["é"]}), Behaviour.reply("text"))
    assert get(server) == ("application/json", '{"answer": ["\\u00e9"]}')
    assert get(server) == ("application/json", '"text"')


def test_the_openai_package_raises_its_errors(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.queue(Behaviour.rate_limited(retry_after=0.5), Behaviour.rate_limited(None), Behaviour.status(500))
    with pytest.raises(openai.RateLimitError) as limited:
        chat(client)
    assert limited.value.response.headers["retry-after"] == "0.5"
    with pytest.raises(openai.RateLimitError) as limited:
        chat(client)
    assert "retry-after" not in limited.value.response.headers
    with pytest.raises(openai.InternalServerError, match="scripted error 500"):
        chat(client)


def test_the_openai_package_retries_after_a_429(server: ScriptedServer, client: openai.OpenAI) -> None:
    server.queue(Behaviour.rate_limited(retry_after=0))
    assert chat(client.with_options(max_retries=1)) == "ok"
    assert server.calls == 2


def test_bytes_are_sent_unchanged(server: ScriptedServer) -> None:
    server.script(Behaviour.status(200, b"\xff\x00", headers={"Content-Type": "text/x"}))
    with urllib.request.urlopen(server.base_url + "/ask", timeout=60) as response:  # noqa: S310 - loopback
        assert (response.headers["content-type"], response.read()) == ("text/x", b"\xff\x00")


def test_a_function_chooses_by_the_request(server: ScriptedServer) -> None:
    server.answer_with(lambda request: Behaviour.reply(request.path))
    server.queue(Behaviour.reply("first"))
    assert [get(server, path)[1] for path in ("/a", "/b")] == ['"first"', '"/v1/b"']


def test_a_status_with_a_body(server: ScriptedServer) -> None:
    server.script(Behaviour.status(503, "down", headers={"Content-Type": "text/x-note", "X-A": "1"}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server)
    with caught.value as response:
        assert (response.code, response.read()) == (503, b"down")
        assert (response.headers.get_all("content-type"), response.headers["x-a"]) == (["text/x-note"], "1")


def test_a_stream_is_refused(server: ScriptedServer, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support stream=True"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello?"}], stream=True)
    assert server.calls == 1


def test_latency(server: ScriptedServer) -> None:
    server.script(Behaviour.text("late", latency_s=0.05))
    start = time.monotonic()
    get(server)
    assert time.monotonic() - start >= 0.05


def test_requests_are_recorded(server: ScriptedServer, client: openai.OpenAI) -> None:
    chat(client)
    get(server, "/ask?x=1")
    get(server, "/ask", "é".encode())
    first, second, third = server.requests
    assert (first.method, first.path, first.body["model"]) == ("POST", "/v1/chat/completions", "m")
    assert first.headers["authorization"] == "Bearer sk-1"
    assert "sk-1" not in repr(first)
    assert (second.method, second.path, second.body) == ("GET", "/v1/ask?x=1", None)
    assert (third.body, server.calls) == ("é", 3)


def test_requests_of_many_threads_each_get_one_behaviour(server: ScriptedServer) -> None:
    server.queue(*[Behaviour.text(str(number)) for number in range(100)])
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: get(server)[1], range(100)))
    assert sorted(map(int, replies)) == list(range(100))
    assert server.calls == 100


def test_leaving_closes_every_connection_and_ends_the_threads() -> None:
    before = set(threading.enumerate())
    with ScriptedServer() as server:
        server.script(Behaviour.text("", latency_s=3600))
        address = (urlsplit(server.base_url).hostname, urlsplit(server.base_url).port)
        idle, waiting = (socket.create_connection(address, timeout=60) for _ in range(2))
        waiting.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        while server.calls < 1:
            time.sleep(0.001)
    assert set(threading.enumerate()) <= before
    with idle, waiting:
        assert (idle.recv(1), waiting.recv(1)) == (b"", b"")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


def test_a_client_that_closes_early_does_not_affect_others(
    server: ScriptedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.queue(Behaviour.text("x" * 10_000_000, latency_s=0.02))
    with socket.create_connection((urlsplit(server.base_url).hostname, urlsplit(server.base_url).port)) as leaving:
        leaving.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        while server.calls < 1:
            time.sleep(0.001)
    assert get(server)[1] == "ok"
    assert capfd.readouterr().err == ""


def test_a_server_can_run_again() -> None:
    again = ScriptedServer()
    for calls in (1, 2):
        with again:
            assert (get(again)[1], again.calls) == ("ok", calls)
    with pytest.raises(RuntimeError, match="use it in a with statement"):
        again.base_url  # noqa: B018 - the look-up is what is tried


def test_a_request_shows_no_header() -> None:
    assert "sk-1" not in repr(Request("POST", "/", {"authorization": "Bearer sk-1"}, None))

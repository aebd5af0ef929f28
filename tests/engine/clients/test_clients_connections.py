"""Connections on the wire: servers of a few lines each, which say byte by byte what they answer."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import shutil
import ssl
import subprocess
import zlib
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import SdkClient
from pytest_evalgate.engine.clients.reply import MAX_BYTES
from pytest_evalgate.engine.clients.transport import HttpTransport
from pytest_evalgate.engine.faults import CallFault, FaultFactory, HttpResponse
from pytest_evalgate.records.calls import Call
from pytest_evalgate.text.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from pytest_evalgate.records.calls import Reply

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Server:
    """Answers each request of a connection with the next of ``answers``; the last one is repeated."""

    def __init__(self, *answers: bytes, after: bytes = b"", hangs_up: bool = False) -> None:
        self.answers = list(answers)
        self.after = after
        self.hangs_up = hangs_up
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await self._answer(reader, writer):
            pass

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("content-length: ")]
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(lengths[0]) if lengths else 0))
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(self.after)
        return not self.hangs_up


@asynccontextmanager
async def _served(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve at the URL, and wait at the end until every connection is closed."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    for task in talks:
        task.cancel()
    await asyncio.gather(*talks)
    await asyncio.sleep(0)


def _ask(
    talk: Talk,
    *,
    times: int = 1,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    content: bytes | None = b"{}",
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> list[HttpResponse]:
    """Send the same request some times, one after the other."""

    async def ask() -> list[HttpResponse]:
        async with _served(talk, context) as url:
            place = url.replace("127.0.0.1", host)
            connections = HttpTransport(FaultFactory(place, secrets=(Secret("MY_KEY", "sk-canary-0123456789"),)))
            try:
                answers = []
                for _ in range(times):
                    answers.append(await connections.exchange(method, f"{place}/chat?a=b", headers or {}, content))
                    await asyncio.sleep(0.05)
                return answers
            finally:
                await connections.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


def _fault(talk: Talk, **how: object) -> CallFault:
    with pytest.raises(CallFault) as caught:
        _ask(talk, **how)  # type: ignore[arg-type]
    return caught.value


# --- what goes out --------------------------------------------------------------------------------------------------


def test_a_request_goes_out_with_its_host_path_headers_and_length() -> None:
    server = _Server(_OK)
    _ask(server.talk, headers={"x-mine": "1", "accept": "text/plain"}, content=b"body")
    request_line, *fields = server.heads[0].rstrip().split("\r\n")
    assert request_line == "POST /v1/chat?a=b HTTP/1.1"
    assert min(fields) == "accept-encoding: gzip, deflate"
    assert {"accept: text/plain", "x-mine: 1", "content-length: 4", "user-agent: pytest-evalgate"} <= set(fields)
    assert [field for field in fields if field.startswith("host: 127.0.0.1:")]
    assert server.bodies == [b"body"]


@pytest.mark.parametrize(("method", "said"), [("POST", True), ("GET", False)])
def test_only_a_method_that_takes_a_body_says_that_it_has_none(method: str, said: bool) -> None:  # noqa: FBT001 - a table
    server = _Server(_OK)
    _ask(server.talk, method=method, content=None)
    assert ("content-length: 0" in server.heads[0]) is said


@pytest.mark.parametrize("headers", [{"x-mine": "a\r\nx-other: b"}, {"x mine": "a"}, {"x-mine": "ä"}])
def test_a_header_that_http_cannot_say_is_refused_before_anything_is_sent(headers: dict[str, str]) -> None:
    server = _Server(_OK)
    fault = _fault(server.talk, headers=headers)
    assert fault.kind == "bad_request"
    assert server.heads == []


# --- what comes back ------------------------------------------------------------------------------------------------


def test_an_answer_is_read_with_its_status_and_headers_in_any_case() -> None:
    (answer,) = _ask(_Server(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 1\r\n\r\nx").talk)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "3", b"x")


def test_what_only_announces_an_answer_is_passed_over() -> None:
    (answer,) = _ask(_Server(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + _OK).talk)
    assert (answer.status, answer.body) == (200, b"ok")


def test_a_body_may_come_in_chunks_or_end_with_the_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert _ask(_Server(chunked).talk)[0].body == b"abcde"
    open_ended = _Server(b"HTTP/1.1 200 OK\r\n\r\nto the end", hangs_up=True)
    assert _ask(open_ended.talk, times=2)[1].body == b"to the end"
    assert open_ended.connections == 2


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_body_is_unpacked(name: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = _Server(head + body)
    assert [answer.body for answer in _ask(server.talk, times=2)] == [b'{"a": 1}'] * 2
    assert server.connections == 1


def test_a_body_that_unpacks_to_more_than_any_answer_is_not_read_to_its_end() -> None:
    body = gzip.compress(bytes(8 * MAX_BYTES), 1)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    (answer,) = _ask(_Server(head + body).talk)
    assert MAX_BYTES < len(answer.body) < 7 * MAX_BYTES


def test_an_endless_body_is_not_read_to_its_end() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    (answer,) = _ask(pour)
    assert MAX_BYTES < len(answer.body) < 2 * MAX_BYTES


def test_a_key_that_the_server_repeats_is_taken_out() -> None:
    body = b"you sent sk-canary-0123456789"
    (answer,) = _ask(_Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).talk)
    assert b"canary" not in answer.body


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection without a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "RemoteProtocolError"),
        (b"SMTP ready\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "RemoteProtocolError"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "DecodingError"),
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_connection(answer: bytes, said: str) -> None:
    fault = _fault(_Server(answer, hangs_up=True).talk)
    assert fault.kind == "connection"
    assert said in str(fault)


# --- connections are kept -------------------------------------------------------------------------------------------


def test_one_connection_carries_one_request_after_the_other() -> None:
    server = _Server(_OK)
    assert len(_ask(server.talk, times=5)) == 5
    assert server.connections == 1


def test_requests_at_a_time_have_connections_of_their_own() -> None:
    server = _Server(_OK)

    async def ask() -> None:
        async with _served(server.talk) as url:
            connections = HttpTransport(FaultFactory(url))
            for _ in range(2):
                await asyncio.gather(*[connections.exchange("POST", url, {}, b"{}") for _ in range(10)])
            await connections.close()

    asyncio.run(ask())
    assert server.connections == 10


@pytest.mark.parametrize(
    "server",
    [
        _Server(_OK, hangs_up=True),
        _Server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        _Server(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        _Server(_OK, after=b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nlate"),
        _Server(_OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"),
    ],
    ids=["hung up", "says close", "HTTP/1.0", "complains afterwards", "says too much"],
)
def test_a_connection_that_is_done_or_has_said_too_much_carries_nothing_more(server: _Server) -> None:
    answers = _ask(server.talk, times=3)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 3
    assert server.connections == 3


def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    asked = 0
    arrived = asyncio.Event()

    async def slow_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n{}")
        arrived.set()
        await asyncio.sleep(0.3 if asked == 1 else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % asked)

    async def ask() -> HttpResponse:
        async with _served(slow_once) as url:
            connections = HttpTransport(FaultFactory(url))
            abandoned = asyncio.ensure_future(connections.exchange("POST", url, {}, b"{}"))
            await arrived.wait()
            abandoned.cancel()
            with pytest.raises(asyncio.CancelledError):
                await abandoned
            answer = await connections.exchange("POST", url, {}, b"{}")
            await connections.close()
            return answer

    assert asyncio.run(ask()).body == b"2"


def test_a_run_that_ends_while_it_connects_leaves_no_socket_behind() -> None:
    async def ask(url: str, turns: int) -> None:
        connections = HttpTransport(FaultFactory(url))
        asking = [asyncio.ensure_future(connections.exchange("POST", url, {}, b"{}")) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await connections.close()

    async def ask_again_and_again() -> None:
        async with _served(_Server(_OK).talk) as url:
            for turns in range(1, 8):
                await ask(url.replace("127.0.0.1", "localhost"), turns)
                await ask(url, turns)

    asyncio.run(ask_again_and_again())
    gc.collect()  # a socket that nobody has closed is a warning, and warnings are errors


# --- TLS and proxies ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key, made by the command line of OpenSSL."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the command openssl")
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    alternative = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, *alternative, "-keyout", pem, "-out", pem.with_suffix(".crt")], check=True, capture_output=True
    )
    pem.write_bytes(pem.read_bytes() + pem.with_suffix(".crt").read_bytes())
    return pem


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_is_spoken_with_who_is_known(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = _Server(_OK)
    answers = _ask(server.talk, times=2, context=_tls(certificate), host="localhost")
    assert [answer.body for answer in answers] == [b"ok"] * 2
    assert server.connections == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["a stranger's", "another name"])
def test_tls_is_not_spoken_with_anybody_else(certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    if host != "localhost":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = _Server(_OK)
    fault = _fault(server.talk, context=_tls(certificate), host=host)
    assert fault.kind == "connection"
    assert "CERTIFICATE_VERIFY_FAILED" in str(fault)
    assert server.heads == []


def test_a_proxy_of_the_environment_is_gone_through_unless_the_host_is_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = _Server(_OK)

    async def ask(url: str) -> list[str]:
        async with _served(proxy.talk) as through:
            monkeypatch.setenv("http_proxy", through.removesuffix("/v1").replace("//", "//me:secret@"))
            connections = HttpTransport(FaultFactory(url))
            for _ in range(2):
                await connections.exchange("POST", url, {}, b"{}")
            await connections.close()
        return proxy.heads

    monkeypatch.setenv("no_proxy", "")
    heads = asyncio.run(ask("http://nowhere.invalid/v1"))
    assert [head.split("\r\n")[0] for head in heads] == ["POST http://nowhere.invalid/v1 HTTP/1.1"] * 2
    assert "proxy-authorization: basic bwu6c2vjcmv0" in heads[0].lower()
    assert proxy.connections == 1

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    direct = _Server(_OK)
    assert _ask(direct.talk)[0].body == b"ok"
    assert direct.heads[0].startswith("POST /v1/chat")


# --- the same under the SDK -----------------------------------------------------------------------------------------

_CHAT = json.dumps({"model": "m", "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}).encode()


def _ask_sdk(base_url: str, *, times: int = 1) -> list[Reply]:
    async def ask() -> list[Reply]:
        client = SdkClient(Model(model="m", base_url=base_url, api_key_env=""), None)
        try:
            return [
                await client.send(Call("chat", base_url, "m", {"model": "m", "messages": []})) for _ in range(times)
            ]
        finally:
            await client.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


def _through_sdk(server: _Server, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> list[Reply]:
    async def ask() -> list[Reply]:
        async with _served(server.talk, context) as url:
            return await asyncio.to_thread(_ask_sdk, url.replace("127.0.0.1", host), times=3)

    return asyncio.run(ask())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_the_sdk_keeps_connections_and_unpacks(pack: Callable[[bytes], bytes]) -> None:
    body = pack(_CHAT)
    coding = b"" if body == _CHAT else b"Content-Encoding: gzip\r\n"
    server = _Server(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (coding, len(body), body))
    assert [reply.value for reply in _through_sdk(server)] == ["hello"] * 3
    assert server.connections == 1
    assert server.heads[0].startswith("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:")


def test_the_sdk_speaks_tls_with_who_is_known_alone(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_CHAT), _CHAT)
    with pytest.raises(CallFault, match="CERTIFICATE_VERIFY_FAILED"):
        _through_sdk(_Server(answer), context=_tls(certificate), host="localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert len(_through_sdk(_Server(answer), context=_tls(certificate), host="localhost")) == 3


def test_the_sdk_goes_through_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = _Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_CHAT), _CHAT))

    async def ask() -> list[Reply]:
        async with _served(proxy.talk) as through:
            monkeypatch.setenv("http_proxy", through.removesuffix("/v1"))
            monkeypatch.setenv("no_proxy", "")
            return await asyncio.to_thread(_ask_sdk, "http://nowhere.invalid/v1", times=2)

    assert [reply.value for reply in asyncio.run(ask())] == ["hello"] * 2
    assert proxy.heads[0].startswith("POST http://nowhere.invalid/v1/chat/completions HTTP/1.1")


def test_what_the_sdk_cannot_read_is_a_fault_of_the_connection() -> None:
    with pytest.raises(CallFault, match="RemoteProtocolError") as caught:
        _through_sdk(_Server(b"SMTP ready\r\n\r\n", hangs_up=True))
    assert caught.value.kind == "connection"

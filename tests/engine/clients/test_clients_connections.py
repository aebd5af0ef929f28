"""Connections and transports, against servers of a few lines that send given bytes."""

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

_TOO_LONG = f"malformed reply: the body has more than {MAX_BYTES:,} bytes"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class _Server:
    """Sends the next of ``responses`` for each request; repeats the last one."""

    def __init__(self, *responses: bytes, after: bytes = b"", closes: bool = False) -> None:
        self.responses = list(responses)
        self.after = after
        self.closes = closes
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await self._respond(reader, writer):
            pass

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("content-length: ")]
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(lengths[0]) if lengths else 0))
        writer.write(self.responses.pop(0) if len(self.responses) > 1 else self.responses[0])
        await writer.drain()
        for _ in range(2):  # in a turn of the loop after the one in which the client reads the response
            await asyncio.sleep(0)
        writer.write(self.after)
        return not self.closes


@asynccontextmanager
async def _served(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve at the yielded URL; close every connection at the end."""
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
    """Send the same request ``times`` times, one after the other."""

    async def ask() -> list[HttpResponse]:
        async with _served(talk, context) as url:
            place = url.replace("127.0.0.1", host)
            transport = HttpTransport(FaultFactory(place, secrets=(Secret("MY_KEY", "sk-canary-0123456789"),)))
            try:
                responses = []
                for _ in range(times):
                    responses.append(await transport.exchange(method, f"{place}/chat?a=b", headers or {}, content))
                    await asyncio.sleep(0.05)
                return responses
            finally:
                await transport.close()

    return asyncio.run(asyncio.wait_for(ask(), 60))


def _fault(talk: Talk, **how: object) -> CallFault:
    with pytest.raises(CallFault) as caught:
        _ask(talk, **how)  # type: ignore[arg-type]
    return caught.value


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_has_its_host_path_headers_and_length() -> None:
    server = _Server(_OK)
    _ask(server.talk, headers={"x-mine": "1", "accept": "text/plain"}, content=b"body")
    request_line, *fields = server.heads[0].rstrip().split("\r\n")
    assert request_line == "POST /v1/chat?a=b HTTP/1.1"
    assert min(fields) == "accept-encoding: gzip, deflate"
    assert {"accept: text/plain", "x-mine: 1", "content-length: 4", "user-agent: pytest-evalgate"} <= set(fields)
    assert [field for field in fields if field.startswith("host: 127.0.0.1:")]
    assert server.bodies == [b"body"]


@pytest.mark.parametrize(("method", "has_length"), [("POST", True), ("GET", False)])
def test_a_missing_body_is_stated_only_by_methods_that_take_one(method: str, has_length: bool) -> None:  # noqa: FBT001 - a table
    server = _Server(_OK)
    _ask(server.talk, method=method, content=None)
    assert ("content-length: 0" in server.heads[0]) is has_length


@pytest.mark.parametrize("headers", [{"x-mine": "a\r\nx-other: b"}, {"x mine": "a"}, {"x-mine": "ä"}])
def test_an_invalid_header_is_rejected_before_anything_is_sent(headers: dict[str, str]) -> None:
    server = _Server(_OK)
    fault = _fault(server.talk, headers=headers)
    assert fault.kind == "bad_request"
    assert server.heads == []


# --- responses ------------------------------------------------------------------------------------------------------


def test_a_response_has_its_status_headers_and_body() -> None:
    (response,) = _ask(_Server(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 1\r\n\r\nx").talk)
    assert (response.status, response.headers["retry-after"], response.body) == (429, "3", b"x")


def test_informational_responses_are_skipped() -> None:
    (response,) = _ask(_Server(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + _OK).talk)
    assert (response.status, response.body) == (200, b"ok")


def test_a_body_may_be_chunked_or_end_with_the_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert _ask(_Server(chunked).talk)[0].body == b"abcde"
    open_ended = _Server(b"HTTP/1.1 200 OK\r\n\r\nto the end", closes=True)
    assert _ask(open_ended.talk, times=2)[1].body == b"to the end"
    assert open_ended.connections == 2


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_decompressed(name: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = _Server(head + body)
    assert [response.body for response in _ask(server.talk, times=2)] == [b'{"a": 1}'] * 2
    assert server.connections == 1


def test_a_decompression_bomb_is_not_read_to_its_end() -> None:
    body = gzip.compress(bytes(8 * MAX_BYTES), 1)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert str(_fault(_Server(head + body).talk)).startswith(_TOO_LONG)


def test_an_endless_body_is_not_read_to_its_end() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    assert str(_fault(pour)).startswith(_TOO_LONG)


def test_a_key_that_the_server_repeats_is_redacted() -> None:
    body = b"you sent sk-canary-0123456789"
    (response,) = _ask(_Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).talk)
    assert b"canary" not in response.body


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"", "closed the connection without a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "RemoteProtocolError"),
        (b"SMTP ready\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, "RemoteProtocolError"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "DecodingError"),
    ],
)
def test_an_invalid_response_is_a_fault(response: bytes, error: str) -> None:
    fault = _fault(_Server(response, closes=True).talk)
    assert fault.kind == "connection"
    assert error in str(fault)


# --- connections that are kept --------------------------------------------------------------------------------------


def test_one_connection_carries_many_requests() -> None:
    server = _Server(_OK)
    assert len(_ask(server.talk, times=5)) == 5
    assert server.connections == 1


def test_simultaneous_requests_have_separate_connections() -> None:
    server = _Server(_OK)

    async def ask() -> None:
        async with _served(server.talk) as url:
            transport = HttpTransport(FaultFactory(url))
            for _ in range(2):
                await asyncio.gather(*[transport.exchange("POST", url, {}, b"{}") for _ in range(10)])
            await transport.close()

    asyncio.run(ask())
    assert server.connections == 10


@pytest.mark.parametrize(
    "server",
    [
        _Server(_OK, closes=True),
        _Server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        _Server(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        _Server(_OK, after=b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nlate"),
        _Server(_OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"),
    ],
    ids=["closed", "Connection: close", "HTTP/1.0", "late 408", "trailing response"],
)
def test_a_connection_that_is_closed_or_has_unexpected_bytes_is_not_used_again(server: _Server) -> None:
    responses = _ask(server.talk, times=3)
    assert [(response.status, response.body) for response in responses] == [(200, b"ok")] * 3
    assert server.connections == 3


def test_a_cancelled_request_closes_its_connection() -> None:
    requests = 0
    arrived = asyncio.Event()

    async def slow_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        await reader.readuntil(b"\r\n\r\n{}")
        arrived.set()
        await asyncio.sleep(0.3 if requests == 1 else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % requests)

    async def ask() -> HttpResponse:
        async with _served(slow_once) as url:
            transport = HttpTransport(FaultFactory(url))
            abandoned = asyncio.ensure_future(transport.exchange("POST", url, {}, b"{}"))
            await arrived.wait()
            abandoned.cancel()
            with pytest.raises(asyncio.CancelledError):
                await abandoned
            response = await transport.exchange("POST", url, {}, b"{}")
            await transport.close()
            return response

    assert asyncio.run(ask()).body == b"2"


def test_cancelling_while_connecting_leaks_no_socket() -> None:
    async def ask(url: str, turns: int) -> None:
        transport = HttpTransport(FaultFactory(url))
        asking = [asyncio.ensure_future(transport.exchange("POST", url, {}, b"{}")) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await transport.close()

    async def ask_again_and_again() -> None:
        async with _served(_Server(_OK).talk) as url:
            for turns in range(1, 8):
                await ask(url.replace("127.0.0.1", "localhost"), turns)
                await ask(url, turns)

    asyncio.run(ask_again_and_again())
    gc.collect()  # an unclosed socket is a ResourceWarning, and warnings are errors


# --- TLS and proxies ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a certificate for localhost with its key, with OpenSSL."""
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


def test_tls_accepts_a_trusted_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = _Server(_OK)
    responses = _ask(server.talk, times=2, context=_tls(certificate), host="localhost")
    assert [response.body for response in responses] == [b"ok"] * 2
    assert server.connections == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["untrusted", "another name"])
def test_tls_rejects_an_untrusted_certificate_and_another_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    if host != "localhost":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = _Server(_OK)
    fault = _fault(server.talk, context=_tls(certificate), host=host)
    assert fault.kind == "certificate"
    assert "CERTIFICATE_VERIFY_FAILED" in str(fault)
    assert server.heads == []


def test_a_proxy_of_the_environment_is_used_unless_the_host_is_excluded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = _Server(_OK)

    async def ask(url: str) -> list[str]:
        async with _served(proxy.talk) as through:
            monkeypatch.setenv("http_proxy", through.removesuffix("/v1").replace("//", "//me:secret@"))
            transport = HttpTransport(FaultFactory(url))
            for _ in range(2):
                await transport.exchange("POST", url, {}, b"{}")
            await transport.close()
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


# --- with the SDK ---------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_sdk_keeps_connections_and_decompresses(pack: Callable[[bytes], bytes]) -> None:
    body = pack(_CHAT)
    coding = b"" if body == _CHAT else b"Content-Encoding: gzip\r\n"
    server = _Server(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (coding, len(body), body))
    assert [reply.value for reply in _through_sdk(server)] == ["hello"] * 3
    assert server.connections == 1
    assert server.heads[0].startswith("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:")


def test_the_sdk_accepts_only_a_trusted_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_CHAT), _CHAT)
    with pytest.raises(CallFault, match="CERTIFICATE_VERIFY_FAILED"):
        _through_sdk(_Server(response), context=_tls(certificate), host="localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert len(_through_sdk(_Server(response), context=_tls(certificate), host="localhost")) == 3


def test_the_sdk_uses_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = _Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_CHAT), _CHAT))

    async def ask() -> list[Reply]:
        async with _served(proxy.talk) as through:
            monkeypatch.setenv("http_proxy", through.removesuffix("/v1"))
            monkeypatch.setenv("no_proxy", "")
            return await asyncio.to_thread(_ask_sdk, "http://nowhere.invalid/v1", times=2)

    assert [reply.value for reply in asyncio.run(ask())] == ["hello"] * 2
    assert proxy.heads[0].startswith("POST http://nowhere.invalid/v1/chat/completions HTTP/1.1")


def test_with_the_sdk_an_invalid_response_is_a_fault() -> None:
    with pytest.raises(CallFault, match="RemoteProtocolError") as caught:
        _through_sdk(_Server(b"SMTP ready\r\n\r\n", closes=True))
    assert caught.value.kind == "connection"

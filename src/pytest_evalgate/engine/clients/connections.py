"""HTTP/1.1 connections to one host: a pool, connections with h11 over asyncio, and the SDK's transport on top.

They take 0.2 ms of CPU per request. httpx 0.28 takes 0.7 ms in pools of 2 connections and 5 to 8 ms in one of 64: its
pool scans all connections for each request, and anyio yields to the event loop for each lock.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import h11

from pytest_evalgate.engine.clients.reply import MAX_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping

# Time for which an idle connection is kept.
KEEP_ALIVE_S: Final = 120.0

_MAX_HEADER_BYTES: Final = 100 * 1024
_MAX_READ_BYTES: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class Url(Protocol):
    """A URL, of httpx or of httpx2."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    @property
    def raw_host(self) -> bytes:
        """The host."""

    @property
    def port(self) -> int | None:
        """The port, unless it is the usual one."""

    @property
    def netloc(self) -> bytes:
        """Host and port."""

    @property
    def raw_path(self) -> bytes:
        """Path and query."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; names in ``headers`` are in lower case, ``content`` is None if there is no body."""

    method: str
    url: Url
    headers: Mapping[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Response:
    """A response, with its body as sent: possibly compressed, and incomplete if it exceeds `MAX_BYTES`."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class HttpConnection(Protocol):
    """One connection."""

    @property
    def is_open(self) -> bool:
        """Whether the connection may carry another request."""

    async def exchange(self, request: Request) -> Response:
        """Send one request and read the response.

        Raises:
            h11.ProtocolError: one side violates HTTP/1.1.
            OSError: the connection is lost.
            Exception: the equivalents of an HTTP library.
        """

    async def close(self) -> None:
        """Close the connection."""


class ConnectionPool:
    """Connections to one host, one for each simultaneous request."""

    def __init__(self, connect: Callable[[Request], Awaitable[HttpConnection]]) -> None:
        """Call ``connect`` if all connections are busy."""
        self._connect = connect
        self._free: list[HttpConnection] = []

    async def exchange(self, request: Request) -> Response:
        """Send one request and read the response; raises like `HttpConnection.exchange` and ``connect``."""
        connection = await self._acquire(request)
        try:
            return await connection.exchange(request)
        finally:
            if connection.is_open:
                self._free.append(connection)
            else:
                await connection.close()

    async def close(self) -> None:
        """Close the idle connections."""
        for connection in self._free:
            await connection.close()

    async def _acquire(self, request: Request) -> HttpConnection:
        while self._free:
            if (connection := self._free.pop()).is_open:
                return connection
            await connection.close()
        return await self._connect(request)


class DirectConnection:
    """Connection without a proxy: h11 over a `TcpConnection`."""

    def __init__(self, tcp: TcpConnection) -> None:
        """Send requests over ``tcp``."""
        self._tcp = tcp
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        self._used = time.monotonic()

    @classmethod
    async def connect(cls, url: Url, context: ssl.SSLContext | None) -> DirectConnection:
        """Connect to the host of ``url``; see `TcpConnection.connect`."""
        return cls(await TcpConnection.connect(url.raw_host.decode(), url.port or _PORTS[url.scheme], context))

    @property
    def is_open(self) -> bool:
        """Whether it may carry another request: not if the server has closed it, or sent data without a request."""
        idle = self._state.our_state is h11.IDLE and self._tcp.is_idle
        return idle and time.monotonic() - self._used < KEEP_ALIVE_S

    async def exchange(self, request: Request) -> Response:
        """Send one request and read the response; the connection stays open only if the response is complete."""
        self._tcp.send(b"".join(self._state.send(event) or b"" for event in _events(request)))
        while isinstance(head := await self._next(), h11.InformationalResponse):
            pass  # 1xx: the final response follows
        if not isinstance(head, h11.Response):
            raise ConnectionResetError("the server closed the connection without a response")
        body = bytearray()
        while len(body) <= MAX_BYTES and isinstance(event := await self._next(), h11.Data):
            body += event.data
        is_complete = self._state.our_state is h11.DONE and self._state.their_state is h11.DONE
        if is_complete and not self._state.trailing_data[0]:  # bytes after the response could be a forged next one
            self._state.start_next_cycle()
            self._used = time.monotonic()
        return Response(head.status_code, head.headers.raw_items(), bytes(body))

    async def close(self) -> None:
        """Close the connection."""
        self._tcp.close()

    async def _next(self) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._tcp.read()
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                return h11.ConnectionClosed()  # h11 would raise an error without a useful message
            self._state.receive_data(data)
        return event


def _events(request: Request) -> Iterator[h11.Event]:
    headers = {"host": request.url.netloc.decode(), **request.headers}
    if request.content is not None:
        headers["content-length"] = str(len(request.content))
    elif request.method in {"POST", "PUT", "PATCH"}:  # RFC 9110, 8.6: such a method states that there is no body
        headers["content-length"] = "0"
    yield h11.Request(method=request.method, target=request.url.raw_path, headers=list(headers.items()))
    if request.content is not None:
        yield h11.Data(data=request.content)
    yield h11.EndOfMessage()


class TcpConnection(asyncio.Protocol):
    """TCP connection. It has no timeouts: `RetryingClient` sets them.

    Example::

        tcp = await TcpConnection.connect("127.0.0.1", 8000, None)
        tcp.send(request)
        data = await tcp.read()
    """

    def __init__(self) -> None:
        """Start without a transport."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, host: str, port: int, context: ssl.SSLContext | None) -> TcpConnection:
        """Connect to ``port`` of ``host``, with TLS if there is a ``context``.

        Raises:
            OSError: the host does not accept the connection, or its certificate is invalid.
        """
        # one address after the other: asyncio's race between them leaks sockets if a run ends meanwhile (3.11)
        loop, name = asyncio.get_running_loop(), host if context else None
        _, connection = await loop.create_connection(cls, host, port, ssl=context, server_hostname=name)
        return connection

    @property
    def is_idle(self) -> bool:
        """Whether nothing has arrived and the server has not closed. asyncio reads ahead: this is no system call."""
        return not self._buffer and not self._ended

    def send(self, data: bytes) -> None:
        """Queue ``data`` for sending; a lost connection is raised by `read`."""
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end.

        Raises:
            OSError: the connection is lost.
        """
        while self.is_idle:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self._buffer and self._error is not None:
            raise self._error
        data = bytes(self._buffer[:_MAX_READ_BYTES])
        del self._buffer[:_MAX_READ_BYTES]
        return data

    def close(self) -> None:
        """Close at once, without waiting for a TLS shutdown."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Add ``data`` to the buffer."""
        self._buffer += data
        self._wake()

    def eof_received(self) -> None:
        """Mark the end, and let asyncio close: HTTP/1.1 has no use for a half-open connection."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the end, and store the error, if any."""
        self._ended, self._error = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class SdkTransport:
    """Transport for the SDK's HTTP library, in place of its connection pool, which takes half the time of a call.

    The SDK uses httpx, from its version 3 on httpx2; the caller passes the module.
    """

    def __init__(self, library: Any, context: ssl.SSLContext | None) -> None:
        """Return responses and raise errors of ``library``; use TLS if there is a ``context``."""
        self._library = library
        self._context = context
        self._pool = ConnectionPool(self._connect)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of the library and return its response, fully read."""
        content = await request.aread()
        try:
            response = await self._pool.exchange(Request(request.method, request.url, request.headers, content))
        except h11.ProtocolError as error:
            raise self._library.RemoteProtocolError(str(error)) from error
        except OSError as error:
            raise self._library.ReadError(str(error)) from error
        return self._library.Response(
            response.status, headers=response.headers, content=response.body, request=request
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _connect(self, request: Request) -> DirectConnection:
        try:
            return await DirectConnection.connect(request.url, self._context)
        except OSError as error:
            raise self._library.ConnectError(str(error)) from error


async def read_bounded(chunks: AsyncIterable[bytes]) -> bytes:
    """Return a body, or its start if it exceeds `MAX_BYTES`."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            break
    return bytes(body)


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; None if there is none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"

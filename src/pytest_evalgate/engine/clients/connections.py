"""Connections to one host, with the words for what goes wrong on them."""

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


_MAX_READ_BYTES: Final = 64 * 1024


class TcpConnection(asyncio.Protocol):
    """Sends bytes and reads what arrives. Nothing here has a time limit: whoever asks has one.

    Example::

        stream = await Stream.connect("127.0.0.1", 8000, None)
        stream.send(request)
        some = await stream.read()
    """

    def __init__(self) -> None:
        """Wait to be connected."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, host: str, port: int, context: ssl.SSLContext | None) -> TcpConnection:
        """Return a stream to ``port`` of ``host``, with TLS where there is a ``context``.

        Raises:
            OSError: nobody is there, or not who it should be.

        """
        # one address after the other: asyncio's race between them loses sockets where a run ends meanwhile (3.11)
        loop, name = asyncio.get_running_loop(), host if context else None
        _, stream = await loop.create_connection(cls, host, port, ssl=context, server_hostname=name)
        return stream

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing has arrived, and nobody has hung up: asyncio reads ahead, so no system call asks."""
        return not self._buffer and not self._ended

    def send(self, data: bytes) -> None:
        """Send ``data``, behind what is still being sent; a lost connection shows when the answer is read."""
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """Return what has arrived, at least a byte; nothing at the end.

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
        found = bytes(self._buffer[:_MAX_READ_BYTES])
        del self._buffer[:_MAX_READ_BYTES]
        return found

    def close(self) -> None:
        """Hang up at once: nobody waits for the other side's farewell."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what has arrived."""
        self._buffer += data
        self._wake()

    def eof_received(self) -> None:
        """End, and let asyncio close: HTTP/1.1 has no use for half a connection."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with or without an error."""
        self._ended, self._error = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


KEEP_ALIVE_S: Final = 120.0
"""How long a connection is kept that nobody uses."""

_MAX_HEADER_BYTES: Final = 100 * 1024
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
        """The port, if it is not the usual one."""

    @property
    def netloc(self) -> bytes:
        """The host with the port, as it stands in the header."""

    @property
    def raw_path(self) -> bytes:
        """The path with the query."""


@dataclass(frozen=True, slots=True)
class Request:
    """What goes out; names in ``headers`` are in lower case, and ``content`` is None where there is no body."""

    method: str
    url: Url
    headers: Mapping[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; a body that is longer than any answer was not read to its end, and may be packed."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class HttpConnection(Protocol):
    """One connection."""

    @property
    def is_open(self) -> bool:
        """Tell whether it may carry another request."""

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response.

        Raises:
            h11.ProtocolError: a side does not speak HTTP/1.1,
            OSError: the connection is lost,
            Exception: or the same in the words of a library.

        """

    async def close(self) -> None:
        """Hang up."""


class DirectConnection:
    """A wire that leads straight to the endpoint: h11 over a `TcpConnection`.

    It takes 0.2 ms of CPU a request. httpx takes 0.7 in pools of 2 connections and 5 to 8 in one of 64: a pool looks
    through all of its connections for each request, and anyio goes around the event loop for each lock (httpx 0.28).
    """

    def __init__(self, stream: TcpConnection) -> None:
        """Carry requests on ``stream``."""
        self._tcp = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        self._used = time.monotonic()

    @classmethod
    async def connect(cls, url: Url, context: ssl.SSLContext | None) -> DirectConnection:
        """Return a wire to the host of ``url``, with TLS where there is a ``context``.

        Raises:
            OSError: nobody is there, or not who it should be.

        """
        return cls(await TcpConnection.connect(url.raw_host.decode(), url.port or _PORTS[url.scheme], context))

    @property
    def is_open(self) -> bool:
        """Tell whether it may carry another request: a server that hung up, or complained, meanwhile is left alone."""
        idle = self._state.our_state is h11.IDLE and self._tcp.is_idle
        return idle and time.monotonic() - self._used < KEEP_ALIVE_S

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; see `HttpConnection`. Where that breaks off, the wire is closed."""
        self._tcp.send(b"".join(self._state.send(event) or b"" for event in _events(request)))
        head = await self._head()
        body = await self._body()
        self._make_ready()
        return Response(head.status_code, head.headers.raw_items(), body)

    async def close(self) -> None:
        """Hang up."""
        self._tcp.close()

    def _make_ready(self) -> None:
        """Make ready for another request, unless a side wants to hang up or the server has said too much."""
        whole = self._state.our_state is h11.DONE and self._state.their_state is h11.DONE
        if whole and not self._state.trailing_data[0]:
            self._state.start_next_cycle()
            self._used = time.monotonic()

    async def _head(self) -> h11.Response:
        while isinstance(event := await self._next(), h11.InformationalResponse):
            pass  # the response proper is still to come
        if not isinstance(event, h11.Response):
            raise ConnectionResetError("the server has hung up without an answer")
        return event

    async def _body(self) -> bytes:
        body = bytearray()
        while len(body) <= MAX_BYTES and isinstance(event := await self._next(), h11.Data):
            body += event.data
        return bytes(body)

    async def _next(self) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._tcp.read()
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                return h11.ConnectionClosed()  # h11 would say that it cannot handle this
            self._state.receive_data(data)
        return event


def _events(request: Request) -> Iterator[h11.Event]:
    length = _length_of(request)
    headers = {"host": request.url.netloc.decode(), **request.headers, **length}
    target = request.url.raw_path
    yield h11.Request(method=request.method, target=target, headers=list(headers.items()))
    if request.content is not None:
        yield h11.Data(data=request.content)
    yield h11.EndOfMessage()


def _length_of(request: Request) -> Mapping[str, str]:
    """Return the header that says how long the body is; a method that takes one says so of none as well."""
    if request.content is None:
        return {"content-length": "0"} if request.method in {"POST", "PUT", "PATCH"} else {}
    return {"content-length": str(len(request.content))}


async def read_bounded(chunks: AsyncIterable[bytes]) -> bytes:
    """Return all of a body, or a little more of it than any answer holds."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            break
    return bytes(body)


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL; None for none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return named if "://" in named else f"http://{named}"


class ConnectionPool:
    """The wires to one host, as many as there are requests at a time."""

    def __init__(self, connect: Callable[[Request], Awaitable[HttpConnection]]) -> None:
        """Connect by ``connect`` when all are busy."""
        self._connect = connect
        self._free: list[HttpConnection] = []

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; raises as `HttpConnection.exchange`, and as ``connect``."""
        wire = await self._acquire(request)
        try:
            return await wire.exchange(request)
        finally:
            await self._release(wire)

    async def close(self) -> None:
        """Hang up."""
        for wire in self._free:
            await wire.close()

    async def _acquire(self, request: Request) -> HttpConnection:
        while self._free:
            if (wire := self._free.pop()).is_open:
                return wire
            await wire.close()
        return await self._connect(request)

    async def _release(self, wire: HttpConnection) -> None:
        """Keep ``wire`` where it may carry another request."""
        if wire.is_open:
            self._free.append(wire)
        else:
            await wire.close()


class SdkTransport:
    """Takes the place of the connection pool under the SDK, which costs half of each of its calls.

    The SDK stands on httpx or, from its version 3 on, on httpx2: which one, only whoever makes this has to know.
    """

    def __init__(self, library: Any, context: ssl.SSLContext | None) -> None:
        """Answer with responses and errors of ``library``; speak TLS where there is a ``context``."""
        self._library = library
        self._context = context
        self._pool = ConnectionPool(self._connect)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of the library's, and return its response, read as a whole; errors are its own as well."""
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

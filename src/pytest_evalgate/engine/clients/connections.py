"""HTTP/1.1 connections to one host: a pool, connections with h11 over asyncio, and the SDK's transport on top.

``benchmarks/transports.py`` compares them with libraries. httpx in small pools takes 1.1 to 1.9 times their CPU time,
because its pool scans all connections for each request. aiohttp 3.14 takes as much CPU time, but reads from idle
connections: it returns bytes that arrive between two requests as the next response, and stores any number of them
(8 MB of empty responses took 366 MB).

Everything that a server sends is bounded:

=================== ===============================================================================================
head and trailers   100 KiB, by h11
interim responses   100 per request
body                16 MiB, as sent and decompressed; only 2 at a time of one host may exceed 256 KiB
unread bytes        64 KiB per connection, then reading pauses
idle connection     none: it is closed by the first byte that arrives
=================== ===============================================================================================
"""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
import zlib
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import urlsplit

import h11

from pytest_evalgate.engine.clients.heads import read_usual_head, request_bytes
from pytest_evalgate.engine.clients.reply import MAX_BYTES
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Mapping

# Time for which an idle connection is kept.
KEEP_ALIVE_S: Final = 120.0

_MAX_HEADER_BYTES: Final = 100 * 1024
_MAX_UNREAD_BYTES: Final = 64 * 1024
_MAX_INTERIM: Final = 100
_SMALL_BYTES: Final = 256 * 1024
_MAX_LARGE: Final = 2
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
    """A response, with its body decompressed."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class BodyReader:
    """Reader of the bodies that one host sends: decompresses them, and bounds their memory.

    Bodies above 256 KiB are read two at a time, so that 32 calls at a time hold 40 MiB, not 512.
    """

    def __init__(self) -> None:
        """Create the reader of one host."""
        self._large = asyncio.Semaphore(_MAX_LARGE)

    async def read(self, next_chunk: Callable[[], Awaitable[bytes]], codings: str) -> bytes:
        """Return the body; ``next_chunk`` returns no bytes at its end, ``codings`` is its ``content-encoding``.

        Raises:
            BodyTooLongError: it exceeds `MAX_BYTES`, as sent or decompressed.
            DecodingError: its encoding differs from the header, or no request accepts it.
        """
        decoder = _decoder_of(codings)
        body, received, is_large = bytearray(), 0, False
        try:
            while chunk := await next_chunk():
                received += len(chunk)
                for part in decoder.decode(chunk):
                    body += part
                    if len(body) > _SMALL_BYTES and not is_large:
                        await self._large.acquire()
                        is_large = True
                    if max(len(body), received) > MAX_BYTES:  # the compressed body may be the longer one
                        body.clear()  # the traceback would keep it in memory
                        raise BodyTooLongError(f"the body has more than {MAX_BYTES:,} bytes")
                if received > MAX_BYTES:
                    raise BodyTooLongError(f"the body has more than {MAX_BYTES:,} bytes")
            decoder.finish()
            return bytes(body)
        finally:
            if is_large:
                self._large.release()


class BodyTooLongError(Exception):
    """A body that exceeds `MAX_BYTES`."""


class DecodingError(Exception):
    """A body that cannot be decompressed."""


class _Plain:
    """Decoder of a body that is not compressed."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Accept any end."""


class _Inflating:
    """Decoder of gzip and deflate, in parts of 64 KiB, since 16 KiB can become 16 MiB."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self._has_begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            yield self._first(data)
            while rest := self._zlib.unconsumed_tail:
                yield self._zlib.decompress(rest, _MAX_UNREAD_BYTES)
        except zlib.error as error:
            raise DecodingError(str(error)) from None
        if self._zlib.unused_data:
            raise DecodingError("the compressed body is followed by other bytes")

    def finish(self) -> None:
        if self._has_begun and not self._zlib.eof:
            raise DecodingError("the compressed body is incomplete")

    def _first(self, data: bytes) -> bytes:
        begun, self._has_begun = self._has_begun, True
        try:
            return self._zlib.decompress(data, _MAX_UNREAD_BYTES)
        except zlib.error:
            if begun:
                raise
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers send deflate without the header of zlib
            return self._zlib.decompress(data, _MAX_UNREAD_BYTES)


_WBITS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

ACCEPTED_CODINGS: Final = "gzip, deflate"
"""Value of the header ``accept-encoding``."""


def _decoder_of(codings: str) -> _Plain | _Inflating:
    names = [name for name in codings.lower().replace(" ", "").split(",") if name not in {"", "identity"}]
    if not names:
        return _Plain()
    if len(names) > 1 or names[0] not in _WBITS:
        raise DecodingError(f"content-encoding {codings[:40]!r} was not requested: {ACCEPTED_CODINGS} are accepted")
    return _Inflating(_WBITS[names[0]])


class HttpConnection(Protocol):
    """One connection."""

    @property
    def is_open(self) -> bool:
        """Whether the connection may carry another request."""

    async def exchange(self, request: Request, bodies: BodyReader) -> Response:
        """Send one request and read the response.

        Raises:
            h11.ProtocolError: one side violates HTTP/1.1.
            BodyTooLongError: the body exceeds `MAX_BYTES`.
            DecodingError: the body cannot be decompressed.
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
        self._bodies = BodyReader()

    async def exchange(self, request: Request) -> Response:
        """Send one request and read the response; raises like `HttpConnection.exchange` and ``connect``."""
        connection = await self._acquire(request)
        try:
            return await connection.exchange(request, self._bodies)
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
    """Connection without a proxy, over a `TcpConnection`. h11 reads the responses that are not of the usual form."""

    def __init__(self, tcp: TcpConnection) -> None:
        """Send requests over ``tcp``."""
        self._tcp = tcp
        self._is_complete = True
        self._used = time.monotonic()

    @classmethod
    async def connect(cls, url: Url, context: ssl.SSLContext | None) -> DirectConnection:
        """Connect to the host of ``url``; see `TcpConnection.connect`."""
        return cls(await TcpConnection.connect(url.raw_host.decode(), url.port or _PORTS[url.scheme], context))

    @property
    def is_open(self) -> bool:
        """Whether it may carry another request: not if the server has closed it, or sent data without a request."""
        return self._is_complete and self._tcp.is_idle and time.monotonic() - self._used < KEEP_ALIVE_S

    async def exchange(self, request: Request, bodies: BodyReader) -> Response:
        """Send one request and read the response; the connection stays open only if the response is complete."""
        headers = {"host": request.url.netloc.decode(), **request.headers}
        to_send = request_bytes(request.method, request.url.raw_path, headers, request.content)
        self._is_complete = False
        self._tcp.begin(to_send)
        data = await self._tcp.read()
        head = None if request.method == "HEAD" else read_usual_head(data, _MAX_HEADER_BYTES)
        received: _UsualBody | _H11Response
        if head is None:
            received = unusual = _H11Response(self._tcp, request.method, data)
            status, fields = await unusual.head()
        else:
            received = _UsualBody(self._tcp, data[head.size :], head.length)
            status, fields = head.status, head.headers
        codings = b",".join(value for name, value in fields if name.lower() == b"content-encoding")
        body = await bodies.read(received.next_chunk, codings.decode("latin-1"))
        if received.is_complete:
            self._is_complete = True
            self._tcp.end()
            self._used = time.monotonic()
        return Response(status, fields, body)

    async def close(self) -> None:
        """Close the connection."""
        self._tcp.close()


class _UsualBody:
    """Body of a response of the usual form: ``length`` bytes, of which ``data`` has arrived."""

    def __init__(self, tcp: TcpConnection, data: bytes, length: int) -> None:
        self._tcp = tcp
        self._data = data
        self._missing = length

    @property
    def is_complete(self) -> bool:
        """Whether the body has ended, without bytes after it: they could be a forged next response."""
        return self._missing == 0 and not self._data

    async def next_chunk(self) -> bytes:
        if self._missing and not self._data:
            self._data = await self._tcp.read()
            if not self._data:
                raise h11.RemoteProtocolError(
                    f"the connection was closed {self._missing:,} bytes before the body's end"
                )
        chunk, self._data = self._data[: self._missing], self._data[self._missing :]
        self._missing -= len(chunk)
        return chunk


class _H11Response:
    """Response to a request with ``method`` that h11 reads; ``data`` has arrived."""

    def __init__(self, tcp: TcpConnection, method: str, data: bytes) -> None:
        self._tcp = tcp
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        # the framing of a response depends on the method alone; the request itself has been sent
        self._state.send(h11.Request(method=method, target="/", headers=[("host", "")]))
        self._state.send(h11.EndOfMessage())
        self._is_closed = False
        self._receive(data)

    @property
    def is_complete(self) -> bool:
        """Whether the response has ended, without bytes after it, and leaves the connection open."""
        states = self._state.our_state, self._state.their_state
        return states == (h11.DONE, h11.DONE) and not self._state.trailing_data[0]

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Return the status and the fields of the final response, which follows those with 1xx."""
        interim = 0
        while isinstance(head := await self._next(), h11.InformationalResponse):
            if (interim := interim + 1) > _MAX_INTERIM:
                raise h11.RemoteProtocolError(f"more than {_MAX_INTERIM} interim responses")
        if not isinstance(head, h11.Response):
            raise ConnectionResetError("the server closed the connection without a response")
        return head.status_code, head.headers.raw_items()

    async def next_chunk(self) -> bytes:
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def _next(self) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA and not self._is_closed:
            self._receive(await self._tcp.read())
        return h11.ConnectionClosed() if self._is_closed else event

    def _receive(self, data: bytes) -> None:
        # h11 would raise an error without a useful message
        self._is_closed = not data and self._state.their_state is h11.SEND_RESPONSE
        if not self._is_closed:
            self._state.receive_data(data)


class TcpConnection(asyncio.Protocol):
    """TCP connection. It has no timeouts: `RetryingClient` sets them.

    Bytes that arrive between `end` and `begin` were not requested, and close the connection.

    Example::

        tcp = await TcpConnection.connect("127.0.0.1", 8000, None)
        tcp.begin(request)
        data = await tcp.read()
        tcp.end()
    """

    def __init__(self) -> None:
        """Start without a transport."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._is_busy = False
        self._is_paused = False
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
        try:
            _, connection = await loop.create_connection(cls, host, port, ssl=context, server_hostname=name)
        except ConnectionError as error:
            if error.errno is None:
                raise
            raise type(error)(error.errno, os.strerror(error.errno)) from error  # the text depends on the loop
        return connection

    @property
    def is_idle(self) -> bool:
        """Whether nothing has arrived and the server has not closed. asyncio reads ahead: this is no system call."""
        return not self._buffer and not self._ended

    def begin(self, data: bytes) -> None:
        """Queue a request for sending; a lost connection is raised by `read`."""
        self._is_busy = True
        if self._transport is not None:
            self._transport.write(data)

    def end(self) -> None:
        """End the response: data that arrive before the next request close the connection."""
        self._is_busy = False

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
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Close at once, without waiting for a TLS shutdown."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)  # no check: uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Add ``data`` to the buffer; close if it was not requested."""
        if not self._is_busy:
            self._ended = True
            self.close()
            return
        self._buffer += data
        if len(self._buffer) > _MAX_UNREAD_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
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


_OF_THE_ENCODED_BODY: Final = {b"content-encoding", b"content-length", b"transfer-encoding"}


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
        headers = {**request.headers, "accept-encoding": ACCEPTED_CODINGS}
        try:
            response = await self._pool.exchange(Request(request.method, request.url, headers, content))
        except h11.ProtocolError as error:
            raise self._library.RemoteProtocolError(str(error)) from error
        except (BodyTooLongError, DecodingError) as error:
            raise self._library.DecodingError(str(error)) from error
        except OSError as error:
            raise self._library.ReadError(str(error)) from error
        decoded = [pair for pair in response.headers if pair[0].lower() not in _OF_THE_ENCODED_BODY]
        return self._library.Response(response.status, headers=decoded, content=response.body, request=request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _connect(self, request: Request) -> DirectConnection:
        try:
            return await DirectConnection.connect(request.url, self._context)
        except OSError as error:
            raise self._library.ConnectError(str(error)) from error


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; None if there is none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"

"""A wire: one connection to an endpoint, which is kept and carries one request at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import h11

from pytest_evalgate.engine.clients.shape import MOST_BYTES
from pytest_evalgate.engine.clients.stream import Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, Iterator, Mapping

KEEP_S: Final = 120.0
"""How long a connection is kept that nobody uses."""

_MOST_HEADERS: Final = 100 * 1024
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


class Wire(Protocol):
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


class DirectWire:
    """A wire that leads straight to the endpoint: h11 over a `Stream`.

    It takes 0.2 ms of CPU a request. httpx takes 0.7 in pools of 2 connections and 5 to 8 in one of 64: a pool looks
    through all of its connections for each request, and anyio goes around the event loop for each lock (httpx 0.28).
    """

    def __init__(self, stream: Stream) -> None:
        """Carry requests on ``stream``."""
        self._stream = stream
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADERS)
        self._used = time.monotonic()

    @classmethod
    async def to(cls, url: Url, context: ssl.SSLContext | None) -> DirectWire:
        """Return a wire to the host of ``url``, with TLS where there is a ``context``.

        Raises:
            OSError: nobody is there, or not who it should be.

        """
        return cls(await Stream.connect(url.raw_host.decode(), url.port or _PORTS[url.scheme], context))

    @property
    def is_open(self) -> bool:
        """Tell whether it may carry another request: a server that hung up, or complained, meanwhile is left alone."""
        idle = self._state.our_state is h11.IDLE and self._stream.is_quiet
        return idle and time.monotonic() - self._used < KEEP_S

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; see `Wire`. Where that breaks off, the wire is closed."""
        self._stream.send(b"".join(self._state.send(event) or b"" for event in _events(request)))
        head = await self._head()
        body = await self._body()
        self._make_ready()
        return Response(head.status_code, head.headers.raw_items(), body)

    async def close(self) -> None:
        """Hang up."""
        self._stream.close()

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
        while len(body) <= MOST_BYTES and isinstance(event := await self._next(), h11.Data):
            body += event.data
        return bytes(body)

    async def _next(self) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._stream.read()
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


async def bounded(chunks: AsyncIterable[bytes]) -> bytes:
    """Return all of a body, or a little more of it than any answer holds."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MOST_BYTES:
            break
    return bytes(body)

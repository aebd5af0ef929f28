"""Fault server: an OpenAI-compatible HTTP/1.1 server that sends every fault a client must survive.

Flow of one request: `Connection` parses it, `Dispatcher` counts it and chooses a `Behaviour`, `Connection` writes the
response. `ScriptedServer` owns both and runs them in a thread of its own.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

from tests.support.behaviours import Behaviour
from tests.support.http1 import format_head, take_message
from tests.support.replies import Request, Response, error_body, parse_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.support.http1 import Message

_T = TypeVar("_T")

STATS_PATH: Final = "/_stats"
RESET_PATH: Final = "/_reset"

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 4096  # the call benchmark opens 1,000 connections in the same moment
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN
_REJECTION: Final = Behaviour.rate_limited(1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts at one moment.

    Args:
        calls: Requests received, including those that the limits refused.
        refused: Requests that the limits refused.
        peak_in_flight: The most requests in flight at the same time. Refused requests are never in flight.
        connections: Connections opened.

    """

    calls: int
    refused: int
    peak_in_flight: int
    connections: int


class Traffic:
    """Counts and requests. The server's thread writes them; any thread may read them."""

    def __init__(self, *, keeps_requests: bool = True) -> None:
        """Start at zero. Without ``keeps_requests`` there are only counts, for servers of many calls."""
        self._lock = threading.Lock()
        self._keeps_requests = keeps_requests
        self._in_flight = 0
        self.reset()

    @property
    def counts(self) -> Counts:
        """The counts at this moment."""
        with self._lock:
            return Counts(self._calls, self._refused, self._peak, self._connections)

    @property
    def first_at(self) -> float | None:
        """Monotonic time of the first request, in seconds, comparable across processes; None before it."""
        return self._first_at

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests so far, in order of arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        return self._in_flight

    @property
    def calls(self) -> int:
        """Requests received."""
        return self._calls

    def reset(self) -> None:
        """Set all counts to zero. Requests in flight stay in flight."""
        with self._lock:
            self._requests: list[Request] = []
            self._calls = self._refused = self._connections = 0
            self._peak = self._in_flight
            self._first_at: float | None = None

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self._connections += 1

    def arrived(self, request: Request, *, admitted: bool) -> None:
        """Count a request as in flight or as refused."""
        with self._lock:
            self._calls += 1
            self._first_at = request.at if self._first_at is None else self._first_at
            self._refused += not admitted
            self._in_flight += admitted
            self._peak = max(self._peak, self._in_flight)
            if self._keeps_requests:
                self._requests.append(request)

    def ended(self) -> None:
        """Count a request as no longer in flight."""
        with self._lock:
            self._in_flight -= 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits above which the server responds 429; None for no limit.

    Args:
        capacity: Requests in flight.
        requests_per_second: Rate of accepted requests.
        burst: Requests accepted at once after a pause, if there is a rate.

    """

    capacity: int | None = None
    requests_per_second: float | None = None
    burst: int = 1


class Admission:
    """Applies `Limits`: a capacity and a token bucket. Not thread-safe."""

    def __init__(self, limits: Limits) -> None:
        """Start with a full bucket."""
        self._limits = limits
        self._tokens = float(limits.burst)
        self._filled_at: float | None = None

    def admits(self, in_flight: int, now: float) -> bool:
        """Return whether a request at ``now`` (monotonic seconds) is accepted beside ``in_flight`` others."""
        capacity = self._limits.capacity
        return (capacity is None or in_flight < capacity) and self._takes_token(now)

    def _takes_token(self, now: float) -> bool:
        rate = self._limits.requests_per_second
        if rate is None:
            return True
        waited = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(float(self._limits.burst), self._tokens + waited * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its behaviour.

    Args:
        request: The request.
        behaviour: The behaviour chosen for it.
        is_last: Whether the client asked to close the connection afterwards.
        in_flight: Whether it counts as in flight.

    """

    request: Request
    behaviour: Behaviour
    is_last: bool
    in_flight: bool

    def response(self) -> Response:
        """Return the response. A behaviour that raises becomes a 500 with the error's message."""
        try:
            return _checked(Response, self.behaviour.respond(self.request))
        except Exception as error:  # noqa: BLE001 - a test's own function: the test must see its error
            return _broken(error).respond(self.request)


class Dispatcher:
    """Chooses the behaviour of each request: the limits first, then the queue, then the script.

    `begin` and `end` run in the server's thread. ``queue`` and ``decide`` may be changed from any thread.
    """

    def __init__(self, traffic: Traffic, limits: Limits) -> None:
        """Echo every message until a script is set."""
        self.traffic = traffic
        self.queue: deque[Behaviour] = deque()
        self.decide: Callable[[Request], Behaviour] = lambda _: Behaviour.echo()
        self._admission = Admission(limits)

    def begin(self, message: Message) -> Exchange:
        """Count a request and choose its behaviour."""
        now = time.monotonic()
        number = self.traffic.calls + 1
        request = Request(number, message.method, message.path, message.headers, parse_body(message.body), now)
        if request.path in {STATS_PATH, RESET_PATH}:
            return Exchange(request, self._stats(request), message.is_last, in_flight=False)
        admitted = self._admission.admits(self.traffic.in_flight, now)
        self.traffic.arrived(request, admitted=admitted)
        behaviour = self._scripted(request) if admitted else _REJECTION
        return Exchange(request, behaviour, message.is_last, in_flight=admitted)

    def end(self, exchange: Exchange) -> None:
        """Count an exchange as complete or abandoned."""
        if exchange.in_flight:
            self.traffic.ended()

    def _scripted(self, request: Request) -> Behaviour:
        if self.queue:
            return self.queue.popleft()
        try:
            return _checked(Behaviour, self.decide(request))
        except Exception as error:  # noqa: BLE001 - a test's own function: the test must see its error
            return _broken(error)

    def _stats(self, request: Request) -> Behaviour:
        if request.path == RESET_PATH:
            self.traffic.reset()
        return Behaviour.reply({**asdict(self.traffic.counts), "first_at": self.traffic.first_at})


def _checked(expected: type[_T], value: object) -> _T:
    if not isinstance(value, expected):
        raise TypeError(f"it returned {value!r}, expected a {expected.__name__}")
    return value


def _broken(error: Exception) -> Behaviour:
    message = f"the script of the fault server raised {type(error).__name__}: {error}"
    return Behaviour.status(500, error_body(message, "server_error"))


class Connection(asyncio.Protocol):
    """Serves the requests of one client, one after the other."""

    def __init__(self, dispatcher: Dispatcher, open_transports: set[asyncio.Transport]) -> None:
        """Keep the transport in ``open_transports`` while it is open."""
        self._dispatcher = dispatcher
        self._open_transports = open_transports
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_transports.add(self._transport)
        self._dispatcher.traffic.connected()

    def data_received(self, data: bytes) -> None:
        """Serve the next request, unless one is still in flight."""
        self._buffer += data
        if self._exchange is None:
            self._serve_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Abandon the exchange in flight."""
        self._open_transports.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._end(self._exchange)

    def _serve_next(self) -> None:
        try:
            message = take_message(self._buffer)
        except ValueError as error:
            response = Response(400, str(error).encode(), "text/plain; charset=utf-8")
            self._write_last(format_head(response, is_last=True) + response.body)
            return
        if message is not None:
            exchange = self._exchange = self._dispatcher.begin(message)
            self._after(exchange.behaviour.latency_s, lambda: self._respond(exchange))

    def _respond(self, exchange: Exchange) -> None:
        response, behaviour = exchange.response(), exchange.behaviour
        head, body = format_head(response, is_last=exchange.is_last), response.body
        if behaviour.ending == "reset":
            self._reset()
        elif behaviour.ending == "torn":
            self._write_last(head + body[: len(body) // 2])
        elif behaviour.every_s > 0:
            self._transport.write(head)
            self._trickle(exchange, split_body(body, behaviour.pieces))
        else:
            self._transport.write(head + body)
            self._complete(exchange)

    def _trickle(self, exchange: Exchange, pieces: list[bytes]) -> None:
        if not pieces:
            self._complete(exchange)
            return

        def write_one() -> None:
            self._transport.write(pieces[0])
            self._trickle(exchange, pieces[1:])

        self._after(exchange.behaviour.every_s, write_one)

    def _complete(self, exchange: Exchange) -> None:
        self._end(exchange)
        if exchange.is_last:
            self._transport.close()
        elif self._buffer:
            self._serve_next()

    def _end(self, exchange: Exchange) -> None:
        self._exchange = None
        self._dispatcher.end(exchange)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        """Act now, later or never: asyncio's timers do not accept an infinite delay."""
        if seconds <= 0:
            action()
        elif math.isfinite(seconds):
            self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def _write_last(self, data: bytes) -> None:
        self._transport.write(data)
        self._transport.close()

    def _reset(self) -> None:
        connected: socket.socket = self._transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()


def split_body(body: bytes, count: int) -> list[bytes]:
    """Split ``body`` into at most ``count`` pieces of about the same size."""
    size = max(1, -(-len(body) // count))
    return [body[start : start + size] for start in range(0, len(body), size)]


class ScriptedServer:
    """Server in a thread of its own. It echoes the last user message until a script is set.

    Example::

        with ScriptedServer() as server:
            server.script(Behaviour.text("42"))
            server.queue(Behaviour.rate_limited(), Behaviour.reset())
            ask(base_url=server.base_url)  # a 429, a lost connection, then "42"
            assert server.calls == 3
    """

    def __init__(self, limits: Limits | None = None, *, keeps_requests: bool = True) -> None:
        """Create a server that is not running yet.

        Args:
            limits: Limits above which it responds 429.
            keeps_requests: Whether `requests` is filled. Servers of many calls only count.

        """
        self._traffic = Traffic(keeps_requests=keeps_requests)
        self._dispatcher = Dispatcher(self._traffic, limits or Limits())
        self._thread: _ServerThread | None = None

    def script(self, behaviour: Behaviour) -> None:
        """Use ``behaviour`` for every request from now on."""
        self._dispatcher.decide = lambda _: behaviour

    def answer_with(self, decide: Callable[[Request], Behaviour]) -> None:
        """Choose by the request from now on. ``decide`` runs in the server's thread: it must not block."""
        self._dispatcher.decide = decide

    def queue(self, *behaviours: Behaviour) -> None:
        """Use ``behaviours`` for the next requests, in order, and the script after them."""
        self._dispatcher.queue.extend(behaviours)

    @property
    def base_url(self) -> str:
        """The base URL for a client, for example ``http://127.0.0.1:40123/v1``."""
        if self._thread is None:
            raise RuntimeError("the server is not running: use it in a with statement")
        return f"http://{_HOST}:{self._thread.port}/v1"

    @property
    def counts(self) -> Counts:
        """All counts at one moment."""
        return self._traffic.counts

    @property
    def calls(self) -> int:
        """Requests received."""
        return self.counts.calls

    @property
    def peak_in_flight(self) -> int:
        """The most requests in flight at the same time."""
        return self.counts.peak_in_flight

    @property
    def connections(self) -> int:
        """Connections opened."""
        return self.counts.connections

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests so far, in order of arrival."""
        return self._traffic.requests

    def __enter__(self) -> Self:
        """Start to listen on a free port of the loopback interface."""
        self._thread = _ServerThread(self._dispatcher)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop every connection and end the thread."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None


class _ServerThread:
    """The listening socket and the event loop that serves it."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._transports: set[asyncio.Transport] = set()
        self._listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fault-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until every connection is closed."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: Connection(self._dispatcher, self._transports), sock=self._listener, backlog=_BACKLOG
        )
        await self._stopping.wait()
        # asyncio loses a half-open connection if the server closes while it accepts it (seen with Python 3.11)
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*accepting)
        server.close()
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)  # the transports close in the next turn of the loop

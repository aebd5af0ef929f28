"""A local server that speaks OpenAI's API from a script, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.testing.connection import Connection
from pytest_evalgate.testing.desk import Desk
from pytest_evalgate.testing.limits import Limits
from pytest_evalgate.testing.traffic import Counts, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pytest_evalgate.testing.behaviours import Behaviour
    from pytest_evalgate.testing.exchange import Request

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 4096  # clients that connect in the same moment


class ScriptedServer:
    """Answers every call as its script says; at first it echoes the last message of the user's.

    Example::

        with ScriptedServer() as server:
            server.script(Behaviour.text("42"))
            server.queue(Behaviour.rate_limited(), Behaviour.reset())
            ask(base_url=server.base_url)  # a 429, a lost connection, then "42"
            assert server.calls == 3
    """

    def __init__(self, limits: Limits | None = None, *, keeps_requests: bool = True) -> None:
        """Make a server that is not running yet.

        Args:
            limits: what it can bear before it answers 429.
            keeps_requests: whether `requests` holds what arrived; a server of very many calls only counts.

        """
        self._traffic = Traffic(keeps_requests=keeps_requests)
        self._desk = Desk(self._traffic, limits or Limits())
        self._running: _Running | None = None

    def script(self, behaviour: Behaviour) -> None:
        """Answer every call like this from now on."""
        self._desk.decide = lambda _: behaviour

    def answer_with(self, decide: Callable[[Request], Behaviour]) -> None:
        """Decide by the request from now on; ``decide`` runs in the server's thread and must not block."""
        self._desk.decide = decide

    def queue(self, *behaviours: Behaviour) -> None:
        """Answer the next calls like these, in order, and those after them as before."""
        self._desk.queue.extend(behaviours)

    @property
    def base_url(self) -> str:
        """The base URL to give to a client, such as ``http://127.0.0.1:40123/v1``."""
        if self._running is None:
            raise RuntimeError("the server is not running: use it in a with statement")
        return f"http://{_HOST}:{self._running.port}/v1"

    @property
    def counts(self) -> Counts:
        """All counts of one moment."""
        return self._traffic.counts

    @property
    def calls(self) -> int:
        """Requests that arrived."""
        return self.counts.calls

    @property
    def peak_in_flight(self) -> int:
        """The most requests that were being answered at the same time."""
        return self.counts.peak_in_flight

    @property
    def connections(self) -> int:
        """Connections that were opened."""
        return self.counts.connections

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests so far, in the order of their arrival."""
        return self._traffic.requests

    def __enter__(self) -> Self:
        """Start to listen on a free port."""
        self._running = _Running(self._desk)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop every connection and end the thread."""
        if self._running is not None:
            self._running.stop()
            self._running = None


class _Running:
    """A server that listens at ``port``, and its thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._transports: set[asyncio.Transport] = set()
        self._listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait until everything is closed."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(
            lambda: Connection(self._desk, self._transports), sock=self._listener, backlog=_BACKLOG
        )
        await self._stopping.wait()
        # asyncio loses a connection, half open, where its server is closed while it accepts it (seen with 3.11)
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*accepting)
        server.close()
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)  # the turn of the loop in which they close

"""One connection of the scripted server: requests come in, answers leave as their behaviour says."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from typing import TYPE_CHECKING, Final, cast

from pytest_evalgate.testing.exchange import Answer
from pytest_evalgate.testing.http1 import head_of, take_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.testing.desk import Desk, Job

_NO_LINGER: Final = struct.pack("ii", 1, 0)  # closing then resets the connection instead of ending it


class Connection(asyncio.Protocol):
    """Serves the requests of one client, one after the other."""

    def __init__(self, desk: Desk, open_transports: set[asyncio.Transport]) -> None:
        """Keep its transport in ``open_transports`` while it is open."""
        self._desk = desk
        self._open_transports = open_transports
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._job: Job | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_transports.add(self._transport)
        self._desk.traffic.connected()

    def data_received(self, data: bytes) -> None:
        """Serve what has come in, unless a request is still being answered."""
        self._buffer += data
        if self._job is None:
            self._serve_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Give up what was being answered."""
        self._open_transports.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        if self._job is not None:
            self._end(self._job)

    def _serve_next(self) -> None:
        try:
            message = take_message(self._buffer)
        except ValueError as error:
            refusal = Answer(400, str(error).encode(), "text/plain; charset=utf-8")
            self._write_last(head_of(refusal, is_last=True) + refusal.body)
            return
        if message is not None:
            job = self._job = self._desk.begin(message)
            self._after(job.behaviour.latency_s, lambda: self._answer(job))

    def _answer(self, job: Job) -> None:
        answer, behaviour = job.answer(), job.behaviour
        head, body = head_of(answer, is_last=job.is_last), answer.body
        if behaviour.ending == "reset":
            self._reset()
        elif behaviour.ending == "torn":
            self._write_last(head + body[: len(body) // 2])
        elif behaviour.every_s > 0:
            self._transport.write(head)
            self._trickle(job, pieces_of(body, behaviour.pieces))
        else:
            self._transport.write(head + body)
            self._answered(job)

    def _trickle(self, job: Job, pieces: list[bytes]) -> None:
        if not pieces:
            self._answered(job)
            return

        def write_one() -> None:
            self._transport.write(pieces[0])
            self._trickle(job, pieces[1:])

        self._after(job.behaviour.every_s, write_one)

    def _answered(self, job: Job) -> None:
        self._end(job)
        if job.is_last:
            self._transport.close()
        elif self._buffer:
            self._serve_next()

    def _end(self, job: Job) -> None:
        self._job = None
        self._desk.end(job)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        """Act now, or after a while, or never: an endless one is not the loop's to count."""
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


def pieces_of(body: bytes, count: int) -> list[bytes]:
    """Cut ``body`` into at most ``count`` pieces of about the same size."""
    size = max(1, -(-len(body) // count))
    return [body[start : start + size] for start in range(0, len(body), size)]

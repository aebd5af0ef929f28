"""The bytes of one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_MOST_AT_ONCE: Final = 64 * 1024


class Stream(asyncio.Protocol):
    """Sends bytes and reads what arrives. Nothing here has a time limit: whoever asks has one.

    Example::

        stream = await Stream.connect("127.0.0.1", 8000, None)
        stream.send(request)
        some = await stream.read()
    """

    def __init__(self) -> None:
        """Wait to be connected."""
        self._transport: asyncio.Transport | None = None
        self._arrived = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None

    @classmethod
    async def connect(cls, host: str, port: int, context: ssl.SSLContext | None) -> Stream:
        """Return a stream to ``port`` of ``host``, with TLS where there is a ``context``.

        Raises:
            OSError: nobody is there, or not who it should be.

        """
        # one address after the other: asyncio's race between them loses sockets where a run ends meanwhile (3.11)
        loop, name = asyncio.get_running_loop(), host if context else None
        _, stream = await loop.create_connection(cls, host, port, ssl=context, server_hostname=name)
        return stream

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing has arrived, and nobody has hung up: asyncio reads ahead, so no system call asks."""
        return not self._arrived and not self._ended

    def send(self, data: bytes) -> None:
        """Send ``data``, behind what is still being sent; a lost connection shows when the answer is read."""
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """Return what has arrived, at least a byte; nothing at the end.

        Raises:
            OSError: the connection is lost.

        """
        while self.is_quiet:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if not self._arrived and self._error is not None:
            raise self._error
        found = bytes(self._arrived[:_MOST_AT_ONCE])
        del self._arrived[:_MOST_AT_ONCE]
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
        self._arrived += data
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

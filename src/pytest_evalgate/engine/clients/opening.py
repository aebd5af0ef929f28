"""What takes too long to make on the event loop, because it imports much or loads certificates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.engine.clients.connections import Connections
    from pytest_evalgate.engine.faults import Sender

T = TypeVar("T")


class Opening(Generic[T]):
    """Makes one thing in a thread, for the first who asks, and hands it to all."""

    def __init__(self, make: Callable[[], T], sender: Sender) -> None:
        """Blame ``sender`` where ``make`` fails."""
        self._make = make
        self._sender = sender
        self._made: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Return the thing.

        Raises:
            CallFault: it cannot be made.

        """
        if self._made is None:
            self._made = asyncio.ensure_future(asyncio.to_thread(self._make))
        try:
            if self._made.done():
                return self._made.result()
            return await asyncio.shield(self._made)
        except Exception as error:  # a proxy or a certificate of the environment's, in the words of any library
            raise self._sender.fault("bad_request", f"no connection can be made: {error}") from error

    async def get_if_made(self) -> T | None:
        """Return the thing where somebody has asked for it, and it could be made."""
        if self._made is None:
            return None
        await asyncio.wait([self._made])
        failed = self._made.cancelled() or self._made.exception() is not None
        return None if failed else self._made.result()


def connections_of(sender: Sender) -> Opening[Connections]:
    """Return connections for the requests of ``sender``."""

    def make() -> Connections:
        from pytest_evalgate.engine.clients.connections import Connections  # noqa: PLC0415 - httpx, 0.05 s

        return Connections(sender)

    return Opening(make, sender)

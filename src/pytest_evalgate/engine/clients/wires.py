"""Wires that are kept: each request goes out on one that is free, or on a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_evalgate.engine.clients.wire import Request, Response, Wire


class Wires:
    """The wires to one host, as many as there are requests at a time."""

    def __init__(self, connect: Callable[[Request], Awaitable[Wire]]) -> None:
        """Connect by ``connect`` when all are busy."""
        self._connect = connect
        self._free: list[Wire] = []

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; raises as `Wire.exchange`, and as ``connect``."""
        wire = await self._take(request)
        try:
            return await wire.exchange(request)
        finally:
            await self._give(wire)

    async def close(self) -> None:
        """Hang up."""
        for wire in self._free:
            await wire.close()

    async def _take(self, request: Request) -> Wire:
        while self._free:
            if (wire := self._free.pop()).is_open:
                return wire
            await wire.close()
        return await self._connect(request)

    async def _give(self, wire: Wire) -> None:
        """Keep ``wire`` where it may carry another request."""
        if wire.is_open:
            self._free.append(wire)
        else:
            await wire.close()

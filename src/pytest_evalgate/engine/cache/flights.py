"""Flights: of all callers in this process that want the same answer, one asks and the others wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.calls import CallFailed
from pytest_evalgate.engine.cache.entries import remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pytest_evalgate.calls import Reply


@dataclass(slots=True)
class _Flight:
    """An answer on its way, who waits for it, and whether its cost is on somebody's account."""

    task: asyncio.Task[Reply]
    waiting: int = 0
    booked: bool = False

    def book(self) -> bool:
        """Tell whether this caller is the one who accounts for it."""
        first, self.booked = not self.booked, True
        return first


class Flights:
    """Answers on their way, by key; used on one loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self._flights: dict[str, _Flight] = {}

    async def share(self, key: str, obtain: Callable[[], Coroutine[None, None, Reply]]) -> Reply:
        """Return what ``obtain`` returns, which runs once for all who share ``key`` meanwhile.

        One of them gets the reply as it is, the others as one that cost nothing. A caller who is cancelled takes
        nothing from the others; with the last one the work is cancelled.

        Raises:
            CallFailed: what ``obtain`` raised, with its record for one of them.

        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(obtain()))
        flight.waiting += 1
        try:
            reply = await asyncio.shield(flight.task)
        except CallFailed as failed:
            if flight.book():
                raise
            raise type(failed)(str(failed)) from failed
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._end(key, flight)
        return reply if flight.book() else remembered(reply)

    def _end(self, key: str, flight: _Flight) -> None:
        flight.task.cancel()
        if self._flights.get(key) is flight:
            del self._flights[key]

"""A client that is made and opened for the first call that is sent.

What is remembered is answered without its key, and no call waits for a library with a slot in its hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.engine.clients.transport import HttpTransport
    from pytest_evalgate.engine.faults import FaultFactory
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply


class Client(Protocol):
    """A client of one route: sends one attempt at a call."""

    async def open(self) -> None:
        """Load libraries and connect, so that the first call does not wait for it."""

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once."""

    async def close(self) -> None:
        """Close the connections."""


class LazyClient:
    """Sends through what ``wrap`` lays around the client that ``make`` returns."""

    def __init__(self, make: Callable[[], Client], wrap: Callable[[Client], ModelClient]) -> None:
        """Make nothing yet."""
        self._make = make
        self._wrap = wrap
        self._client: Client | None = None
        self._wrapped: ModelClient | None = None
        self._lock = asyncio.Lock()

    def get_client(self) -> Client:
        """Return the client, made now if it was not there.

        Raises:
            SettingsError: its key is not there.

        """
        if self._client is None:
            self._client = self._make()
        return self._client

    async def send(self, call: Call) -> Reply:
        """Send ``call``.

        Raises:
            CallFailed: the client cannot be made or opened, or there is no answer.

        """
        async with self._lock:  # who comes while the client is just opened does not overtake those who waited for it
            if self._wrapped is None:
                self._wrapped = self._wrap(await self._open_client())
        return await self._wrapped.send(call)

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._client is not None:
            await self._client.close()

    async def _open_client(self) -> Client:
        try:
            client = self.get_client()
            await client.open()
        except (CallFault, SettingsError) as error:  # not the fault of the application, as which it would count
            raise CallFailed(str(error)) from error
        return client


T = TypeVar("T")


class LazyResource(Generic[T]):
    """Makes one thing in a thread, for the first who asks, and hands it to all."""

    def __init__(self, make: Callable[[], T], fault_factory: FaultFactory) -> None:
        """Blame ``fault_factory`` where ``make`` fails."""
        self._make = make
        self._fault_factory = fault_factory
        self._future: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Return the thing.

        Raises:
            CallFault: it cannot be made.

        """
        if self._future is None:
            self._future = asyncio.ensure_future(asyncio.to_thread(self._make))
        try:
            if self._future.done():
                return self._future.result()
            return await asyncio.shield(self._future)
        except Exception as error:  # a proxy or a certificate of the environment's, in the words of any library
            raise self._fault_factory.fault("bad_request", f"no connection can be made: {error}") from error

    async def get_if_created(self) -> T | None:
        """Return the thing where somebody has asked for it, and it could be made."""
        if self._future is None:
            return None
        await asyncio.wait([self._future])
        failed = self._future.cancelled() or self._future.exception() is not None
        return None if failed else self._future.result()


def lazy_transport(fault_factory: FaultFactory) -> LazyResource[HttpTransport]:
    """Return connections for the requests of ``fault_factory``."""

    def make() -> HttpTransport:
        from pytest_evalgate.engine.clients.transport import HttpTransport  # noqa: PLC0415 - httpx, h11

        return HttpTransport(fault_factory)

    return LazyResource(make, fault_factory)

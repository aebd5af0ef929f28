"""Lazy initialisation of clients, on the first call that is sent.

A run that is served from the cache needs no key, and no call holds a limiter's slot while a library is imported.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.engine.faults import FaultFactory
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply


class Client(Protocol):
    """Client of one route: makes one attempt at a call."""

    async def open(self) -> None:
        """Load libraries and certificates, so that the first call does not wait for them.

        Raises:
            CallFault: they cannot be loaded or used.
        """

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once.

        Raises:
            CallFault: there is no valid reply.
        """

    async def close(self) -> None:
        """Close the connections."""


class LazyClient:
    """Client that is created with ``make``, opened and wrapped with ``wrap`` on the first call."""

    def __init__(self, make: Callable[[], Client], wrap: Callable[[Client], ModelClient]) -> None:
        """Create nothing yet."""
        self._make = make
        self._wrap = wrap
        self._client: Client | None = None
        self._wrapped: ModelClient | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0

    def get_client(self) -> Client:
        """Return the client; create it if necessary.

        Raises:
            SettingsError: its key is missing.
        """
        if self._client is None:
            self._client = self._make()
        return self._client

    async def send(self, call: Call) -> Reply:
        """Send ``call``.

        Raises:
            CallFailed: the client cannot be created or opened, or there is no reply.
        """
        if self._wrapped is None or self._waiting:
            wrapped = await self._open()
        else:
            wrapped = self._wrapped
        return await wrapped.send(call)

    async def _open(self) -> ModelClient:
        """Return the opened client. Calls wait in order: one made just after the opening does not overtake others."""
        self._waiting += 1
        try:
            async with self._lock:
                if self._wrapped is None:
                    try:
                        client = self.get_client()
                        await client.open()
                    except (CallFault, SettingsError) as error:  # else it would count as a miss of the application
                        raise CallFailed(str(error), is_final=True) from error
                    self._wrapped = self._wrap(client)
                return self._wrapped
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._client is not None:
            await self._client.close()


T = TypeVar("T")


_IMPORTING: Final = threading.Lock()
"""Held while a library is imported. Threads that import parts of openai and httpx in another order wait for each
other, and Python ends such a deadlock with a module that is not initialised: 30 models at once failed in that way."""


class LazyResource(Generic[T]):
    """Object that ``make`` creates once, in a thread, when it is first needed."""

    def __init__(self, make: Callable[[], T], fault_factory: FaultFactory) -> None:
        """Create nothing yet."""
        self._make = make
        self._fault_factory = fault_factory
        self._future: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Return the object; create it if necessary.

        Raises:
            CallFault: it cannot be created.
        """
        if self._future is None:
            # in a thread: importing the SDK takes 0.4 s, loading certificates 20 ms; other calls continue
            self._future = asyncio.ensure_future(asyncio.to_thread(self._make_alone))
        try:
            if self._future.done():
                return self._future.result()
            return await asyncio.shield(self._future)
        except Exception as error:  # a proxy or a certificate of the environment; each library raises its own types
            raise self._fault_factory.fault("bad_request", f"cannot connect: {error}") from error

    def _make_alone(self) -> T:
        with _IMPORTING:
            return self._make()

    async def get_if_created(self) -> T | None:
        """Return the object if `get` was called and succeeded."""
        if self._future is None:
            return None
        await asyncio.wait([self._future])
        failed = self._future.cancelled() or self._future.exception() is not None
        return None if failed else self._future.result()

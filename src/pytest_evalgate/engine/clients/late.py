"""A client that is made and opened for the first call that is sent.

What is remembered is answered without its key, and no call waits for a library with a slot in its hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_evalgate.calls import CallFailed
from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.clients.endpoint import EndpointClient
    from pytest_evalgate.engine.clients.http import HttpClient
    from pytest_evalgate.engine.clients.sdk import SdkClient
    from pytest_evalgate.protocols import ModelClient

    Client = SdkClient | HttpClient | EndpointClient


class LateClient:
    """Sends through what ``around`` lays around the client that ``make`` returns."""

    def __init__(self, make: Callable[[], Client], around: Callable[[Client], ModelClient]) -> None:
        """Make nothing yet."""
        self._make = make
        self._around = around
        self._made: Client | None = None
        self._way: ModelClient | None = None
        self._turn = asyncio.Lock()

    def made(self) -> Client:
        """Return the client, made now if it was not there.

        Raises:
            SettingsError: its key is not there.

        """
        if self._made is None:
            self._made = self._make()
        return self._made

    async def send(self, call: Call) -> Reply:
        """Send ``call``.

        Raises:
            CallFailed: the client cannot be made or opened, or there is no answer.

        """
        async with self._turn:  # who comes while the client is just opened does not overtake those who waited for it
            if self._way is None:
                self._way = self._around(await self._opened())
        return await self._way.send(call)

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._made is not None:
            await self._made.close()

    async def _opened(self) -> Client:
        try:
            client = self.made()
            await client.open()
        except (CallFault, SettingsError) as error:  # not the fault of the application, as which it would count
            raise CallFailed(str(error)) from error
        return client

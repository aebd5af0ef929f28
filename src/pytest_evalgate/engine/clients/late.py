"""A client that is made for the first call that is sent: what is remembered is answered without its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.calls import CallFailed
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.clients.endpoint import EndpointClient
    from pytest_evalgate.engine.clients.http import HttpClient
    from pytest_evalgate.engine.clients.sdk import SdkClient

    Client = SdkClient | HttpClient | EndpointClient


class LateClient:
    """Sends through what ``make`` returns, which is called for the first call."""

    def __init__(self, make: Callable[[], Client]) -> None:
        """Make nothing yet."""
        self._make = make
        self._made: Client | None = None

    def made(self) -> Client:
        """Return the client, made now if it was not there.

        Raises:
            SettingsError: its key is not there.

        """
        if self._made is None:
            self._made = self._make()
        return self._made

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; raises as the client.

        Raises:
            CallFailed: the client cannot be made, for want of its key.

        """
        try:
            client = self.made()
        except SettingsError as error:  # not the fault of the application, as which it would count against it
            raise CallFailed(str(error)) from error
        return await client.send(call)

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if self._made is not None:
            await self._made.close()

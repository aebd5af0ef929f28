"""What carries the requests of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11

from pytest_evalgate.engine.clients.wire import DirectWire, Request
from pytest_evalgate.engine.clients.wires import Wires

if TYPE_CHECKING:
    import ssl


class SdkTransport:
    """Takes the place of the connection pool under the SDK, which costs half of each of its calls.

    The SDK stands on httpx or, from its version 3 on, on httpx2: which one, only whoever makes this has to know.
    """

    def __init__(self, library: Any, context: ssl.SSLContext | None) -> None:
        """Answer with responses and errors of ``library``; speak TLS where there is a ``context``."""
        self._library = library
        self._context = context
        self._wires = Wires(self._connect)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of the library's, and return its response, read as a whole; errors are its own as well."""
        content = await request.aread()
        try:
            response = await self._wires.exchange(Request(request.method, request.url, request.headers, content))
        except h11.ProtocolError as error:
            raise self._library.RemoteProtocolError(str(error)) from error
        except OSError as error:
            raise self._library.ReadError(str(error)) from error
        return self._library.Response(
            response.status, headers=response.headers, content=response.body, request=request
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wires.close()

    async def _connect(self, request: Request) -> DirectWire:
        try:
            return await DirectWire.to(request.url, self._context)
        except OSError as error:
            raise self._library.ConnectError(str(error)) from error

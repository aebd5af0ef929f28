"""A wire that leads through a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pytest_evalgate.engine.clients.wire import KEEP_S, Response, bounded

if TYPE_CHECKING:
    import ssl

    from pytest_evalgate.engine.clients.wire import Request


class ProxiedWire:
    """A wire of httpx's own."""

    is_open = True

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        """Connect with the first request; without a ``context`` by httpx's own.

        Raises:
            ValueError: there are no such proxies.

        """
        # no timeouts: whoever sends bounds the time, and those of httpx are for each read
        alone = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_S)
        self._transport = httpx.AsyncHTTPTransport(verify=context or True, limits=alone, proxy=proxy)

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; see `Wire`."""
        asked = httpx.Request(request.method, str(request.url), headers=request.headers, content=request.content)
        response = await self._transport.handle_async_request(asked)
        try:
            return Response(response.status_code, response.headers.raw, await bounded(response.aiter_raw()))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Hang up."""
        await self._transport.aclose()

"""Transport of the lean client: httpx for URLs, certificates, decoding and proxies, our own connections below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h11
import httpx

from pytest_evalgate.engine.faults import HttpResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from pytest_evalgate.engine.faults import FaultFactory

from pytest_evalgate.engine.clients.connections import (
    KEEP_ALIVE_S,
    ConnectionPool,
    DirectConnection,
    HttpConnection,
    Request,
    Response,
    proxy_of,
    read_bounded,
)


class ProxiedConnection:
    """A wire of httpx's own."""

    is_open = True

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        """Connect with the first request; without a ``context`` by httpx's own.

        Raises:
            ValueError: there are no such proxies.

        """
        # no timeouts: whoever sends bounds the time, and those of httpx are for each read
        alone = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        self._transport = httpx.AsyncHTTPTransport(verify=context or True, limits=alone, proxy=proxy)

    async def exchange(self, request: Request) -> Response:
        """Send one request, and read the response; see `HttpConnection`."""
        asked = httpx.Request(request.method, str(request.url), headers=request.headers, content=request.content)
        response = await self._transport.handle_async_request(asked)
        try:
            return Response(response.status_code, response.headers.raw, await read_bounded(response.aiter_raw()))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Hang up."""
        await self._transport.aclose()


_MAX_CACHED_URLS: Final = 100
"""URLs that are kept parsed."""

_CHUNK_BYTES: Final = 64 * 1024

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "pytest-evalgate"}

_INVALID_REQUEST_ERRORS = (httpx.InvalidURL, h11.LocalProtocolError, UnicodeError)
_CONNECTION_ERRORS = (httpx.HTTPError, h11.RemoteProtocolError, OSError)


class HttpTransport:
    """Sends requests to one host, on as many connections as there are requests at a time.

    What httpx's client would add is not wanted: redirects, cookies, authentication. A key goes where the
    configuration says, and no case sees anything of another one.
    """

    def __init__(self, fault_factory: FaultFactory) -> None:
        """Load the certificates where there is TLS, which takes 20 ms: not on the event loop.

        Raises:
            Exception: a proxy or a certificate of the environment's cannot be used.

        """
        self._fault_factory = fault_factory
        self._proxy = proxy_of(fault_factory.url)
        self._context = _context() if fault_factory.url.lower().startswith("https:") else None
        if self._proxy is not None:
            ProxiedConnection(self._proxy, self._context)  # tells now what is wrong with it
        self._pool = ConnectionPool(self._connect)
        self._urls: dict[str, httpx.URL] = {}

    async def exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> HttpResponse:
        """Send one request and read its reply; names in ``headers`` are in lower case.

        Raises:
            CallFault: no reply came.

        """
        try:
            response = await self._pool.exchange(Request(method, self._url(url), {**_HEADERS, **headers}, content))
            fields = httpx.Headers(response.headers)
            body = response.body
            if "content-encoding" in fields:
                body = await read_bounded(
                    httpx.Response(200, headers=fields, stream=_CompressedBody(body)).aiter_bytes()
                )
        except _INVALID_REQUEST_ERRORS as error:
            raise self._fault_factory.fault("bad_request", _name(error)) from error
        except _CONNECTION_ERRORS as error:
            raise self._fault_factory.fault("connection", _name(error)) from error
        return HttpResponse(response.status, fields, self._fault_factory.redact_body(body))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _connect(self, request: Request) -> HttpConnection:
        if self._proxy is not None:
            return ProxiedConnection(self._proxy, self._context)
        return await DirectConnection.connect(request.url, self._context)

    def _url(self, url: str) -> httpx.URL:
        """Parse a URL; that of a model is always the same one, and takes as long as a tenth of a call."""
        if (parsed := self._urls.get(url)) is None:
            parsed = httpx.URL(url)
            if len(self._urls) < _MAX_CACHED_URLS:
                self._urls[url] = parsed
        return parsed


class _CompressedBody(httpx.AsyncByteStream):
    """A body for httpx to unpack, in pieces: nobody knows how much comes out."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), _CHUNK_BYTES):
            yield self._body[start : start + _CHUNK_BYTES]


def _context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""HTTP transport of the clients without the SDK, over connections of our own.

httpx parses the URLs that are not of the usual form, and connects through proxies. Importing it takes 90 ms, a sixth
of a session with one case, so that this is done only then.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

import h11

from pytest_evalgate.engine.clients.connections import (
    ACCEPTED_CODINGS,
    KEEP_ALIVE_S,
    BodyReader,
    BodyTooLongError,
    ConnectionPool,
    DecodingError,
    DirectConnection,
    HttpConnection,
    Request,
    Response,
    proxy_of,
)
from pytest_evalgate.engine.faults import HttpResponse
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.engine.clients.connections import Url
    from pytest_evalgate.engine.faults import FaultFactory

_MAX_PARSED_URLS: Final = 100
_HEADERS: Final = {"accept": "*/*", "accept-encoding": ACCEPTED_CODINGS, "user-agent": "pytest-evalgate"}

_INVALID_REQUEST_ERRORS: Final[tuple[type[Exception], ...]] = (h11.LocalProtocolError, UnicodeError)
_CONNECTION_ERRORS: Final[tuple[type[Exception], ...]] = (h11.RemoteProtocolError, DecodingError, OSError)

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# Characters that no part of the URL escapes; no segment begins with a dot, so that none is "." or "..".
_USUAL_URL: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<host>[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*|{_OCTET}(?:\.{_OCTET}){{3}})"
    r"(?::(?P<port>[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?(?P<path>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?(?:\?[A-Za-z0-9._~=&-]+)?)"
)


class HttpTransport:
    """Transport of requests to one host, with one connection for each simultaneous request.

    Leaves out redirects, cookies and authentication, which httpx's client would add: a key goes to the configured host
    only, and no case sees state of another one.
    """

    def __init__(self, fault_factory: FaultFactory) -> None:
        """Load the certificates if there is TLS. That takes 20 ms: call it in a thread.

        Raises:
            Exception: a proxy or a certificate of the environment cannot be used.
        """
        self._fault_factory = fault_factory
        self._proxy = proxy_of(fault_factory.url)
        self._context: ssl.SSLContext | None = None  # one for all connections: it takes 20 ms to create
        if fault_factory.url.lower().startswith("https:"):
            self._context = _tls_context()
            self._context.set_alpn_protocols(["http/1.1"])
        if self._proxy is not None:
            ProxiedConnection(self._proxy, self._context)  # raises now if the proxy's URL is invalid
        self._pool = ConnectionPool(self._connect)
        self._urls: dict[str, Url] = {}

    async def exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> HttpResponse:
        """Send one request and return its response; names in ``headers`` are in lower case.

        Raises:
            CallFault: there is no response.
        """
        try:
            response = await self._pool.exchange(Request(method, self._url(url), {**_HEADERS, **headers}, content))
        except _with_httpx(_INVALID_REQUEST_ERRORS, "InvalidURL") as error:
            raise self._fault_factory.fault("bad_request", f"{type(error).__name__}: {error}") from error
        except BodyTooLongError as error:
            raise self._fault_factory.fault("malformed", str(error)) from None
        except _with_httpx(_CONNECTION_ERRORS, "HTTPError") as error:
            raise self._fault_factory.fault("connection", f"{type(error).__name__}: {error}") from error
        # some servers repeat the key: it must not get into the cache, a record or a report
        return HttpResponse(
            response.status, _by_name(response.headers), self._fault_factory.redact_body(response.body), url
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _connect(self, request: Request) -> HttpConnection:
        if self._proxy is not None:
            return ProxiedConnection(self._proxy, self._context)
        return await DirectConnection.connect(request.url, self._context)

    def _url(self, url: str) -> Url:
        """Parse a URL, once: parsing takes a tenth of a call's CPU time, and the URL of a model never changes."""
        if (parsed := self._urls.get(url)) is None:
            parsed = parse_url(url)
            if len(self._urls) < _MAX_PARSED_URLS:
                self._urls[url] = parsed
        return parsed


@dataclass(frozen=True, slots=True)
class UsualUrl:
    """URL of the usual form, with the attributes of `connections.Url`."""

    scheme: str
    raw_host: bytes
    port: int | None
    netloc: bytes
    raw_path: bytes
    text: str

    def __str__(self) -> str:
        """Return the URL."""
        return self.text


def parse_url(url: str) -> Url:
    """Parse a URL; one of another form than usual by httpx.

    Raises:
        httpx.InvalidURL: it is none.
    """
    found = _USUAL_URL.fullmatch(url)
    if found is not None and found["port"] not in {"80", "443"}:  # httpx leaves out the usual port of a scheme
        host, port = found["host"], found["port"]
        path = found["path"] if found["path"].startswith("/") else f"/{found['path']}"
        netloc = host if port is None else f"{host}:{port}"
        return UsualUrl(
            found["scheme"], host.encode(), None if port is None else int(port), netloc.encode(), path.encode(), url
        )
    import httpx  # noqa: PLC0415 - see above

    return httpx.URL(url)


def _with_httpx(errors: tuple[type[Exception], ...], name: str) -> tuple[type[Exception], ...]:
    """Return ``errors`` and one of httpx, which raised nothing if it was not imported."""
    httpx = sys.modules.get("httpx")
    return errors if httpx is None else (*errors, getattr(httpx, name))


def _tls_context() -> ssl.SSLContext:
    """Return a context that trusts what httpx trusts: SSL_CERT_FILE, else SSL_CERT_DIR, else the package certifi."""
    import ssl  # noqa: PLC0415 - only for TLS

    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    import certifi  # noqa: PLC0415 - only for TLS

    return ssl.create_default_context(cafile=certifi.where())


def _by_name(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return fields by their names in lower case; several with one name are joined, as in RFC 9110, 5.3."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


class ProxiedConnection:
    """Connection through a proxy, made by httpx."""

    is_open = True

    def __init__(self, proxy: str, context: ssl.SSLContext | None) -> None:
        """Connect with the first request; without a ``context``, httpx creates its own.

        Raises:
            ValueError: httpx does not support the proxy.
        """
        import httpx  # noqa: PLC0415 - see above

        # no timeouts: `RetryingClient` sets them, and those of httpx apply to each read
        single = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_S)
        self._transport = httpx.AsyncHTTPTransport(verify=context or True, limits=single, proxy=proxy)

    async def exchange(self, request: Request, bodies: BodyReader) -> Response:
        """Send one request and read the response; see `HttpConnection`."""
        import httpx  # noqa: PLC0415 - see above

        to_send = httpx.Request(request.method, str(request.url), headers=request.headers, content=request.content)
        response = await self._transport.handle_async_request(to_send)
        try:
            chunks = response.aiter_raw()
            codings = response.headers.get("content-encoding", "")
            body = await bodies.read(lambda: anext(chunks, b""), codings)
            return Response(response.status_code, response.headers.raw, body)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close the connection."""
        await self._transport.aclose()

"""Connections to one host, with the words for what goes wrong on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h11
import httpx

from pytest_evalgate.engine.clients.proxied import ProxiedWire
from pytest_evalgate.engine.clients.proxies import proxy_of
from pytest_evalgate.engine.clients.wire import DirectWire, Request, bounded
from pytest_evalgate.engine.clients.wires import Wires
from pytest_evalgate.engine.faults import Answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from pytest_evalgate.engine.clients.wire import Wire
    from pytest_evalgate.engine.faults import Sender

_KNOWN: Final = 100
"""URLs that are kept parsed."""

_PIECE: Final = 64 * 1024

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "pytest-evalgate"}

_UNSENDABLE = (httpx.InvalidURL, h11.LocalProtocolError, UnicodeError)
_LOST = (httpx.HTTPError, h11.RemoteProtocolError, OSError)


class Connections:
    """Sends requests to one host, on as many connections as there are requests at a time.

    What httpx's client would add is not wanted: redirects, cookies, authentication. A key goes where the
    configuration says, and no case sees anything of another one.
    """

    def __init__(self, sender: Sender) -> None:
        """Load the certificates where there is TLS, which takes 20 ms: not on the event loop.

        Raises:
            Exception: a proxy or a certificate of the environment's cannot be used.

        """
        self._sender = sender
        self._proxy = proxy_of(sender.url)
        self._context = _context() if sender.url.lower().startswith("https:") else None
        if self._proxy is not None:
            ProxiedWire(self._proxy, self._context)  # tells now what is wrong with it
        self._wires = Wires(self._connect)
        self._urls: dict[str, httpx.URL] = {}

    async def exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """Send one request and read its reply; names in ``headers`` are in lower case.

        Raises:
            CallFault: no reply came.

        """
        try:
            response = await self._wires.exchange(Request(method, self._url(url), {**_HEADERS, **headers}, content))
            fields = httpx.Headers(response.headers)
            body = response.body
            if "content-encoding" in fields:
                body = await bounded(httpx.Response(200, headers=fields, stream=_Packed(body)).aiter_bytes())
        except _UNSENDABLE as error:
            raise self._sender.fault("bad_request", _name(error)) from error
        except _LOST as error:
            raise self._sender.fault("connection", _name(error)) from error
        return Answer(response.status, fields, self._sender.redact_body(body))

    async def close(self) -> None:
        """Close the connections."""
        await self._wires.close()

    async def _connect(self, request: Request) -> Wire:
        if self._proxy is not None:
            return ProxiedWire(self._proxy, self._context)
        return await DirectWire.to(request.url, self._context)

    def _url(self, url: str) -> httpx.URL:
        """Parse a URL; that of a model is always the same one, and takes as long as a tenth of a call."""
        if (parsed := self._urls.get(url)) is None:
            parsed = httpx.URL(url)
            if len(self._urls) < _KNOWN:
                self._urls[url] = parsed
        return parsed


class _Packed(httpx.AsyncByteStream):
    """A body for httpx to unpack, in pieces: nobody knows how much comes out."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), _PIECE):
            yield self._body[start : start + _PIECE]


def _context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""Connections that are kept: each request goes out on one that is free, or on a new one."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import h11
import httpx

from pytest_evalgate.engine.clients.wire import DirectWire, ProxiedWire, Request
from pytest_evalgate.engine.faults import Answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pytest_evalgate.engine.clients.wire import Wire
    from pytest_evalgate.engine.faults import Sender

_KNOWN: Final = 100
"""URLs that are kept parsed."""

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
        self._proxy = _proxy_of(sender.url)
        self._context = _context() if sender.url.lower().startswith("https:") else None
        self._urls: dict[str, httpx.URL] = {}
        self._free: list[Wire] = [] if self._proxy is None else [self._proxied(self._proxy)]

    async def exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """Send one request and read its reply; names in ``headers`` are in lower case.

        Raises:
            CallFault: no reply came.

        """
        try:
            request = Request(method, self._url(url), {**_HEADERS, **headers}, content)
            wire = await self._take(request.url)
            try:
                response = await wire.exchange(request)
            finally:
                await self._give(wire)
        except _UNSENDABLE as error:
            raise self._sender.fault("bad_request", _name(error)) from error
        except _LOST as error:
            raise self._sender.fault("connection", _name(error)) from error
        return Answer(response.status, response.headers, self._sender.redact_body(response.body))

    async def close(self) -> None:
        """Close the connections."""
        for wire in self._free:
            await wire.close()

    async def _take(self, url: httpx.URL) -> Wire:
        while self._free:
            if (wire := self._free.pop()).is_open:
                return wire
            await wire.close()
        if self._proxy is not None:
            return self._proxied(self._proxy)
        return await DirectWire.to(url, self._context)

    def _proxied(self, proxy: str) -> ProxiedWire:
        return ProxiedWire(proxy, self._context)

    async def _give(self, wire: Wire) -> None:
        """Keep ``wire`` where it may carry another request."""
        if wire.is_open:
            self._free.append(wire)
        else:
            await wire.close()

    def _url(self, url: str) -> httpx.URL:
        """Parse a URL; that of a model is always the same one, and takes as long as a tenth of a call."""
        if (parsed := self._urls.get(url)) is None:
            parsed = httpx.URL(url)
            if len(self._urls) < _KNOWN:
                self._urls[url] = parsed
        return parsed


def _context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; None for none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return named if "://" in named else f"http://{named}"


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

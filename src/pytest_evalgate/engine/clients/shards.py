"""Connections of httpx, over several small pools: one large pool is searched through for every request."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_evalgate.engine.faults import Answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx

    from pytest_evalgate.engine.faults import Sender

_SIZE: Final = 2
"""Connections of a pool: 64 in one cost 5 to 8 ms of CPU a request, 8 cost 0.75, 2 cost 0.66 (httpx 0.28)."""

_KEEP_S: Final = 120.0

_KNOWN: Final = 100
"""URLs that are kept parsed."""

_HEADERS: Final = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "pytest-evalgate"}


@dataclass(slots=True)
class _Shard:
    transport: httpx.AsyncHTTPTransport
    busy: int = 0


class Shards:
    """Sends requests through pools of 2 connections; a further pool is opened when all are busy.

    They go to httpx's transports without a client around them, which costs a third of each call: redirects, cookies
    and authentication are what it adds, and none of them is wanted. A key goes where the configuration says, and no
    case sees anything of another one.
    """

    def __init__(self, sender: Sender) -> None:
        """Load the certificates, which takes 20 ms: not on the event loop.

        Raises:
            Exception: a proxy or a certificate of the environment's cannot be used.

        """
        import httpx  # noqa: PLC0415 - 0.1 s

        self._sender = sender
        self._context: ssl.SSLContext = httpx.create_ssl_context()
        self._proxy = _proxy_of(sender.url)
        self._urls: dict[str, httpx.URL] = {}
        self._shards = [_Shard(self._pool())]

    async def exchange(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """Send one request and read all of its reply.

        Raises:
            CallFault: no reply came.

        """
        import httpx  # noqa: PLC0415 - is loaded by now

        shard = self._free()
        shard.busy += 1
        try:
            request = httpx.Request(method, self._url(url), headers={**_HEADERS, **headers}, content=content)
            response = await shard.transport.handle_async_request(request)
            try:
                body = await response.aread()
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            raise self._sender.fault("timeout", _name(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._sender.fault("connection", _name(error)) from error
        finally:
            shard.busy -= 1
        return Answer(response.status_code, response.headers, self._sender.redact_body(body))

    async def close(self) -> None:
        """Close the connections."""
        for shard in self._shards:
            await shard.transport.aclose()

    def _free(self) -> _Shard:
        for shard in self._shards:
            if shard.busy < _SIZE:
                return shard
        self._shards.append(_Shard(self._pool()))
        return self._shards[-1]

    def _pool(self) -> httpx.AsyncHTTPTransport:
        import httpx  # noqa: PLC0415 - is loaded by now

        # no timeouts: whoever sends bounds the time, and those of httpx are for each read
        limits = httpx.Limits(max_connections=_SIZE, max_keepalive_connections=_SIZE, keepalive_expiry=_KEEP_S)
        return httpx.AsyncHTTPTransport(verify=self._context, limits=limits, proxy=self._proxy)

    def _url(self, url: str) -> httpx.URL:
        """Parse a URL; that of a model is always the same one, and takes as long as a tenth of a call."""
        import httpx  # noqa: PLC0415 - is loaded by now

        if (parsed := self._urls.get(url)) is None:
            parsed = httpx.URL(url)
            if len(self._urls) < _KNOWN:
                self._urls[url] = parsed
        return parsed


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

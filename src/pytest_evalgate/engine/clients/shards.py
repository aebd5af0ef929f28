"""Connections of httpx, over several small pools: one large pool is searched through for every request."""

from __future__ import annotations

import http.cookiejar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.faults import Answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import httpx

    from pytest_evalgate.engine.faults import Sender

_SIZE: Final = 2
"""Connections of a pool: 64 in one cost 5 to 8 ms of CPU a request, 8 cost 0.75, 2 cost 0.66 (httpx 0.28)."""

_KEEP_S: Final = 120.0


@dataclass(slots=True)
class _Shard:
    client: httpx.AsyncClient
    busy: int = 0


class Shards:
    """Sends requests through pools of 2 connections; a further pool is opened when all are busy.

    Redirects are not followed and cookies not kept: a key goes where the configuration says, and no case sees
    anything of another one.
    """

    def __init__(self, sender: Sender) -> None:
        """Load the certificates, which takes 20 ms: not on the event loop.

        Raises:
            Exception: a proxy or a certificate of the environment's cannot be used.

        """
        import httpx  # noqa: PLC0415 - 0.1 s

        self._sender = sender
        self._context: ssl.SSLContext = httpx.create_ssl_context()
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
            response = await shard.client.request(method, url, headers=headers, content=content)
        except httpx.TimeoutException as error:
            raise self._sender.fault("timeout", _name(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._sender.fault("connection", _name(error)) from error
        finally:
            shard.busy -= 1
        return Answer(response.status_code, response.headers, response.content)

    async def close(self) -> None:
        """Close the connections."""
        for shard in self._shards:
            await shard.client.aclose()

    def _free(self) -> _Shard:
        for shard in self._shards:
            if shard.busy < _SIZE:
                return shard
        self._shards.append(_Shard(self._pool()))
        return self._shards[-1]

    def _pool(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - is loaded by now

        no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))
        return httpx.AsyncClient(
            verify=self._context,
            cookies=no_cookies,
            timeout=None,  # noqa: S113 - whoever sends bounds the time: these timeouts are per read
            limits=httpx.Limits(max_connections=_SIZE, max_keepalive_connections=_SIZE, keepalive_expiry=_KEEP_S),
        )


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

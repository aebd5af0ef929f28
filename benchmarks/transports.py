"""Transports of the HTTP clients side by side: the same gate over httpx, httpx-aiohttp, aiohttp and our own.

The script runs ``pytest --eval-gate`` with itself as a plugin, which puts the transport that ``transport.txt`` names
in place of ours. Two calls a case at 200 ms each; the variants run in turn, and of the rounds the least is taken. Run
``pip install aiohttp httpx-aiohttp`` first; ``--unrequested`` shows what each does with bytes that nobody requested.

========= ============================================================================================
pools     httpx (the SDK: httpx2) with pools of 8 connections, since its pool scans all connections
bridge    httpx over the transport of ``httpx-aiohttp`` (the SDK: its extra ``aiohttp``)
aiohttp   aiohttp's session without httpx between
ours      h11 over asyncio, `engine.clients.connections`
========= ============================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import itertools
import math
import resource
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import processes, projects

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest
    from benchmarks.processes import Used

VARIANTS: Final = ("ours", "pools", "bridge", "aiohttp")
LATENCY_S: Final = 0.2
POOL: Final = 8
BOUND: Final = 1.05
_CHOICE: Final = "transport.txt"


# -- the plugin


def pytest_configure(config: pytest.Config) -> None:
    """Put the chosen transport in place of ours."""
    variant = Path(config.rootpath, _CHOICE).read_text("utf-8")
    if variant == "ours":
        return
    from pytest_evalgate.engine.clients import openai, transport  # noqa: PLC0415 - the variant decides

    setattr(transport, "HttpTransport", _http_transport(variant))  # noqa: B010 - mypy: not a type
    setattr(openai, "_transport", lambda base_url, limits: _sdk_transport(variant, limits))  # noqa: ARG005, B010 - the same


def _http_transport(variant: str) -> type:
    """Return the class that takes the place of `HttpTransport` under ``variant``."""
    import httpx  # noqa: PLC0415 - only under the gate

    from pytest_evalgate.engine.faults import FaultFactory, HttpResponse  # noqa: PLC0415 - the same

    headers = {"accept-encoding": "gzip, deflate", "user-agent": "pytest-evalgate"}

    class HttpxTransport:
        def __init__(self, fault_factory: FaultFactory) -> None:
            self._faults = fault_factory
            self._clients = _in_turn(httpx, variant)

        async def exchange(
            self, method: str, url: str, fields: Mapping[str, str], content: bytes | None
        ) -> HttpResponse:
            client = next(self._clients)
            response = await client.request(method, url, headers={**headers, **fields}, content=content)
            return HttpResponse(response.status_code, response.headers, self._faults.redact_body(response.content))

        async def close(self) -> None: ...

    class AioTransport:
        def __init__(self, fault_factory: FaultFactory) -> None:
            self._faults = fault_factory
            self._session: Any = None

        async def exchange(
            self, method: str, url: str, fields: Mapping[str, str], content: bytes | None
        ) -> HttpResponse:
            if self._session is None:
                self._session = _session()
            async with self._session.request(method, url, headers={**headers, **fields}, data=content) as response:
                body = await response.read()
            return HttpResponse(response.status, response.headers, self._faults.redact_body(body))

        async def close(self) -> None:
            if self._session is not None:
                await self._session.close()

    return AioTransport if variant == "aiohttp" else HttpxTransport


def _in_turn(httpx: Any, variant: str) -> Any:
    if variant == "bridge":
        bridge: Any = importlib.import_module("httpx_aiohttp")
        return itertools.repeat(bridge.HttpxAiohttpClient(timeout=None, limits=httpx.Limits(max_connections=None)))
    pool = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    most = 128 // POOL
    return itertools.cycle([httpx.AsyncClient(timeout=None, limits=pool) for _ in range(most)])


def _session() -> Any:
    aiohttp: Any = importlib.import_module("aiohttp")
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False)


def _sdk_transport(variant: str, limits: type) -> Any:
    """Return the transport for the SDK's HTTP library under ``variant``."""
    library: Any = importlib.import_module(limits.__module__.partition(".")[0])
    if variant == "bridge":
        import openai  # noqa: PLC0415 - only this client

        client: Any = openai.DefaultAioHttpClient()
        return client._transport  # noqa: SLF001 - the SDK exports the client alone

    class PoolsTransport(library.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self) -> None:
            pool = library.Limits(max_connections=POOL, max_keepalive_connections=POOL)
            self._inner = itertools.cycle([library.AsyncHTTPTransport(limits=pool) for _ in range(128 // POOL)])

        async def handle_async_request(self, request: Any) -> Any:
            return await next(self._inner).handle_async_request(request)

    class AioTransport(library.AsyncBaseTransport):  # type: ignore[misc]
        _open: Any = None

        async def handle_async_request(self, request: Any) -> Any:
            if self._open is None:
                self._open = _session()
            content = await request.aread()
            sent = {name: value for name, value in request.headers.items() if name != "content-length"}
            async with self._open.request(request.method, str(request.url), headers=sent, data=content) as response:
                body = await response.read()
            return library.Response(response.status, headers=response.raw_headers, content=body, request=request)

        async def aclose(self) -> None:
            if self._open is not None:
                await self._open.close()

    return AioTransport() if variant == "aiohttp" else PoolsTransport()


# -- the script


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--concurrency", default="32,64,128")
    parser.add_argument("--clients", default="http,openai")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--unrequested", action="store_true", help="show what each does with unrequested responses")
    chosen = parser.parse_args()
    if chosen.unrequested:
        asyncio.run(_unrequested())
        return 0
    print(f"transports: {chosen.cases:,} cases, two calls of {LATENCY_S * 1000:.0f} ms each; {processes.machine()}")
    print("  client    c   limit  transport     wall  x limit  x ours     CPU   a call  x ours")
    variants = chosen.variants.split(",")
    for client in chosen.clients.split(","):
        for concurrency in map(int, chosen.concurrency.split(",")):
            limit_s = math.ceil(2 * chosen.cases / concurrency) * LATENCY_S
            found = _in_rounds(client, concurrency, variants, chosen)
            for name, used in found.items():
                place = f"{client:6} {concurrency:>4} {limit_s:7.2f}  {name:9}"
                print(_line(place, limit_s, used, found[variants[0]], chosen.cases), flush=True)
    print(f"  {processes.machine()}")
    return 0


def _line(place: str, limit_s: float, used: Used, ours: Used, cases: int) -> str:
    wall, cpu = used.wall_s / ours.wall_s, used.cpu_s / ours.cpu_s
    return (
        f"  {place} {used.wall_s:8.2f} {used.wall_s / limit_s:8.3f} {wall:7.3f} {used.cpu_s:7.2f} "
        f"{1000 * used.cpu_s / (2 * cases):6.2f} ms {cpu:6.3f} {'' if max(wall, cpu) <= BOUND else f'over {BOUND}'}"
    ).rstrip()


def _in_rounds(client: str, concurrency: int, variants: list[str], chosen: argparse.Namespace) -> dict[str, Used]:
    """Run each variant in turn, in each round; see to it that no call was lost, and none sent twice."""
    found: dict[str, list[Used]] = {name: [] for name in variants}
    with processes.judging_server(LATENCY_S) as server, tempfile.TemporaryDirectory() as folder:
        for number, name in itertools.product(range(chosen.rounds), variants):
            asked = projects.Asked(server.base_url, client, concurrency, judged=True)
            project = projects.write(Path(folder, f"{number}-{name}"), chosen.cases, asked.toml())
            (project / _CHOICE).write_text(name, "utf-8")
            used = processes.gate(project, "-p", "benchmarks.transports", projects.GOLDEN)
            calls = server.counts().calls
            assert calls == 2 * chosen.cases, f"{name}: {calls} calls\n{used.output[-2000:]}"
            found[name].append(used)
    return {name: processes.least(runs) for name, runs in found.items()}


async def _unrequested() -> None:
    """Print three replies of a server that sends another response after each, and the memory that a flood takes."""
    for name in ("ours", "aiohttp"):
        for label, after in (("one more response", _FORGED), ("200,000 more responses", _FORGED * 200_000)):
            served = await asyncio.start_server(partial(_serve, after), "127.0.0.1", 0)
            url = f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}/"
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            bodies = await _three(name, url)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            print(f"  {name:8} {label:24} replies {bodies}, the peak grew by {grown} MB")
            served.close()


_FORGED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"


async def _serve(after: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await asyncio.sleep(0.05)
            writer.write(after)
            await writer.drain()


async def _three(name: str, url: str) -> list[bytes]:
    from pytest_evalgate.engine.clients.transport import HttpTransport  # noqa: PLC0415 - not in the plugin
    from pytest_evalgate.engine.faults import FaultFactory  # noqa: PLC0415 - the same

    transport: Any = (HttpTransport if name == "ours" else _http_transport(name))(FaultFactory(url))
    bodies = []
    for _ in range(3):
        bodies.append((await transport.exchange("GET", url, {}, None)).body)
        await asyncio.sleep(1)
    await transport.close()
    return bodies


if __name__ == "__main__":
    sys.exit(main())

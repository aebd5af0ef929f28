"""The same calls with nothing around them: ``openai|aiohttp|httpx URL CHAINS LENGTH CONCURRENCY``.

What a careful user writes: ``AsyncOpenAI`` without retries and with as many kept connections as calls at a time,
``aiohttp`` with as many, or httpx over pools of 8 connections. The calls of a chain follow each other.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.processes import BARE_LIBRARIES, KEY_VARIABLE
from benchmarks.projects import question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[[list[dict[str, str]], int], Awaitable[None]]

SHARD = 8


def main() -> None:
    client, base_url, *numbers = sys.argv[1:]
    asyncio.run(ask_all(client, base_url, *map(int, numbers)))


async def ask_all(client: str, base_url: str, chains: int, length: int, concurrency: int) -> None:
    ask, close = {"openai": openai_client, "aiohttp": aiohttp_client, "httpx": httpx_client}[client](
        base_url, concurrency
    )
    slots = list(range(concurrency))
    free = asyncio.Semaphore(concurrency)

    async def chain(number: int) -> None:
        async with free:
            slot = slots.pop()
            for _ in range(length):
                await ask([{"role": "user", "content": question(number)}], slot)
            slots.append(slot)

    await asyncio.gather(*map(chain, range(chains)))
    await close()


def openai_client(base_url: str, concurrency: int) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    import openai  # noqa: PLC0415 - the other loops do without

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=concurrency, max_keepalive_connections=concurrency)
    client = openai.AsyncOpenAI(
        api_key=os.environ[KEY_VARIABLE],
        base_url=base_url,
        max_retries=0,
        timeout=60,
        http_client=openai.DefaultAsyncHttpxClient(limits=limits),
    )

    async def ask(messages: list[dict[str, str]], _: int) -> None:
        said: Any = messages
        reply = await client.chat.completions.create(model="scripted", messages=said)
        assert reply.choices[0].message.content == messages[0]["content"]

    return ask, client.close


def aiohttp_client(base_url: str, concurrency: int) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    sys.path.append(str(BARE_LIBRARIES))
    import aiohttp  # noqa: PLC0415 - the other loops do without

    headers = {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"}
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency), headers=headers)

    async def ask(messages: list[dict[str, str]], _: int) -> None:
        async with session.post(
            f"{base_url}/chat/completions", json={"model": "scripted", "messages": messages}
        ) as response:
            reply = await response.json()
        assert reply["choices"][0]["message"]["content"] == messages[0]["content"]

    return ask, session.close


def httpx_client(base_url: str, concurrency: int) -> tuple[Ask, Callable[[], Awaitable[None]]]:
    import httpx  # noqa: PLC0415 - the other loops do without

    limits = httpx.Limits(max_connections=SHARD, max_keepalive_connections=SHARD)
    headers = {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"}
    context = httpx.create_ssl_context()
    clients = [
        httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits, timeout=60, verify=context)
        for _ in range(-(-concurrency // SHARD))
    ]

    async def ask(messages: list[dict[str, str]], slot: int) -> None:
        body = {"model": "scripted", "messages": messages}
        reply = (await clients[slot // SHARD].post("/chat/completions", json=body)).json()
        assert reply["choices"][0]["message"]["content"] == messages[0]["content"]

    async def close() -> None:
        for client in clients:
            await client.aclose()

    return ask, close


if __name__ == "__main__":
    main()

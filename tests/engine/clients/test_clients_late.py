from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import HttpClient, SdkClient, model_client
from pytest_evalgate.engine.clients.lazy import LazyClient
from pytest_evalgate.records.calls import Call, CallFailed, Reply

_CALL = Call("chat", "", "m", {"model": "m", "messages": [{"role": "user", "content": "a"}]})


def test_nothing_is_made_before_the_first_call() -> None:
    async def live() -> list[str]:
        get_client: list[str] = []
        model = Model(model="m", base_url=server.base_url, client="http", api_key_env="MY_KEY")

        def make() -> SdkClient | HttpClient:
            get_client.append("once")
            return model_client("candidate", model, {"MY_KEY": "sk-canary"})

        client = LazyClient(make, wrap=lambda client: client)
        await client.close()
        assert not get_client
        assert [(await client.send(_CALL)).value for _ in range(2)] == ["yes", "yes"]
        await client.close()
        return get_client

    with ScriptedServer() as server:
        server.script(Behaviour.text("yes"))
        assert asyncio.run(live()) == ["once"]


class _Noting:
    """Takes a moment to open, and notes who is sent."""

    def __init__(self) -> None:
        self.is_open = asyncio.get_running_loop().create_future()
        self.sent: list[str] = []

    async def open(self) -> None:
        if not self.is_open.done():
            await asyncio.shield(self.is_open)

    async def send(self, call: Call) -> Reply:
        self.sent.append(call.label)
        return Reply("yes")


def test_who_comes_when_the_client_was_just_opened_waits_behind_those_who_waited() -> None:
    async def live() -> list[str]:
        client: Any = _Noting()
        late = LazyClient(lambda: client, wrap=lambda client: client)

        async def come_at_once() -> None:
            while not client.is_open.done():  # noqa: ASYNC110 - the very turn of the loop is what matters
                await asyncio.sleep(0)
            await late.send(replace(_CALL, label="c"))

        waiting = [asyncio.ensure_future(late.send(replace(_CALL, label=label))) for label in "ab"]
        last = asyncio.ensure_future(come_at_once())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(client.is_open.set_result, None)
        await asyncio.gather(*waiting, last)
        return list(client.sent)

    assert asyncio.run(live()) == ["a", "b", "c"]


def test_a_missing_key_is_no_fault_of_the_application() -> None:
    client = LazyClient(
        lambda: model_client("candidate", Model(model="m", api_key_env="MY_KEY"), {}), wrap=lambda client: client
    )
    with pytest.raises(
        CallFailed, match=r"models\.candidate\.api_key_env: the environment variable MY_KEY is not set"
    ):
        asyncio.run(client.send(_CALL))

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import HttpClient, SdkClient, model_client
from pytest_evalgate.engine.clients.lazy import LazyClient, LazyResource
from pytest_evalgate.engine.faults import CallFault, FaultFactory
from pytest_evalgate.records.calls import Call, CallFailed, Reply

_CALL = Call("chat", "", "m", {"model": "m", "messages": [{"role": "user", "content": "a"}]})


def test_the_client_is_created_by_the_first_call() -> None:
    async def run() -> list[str]:
        created: list[str] = []
        model = Model(model="m", base_url=server.base_url, client="http", api_key_env="MY_KEY")

        def make() -> SdkClient | HttpClient:
            created.append("once")
            return model_client("candidate", model, {"MY_KEY": "sk-canary"})

        client = LazyClient(make, wrap=lambda client: client)
        await client.close()
        assert not created
        assert [(await client.send(_CALL)).value for _ in range(2)] == ["yes", "yes"]
        await client.close()
        return created

    with ScriptedServer() as server:
        server.script(Behaviour.text("yes"))
        assert asyncio.run(run()) == ["once"]


class _SlowClient:
    """Client that records the labels of its calls; the test opens it."""

    def __init__(self) -> None:
        self.is_open = asyncio.get_running_loop().create_future()
        self.sent: list[str] = []

    async def open(self) -> None:
        if not self.is_open.done():
            await asyncio.shield(self.is_open)

    async def send(self, call: Call) -> Reply:
        self.sent.append(call.label)
        return Reply("yes")


def test_a_call_just_after_the_opening_does_not_overtake_the_waiting_ones() -> None:
    async def run() -> list[str]:
        client: Any = _SlowClient()
        lazy = LazyClient(lambda: client, wrap=lambda client: client)

        async def send_at_once() -> None:
            while not client.is_open.done():  # noqa: ASYNC110 - the very turn of the loop is what matters
                await asyncio.sleep(0)
            await lazy.send(replace(_CALL, label="c"))

        waiting = [asyncio.ensure_future(lazy.send(replace(_CALL, label=label))) for label in "ab"]
        last = asyncio.ensure_future(send_at_once())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(client.is_open.set_result, None)
        await asyncio.gather(*waiting, last)
        return list(client.sent)

    assert asyncio.run(run()) == ["a", "b", "c"]


def test_a_missing_key_fails_the_call_and_is_no_miss() -> None:
    client = LazyClient(
        lambda: model_client("candidate", Model(model="m", api_key_env="MY_KEY"), {}), wrap=lambda client: client
    )
    with pytest.raises(
        CallFailed, match=r"models\.candidate\.api_key_env: the environment variable MY_KEY is not set"
    ):
        asyncio.run(client.send(_CALL))


_FAULT_FACTORY = FaultFactory("http://127.0.0.1:9/v1", "m")


def test_a_resource_is_created_once_in_a_thread() -> None:
    threads: list[int] = []

    def make() -> str:
        threads.append(threading.get_ident())
        return "client"

    async def get() -> list[str]:
        resource = LazyResource(make, _FAULT_FACTORY)
        return await asyncio.gather(*(resource.get() for _ in range(5)))

    assert asyncio.run(get()) == ["client"] * 5
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


def test_resources_are_created_one_after_the_other() -> None:
    running: list[int] = []

    def make() -> int:
        running.append(1)
        most = len(running)
        time.sleep(0.005)
        running.pop()
        return most

    async def get() -> list[int]:
        return await asyncio.gather(*(LazyResource(make, _FAULT_FACTORY).get() for _ in range(5)))

    assert asyncio.run(get()) == [1] * 5


def test_a_resource_that_cannot_be_created_is_a_fault() -> None:
    def make() -> str:
        raise ValueError("bad proxy")

    async def get() -> str | None:
        resource = LazyResource(make, _FAULT_FACTORY)
        assert await resource.get_if_created() is None
        with pytest.raises(CallFault, match="bad proxy"):
            await resource.get()
        return await resource.get_if_created()

    assert asyncio.run(get()) is None


def test_a_resource_that_is_being_created_at_the_end_of_the_run_is_not_closed() -> None:
    release = threading.Event()

    async def end() -> str | None:
        resource = LazyResource(lambda: str(release.wait(60)), _FAULT_FACTORY)
        waiting = asyncio.ensure_future(resource.get())
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as the engine does when it stops
            task.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        release.set()
        return await resource.get_if_created()

    assert asyncio.run(end()) is None

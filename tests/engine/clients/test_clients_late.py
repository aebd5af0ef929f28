from __future__ import annotations

import asyncio

import pytest

from pytest_evalgate.calls import Call, CallFailed
from pytest_evalgate.engine.clients import HttpClient, SdkClient, model_client
from pytest_evalgate.engine.clients.late import LateClient
from pytest_evalgate.settings import Model
from pytest_evalgate.testing import Behaviour, ScriptedServer

_CALL = Call("chat", "", "m", {"model": "m", "messages": [{"role": "user", "content": "a"}]})


def test_nothing_is_made_before_the_first_call() -> None:
    async def live() -> list[str]:
        made: list[str] = []
        model = Model(model="m", base_url=server.base_url, client="http", api_key_env="MY_KEY")

        def make() -> SdkClient | HttpClient:
            made.append("once")
            return model_client("candidate", model, {"MY_KEY": "sk-canary"})

        client = LateClient(make, around=lambda client: client)
        await client.close()
        assert not made
        assert [(await client.send(_CALL)).value for _ in range(2)] == ["yes", "yes"]
        await client.close()
        return made

    with ScriptedServer() as server:
        server.script(Behaviour.text("yes"))
        assert asyncio.run(live()) == ["once"]


def test_a_missing_key_is_no_fault_of_the_application() -> None:
    client = LateClient(
        lambda: model_client("candidate", Model(model="m", api_key_env="MY_KEY"), {}), around=lambda client: client
    )
    with pytest.raises(
        CallFailed, match=r"models\.candidate\.api_key_env: the environment variable MY_KEY is not set"
    ):
        asyncio.run(client.send(_CALL))

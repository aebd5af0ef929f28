"""The engine on uvloop, an extra that is used when it is installed, and without it."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import HttpClient
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.loop import Engine
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.errors import EngineStopped
from pytest_evalgate.records.calls import Call, CallFailed, RunStopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.calls import Reply

uvloop = pytest.importorskip("uvloop")


@pytest.fixture(params=["uvloop", "without"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Start an engine on uvloop, and on asyncio's loop, as if uvloop was not installed."""
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    engine = Engine()
    yield engine
    engine.stop()


async def _kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_the_loop_is_that_of_uvloop_if_it_is_installed(engine: Engine, request: pytest.FixtureRequest) -> None:
    name = {"uvloop": "uvloop", "without": "asyncio"}[request.node.callspec.params["engine"]]
    assert engine.run(_kind()) == name
    assert engine.run(_kind()) == name


def _client(server: ScriptedServer, stop_signal: StopSignal, timeout_s: float = 60.0) -> tuple[Any, RetryingClient]:
    inner = HttpClient(Model(model="m", base_url=server.base_url, api_key_env=""), None)
    limiter = Limiter(Limits(8), stop_signal)
    return inner, RetryingClient(inner, limiter, stop_signal, "e", RetryPolicy(timeout_s, attempts=1))


def _call(server: ScriptedServer, text: str) -> Call:
    message = {"role": "user", "content": text}
    return Call("chat", server.base_url, "m", {"model": "m", "messages": [message]})


def test_calls_share_connections(engine: Engine) -> None:
    with ScriptedServer() as server:
        server.answer_with(lambda _: Behaviour.echo())
        inner, client = _client(server, StopSignal())

        async def ask_all() -> list[Reply]:
            try:
                return await asyncio.gather(*(client.send(_call(server, str(number))) for number in range(40)))
            finally:
                await inner.close()

        assert [reply.value for reply in engine.run(ask_all())] == [str(number) for number in range(40)]
        assert server.connections <= 8


def test_a_call_that_takes_too_long_ends_and_so_does_one_when_the_run_stops(engine: Engine) -> None:
    with ScriptedServer() as server:
        server.answer_with(lambda _: Behaviour.hang())
        stop_signal = StopSignal()
        inner, client = _client(server, stop_signal, 0.05)

        async def ask() -> None:
            await client.send(_call(server, "hi"))

        with pytest.raises(CallFailed, match="no complete reply within"):
            engine.run(ask())
        stop_signal.stop("no money")
        with pytest.raises(RunStopped, match="no money"):
            engine.run(ask())
        engine.run(inner.close())


def test_work_that_raises_an_interrupt_does_not_end_the_loop(engine: Engine) -> None:
    async def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.wait(engine.work_queue("a", 1).submit(interrupt))
    assert engine.run(_kind()) in {"uvloop", "asyncio"}


def test_stopping_cancels_the_work(engine: Engine) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    future = engine.work_queue("a", 1).submit(for_ever)
    started = time.monotonic()
    engine.stop()
    with pytest.raises(EngineStopped):
        engine.wait(future)
    assert time.monotonic() - started < 60

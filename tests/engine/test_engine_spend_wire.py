"""The budget over the whole way to a real local server: what was refused was never sent."""

from __future__ import annotations

import asyncio

from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model, Price
from pytest_evalgate.engine.clients import HttpClient
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.spend import Budget, MeteredClient, Prices, Spend
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, Reply, RunStopped


async def _send(server: ScriptedServer, number: int, budget_usd: float) -> tuple[list[object], Spend, StopSignal]:
    model = Model(model="m", base_url=server.base_url, price=Price(input_per_mtok=0, output_per_mtok=1_000))
    halt, spend, http = StopSignal(), Spend(), HttpClient(model, None)
    retrying = RetryingClient(http, Limiter(Limits(8), halt), halt, "m", RetryPolicy(60.0, first_pause_s=0.01))
    client = MeteredClient(retrying, Prices({"candidate": model}), spend, Budget(budget_usd, halt))
    payload = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
    calls = [Call("chat", server.base_url, "m", payload, trial, route="candidate") for trial in range(number)]
    try:
        return list(await asyncio.gather(*map(client.send, calls), return_exceptions=True)), spend, halt
    finally:
        await http.close()


def test_answers_are_bought_until_the_budget_is_spent() -> None:
    with ScriptedServer() as server:
        server.script(Behaviour.text("ok", usage=(3, 50)))  # US$0.05 each, of the US$0.10 that it may cost
        got, spend, halt = asyncio.run(_send(server, 30, 1.0))
    answered = [reply for reply in got if isinstance(reply, Reply)]
    assert sum(isinstance(error, RunStopped) for error in got) == 30 - len(answered)
    assert server.calls == len(answered) == spend.calls.sent == 19  # the 20th answer could have cost US$0.10
    assert round(spend.calls.cost_usd, 6) == 0.95
    assert {reply.cost_usd for reply in answered} == {0.05}
    assert halt.reason is not None
    assert halt.reason.startswith("budget of US$1.00 reached: US$0.9500 spent")


def test_retries_are_counted_and_cost_nothing_by_themselves() -> None:
    with ScriptedServer() as server:
        server.script(Behaviour.text("ok", usage=(3, 50)))
        server.queue(Behaviour.status(503), Behaviour.status(502))
        got, spend, halt = asyncio.run(_send(server, 1, 1.0))
    assert isinstance(got[0], Reply)
    assert (server.calls, spend.calls.sent, spend.calls.retried) == (3, 1, 2)
    assert spend.calls.cost_usd == 0.05
    assert halt.reason is None

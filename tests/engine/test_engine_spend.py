from __future__ import annotations

import asyncio
import importlib.util
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model, Price
from pytest_evalgate.engine.clients import HttpClient
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.spend import Budget, MeteredClient, Prices, Spend, Tokens, budget_problem, estimate_tokens
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, CallFailed, CallRecord, Reply, RunStopped
from pytest_evalgate.records.verdicts import Calls
from pytest_evalgate.runs.estimate import Estimate, SuiteEstimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.calls import CallKind

# a call reads nothing and may write 100 tokens: it reserves US$0.10
_CALL = Call("chat", "http://127.0.0.1/v1", "m", {"max_tokens": 100}, route="candidate")
_REPLY = Reply("hello", tokens_in=0, tokens_out=100)
_PRICES = Prices({"candidate": Model(model="m", price=Price(input_per_mtok=0, output_per_mtok=1_000))})
_UNKNOWN = Prices({})


@dataclass
class _Inner:
    """Client that replies when its gate is open."""

    reply: Callable[[int], Reply] = lambda _: _REPLY
    sent: int = 0
    in_flight: int = 0
    peak: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, call: Call) -> Reply:
        assert call == _CALL
        self.sent += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await self.gate.wait()
            return self.reply(self.sent)
        finally:
            self.in_flight -= 1

    def open(self) -> _Inner:
        self.gate.set()
        return self


def _failing(record: CallRecord | None) -> _Inner:
    def fail(_: int) -> Reply:
        raise CallFailed("no luck", record)

    return _Inner(fail).open()


def _client(inner: _Inner, usd: float, stop_signal: StopSignal | None = None) -> MeteredClient:
    return MeteredClient(inner, _PRICES, Spend(), Budget(usd, stop_signal or StopSignal()))


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


# --- totals ---------------------------------------------------------------------------------------------------------


async def test_a_reply_has_its_cost_and_is_counted() -> None:
    spend = Spend()
    inner = _Inner(lambda _: replace(_REPLY, tokens_in=7, attempts=3)).open()
    reply = await MeteredClient(inner, _PRICES, spend).send(_CALL)
    assert reply.cost_usd == pytest.approx(0.1)
    assert replace(spend.calls, cost_usd=0.0) == Calls(planned=1, sent=1, retried=2, tokens_in=7, tokens_out=100)
    assert spend.calls.cost_usd == pytest.approx(0.1)


async def test_an_unknown_price_is_counted_and_not_zero() -> None:
    spend = Spend()
    reply = await MeteredClient(_Inner().open(), _UNKNOWN, spend).send(_CALL)
    assert reply.cost_usd is None
    assert (spend.calls.sent, spend.calls.unknown_price, spend.calls.cost_usd) == (1, 1, 0.0)


def test_a_cached_reply_is_counted_apart() -> None:
    spend = Spend()
    spend.add(CallRecord("target", "m", 0, 5, 6, 0.0))
    spend.add(CallRecord("target", "m", 1, 1, 2, 0.5))
    assert spend.calls == Calls(planned=2, sent=1, cached=1, tokens_in=1, tokens_out=2, cost_usd=0.5)


@pytest.mark.parametrize(
    ("record", "cost", "retried"),
    [(CallRecord("target", "m", 5), 0.0, 4), (CallRecord("target", "m", 2, 0, 50), 0.05, 1)],
)
async def test_a_failed_call_costs_its_billed_tokens(record: CallRecord, cost: float, retried: int) -> None:
    spend = Spend()
    with pytest.raises(CallFailed, match="no luck") as failed:
        await MeteredClient(_failing(record), _PRICES, spend).send(_CALL)
    assert failed.value.record is not None
    assert failed.value.record.cost_usd == pytest.approx(cost)
    assert replace(failed.value.record, cost_usd=None) == record
    assert (spend.calls.sent, spend.calls.retried) == (1, retried)
    assert spend.calls.cost_usd == pytest.approx(cost)


async def test_a_call_that_was_never_sent_is_not_counted() -> None:
    spend = Spend()
    with pytest.raises(CallFailed):
        await MeteredClient(_failing(None), _PRICES, spend).send(_CALL)
    assert spend.calls == Calls()


# --- budget ---------------------------------------------------------------------------------------------------------


async def test_the_budget_stops_the_run_after_the_last_call_that_fits() -> None:
    stop_signal, inner = StopSignal(), _Inner().open()
    client = _client(inner, 0.35, stop_signal)
    results = await asyncio.gather(*[client.send(_CALL) for _ in range(6)], return_exceptions=True)
    assert inner.sent == 3
    stopped = [str(result) for result in results if isinstance(result, RunStopped)]
    assert stopped == [stop_signal.reason] * 3
    assert stop_signal.reason == (
        "budget of US$0.35 reached: US$0.3000 spent, and the next call may cost US$0.1000. Raise budget_usd "
        "and run again (replies received so far are cached)"
    )


async def test_a_call_that_waits_for_a_slot_is_not_sent_if_others_cost_more_than_reserved() -> None:
    stop_signal = StopSignal()
    budget = Budget(0.35, stop_signal)
    await budget.reserve(0.1)
    await budget.reserve(0.1)  # this one waits for a slot
    budget.charge(0.1, 0.36)
    with pytest.raises(RunStopped, match=r"budget of US\$0\.35 reached: US\$0\.3600 spent\. Raise"):
        stop_signal.check()
    assert budget.stop_reason == stop_signal.reason


async def test_a_call_waits_for_the_reservations_of_calls_in_flight() -> None:
    stop_signal = StopSignal()
    inner = _Inner(lambda _: replace(_REPLY, tokens_out=10))
    client = _client(inner, 0.25, stop_signal)
    tasks = [asyncio.create_task(client.send(_CALL)) for _ in range(6)]
    await _settle()
    assert inner.sent == 2  # a third one could cost US$0.10 more, in all US$0.30
    assert stop_signal.reason is None
    inner.open()
    await asyncio.gather(*tasks)
    assert inner.sent == 6  # each cost a tenth of its reservation
    assert inner.peak == 2
    assert stop_signal.reason is None


async def test_a_stop_of_the_run_ends_the_wait_for_the_budget() -> None:
    stop_signal, inner = StopSignal(), _Inner()
    client = _client(inner, 0.1, stop_signal)
    first, second = (asyncio.create_task(client.send(_CALL)) for _ in range(2))
    await _settle()
    stop_signal.stop("interrupted")
    with pytest.raises(RunStopped, match="interrupted"):
        await second
    inner.open()
    assert (await first).value == "hello"
    with pytest.raises(RunStopped, match="interrupted"):
        await client.send(_CALL)
    assert inner.sent == 1


async def test_a_cancelled_waiter_does_not_block_the_others() -> None:
    inner = _Inner(lambda _: replace(_REPLY, tokens_out=1))
    client = _client(inner, 0.11)
    first, second, third = (asyncio.create_task(client.send(_CALL)) for _ in range(3))
    await _settle()
    second.cancel()
    inner.open()
    await asyncio.gather(first, third)
    assert inner.sent == 2


async def test_a_cancelled_call_gives_back_its_reservation() -> None:
    inner = _Inner()
    client = _client(inner, 0.1)
    task = asyncio.create_task(client.send(_CALL))
    await _settle()
    task.cancel()
    await _settle()
    inner.open()
    assert (await client.send(_CALL)).value == "hello"


async def test_a_reply_without_usage_is_charged_its_reservation() -> None:
    inner = _Inner(lambda _: replace(_REPLY, tokens_out=None)).open()
    client = _client(inner, 0.25)
    for _ in range(2):
        await client.send(_CALL)
    with pytest.raises(RunStopped, match=r"US\$0\.2000 spent"):
        await client.send(_CALL)
    assert inner.sent == 2


async def test_billed_failures_count_against_the_budget() -> None:
    client = _client(_failing(CallRecord("target", "m", 1, 0, 100)), 0.1)
    with pytest.raises(CallFailed, match="no luck"):
        await client.send(_CALL)
    with pytest.raises(RunStopped, match=r"budget of US\$0\.10 reached"):
        await client.send(_CALL)


async def test_a_budget_rejects_a_call_of_unknown_price() -> None:
    stop_signal, inner = StopSignal(), _Inner().open()
    with pytest.raises(RunStopped, match=r"input_per_mtok = \.\.\."):
        await MeteredClient(inner, _UNKNOWN, Spend(), Budget(9.0, stop_signal)).send(_CALL)
    assert inner.sent == 0
    assert str(stop_signal.reason).startswith(
        "budget of US$9.00 cannot be enforced: the price of candidate is unknown. Set price = {"
    )


@pytest.mark.parametrize("usd", [0.05, 0.0])
async def test_a_budget_below_the_first_call_sends_none(usd: float) -> None:
    inner = _Inner().open()
    with pytest.raises(RunStopped):
        await _client(inner, usd).send(_CALL)
    assert inner.sent == 0


async def test_float_noise_does_not_reject_the_last_call() -> None:
    client = _client(_Inner().open(), 0.3)
    for _ in range(3):  # 0.1 + 0.1 + 0.1 > 0.3
        await client.send(_CALL)


# --- budget and retries against a server ----------------------------------------------------------------------------


async def _send(server: ScriptedServer, number: int, usd: float) -> tuple[list[object], Spend, StopSignal]:
    model = Model(model="m", base_url=server.base_url, price=Price(input_per_mtok=0, output_per_mtok=1_000))
    stop_signal, spend, http = StopSignal(), Spend(), HttpClient(model, None)
    limiter = Limiter(Limits(8), stop_signal)
    retrying = RetryingClient(http, limiter, stop_signal, "m", RetryPolicy(60.0, first_pause_s=0.01))
    client = MeteredClient(retrying, Prices({"candidate": model}), spend, Budget(usd, stop_signal))
    payload = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100}
    calls = [Call("chat", server.base_url, "m", payload, trial, route="candidate") for trial in range(number)]
    try:
        return list(await asyncio.gather(*map(client.send, calls), return_exceptions=True)), spend, stop_signal
    finally:
        await http.close()


def test_rejected_calls_never_reach_the_server() -> None:
    with ScriptedServer() as server:
        server.script(Behaviour.text("ok", usage=(3, 50)))  # US$0.05 each, of US$0.10 reserved
        results, spend, stop_signal = asyncio.run(_send(server, 30, 1.0))
    replies = [result for result in results if isinstance(result, Reply)]
    assert sum(isinstance(error, RunStopped) for error in results) == 30 - len(replies)
    assert server.calls == len(replies) == spend.calls.sent == 19  # the 20th reply could have cost US$0.10
    assert round(spend.calls.cost_usd, 6) == 0.95
    assert {reply.cost_usd for reply in replies} == {0.05}
    assert str(stop_signal.reason).startswith("budget of US$1.00 reached: US$0.9500 spent")


def test_retries_are_counted_and_cost_nothing_themselves() -> None:
    with ScriptedServer() as server:
        server.script(Behaviour.text("ok", usage=(3, 50)))
        server.queue(Behaviour.status(503), Behaviour.status(502))
        results, spend, stop_signal = asyncio.run(_send(server, 1, 1.0))
    assert isinstance(results[0], Reply)
    assert (server.calls, spend.calls.sent, spend.calls.retried) == (3, 1, 2)
    assert spend.calls.cost_usd == 0.05
    assert stop_signal.reason is None


# --- prices ---------------------------------------------------------------------------------------------------------

_PRICE = Price(input_per_mtok=0.15, output_per_mtok=0.60)
_LISTED = pytest.mark.skipif(
    importlib.util.find_spec("genai_prices") is None, reason="needs the extra: pip install pytest-evalgate[prices]"
)


def _prices(name: str = "gpt-4o-mini", **fields: Any) -> Prices:
    return Prices({"candidate": Model(model=name, **fields)})


def test_a_configured_price_is_per_million_tokens() -> None:
    prices = _prices(price=_PRICE)
    assert prices.cost("candidate", 1_000_000, 0) == 0.15
    assert prices.cost("candidate", 0, 1_000_000) == 0.60
    assert prices.cost("candidate", 1_000, 500) == pytest.approx(0.00045)
    assert prices.source("candidate") == "config"


@pytest.mark.parametrize(("read", "written"), [(None, 5), (5, None), (None, None)])
def test_unknown_tokens_have_an_unknown_cost(read: int | None, written: int | None) -> None:
    assert _prices(price=_PRICE).cost("candidate", read, written) is None


def test_a_configured_price_of_zero_is_known() -> None:
    assert _prices(price=Price(input_per_mtok=0, output_per_mtok=0)).cost("candidate", 10, 10) == 0


def test_an_application_has_no_price() -> None:
    prices = _prices(price=_PRICE)
    assert (prices.cost("support", 1, 1), prices.source("support")) == (None, None)


def test_without_genai_prices_an_unconfigured_price_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices = _prices()
    assert (prices.cost("candidate", 1, 1), prices.source("candidate")) == (None, None)


def test_genai_prices_is_not_loaded_if_every_price_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert _prices(price=_PRICE).source("candidate") == "config"


@_LISTED
def test_genai_prices_has_a_model_at_its_own_endpoint() -> None:
    prices = _prices("gpt-4o-mini-2024-07-18")
    cost = prices.cost("candidate", 1_000, 100)
    assert cost is not None
    assert 0 < cost < 0.01
    assert prices.cost("candidate", 0, 0) == 0
    assert str(prices.source("candidate")).startswith("genai-prices ")


@_LISTED
def test_a_configured_price_overrides_genai_prices() -> None:
    assert _prices(price=_PRICE).source("candidate") == "config"


@_LISTED
@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("gpt-4o-mini", "http://localhost:11434/v1"),
        ("gpt-4o-mini", "https://llm.example.com/v1"),
        ("a-model-of-our-own", "https://api.openai.com/v1"),
    ],
)
def test_a_model_at_another_endpoint_has_an_unknown_price(name: str, base_url: str) -> None:
    prices = _prices(name, base_url=base_url)
    assert (prices.cost("candidate", 1_000, 100), prices.source("candidate")) == (None, None)


@_LISTED
def test_a_listed_price_of_zero_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Free:
        total_price = 0

    monkeypatch.setattr("genai_prices.calc_price", lambda *_, **__: Free)
    assert _prices().cost("candidate", 1_000, 100) is None


# --- token estimates ------------------------------------------------------------------------------------------------


def _estimated(payload: dict[str, Any], kind: CallKind = "chat") -> Tokens:
    return estimate_tokens(Call(kind, "https://api.openai.com/v1", "m", payload))


@pytest.mark.parametrize(
    ("content", "tokens"), [("x" * 93, 25), ([{"type": "text", "text": "x" * 92}], 25)], ids=["text", "parts"]
)
def test_four_characters_are_a_token_rounded_up(content: Any, tokens: int) -> None:
    assert _estimated({"messages": [{"role": "user", "content": content}]}).read == tokens  # "user" counts, too


@pytest.mark.parametrize(
    ("payload", "written"),
    [
        ({}, 256),
        ({"max_tokens": 17}, 17),
        ({"max_completion_tokens": 18, "max_tokens": 17}, 18),
        ({"max_output_tokens": 19}, 19),
        ({"max_tokens": None}, 256),
    ],
)
def test_a_reply_is_estimated_at_its_maximum(payload: dict[str, Any], written: int) -> None:
    assert _estimated(payload).written == written


def test_a_call_of_the_responses_api_is_estimated_like_a_chat() -> None:
    assert _estimated({"input": "x" * 40, "max_output_tokens": 5}, "responses") == Tokens(10, 5)


@pytest.mark.parametrize("kind", ["http", "command", "python"])
def test_an_application_has_no_tokens(kind: CallKind) -> None:
    assert _estimated({"input": "x" * 40}, kind) == Tokens(0, 0)


_PRICED = Estimate((SuiteEstimate("faq", 240, 960, 412, 131_400, 28_100, 0.83, 1.41, "median"),))
_UNPRICED = replace(_PRICED, unpriced=(("my-judge", 30), ("app", 6)))
_CACHED = Estimate((SuiteEstimate("faq", 60, 240, 0, 0, 0, 0.0, 0.0, "all cached"),))


@pytest.mark.parametrize(
    ("estimate", "budget"), [(_PRICED, None), (_PRICED, 0.83), (_PRICED, 5.0), (_CACHED, 0.0), (_UNPRICED, None)]
)
def test_a_run_within_its_budget_may_start(estimate: Estimate, budget: float | None) -> None:
    assert budget_problem(estimate, budget) is None


def test_a_run_that_is_expected_to_cost_more_may_not_start() -> None:
    assert budget_problem(_PRICED, 0.82) == (
        "budget of US$0.82 is too small: 412 calls, about US$0.83 (at most US$1.41). Raise budget_usd, or select a "
        "smaller suite; --eval-estimate shows the cost of each suite"
    )


def test_a_budget_needs_every_price() -> None:
    assert budget_problem(_UNPRICED, 1_000.0) == (
        'budget of US$1,000.00 cannot be enforced: the price of 30 calls to "my-judge", 6 calls to "app" is unknown. '
        "Set price = { input_per_mtok = ..., output_per_mtok = ... } for the model, or remove the budget"
    )

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import Model, Price
from pytest_evalgate.engine.spend import Budget, MeteredClient, Prices, Spend, budget_problem
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, CallFailed, CallRecord, Reply, RunStopped
from pytest_evalgate.records.results import Calls
from pytest_evalgate.runs.estimate import Estimate, SuiteEstimate

if TYPE_CHECKING:
    from collections.abc import Callable

# a call reads nothing and may write 100 tokens: it holds US$0.10
_CALL = Call("chat", "http://127.0.0.1/v1", "m", {"max_tokens": 100}, route="candidate")
_REPLY = Reply("hello", tokens_in=0, tokens_out=100)
_PRICES = Prices({"candidate": Model(model="m", price=Price(input_per_mtok=0, output_per_mtok=1_000))})
_UNKNOWN = Prices({})


@dataclass
class _Inner:
    """Answers once ``opened``; counts what is in flight."""

    answer: Callable[[int], Reply] = lambda _: _REPLY
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
            return self.answer(self.sent)
        finally:
            self.in_flight -= 1

    def open(self) -> _Inner:
        self.gate.set()
        return self


def _fails(record: CallRecord | None) -> Callable[[int], Reply]:
    def answer(_: int) -> Reply:
        raise CallFailed("no luck", record)

    return answer


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_reply_says_what_it_cost_and_is_counted() -> None:
    async def scene() -> tuple[Reply, Calls]:
        spend = Spend()
        inner = _Inner(lambda _: replace(_REPLY, tokens_in=7, attempts=3)).open()
        return await MeteredClient(inner, _PRICES, spend).send(_CALL), spend.calls

    reply, calls = asyncio.run(scene())
    assert reply.cost_usd == pytest.approx(0.1)
    assert replace(calls, cost_usd=0.0) == Calls(planned=1, sent=1, retried=2, tokens_in=7, tokens_out=100)
    assert calls.cost_usd == pytest.approx(0.1)


def test_an_unknown_price_is_counted_and_never_zero() -> None:
    async def scene() -> tuple[Reply, Calls]:
        spend = Spend()
        return await MeteredClient(_Inner().open(), _UNKNOWN, spend).send(_CALL), spend.calls

    reply, calls = asyncio.run(scene())
    assert reply.cost_usd is None
    assert (calls.sent, calls.unknown_price, calls.cost_usd) == (1, 1, 0.0)


def test_a_remembered_answer_is_counted_apart() -> None:
    spend = Spend()
    spend.add(CallRecord("target", "m", 0, 5, 6, 0.0))
    spend.add(CallRecord("target", "m", 1, 1, 2, 0.5))
    assert spend.calls == Calls(planned=2, sent=1, cached=1, tokens_in=1, tokens_out=2, cost_usd=0.5)


@pytest.mark.parametrize(
    ("record", "cost", "retried"),
    [
        (CallRecord("target", "m", 5), 0.0, 4),
        (CallRecord("target", "m", 2, 0, 50), 0.05, 1),
    ],
)
def test_a_call_in_vain_costs_what_was_billed_for_it(record: CallRecord, cost: float, retried: int) -> None:
    async def scene() -> tuple[CallFailed, Calls]:
        spend = Spend()
        with pytest.raises(CallFailed, match="no luck") as caught:
            await MeteredClient(_Inner(_fails(record)).open(), _PRICES, spend).send(_CALL)
        return caught.value, spend.calls

    failed, calls = asyncio.run(scene())
    assert failed.record is not None
    assert failed.record.cost_usd == pytest.approx(cost)
    assert replace(failed.record, cost_usd=None) == record
    assert (calls.sent, calls.retried) == (1, retried)
    assert calls.cost_usd == pytest.approx(cost)


def test_a_call_that_was_never_sent_is_not_counted() -> None:
    async def scene() -> Calls:
        spend = Spend()
        with pytest.raises(CallFailed):
            await MeteredClient(_Inner(_fails(None)).open(), _PRICES, spend).send(_CALL)
        return spend.calls

    assert asyncio.run(scene()) == Calls()


def test_the_budget_is_spent_to_the_last_call_that_fits_and_then_stops_the_run() -> None:
    async def scene() -> tuple[int, list[str], str | None]:
        halt = StopSignal()
        inner = _Inner().open()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.35, halt))
        told = [str(e) for e in await asyncio.gather(*[client.send(_CALL) for _ in range(6)], return_exceptions=True)]
        return inner.sent, [text for text in told if text.startswith("budget")], halt.reason

    sent, told, reason = asyncio.run(scene())
    assert sent == 3
    assert len(told) == 3
    assert set(told) == {reason}
    assert reason == (
        "budget of US$0.35 reached: US$0.3000 are spent, and the next call may cost US$0.1000. What was answered is "
        "kept: raise budget_usd and run again"
    )


def test_a_call_that_waits_for_its_turn_is_not_sent_when_the_others_turn_out_too_dear() -> None:
    async def scene() -> None:
        halt = StopSignal()
        budget = Budget(0.35, halt)
        await budget.reserve(0.1)
        await budget.reserve(0.1)  # it has its money, and waits for a slot
        budget.charge(0.1, 0.36)
        with pytest.raises(RunStopped, match=r"budget of US\$0\.35 reached: US\$0\.3600 are spent\. What was"):
            halt.check()
        assert budget.stop_reason == halt.reason

    asyncio.run(scene())


def test_what_is_in_flight_is_held_and_the_next_call_waits_for_it() -> None:
    async def scene() -> None:
        halt = StopSignal()
        inner = _Inner(lambda _: replace(_REPLY, tokens_out=10))
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.25, halt))
        tasks = [asyncio.create_task(client.send(_CALL)) for _ in range(6)]
        await _settle()
        assert inner.sent == 2  # a third one could cost US$0.10 more, in all US$0.30
        assert halt.reason is None
        inner.open()
        await asyncio.gather(*tasks)
        assert inner.sent == 6  # each cost a tenth of what it held
        assert inner.peak == 2
        assert halt.reason is None

    asyncio.run(scene())


def test_who_waits_is_told_when_the_run_stops() -> None:
    async def scene() -> None:
        halt = StopSignal()
        inner = _Inner()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.1, halt))
        first, second = (asyncio.create_task(client.send(_CALL)) for _ in range(2))
        await _settle()
        halt.stop("interrupted")
        with pytest.raises(RunStopped, match="interrupted"):
            await second
        inner.open()
        assert (await first).value == "hello"
        with pytest.raises(RunStopped, match="interrupted"):
            await client.send(_CALL)
        assert inner.sent == 1

    asyncio.run(scene())


def test_a_waiter_that_is_cancelled_does_not_hold_up_the_others() -> None:
    async def scene() -> None:
        inner = _Inner(lambda _: replace(_REPLY, tokens_out=1))
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.11, StopSignal()))
        first, second, third = (asyncio.create_task(client.send(_CALL)) for _ in range(3))
        await _settle()
        second.cancel()
        inner.open()
        await asyncio.gather(first, third)
        assert inner.sent == 2

    asyncio.run(scene())


def test_a_cancelled_call_gives_back_what_it_held() -> None:
    async def scene() -> None:
        inner = _Inner()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.1, StopSignal()))
        task = asyncio.create_task(client.send(_CALL))
        await _settle()
        task.cancel()
        await _settle()
        inner.open()
        assert (await client.send(_CALL)).value == "hello"

    asyncio.run(scene())


def test_an_answer_without_usage_is_charged_with_what_it_held() -> None:
    async def scene() -> int:
        inner = _Inner(lambda _: replace(_REPLY, tokens_out=None)).open()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.25, StopSignal()))
        await client.send(_CALL)
        await client.send(_CALL)
        with pytest.raises(RunStopped, match=r"US\$0\.2000 are spent"):
            await client.send(_CALL)
        return inner.sent

    assert asyncio.run(scene()) == 2


def test_failed_calls_that_were_billed_count_against_the_budget() -> None:
    async def scene() -> None:
        inner = _Inner(_fails(CallRecord("target", "m", 1, 0, 100))).open()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.1, StopSignal()))
        with pytest.raises(CallFailed, match="no luck"):
            await client.send(_CALL)
        with pytest.raises(RunStopped, match=r"budget of US\$0\.10 reached"):
            await client.send(_CALL)

    asyncio.run(scene())


def test_a_budget_refuses_a_call_whose_price_nobody_knows() -> None:
    async def scene() -> tuple[int, str | None]:
        halt = StopSignal()
        inner = _Inner().open()
        client = MeteredClient(inner, _UNKNOWN, Spend(), Budget(9.0, halt))
        with pytest.raises(RunStopped, match="no price is known of candidate"):
            await client.send(_CALL)
        return inner.sent, halt.reason

    sent, reason = asyncio.run(scene())
    assert sent == 0
    assert reason is not None
    assert reason.startswith(
        "budget of US$9.00 cannot be held: no price is known of candidate. Give a model its price"
    )
    assert "input_per_mtok = ..." in reason


@pytest.mark.parametrize("budget", [0.05, 0.0])
def test_a_budget_for_no_call_at_all(budget: float) -> None:
    async def scene() -> int:
        inner = _Inner().open()
        with pytest.raises(RunStopped):
            await MeteredClient(inner, _PRICES, Spend(), Budget(budget, StopSignal())).send(_CALL)
        return inner.sent

    assert asyncio.run(scene()) == 0


def test_float_noise_does_not_refuse_the_last_call() -> None:
    async def scene() -> int:
        inner = _Inner().open()
        client = MeteredClient(inner, _PRICES, Spend(), Budget(0.3, StopSignal()))
        for _ in range(3):  # 0.1 + 0.1 + 0.1 > 0.3
            await client.send(_CALL)
        return inner.sent

    assert asyncio.run(scene()) == 3


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
        'budget of US$1,000.00 cannot be enforced: no price is known for 30 calls to "my-judge", 6 calls to "app". '
        "Set price = { input_per_mtok = ..., output_per_mtok = ... } for the model, or remove the budget"
    )

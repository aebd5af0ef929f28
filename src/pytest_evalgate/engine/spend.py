"""What a run spends: each call is priced and counted, and sent only where the budget allows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.calls import CallFailed, record_of
from pytest_evalgate.data import Calls
from pytest_evalgate.engine.tokens import guess

if TYPE_CHECKING:
    from pytest_evalgate.calls import Call, CallRecord, Reply
    from pytest_evalgate.engine.budget import Budget
    from pytest_evalgate.engine.prices import Prices
    from pytest_evalgate.protocols import ModelClient


class Spend:
    """The accounts of a run while it goes on; those of the verdict are made of the run's results."""

    def __init__(self) -> None:
        """Open the accounts."""
        self.calls = Calls()
        """The accounts so far."""

    def add(self, record: CallRecord) -> None:
        """Count a call that has ended: one that was sent, in vain or not, or one whose answer was remembered."""
        calls = self.calls
        if not record.attempts:
            self.calls = replace(calls, planned=calls.planned + 1, cached=calls.cached + 1)
            return
        self.calls = Calls(
            planned=calls.planned + 1,
            sent=calls.sent + 1,
            cached=calls.cached,
            retried=calls.retried + record.attempts - 1,
            tokens_in=calls.tokens_in + (record.tokens_in or 0),
            tokens_out=calls.tokens_out + (record.tokens_out or 0),
            cost_usd=calls.cost_usd + (record.cost_usd or 0.0),
            unknown_price=calls.unknown_price + (record.cost_usd is None),
        )


@dataclass(frozen=True, slots=True)
class MeteredClient:
    """Sends by ``inner``, says on the reply what it cost, and keeps the accounts."""

    inner: ModelClient
    prices: Prices
    spend: Spend
    budget: Budget | None = None

    async def send(self, call: Call) -> Reply:
        """Send ``call`` if there is money for it.

        Raises:
            CallFailed: there is no answer; its record says what it cost all the same.
            RunStopped: the budget does not allow it.

        """
        if self.budget is None:
            return await self._send(call)
        held = self._most(call, self.budget)
        await self.budget.hold(held)
        spent = 0.0
        try:
            reply = await self._send(call)
            spent = held if reply.cost_usd is None else reply.cost_usd
        except CallFailed as failed:
            spent = (failed.record and failed.record.cost_usd) or 0.0
            raise
        finally:
            self.budget.settle(held, spent)
        return reply

    async def _send(self, call: Call) -> Reply:
        try:
            reply = await self.inner.send(call)
        except CallFailed as failed:
            if failed.record is not None:
                failed.record = self._priced(call, failed.record)
                self.spend.add(failed.record)
            raise
        reply = replace(reply, cost_usd=self.prices.cost(call.route, reply.tokens_in, reply.tokens_out))
        self.spend.add(record_of(call, reply))
        return reply

    def _priced(self, call: Call, vain: CallRecord) -> CallRecord:
        """Price a call in vain by the tokens that were billed for it: none, where no endpoint spoke of any."""
        return replace(vain, cost_usd=self.prices.cost(call.route, vain.tokens_in or 0, vain.tokens_out or 0))

    def _most(self, call: Call, budget: Budget) -> float:
        tokens = guess(call)
        usd = self.prices.cost(call.route, tokens.read, tokens.written)
        if usd is None:
            budget.refuse_unpriced(call.route)
        return usd

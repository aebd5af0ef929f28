"""The budget of a run: what was spent, what is in flight, and no call that would not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_evalgate.records.calls import CallFailed, record_of
from pytest_evalgate.records.results import Calls
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count
from pytest_evalgate.text.wording import usd as format_usd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_evalgate.config import Model, Price
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, CallRecord, Reply
    from pytest_evalgate.runs.estimate import Estimate

_FLOAT_NOISE = 1e-9


class Budget:
    """Holds what a call may cost while it is in flight, and charges what it did cost.

    A call that fits only without those in flight waits for them: most cost less than they hold. One that does not fit
    even so stops the run. Lives on the engine's loop, hence without locks.
    """

    def __init__(self, usd: float, halt: StopSignal) -> None:
        """Allow the run to spend ``usd``; ``halt`` is stopped when no further call fits."""
        halt.add_check(self._check_limit)
        self._limit_usd = usd
        self._stop_signal = halt
        self._spent_usd = 0.0
        self._reserved: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.stop_reason: str | None = None
        """Why it let no further call pass; None as long as it does."""

    async def reserve(self, usd: float) -> None:
        """Hold ``usd`` for a call, until ``charge`` is told what it cost.

        Raises:
            RunStopped: it does not fit, or the run has stopped for another reason.

        """
        self._stop_signal.check()
        while self._reserved and not self._fits(usd + sum(self._reserved)):
            waiter = self._stop_signal.waiter()
            self._waiting.append(waiter)
            await waiter
        if not self._fits(usd):
            self._stop_at_limit(f", and the next call may cost US${usd:,.4f}")
            self._stop_signal.check()
        self._reserved.append(usd)

    def charge(self, reserved_usd: float, spent_usd: float) -> None:
        """Charge a call that has ended, and let those that wait try again, the first one first."""
        self._reserved.remove(reserved_usd)
        self._spent_usd += spent_usd
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def reject_unpriced(self, route: str) -> NoReturn:
        """Stop the run: a call whose price nobody knows cannot be held against a limit.

        Raises:
            RunStopped: always.

        """
        self._stop(
            f"cannot be held: no price is known of {route}. Give a model its price = {{ input_per_mtok = ..., "
            "output_per_mtok = ... }; for anything else take the budget out"
        )
        self._stop_signal.check()
        raise AssertionError("a stopped run goes on")

    def _fits(self, usd: float) -> bool:
        return self._spent_usd + usd <= self._limit_usd + _FLOAT_NOISE

    def _check_limit(self) -> None:
        """Stop calls that wait to be sent while others turn out dearer than what was held for them."""
        if not self._fits(0.0):
            self._stop_at_limit()

    def _stop_at_limit(self, and_what: str = "") -> None:
        self._stop(
            f"reached: US${self._spent_usd:,.4f} are spent{and_what}. What was answered is kept: raise budget_usd and "
            "run again"
        )

    def _stop(self, reason: str) -> None:
        self.stop_reason = f"budget of US${self._limit_usd:,.2f} {reason}"
        self._stop_signal.stop(self.stop_reason)


_MILLION = 1_000_000
_LIST = "genai-prices"


@dataclass(frozen=True, slots=True)
class _Tariff:
    """What (tokens in, tokens out) cost in US$, and who says so."""

    source: str
    cost: Callable[[int, int], float]


class Prices:
    """The prices of the configured models: each by its ``price``, else by ``genai-prices`` where it is installed.

    The list is asked for the model at its endpoint, so that a local server of a well-known model is not taken for the
    original. It is loaded here, once, and only where a model has no ``price``.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        """Look up the price of each of ``models``, by route."""
        tariffs = {route: _tariff(model) for route, model in models.items()}
        self._tariffs = {route: tariff for route, tariff in tariffs.items() if tariff is not None}

    def cost(self, route: str, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return what a call of ``route`` costs in US$; None where its price or its tokens are unknown."""
        tariff = self._tariffs.get(route)
        if tariff is None or tokens_in is None or tokens_out is None:
            return None
        return tariff.cost(tokens_in, tokens_out)

    def source(self, route: str) -> str | None:
        """Say where the price of ``route`` comes from, ``config`` or the list and its version; None: unknown."""
        tariff = self._tariffs.get(route)
        return None if tariff is None else tariff.source


def _tariff(model: Model) -> _Tariff | None:
    return _listed(model) if model.price is None else _configured(model.price)


def _configured(price: Price) -> _Tariff:
    def cost(tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * price.input_per_mtok + tokens_out * price.output_per_mtok) / _MILLION

    return _Tariff("config", cost)


def _listed(model: Model) -> _Tariff | None:
    """Ask the list; a model that it does not know at this endpoint, or gives away for nothing, has no price."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra, and 0.2 s
    except ImportError:
        return None

    def cost(tokens_in: int, tokens_out: int) -> float:
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        return float(calc_price(usage, model.model, provider_api_url=model.base_url).total_price)

    try:
        known = cost(_MILLION, _MILLION) > 0
    except LookupError:
        return None
    return _Tariff(f"{_LIST} {metadata.version(_LIST)}", cost) if known else None


ESTIMATE_ERROR = 0.4
"""How far the guess may be off, as a share: English text has 3 to 5 characters a token, others fewer."""

_CHARACTERS_PER_TOKEN = 4
_DEFAULT_REPLY_TOKENS = 256
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_MODELS = frozenset({"chat", "responses"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that a call reads and writes."""

    read: int
    written: int


def estimate_tokens(call: Call) -> Tokens:
    """Guess the tokens of ``call``: a quarter of its characters, and the answer as long as it may get, or 256.

    A call to anything but a model has none.
    """
    if call.kind not in _MODELS:
        return Tokens(0, 0)
    limits = (call.payload.get(name) for name in _LIMITS)
    longest = next((limit for limit in limits if isinstance(limit, int)), _DEFAULT_REPLY_TOKENS)
    return Tokens(-(-_characters(call.payload) // _CHARACTERS_PER_TOKEN), longest)


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 0


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
        held = self._max_cost(call, self.budget)
        await self.budget.reserve(held)
        spent = 0.0
        try:
            reply = await self._send(call)
            spent = held if reply.cost_usd is None else reply.cost_usd
        except CallFailed as failed:
            spent = (failed.record and failed.record.cost_usd) or 0.0
            raise
        finally:
            self.budget.charge(held, spent)
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

    def _priced(self, call: Call, record: CallRecord) -> CallRecord:
        """Price a call in vain by the tokens that were billed for it: none, where no endpoint spoke of any."""
        return replace(record, cost_usd=self.prices.cost(call.route, record.tokens_in or 0, record.tokens_out or 0))

    def _max_cost(self, call: Call, budget: Budget) -> float:
        tokens = estimate_tokens(call)
        usd = self.prices.cost(call.route, tokens.read, tokens.written)
        if usd is None:
            budget.reject_unpriced(call.route)
        return usd


def budget_problem(estimate: Estimate, budget_usd: float | None) -> str | None:
    """Return why a run may not start with this budget; None if it may."""
    if budget_usd is None or not estimate.to_send:
        return None
    if estimate.unpriced:
        routes = ", ".join(f'{count(calls, "call")} to "{one_line(route)}"' for route, calls in estimate.unpriced)
        return (
            f"budget of {format_usd(budget_usd)} cannot be enforced: no price is known for {routes}. Set price = {{ "
            "input_per_mtok = ..., output_per_mtok = ... } for the model, or remove the budget"
        )
    if estimate.usd > budget_usd + _FLOAT_NOISE:
        return (
            f"budget of {format_usd(budget_usd)} is too small: {count(estimate.to_send, 'call')}, about "
            f"{format_usd(estimate.usd)} (at most {format_usd(estimate.at_most_usd)}). Raise budget_usd, or select a "
            "smaller suite; --eval-estimate shows the cost of each suite"
        )
    return None

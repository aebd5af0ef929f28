"""Spending of a run: totals, prices, budget, and token estimates of calls that are not sent yet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import LIST_KINDS, ApplicationFailure, CallFailed, record_of
from pytest_evalgate.records.verdicts import Calls
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count
from pytest_evalgate.text.wording import usd as format_usd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_evalgate.config import Model
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, CallRecord, Reply
    from pytest_evalgate.runs.estimate import Estimate

# Relative error of `estimate_tokens`: English text has 3 to 5 characters per token, other languages fewer.
ESTIMATE_ERROR: Final = 0.4

_CHARACTERS_PER_TOKEN: Final = 4
_IMAGE_CHARACTERS: Final = 4_000  # an image of 1 megapixel is about 1,000 tokens, however long its data are
_DEFAULT_REPLY_TOKENS: Final = 256
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_MILLION: Final = 1_000_000
_FLOAT_NOISE: Final = 1e-9


class Spend:
    """Running totals of a run's calls, for the progress line. The verdict's totals are computed from the results."""

    def __init__(self) -> None:
        """Start at zero."""
        self.calls = Calls()
        """The totals so far."""

    def add(self, record: CallRecord) -> None:
        """Count a call: sent, successful or not, or served from the cache."""
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
    """Client that adds the cost to each reply, counts it, and enforces the budget."""

    inner: ModelClient
    prices: Prices
    spend: Spend
    budget: Budget | None = None

    async def send(self, call: Call) -> Reply:
        """Send ``call`` if the budget allows it.

        Raises:
            CallFailed: there is no reply; the record contains the cost of the attempts.
            RunStopped: the budget does not allow it.
        """
        if self.budget is None:
            return await self._send(call)
        reserved = self._max_cost(call, self.budget)
        await self.budget.reserve(reserved)
        spent = 0.0
        try:
            reply = await self._send(call)
            spent = reserved if reply.cost_usd is None else reply.cost_usd
        except (CallFailed, ApplicationFailure) as failed:
            spent = (failed.record and failed.record.cost_usd) or 0.0
            raise
        finally:
            self.budget.charge(reserved, spent)
        return reply

    async def _send(self, call: Call) -> Reply:
        try:
            reply = await self.inner.send(call)
        except (CallFailed, ApplicationFailure) as failed:
            if (record := failed.record) is not None:
                # a failed call costs the tokens that the endpoint billed for it; unreported tokens count as 0
                cost = self.prices.cost(call.route, record.tokens_in or 0, record.tokens_out or 0)
                failed.record = replace(record, cost_usd=cost)
                self.spend.add(failed.record)
            raise
        reply = replace(reply, cost_usd=self.prices.cost(call.route, reply.tokens_in, reply.tokens_out))
        self.spend.add(record_of(call, reply))
        return reply

    def _max_cost(self, call: Call, budget: Budget) -> float:
        tokens = estimate_tokens(call)
        usd = self.prices.cost(call.route, tokens.read, tokens.written)
        if usd is None:
            budget.reject_unpriced(call.route)
        return usd


class Budget:
    """Maximum to spend: reserves the possible cost of a call while it is in flight, then charges its actual cost.

    A call that does not fit beside the reservations waits for them to be charged, since most calls cost less than
    reserved. A call that does not fit even then stops the run. Used on the engine's loop only, hence without locks.
    """

    def __init__(self, usd: float, stop_signal: StopSignal) -> None:
        """Allow the run to spend ``usd``; stop it when the next call does not fit."""
        stop_signal.add_check(self._check_limit)
        self._limit_usd = usd
        self._stop_signal = stop_signal
        self._spent_usd = 0.0
        self._reserved: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.stop_reason: str | None = None
        """Reason for which a call was rejected; None if none was."""

    async def reserve(self, usd: float) -> None:
        """Reserve ``usd`` for a call until `charge`. Raises RunStopped if it does not fit, or the run has stopped."""
        self._stop_signal.check()
        # in a loop: another call may have reserved the freed amount before this one wakes
        while self._reserved and not self._fits(usd + sum(self._reserved)):
            waiter = self._stop_signal.waiter()
            self._waiting.append(waiter)
            await waiter
        if not self._fits(usd):
            self._stop_at_limit(f", and the next call may cost US${usd:,.4f}")
            self._stop_signal.check()
        self._reserved.append(usd)

    def charge(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace a reservation by the actual cost, and wake the waiting calls in their order."""
        self._reserved.remove(reserved_usd)
        self._spent_usd += spent_usd
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def reject_unpriced(self, route: str) -> NoReturn:
        """Stop the run and raise RunStopped: a call of unknown price cannot be counted against the budget."""
        self._stop(
            f"cannot be enforced: the price of {route} is unknown. Set price = {{ input_per_mtok = ..., "
            "output_per_mtok = ... } if it is a model; otherwise remove the budget"
        )
        self._stop_signal.check()
        raise AssertionError("unreachable: the run is stopped")

    def _fits(self, usd: float) -> bool:
        return self._spent_usd + usd <= self._limit_usd + _FLOAT_NOISE

    def _check_limit(self) -> None:
        """Stop calls that wait for a slot if calls in flight cost more than was reserved for them."""
        if not self._fits(0.0):
            self._stop_at_limit()

    def _stop_at_limit(self, detail: str = "") -> None:
        self._stop(
            f"reached: US${self._spent_usd:,.4f} spent{detail}. Raise budget_usd and run again (replies received so "
            "far are cached)"
        )

    def _stop(self, reason: str) -> None:
        self.stop_reason = f"budget of US${self._limit_usd:,.2f} {reason}"
        self._stop_signal.stop(self.stop_reason, is_final=True)


class Prices:
    """Prices of the configured models: their ``price`` if configured, else the package ``genai-prices`` if installed.

    genai-prices gets the endpoint as well as the name, so that a local server of a well-known model is not priced as
    the original. It is loaded only if a model has no ``price``.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        """Look up the price of each of ``models``, by route."""
        tariffs = {route: _configured(model) or _listed(model) for route, model in models.items()}
        self._tariffs = {route: tariff for route, tariff in tariffs.items() if tariff is not None}

    def cost(self, route: str, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return the cost of a call in US$; None if the price of its route or its tokens are unknown."""
        tariff = self._tariffs.get(route)
        if tariff is not None and tariff.is_free:  # endpoints of moderation report no tokens
            return 0.0
        if tariff is None or tokens_in is None or tokens_out is None:
            return None
        return tariff.cost(tokens_in, tokens_out)

    def source(self, route: str) -> str | None:
        """Return the source of a price: ``config``, or genai-prices with its version; None if it is unknown."""
        tariff = self._tariffs.get(route)
        return None if tariff is None else tariff.source


@dataclass(frozen=True, slots=True)
class _Tariff:
    source: str
    cost: Callable[[int, int], float]
    """Function of tokens in and tokens out to US$."""
    is_free: bool = False


def _configured(model: Model) -> _Tariff | None:
    price = model.price
    if price is None:
        return None
    return _Tariff(
        "config",
        lambda read, written: (read * price.input_per_mtok + written * price.output_per_mtok) / _MILLION,
        is_free=model.api == "moderations" and price.input_per_mtok == price.output_per_mtok == 0,
    )


def _listed(model: Model) -> _Tariff | None:
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra, and 0.2 s
    except ImportError:
        return None

    def cost(tokens_in: int, tokens_out: int) -> float:
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        return float(calc_price(usage, model.model, provider_api_url=model.base_url).total_price)

    try:
        is_known = cost(_MILLION, _MILLION) > 0  # a listed price of 0 means that the price is unknown
    except LookupError:
        return None
    return _Tariff(f"genai-prices {metadata.version('genai-prices')}", cost) if is_known else None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that a call reads and writes."""

    read: int
    written: int


def estimate_tokens(call: Call) -> Tokens:
    """Estimate the tokens of ``call``: one is read per 4 characters; the configured maximum, or 256, are written.

    Embeddings and moderations write none. Calls to applications have none.
    """
    if call.kind in LIST_KINDS:
        return Tokens(-(-_characters(call.payload.get("input")) // _CHARACTERS_PER_TOKEN), 0)
    if call.kind not in {"chat", "responses"}:
        return Tokens(0, 0)
    limits = (call.payload.get(name) for name in _LIMITS)
    longest = next((limit for limit in limits if isinstance(limit, int)), _DEFAULT_REPLY_TOKENS)
    return Tokens(-(-_characters(call.payload) // _CHARACTERS_PER_TOKEN), longest)


def _characters(value: Any) -> int:
    """Count the characters of all texts in JSON."""
    found, left = 0, [value]
    while left:  # a loop, and the abstract class last: recursion took 0.04 ms a call
        value = left.pop()
        if isinstance(value, str):
            found += min(len(value), _IMAGE_CHARACTERS) if value.startswith("data:image/") else len(value)
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, Mapping):
            left += value.values()
    return found


def budget_problem(estimate: Estimate, budget_usd: float | None) -> str | None:
    """Return why a run may not start with this budget; None if it may."""
    if budget_usd is None or not estimate.to_send:
        return None
    if estimate.unpriced:
        routes = ", ".join(f'{count(calls, "call")} to "{one_line(route)}"' for route, calls in estimate.unpriced)
        return (
            f"budget of {format_usd(budget_usd)} cannot be enforced: the price of {routes} is unknown. Set price = {{ "
            "input_per_mtok = ..., output_per_mtok = ... } for the model, or remove the budget"
        )
    if estimate.usd > budget_usd + _FLOAT_NOISE:
        return (
            f"budget of {format_usd(budget_usd)} is too small: {count(estimate.to_send, 'call')}, about "
            f"{format_usd(estimate.usd)} (at most {format_usd(estimate.at_most_usd)}). Raise budget_usd, or select a "
            "smaller suite; --eval-estimate shows the cost of each suite"
        )
    return None

"""The estimate: what a run would send, by what is remembered and what earlier answers took. Nothing is sent for it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from pytest_evalgate.engine.spend import ESTIMATE_ERROR, Tokens, estimate_tokens
from pytest_evalgate.runs.estimate import Estimate, Pace, SuiteEstimate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pytest_evalgate.engine.limiter import Limits
    from pytest_evalgate.engine.spend import Prices
    from pytest_evalgate.records.calls import Call, Reply

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class RouteLoad:
    """Calls of one route that are much alike: how many, their tokens in all, and the seconds that one takes."""

    route: str
    calls: int
    tokens: int
    latency_s: float | None


def slowest_pace(route_loads: Iterable[RouteLoad], limits: Mapping[str, Limits]) -> Pace | None:
    """Return the pace of the route that takes longest, since routes do not wait for each other.

    None where nothing is sent. A route without a known latency counts as the slowest.
    """
    routes: dict[str, list[RouteLoad]] = {}
    for load in route_loads:
        routes.setdefault(load.route, []).append(load)
    paces = (_pace(group, limits[route]) for route, group in routes.items())
    return max(paces, key=lambda pace: math.inf if pace.seconds is None else pace.seconds, default=None)


def _pace(route_loads: Sequence[RouteLoad], limits: Limits) -> Pace:
    return Pace(
        limits.max_concurrency,
        limits.requests_per_minute,
        limits.tokens_per_minute,
        _seconds(route_loads, limits),
    )


def _seconds(route_loads: Sequence[RouteLoad], limits: Limits) -> float | None:
    """Return what the tightest limit allows."""
    work = [(load.calls, load.latency_s) for load in route_loads if load.latency_s is not None]
    if len(work) < len(route_loads):
        return None
    by_slots = sum(calls * latency for calls, latency in work) / limits.max_concurrency
    by_one = max(latency for _, latency in work)
    by_requests = _at_rate(sum(load.calls for load in route_loads), limits.requests_per_minute)
    by_tokens = _at_rate(sum(load.tokens for load in route_loads), limits.tokens_per_minute)
    return max(by_slots, by_one, by_requests, by_tokens)


def _at_rate(amount: int, per_minute: float | None) -> float:
    return 0.0 if per_minute is None else amount / per_minute * _MINUTE


FEWEST_USAGES = 20
"""Remembered usages of a suite's calls below which a guess from their text is the better one."""


@dataclass(frozen=True, slots=True)
class PlannedCalls:
    """The calls that a suite is going to make; drawn once."""

    name: str
    cases: int
    calls: Iterable[Call]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one remembered answer took."""

    tokens: Tokens
    latency_s: float


@dataclass(frozen=True, slots=True)
class EstimateInputs:
    """What an estimate rests on.

    Args:
        remembered: Looks an answer up.
        prices: What the routes cost.
        limits: How fast each route may go.
        history: For suite, route and purpose the usages that are remembered beside those of the planned calls:
            of calls that have changed since.

    """

    lookup: Callable[[Call], Reply | None]
    prices: Prices
    limits: Mapping[str, Limits]
    history: Mapping[tuple[str, str, str], Sequence[Usage]]


@dataclass(slots=True)
class _CallGroup:
    """The calls of one route and purpose in one suite: which are remembered, and a guess for each of the others."""

    usages: list[Usage]
    calls: int = 0
    guesses: list[Tokens] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _GroupEstimate:
    """What is to be sent of a stream. Tokens are those of one call; the cost is that of all."""

    route: str
    to_send: int
    tokens: Tokens
    usd: float | None
    at_most_usd: float | None
    latency_s: float | None
    basis: str


def estimate(suites: Iterable[PlannedCalls], known: EstimateInputs) -> Estimate:
    """Estimate what ``suites`` will send."""
    loads: list[_GroupEstimate] = []
    summaries: list[SuiteEstimate] = []
    for suite in suites:
        groups = _call_groups(suite, known)
        sent = [_estimate_group(route, group, known.prices) for route, group in groups if group.guesses]
        summaries.append(_summary(suite, sum(group.calls for _, group in groups), sent))
        loads += sent
    return Estimate(
        suites=tuple(summaries),
        unpriced=_unpriced(loads),
        sources=tuple(dict.fromkeys(source for load in loads if (source := known.prices.source(load.route)))),
        pace=slowest_pace(map(_route_load, loads), known.limits),
    )


def _call_groups(suite: PlannedCalls, known: EstimateInputs) -> list[tuple[str, _CallGroup]]:
    """Look every call up, and return the suite's streams with their routes."""
    groups: dict[tuple[str, str], _CallGroup] = {}
    for call in suite.calls:
        key = (call.route, call.purpose)
        if key not in groups:
            groups[key] = _CallGroup(list(known.history.get((suite.name, *key), ())))
        _look_up(call, groups[key], known.lookup)
    return [(route, group) for (route, _), group in groups.items()]


def _look_up(call: Call, group: _CallGroup, lookup: Callable[[Call], Reply | None]) -> None:
    group.calls += 1
    reply = lookup(call)
    if reply is None:
        group.guesses.append(estimate_tokens(call))
    elif reply.tokens_in is not None and reply.tokens_out is not None:
        group.usages.append(Usage(Tokens(reply.tokens_in, reply.tokens_out), reply.latency_s))


def _estimate_group(route: str, group: _CallGroup, prices: Prices) -> _GroupEstimate:
    usages, to_send = group.usages, len(group.guesses)
    usual, most, basis = _by_history(usages) if len(usages) >= FEWEST_USAGES else _by_text(group)
    usd, at_most = (prices.cost(route, tokens.read, tokens.written) for tokens in (usual, most))
    return _GroupEstimate(
        route,
        to_send,
        usual,
        None if usd is None else usd * to_send,
        None if at_most is None else at_most * to_send,
        median(usage.latency_s for usage in usages) if usages else None,
        basis,
    )


def _by_history(usages: Collection[Usage]) -> tuple[Tokens, Tokens, str]:
    """Return the usual tokens of a call, those of a long one, and where they come from."""
    read = sorted(usage.tokens.read for usage in usages)
    written = sorted(usage.tokens.written for usage in usages)
    usual = Tokens(round(median(read)), round(median(written)))
    return usual, Tokens(_p95(read), _p95(written)), f"median of {len(usages):,} cached usages"


def _by_text(group: _CallGroup) -> tuple[Tokens, Tokens, str]:
    count = len(group.guesses)
    read = sum(tokens.read for tokens in group.guesses) / count
    written = sum(tokens.written for tokens in group.guesses) / count
    history = f"{len(group.usages)} cached usages" if group.usages else "no history"
    basis = f"chars/4, {history}: +-{100 * ESTIMATE_ERROR:.0f}%" if read else "no model: no tokens"
    most = Tokens(round(read * (1 + ESTIMATE_ERROR)), round(written * (1 + ESTIMATE_ERROR)))
    return Tokens(round(read), round(written)), most, basis


def _p95(ranked: Sequence[int]) -> int:
    return ranked[-(-95 * len(ranked) // 100) - 1]  # nearest rank


def _summary(suite: PlannedCalls, calls: int, loads: Sequence[_GroupEstimate]) -> SuiteEstimate:
    bases = dict.fromkeys(load.basis for load in loads)
    return SuiteEstimate(
        name=suite.name,
        cases=suite.cases,
        calls=calls,
        to_send=sum(load.to_send for load in loads),
        tokens_in=sum(load.to_send * load.tokens.read for load in loads),
        tokens_out=sum(load.to_send * load.tokens.written for load in loads),
        usd=_known_sum(load.usd for load in loads),
        at_most_usd=_known_sum(load.at_most_usd for load in loads),
        basis="; ".join(bases) or ("all cached" if calls else "no calls"),
    )


def _known_sum(amounts: Iterable[float | None]) -> float | None:
    """Add up what is known; None where there is something, and none of it is known."""
    every = list(amounts)
    known = [amount for amount in every if amount is not None]
    return sum(known) if known or not every else None


def _unpriced(loads: Iterable[_GroupEstimate]) -> tuple[tuple[str, int], ...]:
    calls: Counter[str] = Counter()
    for load in loads:
        if load.usd is None:
            calls[load.route] += load.to_send
    return tuple(calls.items())


def _route_load(load: _GroupEstimate) -> RouteLoad:
    return RouteLoad(load.route, load.to_send, load.to_send * (load.tokens.read + load.tokens.written), load.latency_s)

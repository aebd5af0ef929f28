"""Cost estimate of a run, from cached replies and the usage of earlier calls. It sends nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field
from statistics import median
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.spend import ESTIMATE_ERROR, Tokens, estimate_tokens
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import LIST_KINDS
from pytest_evalgate.runs.estimate import Estimate, Pace, SuiteEstimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_evalgate.engine.limiter import Limits
    from pytest_evalgate.engine.spend import Prices
    from pytest_evalgate.records.calls import Call, Reply

# With fewer usages of a suite's calls, tokens are estimated from the length of the calls' text.
FEWEST_USAGES: Final = 20


@dataclass(frozen=True, slots=True)
class PlannedCalls:
    """Calls that a suite will make; iterated once."""

    name: str
    cases: int
    calls: Iterable[Call]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and latency of an earlier call."""

    tokens: Tokens
    latency_s: float


@dataclass(frozen=True, slots=True)
class EstimateInputs:
    """Sources of an estimate: the cache, prices and limits of the routes, and earlier usages.

    ``history`` contains usages of earlier calls that have changed since, by suite, route and purpose.
    """

    lookup: Callable[[Call], Reply | None]
    prices: Prices
    limits: Mapping[str, Limits]
    history: Mapping[tuple[str, str, str], Sequence[Usage]]


def estimate(suites: Iterable[PlannedCalls], inputs: EstimateInputs) -> Estimate:
    """Estimate the calls of ``suites`` that must be sent, their cost and their duration."""
    groups: list[_GroupEstimate] = []
    summaries: list[SuiteEstimate] = []
    for suite in suites:
        calls = _call_groups(suite, inputs)
        to_send = [_estimate_group(route, group, inputs.prices) for route, group in calls if group.guesses]
        summaries.append(_summary(suite, sum(group.calls for _, group in calls), to_send))
        groups += to_send
    unpriced: Counter[str] = Counter()
    for group in groups:
        if group.usd is None:
            unpriced[group.route] += group.to_send
    loads = (
        RouteLoad(
            group.route, group.to_send, group.to_send * (group.tokens.read + group.tokens.written), group.latency_s
        )
        for group in groups
    )
    sources = (inputs.prices.source(group.route) for group in groups)
    return Estimate(
        suites=tuple(summaries),
        unpriced=tuple(unpriced.items()),
        sources=tuple(dict.fromkeys(source for source in sources if source)),
        pace=slowest_pace(loads, inputs.limits),
    )


@dataclass(slots=True)
class _CallGroup:
    """The calls of one suite with the same route and purpose: known usages, and a guess for each call to send."""

    usages: list[Usage]
    calls: int = 0
    guesses: list[Tokens] = field(default_factory=list)


def _call_groups(suite: PlannedCalls, inputs: EstimateInputs) -> list[tuple[str, _CallGroup]]:
    """Look up every call, and return the groups with their routes."""
    groups: dict[tuple[str, str], _CallGroup] = {}
    for call in suite.calls:
        key = (call.route, call.purpose)
        if key not in groups:
            groups[key] = _CallGroup(list(inputs.history.get((suite.name, *key), ())))
        group, reply = groups[key], inputs.lookup(call)
        group.calls += 1
        if reply is None:
            group.guesses.append(estimate_tokens(call))
        elif call.kind in LIST_KINDS:
            continue  # one of the texts of a request has the tokens of all of them
        elif reply.tokens_in is not None and reply.tokens_out is not None:
            group.usages.append(Usage(Tokens(reply.tokens_in, reply.tokens_out), reply.latency_s))
    return [(route, group) for (route, _), group in groups.items()]


@dataclass(frozen=True, slots=True)
class _GroupEstimate:
    """Estimate of a group's calls to send: tokens of one call, cost of all."""

    route: str
    to_send: int
    tokens: Tokens
    usd: float | None
    at_most_usd: float | None
    latency_s: float | None
    basis: str


def _estimate_group(route: str, group: _CallGroup, prices: Prices) -> _GroupEstimate:
    usages, to_send = group.usages, len(group.guesses)
    # measured usage beats the guess from the text, whose error is 40 %
    usual, most, basis = _from_usages(usages) if len(usages) >= FEWEST_USAGES else _from_text(group)
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


def _from_usages(usages: Sequence[Usage]) -> tuple[Tokens, Tokens, str]:
    """Return the median tokens of a call, the 95th percentile, and the basis of both."""
    read = sorted(usage.tokens.read for usage in usages)
    written = sorted(usage.tokens.written for usage in usages)
    p95 = -(-95 * len(usages) // 100) - 1  # nearest rank
    usual = Tokens(round(median(read)), round(median(written)))
    return usual, Tokens(read[p95], written[p95]), f"median of {len(usages):,} cached usages"


def _from_text(group: _CallGroup) -> tuple[Tokens, Tokens, str]:
    count = len(group.guesses)
    read = sum(tokens.read for tokens in group.guesses) / count
    written = sum(tokens.written for tokens in group.guesses) / count
    history = f"{len(group.usages)} cached usages" if group.usages else "no history"
    basis = f"chars/4, {history}: +-{100 * ESTIMATE_ERROR:.0f}%" if read else "no model: no tokens"
    most = Tokens(round(read * (1 + ESTIMATE_ERROR)), round(written * (1 + ESTIMATE_ERROR)))
    return Tokens(round(read), round(written)), most, basis


def _summary(suite: PlannedCalls, calls: int, groups: Sequence[_GroupEstimate]) -> SuiteEstimate:
    bases = dict.fromkeys(group.basis for group in groups)
    return SuiteEstimate(
        name=suite.name,
        cases=suite.cases,
        calls=calls,
        to_send=sum(group.to_send for group in groups),
        tokens_in=sum(group.to_send * group.tokens.read for group in groups),
        tokens_out=sum(group.to_send * group.tokens.written for group in groups),
        usd=_known_sum([group.usd for group in groups]),
        at_most_usd=_known_sum([group.at_most_usd for group in groups]),
        basis="; ".join(bases) or ("all cached" if calls else "no calls"),
    )


def _known_sum(amounts: Sequence[float | None]) -> float | None:
    """Return the sum of the known amounts; None if there are amounts and none is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known or not amounts else None


@dataclass(frozen=True, slots=True)
class RouteLoad:
    """Calls of one route: their number, their total tokens, and the latency of one call."""

    route: str
    calls: int
    tokens: int
    latency_s: float | None


def slowest_pace(loads: Iterable[RouteLoad], limits: Mapping[str, Limits]) -> Pace | None:
    """Return the pace of the route that takes longest: routes run side by side.

    None if nothing is sent. A route of unknown latency counts as the slowest.
    """
    routes: dict[str, list[RouteLoad]] = {}
    for load in loads:
        routes.setdefault(load.route, []).append(load)
    paces = [
        Pace(limit.max_concurrency, limit.requests_per_minute, limit.tokens_per_minute, _seconds(group, limit))
        for group, limit in ((group, limits[route]) for route, group in routes.items())
    ]
    return max(paces, key=lambda pace: math.inf if pace.seconds is None else pace.seconds, default=None)


def _seconds(loads: Sequence[RouteLoad], limits: Limits) -> float | None:
    """Return the duration under the tightest limit; None if a latency is unknown."""
    latencies = [(load.calls, load.latency_s) for load in loads if load.latency_s is not None]
    if len(latencies) < len(loads):
        return None
    return max(
        sum(calls * latency for calls, latency in latencies) / limits.max_concurrency,
        *(latency for _, latency in latencies),
        sum(load.calls for load in loads) / (limits.requests_per_minute or math.inf) * 60,
        sum(load.tokens for load in loads) / (limits.tokens_per_minute or math.inf) * 60,
    )

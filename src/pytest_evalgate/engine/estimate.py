"""The estimate: what a run would send, by what is remembered and what earlier answers took. Nothing is sent for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from pytest_evalgate.engine.pace import Stretch, slowest
from pytest_evalgate.engine.tokens import ERROR, Tokens, guess
from pytest_evalgate.runs.estimate import Estimate, SuiteEstimate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.limiter import Limits
    from pytest_evalgate.engine.prices import Prices

FEWEST_USAGES = 20
"""Remembered usages of a suite's calls below which a guess from their text is the better one."""


@dataclass(frozen=True, slots=True)
class Planned:
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
class Known:
    """What an estimate rests on.

    Args:
        remembered: Looks an answer up.
        prices: What the routes cost.
        limits: How fast each route may go.
        history: For suite, route and purpose the usages that are remembered beside those of the planned calls:
            of calls that have changed since.

    """

    remembered: Callable[[Call], Reply | None]
    prices: Prices
    limits: Mapping[str, Limits]
    history: Mapping[tuple[str, str, str], Sequence[Usage]]


@dataclass(slots=True)
class _Stream:
    """The calls of one route and purpose in one suite: which are remembered, and a guess for each of the others."""

    usages: list[Usage]
    calls: int = 0
    guesses: list[Tokens] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Load:
    """What is to be sent of a stream. Tokens are those of one call; the cost is that of all."""

    route: str
    to_send: int
    tokens: Tokens
    usd: float | None
    at_most_usd: float | None
    latency_s: float | None
    basis: str


def estimate(suites: Iterable[Planned], known: Known) -> Estimate:
    """Estimate what ``suites`` will send."""
    loads: list[_Load] = []
    summaries: list[SuiteEstimate] = []
    for suite in suites:
        streams = _streams(suite, known)
        sent = [_load(route, stream, known.prices) for route, stream in streams if stream.guesses]
        summaries.append(_summary(suite, sum(stream.calls for _, stream in streams), sent))
        loads += sent
    return Estimate(
        suites=tuple(summaries),
        unpriced=_unpriced(loads),
        sources=tuple(dict.fromkeys(source for load in loads if (source := known.prices.source(load.route)))),
        pace=slowest(map(_stretch, loads), known.limits),
    )


def _streams(suite: Planned, known: Known) -> list[tuple[str, _Stream]]:
    """Look every call up, and return the suite's streams with their routes."""
    streams: dict[tuple[str, str], _Stream] = {}
    for call in suite.calls:
        key = (call.route, call.purpose)
        if key not in streams:
            streams[key] = _Stream(list(known.history.get((suite.name, *key), ())))
        _look_up(call, streams[key], known.remembered)
    return [(route, stream) for (route, _), stream in streams.items()]


def _look_up(call: Call, stream: _Stream, remembered: Callable[[Call], Reply | None]) -> None:
    stream.calls += 1
    reply = remembered(call)
    if reply is None:
        stream.guesses.append(guess(call))
    elif reply.tokens_in is not None and reply.tokens_out is not None:
        stream.usages.append(Usage(Tokens(reply.tokens_in, reply.tokens_out), reply.latency_s))


def _load(route: str, stream: _Stream, prices: Prices) -> _Load:
    usages, to_send = stream.usages, len(stream.guesses)
    usual, most, basis = _by_history(usages) if len(usages) >= FEWEST_USAGES else _by_text(stream)
    usd, at_most = (prices.cost(route, tokens.read, tokens.written) for tokens in (usual, most))
    return _Load(
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


def _by_text(stream: _Stream) -> tuple[Tokens, Tokens, str]:
    count = len(stream.guesses)
    read = sum(tokens.read for tokens in stream.guesses) / count
    written = sum(tokens.written for tokens in stream.guesses) / count
    history = f"{len(stream.usages)} cached usages" if stream.usages else "no history"
    basis = f"chars/4, {history}: +-{100 * ERROR:.0f}%" if read else "no model: no tokens"
    most = Tokens(round(read * (1 + ERROR)), round(written * (1 + ERROR)))
    return Tokens(round(read), round(written)), most, basis


def _p95(ranked: Sequence[int]) -> int:
    return ranked[-(-95 * len(ranked) // 100) - 1]  # nearest rank


def _summary(suite: Planned, calls: int, loads: Sequence[_Load]) -> SuiteEstimate:
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


def _unpriced(loads: Iterable[_Load]) -> tuple[tuple[str, int], ...]:
    calls: Counter[str] = Counter()
    for load in loads:
        if load.usd is None:
            calls[load.route] += load.to_send
    return tuple(calls.items())


def _stretch(load: _Load) -> Stretch:
    return Stretch(load.route, load.to_send, load.to_send * (load.tokens.read + load.tokens.written), load.latency_s)

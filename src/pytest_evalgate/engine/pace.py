"""Pace: how long the calls of a run take, at the limits of their routes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.runs.estimate import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.engine.limiter import Limits

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Calls of one route that are much alike: how many, their tokens in all, and the seconds that one takes."""

    route: str
    calls: int
    tokens: int
    latency_s: float | None


def slowest(stretches: Iterable[Stretch], limits: Mapping[str, Limits]) -> Pace | None:
    """Return the pace of the route that takes longest, since routes do not wait for each other.

    None where nothing is sent. A route without a known latency counts as the slowest.
    """
    routes: dict[str, list[Stretch]] = {}
    for stretch in stretches:
        routes.setdefault(stretch.route, []).append(stretch)
    paces = (_pace(group, limits[route]) for route, group in routes.items())
    return max(paces, key=lambda pace: math.inf if pace.seconds is None else pace.seconds, default=None)


def _pace(stretches: Sequence[Stretch], limits: Limits) -> Pace:
    return Pace(
        limits.max_concurrency,
        limits.requests_per_minute,
        limits.tokens_per_minute,
        _seconds(stretches, limits),
    )


def _seconds(stretches: Sequence[Stretch], limits: Limits) -> float | None:
    """Return what the tightest limit allows."""
    work = [(stretch.calls, stretch.latency_s) for stretch in stretches if stretch.latency_s is not None]
    if len(work) < len(stretches):
        return None
    by_slots = sum(calls * latency for calls, latency in work) / limits.max_concurrency
    by_one = max(latency for _, latency in work)
    by_requests = _at_rate(sum(stretch.calls for stretch in stretches), limits.requests_per_minute)
    by_tokens = _at_rate(sum(stretch.tokens for stretch in stretches), limits.tokens_per_minute)
    return max(by_slots, by_one, by_requests, by_tokens)


def _at_rate(amount: int, per_minute: float | None) -> float:
    return 0.0 if per_minute is None else amount / per_minute * _MINUTE

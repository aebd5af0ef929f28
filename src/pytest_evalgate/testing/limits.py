"""What the scripted server can bear before it answers 429."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server; None for no bound.

    Args:
        capacity: requests that it works on at the same time.
        requests_per_second: the rate at which it takes requests on.
        burst: requests that it takes on at once after a pause, where there is a rate.

    """

    capacity: int | None = None
    requests_per_second: float | None = None
    burst: int = 1


class Gate:
    """Keeps the limits; for one thread."""

    def __init__(self, limits: Limits) -> None:
        """Start with a full bucket."""
        self._limits = limits
        self._tokens = float(limits.burst)
        self._filled_at: float | None = None

    def admits(self, in_flight: int, now: float) -> bool:
        """Tell whether a request is taken on at ``now`` (seconds, monotonic), beside ``in_flight`` others."""
        capacity = self._limits.capacity
        return (capacity is None or in_flight < capacity) and self._takes_token(now)

    def _takes_token(self, now: float) -> bool:
        rate = self._limits.requests_per_second
        if rate is None:
            return True
        waited = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(float(self._limits.burst), self._tokens + waited * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

"""What a scripted server has seen: counts and requests, to be read from any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.testing.exchange import Request


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one moment.

    Args:
        calls: requests that arrived, with those that the limits refused.
        refused: requests that the limits refused.
        peak_in_flight: the most that were being answered at the same time; a refused one never is.
        connections: connections that were opened.

    """

    calls: int
    refused: int
    peak_in_flight: int
    connections: int


class Traffic:
    """Counts, and keeps the requests; written by the server's thread."""

    def __init__(self, *, keeps_requests: bool = True) -> None:
        """Start at zero; without ``keeps_requests`` there are only counts, for a server of many calls."""
        self._lock = threading.Lock()
        self._keeps_requests = keeps_requests
        self._in_flight = 0
        self.reset()

    @property
    def counts(self) -> Counts:
        """The counts of this moment."""
        with self._lock:
            return Counts(self._calls, self._refused, self._peak, self._connections)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests so far, in the order of their arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._in_flight

    @property
    def calls(self) -> int:
        """Requests that have arrived."""
        return self._calls

    def reset(self) -> None:
        """Start again from zero; what is being answered stays in flight."""
        with self._lock:
            self._requests: list[Request] = []
            self._calls = self._refused = self._connections = 0
            self._peak = self._in_flight

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self._connections += 1

    def arrived(self, request: Request, *, admitted: bool) -> None:
        """Count a request: it is being answered from now on, or refused."""
        with self._lock:
            self._calls += 1
            self._refused += not admitted
            self._in_flight += admitted
            self._peak = max(self._peak, self._in_flight)
            if self._keeps_requests:
                self._requests.append(request)

    def ended(self) -> None:
        """Count a request that was being answered as answered, or given up."""
        with self._lock:
            self._in_flight -= 1

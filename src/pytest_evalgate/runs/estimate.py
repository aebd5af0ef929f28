"""Estimate of a run: the calls it will send, their cost and duration, computed before the first call is sent."""

from __future__ import annotations

from pytest_evalgate.frozen import dataclass


@dataclass(frozen=True, slots=True)
class SuiteEstimate:
    """The estimate for one suite.

    Args:
        name: The suite.
        cases: Number of cases.
        calls: Number of calls, cached ones included.
        to_send: Number of calls that are not cached.
        tokens_in: Input tokens of the calls to send.
        tokens_out: Output tokens of the calls to send.
        usd: Expected cost, as far as prices are known; None if none is.
        at_most_usd: Cost if most outputs are long; None if no price is known.
        basis: The source of the token numbers, such as "median of 772 cached usages".
    """

    name: str
    cases: int
    calls: int
    to_send: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    at_most_usd: float | None
    basis: str

    @property
    def cached(self) -> int:
        """Number of cached calls."""
        return self.calls - self.to_send


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits of the slowest route; ``seconds`` is its expected duration, None if its latency is unknown."""

    in_parallel: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate for a run.

    Args:
        suites: The estimates for its suites.
        unpriced: Routes without a known price, with the number of calls to send. The totals do not include them.
        sources: The sources of the prices.
        pace: The expected duration; None if no call is sent.
    """

    suites: tuple[SuiteEstimate, ...]
    unpriced: tuple[tuple[str, int], ...] = ()
    sources: tuple[str, ...] = ()
    pace: Pace | None = None

    @property
    def calls(self) -> int:
        """Number of calls, cached ones included."""
        return sum(suite.calls for suite in self.suites)

    @property
    def to_send(self) -> int:
        """Number of calls to send."""
        return sum(suite.to_send for suite in self.suites)

    @property
    def usd(self) -> float:
        """Expected cost, as far as prices are known."""
        return sum(suite.usd or 0.0 for suite in self.suites)

    @property
    def at_most_usd(self) -> float:
        """Cost if most outputs are long, as far as prices are known."""
        return sum(suite.at_most_usd or 0.0 for suite in self.suites)

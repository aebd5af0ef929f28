"""The estimate of a run: what it will send, cost and take, before anything is sent: expected, not known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SuiteEstimate:
    """What one suite will send.

    Args:
        name: The suite.
        cases: Its cases.
        calls: Calls that it makes, those included whose answer is remembered.
        to_send: Calls whose answer is not.
        tokens_in: Tokens that these will read.
        tokens_out: Tokens that these will write.
        usd: What these will cost, as far as prices are known; None where none is.
        at_most_usd: The same if most of them turn out long; None where no price is known.
        basis: Where the tokens come from, in words.

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
        """Calls whose answer is remembered."""
        return self.calls - self.to_send


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the route goes that takes longest; ``seconds`` is None where no latency of it is known."""

    in_parallel: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will send.

    Args:
        suites: Its suites, in their order.
        unpriced: Routes without a known price, and how many calls each will be sent; they are not in the total.
        sources: Where the prices come from.
        pace: How long it takes; None where nothing is sent.

    """

    suites: tuple[SuiteEstimate, ...]
    unpriced: tuple[tuple[str, int], ...] = ()
    sources: tuple[str, ...] = ()
    pace: Pace | None = None

    @property
    def calls(self) -> int:
        """Calls that the run makes, those included whose answer is remembered."""
        return sum(suite.calls for suite in self.suites)

    @property
    def to_send(self) -> int:
        """Calls that the run will send."""
        return sum(suite.to_send for suite in self.suites)

    @property
    def usd(self) -> float:
        """What the run will cost, as far as prices are known."""
        return sum(suite.usd or 0.0 for suite in self.suites)

    @property
    def at_most_usd(self) -> float:
        """What the run will cost if most of its calls turn out long."""
        return sum(suite.at_most_usd or 0.0 for suite in self.suites)

"""Rate limiter of one endpoint: concurrency found by AIMD, requests and tokens per minute, and pauses.

Additive increase, multiplicative decrease (AIMD), as in TCP congestion control: with it, 1,000 calls to a server that
accepts 20 at a time lost none; with the SDK's own retries 4 of 300 were lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from pytest_evalgate.engine.stop import StopSignal

_DECREASE_FACTOR: Final = 0.7
# Calls that were sent together are refused together, so refusals within this interval decrease the limit once.
_DECREASE_INTERVAL_S: Final = 0.3

# Pause after a refusal, which frees a slot at once: without it, the next call would be refused as well.
_COOL_DOWN_S: Final = 0.1

# Pauses after refusals by a server that requests no wait, while no call of ours is in flight. Limits are per minute:
# five attempts take more than 60 s in total.
_CLOSED_PAUSES_S: Final = (_COOL_DOWN_S, 4.0, 16.0, 41.0)
_LONGEST_CLOSED_S: Final = sum(_CLOSED_PAUSES_S)

# After a pause of this length or longer, one call is sent first, and every second success admits one more. As many
# calls as before would exceed the limit of the next minute at once.
_LONG_PAUSE_S: Final = 5.0
_TRIAL_GROWTH: Final = 0.5

_SLOW_START_S: Final = 0.1
# For a while after a pause, calls start at this distance: sent all at once, they would all be refused before the
# first refusal could hold back the others.
_SLOW_START_GAP_S: Final = 0.004

# Burst, in seconds of the rate: so short that no minute noticeably exceeds its limit.
_BURST_S: Final = 0.25

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one endpoint for this process; None for no limit. Tokens are those read and those written.

    ``start`` is the number of simultaneous calls at first, by default the maximum. It grows by one with each success
    until the first refusal.
    """

    max_concurrency: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    start: int | None = None

    def shared_by(self, workers: int) -> Self:
        """Return the share of one of ``workers`` simultaneous processes."""
        return replace(
            self,
            max_concurrency=max(1, self.max_concurrency // workers),
            requests_per_minute=self.requests_per_minute and self.requests_per_minute / workers,
            tokens_per_minute=self.tokens_per_minute and self.tokens_per_minute / workers,
        )


@dataclass(frozen=True, slots=True)
class LimiterSnapshot:
    """State of a limiter; ``paused_until`` is on the monotonic clock, ``refusals`` counts responses such as 429."""

    in_flight: int
    limit: int
    refusals: int
    paused_until: float


@dataclass(frozen=True, slots=True)
class _Waiter:
    ready: asyncio.Future[None]
    tokens: float


class Limiter:
    """Slots for calls, first in, first out: limited in number and rate, none during a pause.

    The number of slots grows by one with each success until the first refusal. From then on a refusal multiplies it by
    0.7, and a full round of successes adds one. After a long pause, and while the server refuses every call, one call
    at a time tries. Works on one event loop, by that loop's clock.

    Example::

        async with limiter.slot(tokens=400):
            reply = await client.send(call)  # if it is refused: limiter.refused(wait_s), before the slot is free
        limiter.succeeded()
        limiter.spend(reply.tokens - 400)
    """

    def __init__(self, limits: Limits, stop_signal: StopSignal) -> None:
        """Start with all slots free."""
        self._max_limit = limits.max_concurrency
        self._limit = float(min(limits.start or self._max_limit, self._max_limit))
        self._requests = None if limits.requests_per_minute is None else TokenBucket(limits.requests_per_minute)
        self._tokens = None if limits.tokens_per_minute is None else TokenBucket(limits.tokens_per_minute)
        self._stop_signal = stop_signal
        self._in_flight = 0
        self._refusals = 0
        self._closed_rounds = 0
        self._closed_at = -math.inf
        self._closed_s: float | None = None  # time for which the server has refused every call before
        self._is_trial = False  # whether the next call is likely to be refused
        self._trial_slots = math.inf
        self._decreased_at = self._paused_until = self._next_start = -math.inf
        self._queues: dict[int, deque[_Waiter]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited, so that `slot` needs an estimate of them."""
        return self._tokens is not None

    @property
    def snapshot(self) -> LimiterSnapshot:
        """State of the limiter."""
        return LimiterSnapshot(self._in_flight, int(self._limit), self._refusals, self._paused_until)

    def slot(self, tokens: float = 0, *, attempts: int = 0) -> Slot:
        """Return a context manager that waits for a slot, and holds it for one request.

        Args:
            tokens: An estimate, for the limit on tokens; `spend` corrects it.
            attempts: Attempts of the call so far. Calls with more of them go first, since they have fewer left.
        """
        return Slot(self, tokens, attempts)

    def succeeded(self) -> None:
        """Raise the number of slots after a call that succeeded."""
        if self._closed_rounds > 1:
            self._closed_s = min(max(self._closed_s or 0.0, _now() - self._closed_at), _LONGEST_CLOSED_S)
        self._closed_rounds = 0
        self._is_trial = False
        self._trial_slots += _TRIAL_GROWTH
        if self._trial_slots >= self._limit:
            self._trial_slots = math.inf
        # slow start until the first refusal, then one slot per round: `_limit` successes add 1 / `_limit` each
        growth = 1.0 if self._refusals == 0 else 1 / self._limit
        self._limit = min(self._max_limit, self._limit + growth)
        self._admit()

    def refused(self, wait_s: float | None = None, *, is_rate_limit: bool = False) -> float:
        """Lower the number of slots after a call that was refused because of overload, and pause all calls.

        Call this while the call still holds its slot: otherwise the next call would be sent before the pause.

        Args:
            wait_s: Seconds that the server requests; None if it requests no wait.
            is_rate_limit: The limit may last for a minute, so pauses without a requested wait grow to that.

        Returns:
            The seconds until the end of the pause.
        """
        self._refusals += 1
        now = _now()
        if now - self._decreased_at >= _DECREASE_INTERVAL_S:
            self._decreased_at = now
            self._limit = max(1.0, self._limit * _DECREASE_FACTOR)
        self.pause(max(_COOL_DOWN_S, wait_s or 0.0))
        # while other calls are in flight, one of them may succeed and free a slot
        if wait_s is None and is_rate_limit and self._in_flight <= 1:
            self._close(now)
        elif wait_s is not None and wait_s >= _LONG_PAUSE_S:
            self._trial_slots = 1
        return self._paused_until - now

    def _close(self, now: float) -> None:
        """Lengthen the pause with each refusal until a call succeeds; next time, pause for as long as that took."""
        last = len(_CLOSED_PAUSES_S) - 1
        pause = _CLOSED_PAUSES_S[min(self._closed_rounds, last)]
        self._is_trial = self._closed_rounds < last
        if self._closed_rounds == 0:
            self._closed_at = now
        elif self._closed_rounds == 1 and self._closed_s is not None:
            pause, self._is_trial = self._closed_s, False
        self.pause(pause)
        self._closed_rounds += 1
        self._trial_slots = 1

    def pause(self, seconds: float) -> None:
        """Admit no call for ``seconds``; a longer pause that is in effect stays."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    def spend(self, tokens: float) -> None:
        """Count ``tokens`` in addition to the estimate; a negative number corrects an estimate that was too high."""
        if self._tokens is not None:
            self._tokens.take(tokens)

    async def _acquire(self, tokens: float, attempts: int) -> None:
        self._stop_signal.check()
        if self._next_queue() is None and self._in_flight < self._slots and self._wait_s(tokens) <= 0:
            self._take(tokens)
            return
        waiter = _Waiter(self._stop_signal.waiter(), tokens)
        self._queues.setdefault(attempts, deque()).append(waiter)
        self._admit()
        ready = waiter.ready
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled() and ready.exception() is None:  # admitted in the same iteration
                self._release()
            raise

    @property
    def _slots(self) -> int:
        return int(min(self._limit, self._trial_slots))

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Admit all waiters that may start now, and set a timer for the next one."""
        while self._in_flight < self._slots and (queue := self._next_queue()):
            wait = self._wait_s(queue[0].tokens)
            if wait > 0:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = asyncio.get_running_loop().call_later(wait, self._admit)
                return
            waiter = queue.popleft()
            self._take(waiter.tokens)
            waiter.ready.set_result(None)

    def _next_queue(self) -> deque[_Waiter] | None:
        """Return the queue whose head is next, after removing waiters that gave up."""
        # Retries go first: they have fewer attempts left, and a new call would add to an overload. A call that is
        # likely to be refused is a new one, which has more attempts left.
        for attempts in sorted(self._queues, reverse=not self._is_trial):
            queue = self._queues[attempts]
            while queue and queue[0].ready.done():
                queue.popleft()
            if queue:
                return queue
        return None

    def _wait_s(self, tokens: float) -> float:
        now = _now()
        wait = max(self._paused_until, self._next_start) - now
        if self._requests is not None:
            wait = max(wait, self._requests.wait_s(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait_s(tokens, now))
        return wait

    def _take(self, tokens: float) -> None:
        self._in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        self.spend(tokens)
        if _now() < self._paused_until + _SLOW_START_S:  # also after the cool-down that follows each refusal
            self._next_start = _now() + _SLOW_START_GAP_S


class Slot:
    """Context manager that holds a slot of a limiter; entering it waits for the slot.

    Entering raises RunStopped if the run stopped before or during the wait.
    """

    __slots__ = ("_attempts", "_limiter", "_tokens")

    def __init__(self, limiter: Limiter, tokens: float, attempts: int) -> None:
        """Take nothing yet."""
        self._limiter = limiter
        self._tokens = tokens
        self._attempts = attempts

    async def __aenter__(self) -> None:
        """Wait for the slot."""
        await self._limiter._acquire(self._tokens, self._attempts)  # noqa: SLF001 - a part of the limiter

    async def __aexit__(self, *_: object) -> None:
        """Free the slot."""
        self._limiter._release()  # noqa: SLF001 - the same


@dataclass(slots=True)
class TokenBucket:
    """Token bucket that starts full; the caller passes the time, in seconds on a monotonic clock."""

    per_minute: float
    _capacity: float = field(init=False)
    _level: float = field(init=False)
    _filled_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Fill it."""
        self._capacity = self._level = max(1.0, self.per_minute / 60 * _BURST_S)

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` may be taken; an amount above the capacity waits for a full bucket."""
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self.per_minute / 60)
        self._filled_at = now
        missing = min(amount, self._capacity) - self._level
        return 0.0 if missing <= _ROUNDING else missing * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take ``amount``; the level may become negative, so the next call waits longer. A negative amount refills."""
        self._level = min(self._capacity, self._level - amount)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Rates: so much a minute, spread evenly."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_evalgate.engine.stop import StopSignal

_BURST_S: Final = 0.25
"""How much of the rate may go out at once: little, so that no minute holds noticeably more than its limit."""

_ROUNDING: Final = 1e-9


@dataclass(slots=True)
class TokenBucket:
    """A token bucket that starts full; time is the caller's, in seconds on a clock that only goes forward."""

    per_minute: float
    _capacity: float = field(init=False)
    _level: float = field(init=False)
    _filled_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Fill it."""
        self._capacity = self._level = max(1.0, self.per_minute / 60 * _BURST_S)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` may be taken; what is larger than the bucket has to wait for a full one."""
        self._fill(now)
        lacking = min(amount, self._capacity) - self._level
        return 0.0 if lacking <= _ROUNDING else lacking * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take ``amount``, below nothing if need be: whoever comes next waits for it. A negative one gives back."""
        self._level = min(self._capacity, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self.per_minute / 60)
        self._filled_at = now


_DECREASE_FACTOR: Final = 0.7
_DECREASE_INTERVAL_S: Final = 0.3
"""Calls that were sent together are refused together: that is one sign of crowding, not many."""

_COOL_DOWN_S: Final = 0.1
"""After a refusal nobody is let in for so long: it frees a slot at once, and the next call would fare no better."""

_SLOW_START_S: Final = 0.1
_SLOW_START_GAP_S: Final = 0.004
"""For a while after a pause calls follow each other at this distance: sent all at once, they are refused all at once,
before the first refusal can hold the others back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model may be asked for by this process.

    Args:
        max_concurrency: Calls at a time.
        requests_per_minute: None for no limit.
        tokens_per_minute: Read and written together; None for no limit.
        start: Calls at a time at first, and one more with each success until the first refusal; None: all at once.

    """

    max_concurrency: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    start: int | None = None

    def shared_by(self, workers: int) -> Self:
        """Return the part of one of ``workers`` processes that work at the same time."""
        return replace(
            self,
            max_concurrency=max(1, self.max_concurrency // workers),
            requests_per_minute=self.requests_per_minute and self.requests_per_minute / workers,
            tokens_per_minute=self.tokens_per_minute and self.tokens_per_minute / workers,
        )


@dataclass(frozen=True, slots=True)
class LimiterSnapshot:
    """How things stand; ``paused_until`` is on the monotonic clock, and ``refusals`` counts 429 and its like."""

    in_flight: int
    limit: int
    refusals: int
    paused_until: float


@dataclass(frozen=True, slots=True)
class _Waiter:
    ready: asyncio.Future[None]
    tokens: float


class Limiter:
    """Slots, first come, first served: so many at a time, so many a minute, and none during a pause.

    How many at a time is found out: one more with each success until the first refusal; from then on x 0.7 with a
    refusal, and one more with each round of successes. Works on one loop, by that loop's clock.

    Example::

        async with limiter.slot(tokens=400):
            reply = await client.send(call)
        limiter.succeeded()
        limiter.spend(reply.tokens - 400)
    """

    def __init__(self, limits: Limits, halt: StopSignal) -> None:
        """Wait for as long as ``halt`` allows."""
        self._max_limit = limits.max_concurrency
        self._limit = float(min(limits.start or self._max_limit, self._max_limit))
        self._requests = _bucket(limits.requests_per_minute)
        self._tokens = _bucket(limits.tokens_per_minute)
        self._stop_signal = halt
        self._in_flight = 0
        self._refused_reasons = 0
        self._decreased_at = self._paused_until = self._next_start = -math.inf
        self._new_calls: deque[_Waiter] = deque()
        self._retries: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def counts_tokens(self) -> bool:
        """Tell whether there is a limit on tokens, so that an estimate is worth its while."""
        return self._tokens is not None

    @property
    def snapshot(self) -> LimiterSnapshot:
        """How things stand."""
        return LimiterSnapshot(self._in_flight, int(self._limit), self._refused_reasons, self._paused_until)

    @asynccontextmanager
    async def slot(self, tokens: float = 0, *, until: float | None = None) -> AsyncIterator[None]:
        """Wait for leave to send one call, and hold it.

        Args:
            tokens: An estimate, for the limit on tokens; `spend` corrects it.
            until: The deadline of a call that was sent before: it goes before all calls that were not.

        Raises:
            RunStopped: the run has stopped, or stopped meanwhile.
            TimeoutError: nothing was free by the deadline.

        """
        async with asyncio.timeout_at(until):
            await self._acquire(tokens, self._new_calls if until is None else self._retries)
        try:
            yield
        finally:
            self._release()

    def succeeded(self) -> None:
        """Make room for more, after a call that was answered."""
        growth = 1.0 if self._refused_reasons == 0 else 1 / self._limit
        self._limit = min(self._max_limit, self._limit + growth)
        self._admit()

    def throttled(self) -> None:
        """Make room for fewer, after a call that was refused for crowding."""
        self._refused_reasons += 1
        self.pause(_COOL_DOWN_S)
        now = _now()
        if now - self._decreased_at >= _DECREASE_INTERVAL_S:
            self._decreased_at = now
            self._limit = max(1.0, self._limit * _DECREASE_FACTOR)

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    def spend(self, tokens: float) -> None:
        """Take ``tokens`` beyond the estimate; a negative number gives some back."""
        if self._tokens is not None:
            self._tokens.take(tokens)

    async def _acquire(self, tokens: float, queue: deque[_Waiter]) -> None:
        self._stop_signal.check()
        if self._is_free(tokens):
            self._take(tokens)
            return
        waiter = _Waiter(self._stop_signal.waiter(), tokens)
        queue.append(waiter)
        self._admit()
        try:
            await waiter.ready
        except asyncio.CancelledError:
            if _was_admitted(waiter.ready):
                self._release()
            raise

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in whoever may go in now, and see to it that the next one is looked at in time."""
        while self._in_flight < int(self._limit) and (queue := self._next()):
            wait = self._wait_s(queue[0].tokens)
            if wait > 0:
                self._schedule_admit(wait)
                return
            self._grant(queue.popleft())

    def _next(self) -> deque[_Waiter] | None:
        """Return the queue whose head is next, without those who have left it."""
        for queue in (self._retries, self._new_calls):
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

    def _is_free(self, tokens: float) -> bool:
        """Tell whether a call may go in past the queues, since nobody stands in them."""
        return self._next() is None and self._in_flight < int(self._limit) and self._wait_s(tokens) <= 0

    def _grant(self, waiter: _Waiter) -> None:
        self._take(waiter.tokens)
        waiter.ready.set_result(None)

    def _take(self, tokens: float) -> None:
        self._in_flight += 1
        if self._requests is not None:
            self._requests.take(1)
        self.spend(tokens)
        if _now() < self._paused_until + _SLOW_START_S:
            self._next_start = _now() + _SLOW_START_GAP_S

    def _schedule_admit(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)


def _bucket(per_minute: float | None) -> TokenBucket | None:
    return None if per_minute is None else TokenBucket(per_minute)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _was_admitted(ready: asyncio.Future[None]) -> bool:
    return ready.done() and not ready.cancelled() and ready.exception() is None

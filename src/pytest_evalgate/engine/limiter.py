"""Rate limiter of one endpoint: concurrency, requests and tokens per minute, and pauses.

Limits that the configuration does not tell are found out. Until the kind of a limit is known, concurrency follows
additive increase, multiplicative decrease (AIMD), as in TCP congestion control. During the first short pause one call
tries, as soon as another one has succeeded. If it is accepted, the server limits the number of simultaneous calls: it
accepted as many as are known, so no pause is needed, and their number grows as that of CUBIC (RFC 9438), slowly near
the limit. If it is refused, the server limits the rate: between two refusals it accepted as many calls as its rate
allows.

Simulated with Retry-After of 1 s, 400 calls and 64 wanted at a time: 20 at a time took 1.1 times the ideal time, with
AIMD alone 2.7; 50 a second 1.09 times with 8 refusals, with AIMD alone 1.10 with 18. No call was lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final, Literal, Self

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

# Burst, in seconds of the rate. The bucket is refilled so much slower that no minute exceeds its limit.
_BURST_S: Final = 0.8

# Share of the maximum that is sent at once at first: a server may limit bursts, and refuses all calls above its limit.
_FIRST_SHARE: Final = 0.75
_SLOW_START_GROWTH: Final = 0.5

# Growth of a number of simultaneous calls that a server has limited, per cube of the rounds since: 1 after 10 rounds,
# 8 after 20.
_CUBIC_GROWTH: Final = 0.001

# A rate is measured over at least this time, and used a little below. Without refusals for a while it is raised.
_SHORTEST_MEASURE_S: Final = 0.5
_RATE_SHARE: Final = 0.98
_RAISE_AFTER_S: Final = 10.0
_RAISE: Final = 1.05

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one endpoint for this process; None for no limit. Tokens are those read and those written.

    ``start`` is the number of simultaneous calls at first, by default three quarters of the maximum. It grows by one
    with every second success until the first refusal.
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


@dataclass(slots=True)
class _Waiter:
    ready: asyncio.Future[None]
    tokens: float
    is_probe: bool = False


class Limiter:
    """Slots for calls, first in, first out: limited in number and rate, none during a pause.

    The number of slots grows by one with two successes until the first refusal. From then on a refusal multiplies it
    by 0.7, and a full round of successes adds one, until the kind of the limit is known (see the module). After a long
    pause, and while the server refuses every call, one call at a time tries. Works on one event loop, by that loop's
    clock.

    Example::

        async with limiter.slot(tokens=400) as slot:
            reply = await client.send(call)  # if it is refused: limiter.refused(wait_s), before the slot is free
        limiter.succeeded(is_probe=slot.is_probe)
        limiter.spend(reply.tokens - 400)
    """

    def __init__(self, limits: Limits, stop_signal: StopSignal) -> None:
        """Start with all slots free."""
        self._max_limit = limits.max_concurrency
        start = limits.start or math.ceil(_FIRST_SHARE * self._max_limit)
        self._limit = float(min(start, self._max_limit))
        self._requests = None if limits.requests_per_minute is None else TokenBucket(limits.requests_per_minute)
        self._tokens = None if limits.tokens_per_minute is None else TokenBucket(limits.tokens_per_minute)
        self._stop_signal = stop_signal
        self._in_flight = 0
        self._refusals = 0
        self._successes = 0
        self._kind: Literal["unknown", "capacity", "rate"] = "unknown"
        self._probe: Literal["none", "due", "ready"] = "none"
        self._capacity = 0  # calls in flight that the server accepted while it refused others
        self._rounds = 0.0  # since the last refusal, at that capacity
        self._found_rate: TokenBucket | None = None
        self._found_burst_s = _BURST_S
        self._measured_from = -math.inf
        self._accepted_before = 0
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

    def succeeded(self, *, is_probe: bool = False) -> None:
        """Raise the number of slots after a call that succeeded."""
        self._successes += 1
        if is_probe and self._kind == "unknown":
            self._kind, self._limit, self._rounds = "capacity", float(max(1, self._capacity)), 0.0
            self._paused_until = _now()
        elif self._probe == "due":
            self._probe = "ready"
        if self._closed_rounds > 1:
            self._closed_s = min(max(self._closed_s or 0.0, _now() - self._closed_at), _LONGEST_CLOSED_S)
        self._closed_rounds = 0
        self._is_trial = False
        self._trial_slots += _TRIAL_GROWTH
        if self._trial_slots >= self._limit:
            self._trial_slots = math.inf
        if self._kind == "capacity":
            self._rounds += 1 / self._limit
            self._limit = min(self._max_limit, self._capacity + _CUBIC_GROWTH * self._rounds**3)
        else:
            # slow start until the first refusal, then one slot per round: `_limit` successes add 1 / `_limit` each
            growth = _SLOW_START_GROWTH if self._refusals == 0 else 1 / self._limit
            self._limit = min(self._max_limit, self._limit + growth)
        self._raise_rate()
        self._admit()

    def refused(self, wait_s: float | None = None, *, is_rate_limit: bool = False, is_probe: bool = False) -> float:
        """Lower the number of slots after a call that was refused because of overload, and pause all calls.

        Call this while the call still holds its slot: otherwise the next call would be sent before the pause.

        Args:
            wait_s: Seconds that the server requests; None if it requests no wait.
            is_rate_limit: The limit may last for a minute, so pauses without a requested wait grow to that.
            is_probe: Whether the call was sent during a pause, to find out the kind of the limit.

        Returns:
            The seconds until the end of the pause. A server that limits the number of simultaneous calls needs none:
            the call itself waits.
        """
        self._refusals += 1
        now, others = _now(), max(0, self._in_flight - 1)
        if wait_s is None or wait_s >= _LONG_PAUSE_S:  # such a limit may be one by the minute
            self._kind, self._probe = "unknown", "none"
        # fewer in flight than were accepted before: another limit than their number
        elif is_probe or (self._kind == "capacity" and others < max(1, self._capacity - 1)):
            self._kind = "rate"
        elif self._kind == "capacity":
            self._capacity, self._rounds = min(others, int(self._limit)), 0.0
            self._limit = float(self._capacity)
            return wait_s
        elif self._kind == "unknown" and others:
            self._capacity, self._probe = others, "due"
        if self._kind == "rate":
            self._measure_rate(now, others)
        if self._found_rate is not None:
            self._limit = float(self._max_limit)  # the rate holds calls back
        elif now - self._decreased_at >= _DECREASE_INTERVAL_S:
            self._decreased_at = now
            self._limit = max(1.0, self._limit * _DECREASE_FACTOR)
        self.pause(max(_COOL_DOWN_S, wait_s or 0.0))
        # while other calls are in flight, one of them may succeed and free a slot
        if wait_s is None and is_rate_limit and self._in_flight <= 1:
            self._close(now)
        elif wait_s is not None and wait_s >= _LONG_PAUSE_S:
            self._trial_slots = 1
        return self._paused_until - now

    @property
    def pauses_all(self) -> bool:
        """Whether a refusal pauses all calls; otherwise the refused call waits alone."""
        return self._kind != "capacity"

    def _measure_rate(self, now: float, in_flight: int) -> None:
        """Use the rate at which the server accepted calls between two refusals; simultaneous refusals are one."""
        measured_s, accepted = now - self._measured_from, self._successes + in_flight
        if measured_s < _SHORTEST_MEASURE_S:
            return
        if measured_s < math.inf and accepted > self._accepted_before:
            rate = _RATE_SHARE * 60 * (accepted - self._accepted_before) / measured_s
            if self._found_rate is not None:  # refused at about that rate: the burst was too long
                self._found_burst_s /= 2
            self._found_rate = TokenBucket(rate, self._found_burst_s)
        self._measured_from, self._accepted_before = now, accepted

    def _raise_rate(self) -> None:
        """Raise the rate that was found out, if no call was refused for a while."""
        if self._found_rate is not None and _now() - self._measured_from > _RAISE_AFTER_S:
            self._found_rate = TokenBucket(_RAISE * self._found_rate.per_minute, self._found_burst_s)
            self._measured_from, self._accepted_before = _now(), self._successes + self._in_flight

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

    async def _acquire(self, tokens: float, attempts: int) -> bool:
        """Wait for a slot, and return whether the call is a probe."""
        self._stop_signal.check()
        if self._next_queue() is None and self._in_flight < self._slots and self._wait_s(tokens) <= 0:
            return self._take(tokens)
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
        return waiter.is_probe

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
            waiter.is_probe = self._take(waiter.tokens)
            waiter.ready.set_result(None)

    def _next_queue(self) -> deque[_Waiter] | None:
        """Return the queue whose head is next, after removing waiters that gave up."""
        # Retries go first: they have fewer attempts left, and a new call would add to an overload. A call that is
        # likely to be refused is a new one, which has more attempts left.
        for attempts in sorted(self._queues, reverse=not (self._is_trial or self._probe == "ready")):
            queue = self._queues[attempts]
            while queue and queue[0].ready.done():
                queue.popleft()
            if queue:
                return queue
        return None

    def _wait_s(self, tokens: float) -> float:
        now = _now()
        wait = 0.0 if self._probe == "ready" else max(self._paused_until, self._next_start) - now
        if self._found_rate is not None:
            wait = max(wait, self._found_rate.wait_s(1, now))
        if self._requests is not None:
            wait = max(wait, self._requests.wait_s(1, now))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait_s(tokens, now))
        return wait

    def _take(self, tokens: float) -> bool:
        is_probe = self._probe == "ready" and _now() < self._paused_until
        if self._probe == "ready":
            self._probe = "none"
        self._in_flight += 1
        if self._found_rate is not None:
            self._found_rate.take(1)
        if self._requests is not None:
            self._requests.take(1)
        self.spend(tokens)
        is_unmeasured = self._kind == "rate" and self._found_rate is None
        if is_unmeasured or _now() < self._paused_until + _SLOW_START_S:  # also after the cool-down of each refusal
            self._next_start = _now() + _SLOW_START_GAP_S
        return is_probe


class Slot:
    """Context manager that holds a slot of a limiter; entering it waits for the slot.

    Entering raises RunStopped if the run stopped before or during the wait.
    """

    __slots__ = ("_attempts", "_limiter", "_tokens", "is_probe")

    def __init__(self, limiter: Limiter, tokens: float, attempts: int) -> None:
        """Take nothing yet."""
        self._limiter = limiter
        self._tokens = tokens
        self._attempts = attempts
        self.is_probe = False
        """Whether the call is sent during a pause, to find out the kind of a limit."""

    async def __aenter__(self) -> Self:
        """Wait for the slot."""
        self.is_probe = await self._limiter._acquire(self._tokens, self._attempts)  # noqa: SLF001 - a part of the limiter
        return self

    async def __aexit__(self, *_: object) -> None:
        """Free the slot."""
        self._limiter._release()  # noqa: SLF001 - the same


@dataclass(slots=True)
class TokenBucket:
    """Token bucket that starts full; the caller passes the time, in seconds on a monotonic clock."""

    per_minute: float
    burst_s: float = _BURST_S
    _capacity: float = field(init=False)
    _level: float = field(init=False)
    _refill: float = field(init=False)
    """Per second."""
    _filled_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Fill it."""
        self._capacity = self._level = max(1.0, float(int(self.per_minute / 60 * self.burst_s)))
        self._refill = (self.per_minute - self._capacity + 1) / 60  # the burst is a part of the first minute

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` may be taken; an amount above the capacity waits for a full bucket."""
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._refill)
        self._filled_at = now
        missing = min(amount, self._capacity) - self._level
        return 0.0 if missing <= _ROUNDING else missing / self._refill

    def take(self, amount: float) -> None:
        """Take ``amount``; the level may become negative, so the next call waits longer. A negative amount refills."""
        self._level = min(self._capacity, self._level - amount)


def _now() -> float:
    return asyncio.get_running_loop().time()

"""The patience with one call: a few attempts, each with a time limit, and pauses in between."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.engine.spend import estimate_tokens
from pytest_evalgate.records.calls import CallFailed, CallRecord, RunStopped
from pytest_evalgate.text.jsonl import digest

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from pytest_evalgate.engine.limiter import Limiter
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply

_FIRST_CALLS: Final = 10
_WINDOW: Final = 20


class CircuitBreaker:
    """Watches how the calls to one endpoint end, all attempts of a call taken together.

    It stops the run when none of the first 10 calls was answered, or fewer than half of the last 20.
    """

    def __init__(self, endpoint: str, halt: StopSignal) -> None:
        """Name ``endpoint`` when ``halt`` is told to stop."""
        self._endpoint = endpoint
        self._stop_signal = halt
        self._last: deque[CallFault | None] = deque(maxlen=_WINDOW)

    def record_success(self) -> None:
        """Count a call that was answered."""
        self._last.append(None)

    def record_failure(self, fault: CallFault) -> None:
        """Count a call that was given up after ``fault``."""
        self._last.append(fault)
        faults = [fault for fault in self._last if fault is not None]
        seen = len(self._last)
        if (seen == _FIRST_CALLS == len(faults)) or (seen == _WINDOW and 2 * len(faults) > seen):
            self._stop_signal.stop(self._why(faults, seen))

    def _why(self, faults: list[CallFault], seen: int) -> str:
        kinds = ", ".join(
            f"{count} x {description}" for description, count in Counter(f.description for f in faults).most_common()
        )
        return (
            f"{len(faults)} of the last {seen} calls to {self._endpoint} failed ({kinds}); the last one: "
            f"{faults[-1].detail}. Mend that and run again: what is answered is kept"
        )


_MAX_EQUAL_ERRORS: Final = 3
"""So many equal server errors are the server's last word on this call."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on with one call; times in seconds.

    Args:
        timeout_s: For each attempt as a whole, the last byte of the reply included.
        attempts: Requests in all.
        first_pause_s: The longest pause after the first attempt; it doubles with each further one.
        longest_pause_s: Where that doubling ends. A server that asks for more gets it.

    """

    timeout_s: float = 60.0
    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0

    @property
    def call_s(self) -> float:
        """For the call, from its first attempt to its last, the pauses included."""
        return self.timeout_s * self.attempts

    def pause_s(self, seed: str, attempt: int) -> float:
        """Draw the pause after the 1-based ``attempt``: anything up to the bound, alike for the same ``seed``."""
        bound = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1))
        return random.Random(f"{seed}:{attempt}").uniform(0, bound)  # noqa: S311 - jitter, not cryptography


@dataclass(slots=True)
class _CallAttempts:
    """What has become of one call so far."""

    call: Call
    sent: int = 0
    deadline: float | None = None
    """None until it is sent: calls may wait long for their turn."""
    faults: list[CallFault] = field(default_factory=list)

    @property
    def record(self) -> CallRecord | None:
        if self.sent == 0:
            return None
        return CallRecord(self.call.purpose, self.call.model or self.call.endpoint, self.sent)

    @property
    def is_final(self) -> bool:
        """Tell whether another attempt could only end like this one."""
        last = self.faults[-1]
        if self.sent >= last.policy.tries:
            return True
        recent = self.faults[-_MAX_EQUAL_ERRORS:]
        same = {fault.detail for fault in recent}
        return last.kind == "server" and len(recent) == _MAX_EQUAL_ERRORS and len(same) == 1

    def message(self) -> str:
        """Tell it in one line."""
        last = self.faults[-1]
        kinds = Counter(fault.description for fault in self.faults)
        what = ", ".join(
            description if len(kinds) == 1 else f"{count} x {description}" for description, count in kinds.items()
        )
        asked = "" if last.retry_after_s is None else f" (last Retry-After {last.retry_after_s:g} s)"
        return f"{self.sent} attempt{'s' * (self.sent > 1)}: {what}{asked}: {last.detail}"


class RetryingClient:
    """Sends each call until it is answered, or until there is no use in it."""

    def __init__(
        self, inner: ModelClient, limiter: Limiter, halt: StopSignal, endpoint: str, retry_policy: RetryPolicy
    ) -> None:
        """Send through ``inner``.

        Args:
            inner: Makes one attempt; raises CallFault.
            limiter: Of the model, shared by all who ask it.
            halt: Of the run, shared by all.
            endpoint: What messages call the other side.
            retry_policy: How long to go on.

        """
        self._inner = inner
        self._limiter = limiter
        self._stop_signal = halt
        self._endpoint = endpoint
        self._retry_policy = retry_policy
        self._circuit_breaker = CircuitBreaker(endpoint, halt)

    async def send(self, call: Call) -> Reply:
        """Return the answer, with the attempts it took and the seconds of the last one.

        Raises:
            CallFailed: there is none; the record counts what was sent.
            RunStopped: there will be none for any call of this run.

        """
        tries = _CallAttempts(call)
        try:
            reply = await self._send(tries)
        except CallFault as fault:
            raise self._final_error(tries, fault) from fault
        except RunStopped as stopped:
            raise RunStopped(str(stopped), tries.record) from stopped
        self._circuit_breaker.record_success()
        return reply

    async def _send(self, tries: _CallAttempts) -> Reply:
        """Make the first attempt, and others only where it failed: to be ready for them costs a tenth of a call."""
        try:
            return await self._attempt(tries)
        except CallFault as fault:
            from tenacity import AsyncRetrying, retry_if_exception_type  # noqa: PLC0415 - most runs do without

            retrying = AsyncRetrying(
                retry=retry_if_exception_type(CallFault),
                wait=self._pause_s,
                stop=self._should_stop,
                sleep=self._stop_signal.sleep,
                reraise=True,
            )
            reply: Reply = await retrying(self._retry, tries, [fault])
            return reply

    async def _retry(self, tries: _CallAttempts, first: list[CallFault]) -> Reply:
        """Fail once more as the first attempt did, so that it is judged as the others are; then attempt."""
        if first:
            raise first.pop()
        return await self._attempt(tries)

    async def _attempt(self, tries: _CallAttempts) -> Reply:
        tokens = _estimated_tokens(tries.call) if self._limiter.counts_tokens else 0
        try:
            async with self._limiter.slot(tokens, until=tries.deadline):
                self._stop_signal.check()
                reply = await self._send_once(tries)
        except TimeoutError:  # no slot came by the deadline
            raise tries.faults[-1] from None
        except CallFault as fault:
            self._record_fault(tries, fault)
            raise
        self._limiter.succeeded()
        if reply.tokens_in is not None and reply.tokens_out is not None:
            self._limiter.spend(reply.tokens_in + reply.tokens_out - tokens)
        return reply

    async def _send_once(self, tries: _CallAttempts) -> Reply:
        began = _now()
        if tries.deadline is None:
            tries.deadline = began + self._retry_policy.call_s
        tries.sent += 1
        end = min(began + self._retry_policy.timeout_s, tries.deadline, self._stop_signal.deadline)
        try:
            async with asyncio.timeout_at(end):
                reply = await self._inner.send(tries.call)
        except TimeoutError:
            message = f"no whole reply within {end - began:.3g} s ({self._endpoint})"
            raise CallFault("timeout", message) from None
        return replace(reply, attempts=tries.sent, latency_s=_now() - began)

    def _record_fault(self, tries: _CallAttempts, fault: CallFault) -> None:
        tries.faults.append(fault)
        if fault.policy.is_overload:
            self._limiter.throttled()
        if fault.retry_after_s is not None:
            self._limiter.pause(fault.retry_after_s)
            self._stop_if_too_long(fault, fault.retry_after_s)

    def _stop_if_too_long(self, fault: CallFault, seconds: float) -> None:
        if _now() + seconds > self._stop_signal.deadline:
            self._stop_signal.stop(
                f"{fault.description}: {self._endpoint} asks to wait {seconds:g} s, beyond the end of this run: "
                "run again later, or raise max_duration_s; what is answered is kept"
            )

    def _pause_s(self, state: RetryCallState) -> float:
        tries: _CallAttempts = state.args[0]
        call = tries.call
        seed = digest([call.endpoint, call.model, call.payload, call.trial])
        return max(self._retry_policy.pause_s(seed, tries.sent), tries.faults[-1].retry_after_s or 0.0)

    def _should_stop(self, state: RetryCallState) -> bool:
        tries: _CallAttempts = state.args[0]
        deadline = (
            self._stop_signal.deadline if tries.deadline is None else min(tries.deadline, self._stop_signal.deadline)
        )
        late = _now() + state.upcoming_sleep >= deadline
        return late or tries.is_final or tries.sent >= self._retry_policy.attempts

    def _final_error(self, tries: _CallAttempts, fault: CallFault) -> CallFailed:
        message = tries.message()
        if fault.policy.stops_run:
            self._stop_signal.stop(str(fault))
            return RunStopped(message, tries.record)
        self._circuit_breaker.record_failure(fault)
        return CallFailed(message, tries.record)


def _estimated_tokens(call: Call) -> int:
    tokens = estimate_tokens(call)
    return tokens.read + tokens.written


def _now() -> float:
    return asyncio.get_running_loop().time()

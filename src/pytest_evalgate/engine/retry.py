"""Retries of a call, with a timeout for each attempt and pauses between them; and the circuit breaker."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.engine.spend import estimate_tokens
from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import ApplicationFailure, CallFailed, CallRecord, RunStopped
from pytest_evalgate.text.jsonl import digest
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenacity import RetryCallState

    from pytest_evalgate.engine.limiter import Limiter
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply

# After this many equal server errors there is no further attempt: the server fails on this request.
_MAX_EQUAL_ERRORS: Final = 3

_FIRST_CALLS: Final = 10
_WINDOW: Final = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of the attempts at one call; times in seconds.

    Args:
        timeout_s: For each attempt as a whole, up to the last byte of the reply.
        attempts: Maximum number of requests.
        first_pause_s: Upper bound of the pause after the first attempt; it doubles with each further one.
        longest_pause_s: Maximum of that bound. A longer wait that a limit requires is still honoured.
    """

    timeout_s: float = 60.0
    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0

    @property
    def call_s(self) -> float:
        """Limit for the call as a whole, from first to last attempt; waits for limits and slots do not count."""
        return self.timeout_s * self.attempts

    def pause_s(self, seed: str, attempt: int) -> float:
        """Return the pause after the 1-based ``attempt``: full jitter below the bound, reproducible from ``seed``."""
        bound = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1))
        return random.Random(f"{seed}:{attempt}").uniform(0, bound)  # noqa: S311 - jitter, not cryptography


class RetryingClient:
    """Client that retries each call until it succeeds, or until the retry policy allows no further attempt."""

    def __init__(
        self, inner: ModelClient, limiter: Limiter, stop_signal: StopSignal, endpoint: str, retry_policy: RetryPolicy
    ) -> None:
        """Send through ``inner``, which makes one attempt and raises CallFault.

        All clients of an endpoint share its ``limiter``; ``endpoint`` is its name in messages.
        """
        self._inner = inner
        self._limiter = limiter
        self._stop_signal = stop_signal
        self._endpoint = endpoint
        self._retry_policy = retry_policy
        self._has_succeeded = False
        self._circuit_breaker = CircuitBreaker(endpoint, stop_signal)

    async def send(self, call: Call) -> Reply:
        """Return the reply, with its number of attempts and the latency of the last one.

        Raises:
            CallFailed: no attempt succeeded; the record counts them.
            RunStopped: no call of this run can succeed.
            ApplicationFailure: the last attempt got an HTTP error of an application.
        """
        attempts = _Attempts(call)
        try:
            reply = await self._send(attempts)
        except CallFault as fault:
            raise self._final_error(attempts, fault) from fault
        except RunStopped as stopped:
            raise RunStopped(str(stopped), attempts.record, is_final=stopped.is_final) from stopped
        self._has_succeeded = True
        self._circuit_breaker.record_success()
        return attempts.with_tokens(reply)

    async def _send(self, attempts: _Attempts) -> Reply:
        """Make the first attempt, and prepare retries only if it fails: that takes a tenth of a call's CPU time."""
        try:
            return await self._attempt(attempts)
        except CallFault as fault:
            from tenacity import AsyncRetrying, retry_if_exception_type  # noqa: PLC0415 - most runs never retry

            retrying = AsyncRetrying(
                retry=retry_if_exception_type(CallFault),
                wait=self._pause_s,
                stop=self._should_stop,
                sleep=self._stop_signal.sleep,
                reraise=True,
            )
            reply: Reply = await retrying(self._retry, attempts, [fault])
            return reply

    async def _retry(self, attempts: _Attempts, first: list[CallFault]) -> Reply:
        """Raise the fault of the first attempt, so that tenacity pauses after it; then make attempts."""
        if first:
            raise first.pop()
        return await self._attempt(attempts)

    async def _attempt(self, attempts: _Attempts) -> Reply:
        tokens = 0
        if self._limiter.counts_tokens:
            estimated = estimate_tokens(attempts.call)
            tokens = estimated.read + estimated.written
        asked_at = _now()
        async with self._limiter.slot(tokens, attempts=attempts.sent) as slot:
            self._stop_signal.check()
            attempts.waited_s += _now() - asked_at
            attempts.extend(_now() - asked_at)
            try:
                reply = await self._send_once(attempts)
            except CallFault as fault:
                self._record_fault(
                    attempts, fault, is_probe=slot.is_probe
                )  # before the slot is free: it pauses the calls that wait for it
                raise
        self._limiter.succeeded(is_probe=slot.is_probe)
        if reply.tokens_in is not None and reply.tokens_out is not None:
            self._limiter.spend(reply.tokens_in + reply.tokens_out - tokens)
        return reply

    async def _send_once(self, attempts: _Attempts) -> Reply:
        start = _now()
        if attempts.deadline is None:  # starts here, since new calls may queue for a slot for a long time
            attempts.deadline = start + self._retry_policy.call_s
        attempts.sent += 1
        end = min(start + self._retry_policy.timeout_s, attempts.deadline, self._stop_signal.deadline)
        try:
            # bounds the whole reply: timeouts of HTTP libraries apply to each read, so a trickled body outlasts them
            async with asyncio.timeout_at(end):
                reply = await self._inner.send(attempts.call)
        except TimeoutError:
            report_expired("an attempt of a call", end - start)
            message = f"no complete reply within {end - start:.3g} s ({self._endpoint})"
            raise CallFault("timeout", message) from None
        return replace(
            reply,
            attempts=attempts.sent,
            latency_s=_now() - start,
            limited=attempts.limited,
            waited_s=attempts.waited_s,
        )

    def _record_fault(self, attempts: _Attempts, fault: CallFault, *, is_probe: bool) -> None:
        # the frames of its traceback hold the response, up to 16 MiB, and it is kept while other attempts are made
        fault.__traceback__ = fault.__context__ = fault.__cause__ = None
        attempts.faults.append(fault)
        asked, pause = fault.retry_after_s, 0.0
        if fault.policy.is_overload:
            pause = self._limiter.refused(asked, is_rate_limit=fault.kind == "rate_limit", is_probe=is_probe)
        elif asked is not None:
            pause = asked
            self._limiter.pause(pause)
        if pause and _now() + pause > self._stop_signal.deadline:  # no call could be sent after the wait
            wait = f"asks to wait {asked:g} s" if asked is not None else f"refuses every call, for another {pause:g} s"
            self._stop_signal.stop(
                f"{fault.description}: {self._endpoint} {wait}, beyond the end of this run: "
                "run again later, or raise max_duration_s (replies received so far are cached)"
            )

    def _pause_s(self, state: RetryCallState) -> float:
        attempts: _Attempts = state.args[0]  # tenacity passes the arguments of `_retry`
        call = attempts.call
        # seeded by the call: reproducible in every run, but different calls are not retried at the same time
        seed = digest([call.endpoint, call.model, call.payload, call.trial])
        pause = self._retry_policy.pause_s(seed, attempts.sent)
        fault = attempts.faults[-1]
        if fault.policy.is_overload and not self._limiter.pauses_all:
            pause = max(pause, fault.retry_after_s or 0.0)
        if fault.policy.is_overload or fault.retry_after_s is not None:
            attempts.extend(pause)
        attempts.waited_s += pause
        return pause  # the limiter's queue waits for its own pause and keeps the order of the calls

    def _should_stop(self, state: RetryCallState) -> bool:
        attempts: _Attempts = state.args[0]
        deadline = self._stop_signal.deadline
        if attempts.deadline is not None:
            deadline = min(attempts.deadline, deadline)
        is_late = _now() + state.upcoming_sleep >= deadline
        return is_late or attempts.is_final or attempts.sent >= self._retry_policy.attempts

    def _final_error(self, attempts: _Attempts, fault: CallFault) -> CallFailed | ApplicationFailure:
        if fault.is_miss:  # the application replied, so its endpoint is up
            self._circuit_breaker.record_success()
            return ApplicationFailure(attempts.message(), attempts.record)
        policy = fault.policy
        if policy.stops_run and not (policy.until_success and self._has_succeeded):
            self._stop_signal.stop(str(fault), is_final=True)
            return RunStopped(attempts.message(remedy=fault.remedy), attempts.record, is_final=True)
        self._circuit_breaker.record_failure(fault)
        # the key and the model were accepted before, so the refusal is about this case
        remedy = "" if policy.until_success else fault.remedy
        return CallFailed(attempts.message(remedy=remedy), attempts.record, is_final=policy.is_final)


@dataclass(slots=True)
class _Attempts:
    """Attempts at one call so far."""

    call: Call
    sent: int = 0
    deadline: float | None = None
    """None before the first attempt: calls may queue for a long time."""
    faults: list[CallFault] = field(default_factory=list)
    waited_s: float = 0.0

    @property
    def limited(self) -> int:
        return sum(fault.kind == "rate_limit" for fault in self.faults)

    @property
    def record(self) -> CallRecord | None:
        if self.sent == 0:
            return None
        read, written = self.tokens
        model = self.call.model or self.call.endpoint
        return CallRecord(
            self.call.purpose,
            model,
            self.sent,
            read or None,
            written or None,
            limited=self.limited,
            waited_s=self.waited_s,
        )

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of the failed attempts: replies without an answer are billed."""
        return sum(fault.tokens[0] for fault in self.faults), sum(fault.tokens[1] for fault in self.faults)

    def with_tokens(self, reply: Reply) -> Reply:
        """Return ``reply`` with the tokens of the failed attempts added, if it has tokens."""
        read, written = self.tokens
        if not (read or written) or reply.tokens_in is None or reply.tokens_out is None:
            return reply
        return replace(reply, tokens_in=reply.tokens_in + read, tokens_out=reply.tokens_out + written)

    @property
    def is_final(self) -> bool:
        """Whether another attempt would only fail in the same way."""
        last = self.faults[-1]
        if self.sent >= last.policy.tries:
            return True
        recent = self.faults[-_MAX_EQUAL_ERRORS:]
        details = {fault.detail for fault in recent}
        return last.kind == "server" and len(recent) == _MAX_EQUAL_ERRORS and len(details) == 1

    def extend(self, seconds: float) -> None:
        """Move the deadline by the seconds of a wait for a limit or a slot."""
        if self.deadline is not None:
            self.deadline += seconds

    def message(self, *, remedy: str = "") -> str:
        last = self.faults[-1]
        kinds = Counter(fault.description for fault in self.faults)
        failures = last.description if len(kinds) == 1 else _counted(kinds.items())
        retry_after = "" if last.retry_after_s is None else f" (last Retry-After {last.retry_after_s:g} s)"
        parts = [f"{self.sent} attempt{'s' * (self.sent > 1)}", f"{failures}{retry_after}", last.detail, remedy]
        return ": ".join(filter(None, parts))


class CircuitBreaker:
    """Stops the run if all of the first 10 calls to an endpoint fail, or more than half of the last 20.

    All attempts at a call count as one.
    """

    def __init__(self, endpoint: str, stop_signal: StopSignal) -> None:
        """Watch the calls to ``endpoint``."""
        self._endpoint = endpoint
        self._stop_signal = stop_signal
        self._last: deque[CallFault | None] = deque(maxlen=_WINDOW)

    def record_success(self) -> None:
        """Count a call that succeeded."""
        self._last.append(None)

    def record_failure(self, fault: CallFault) -> None:
        """Count a call that failed for good, last with ``fault``."""
        self._last.append(fault)
        faults = [fault for fault in self._last if fault is not None]
        seen = len(self._last)
        if (seen == _FIRST_CALLS == len(faults)) or (seen == _WINDOW and 2 * len(faults) > seen):
            kinds = _counted(Counter(fault.description for fault in faults).most_common())
            self._stop_signal.stop(
                f"{len(faults)} of the last {seen} calls to {self._endpoint} failed ({kinds}); the last one: "
                f"{faults[-1].detail}. {_first_upper(faults[-1].remedy or 'fix this')}, and run again (replies "
                "received so far are cached)",
                is_final=any(fault.policy.is_final for fault in faults),
            )


def _counted(kinds: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} x {kind}" for kind, count in kinds)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _now() -> float:
    return asyncio.get_running_loop().time()

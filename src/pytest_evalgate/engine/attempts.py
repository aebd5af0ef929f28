"""The patience with one call: a few attempts, each with a time limit, and pauses in between."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.calls import CallFailed, CallRecord, RunStopped
from pytest_evalgate.engine.breaker import Breaker
from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.engine.tokens import guess
from pytest_evalgate.jsonl import digest

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.halt import Halt
    from pytest_evalgate.engine.limiter import Limiter
    from pytest_evalgate.protocols import ModelClient

_SAME_IN_A_ROW: Final = 3
"""So many equal server errors are the server's last word on this call."""


@dataclass(frozen=True, slots=True)
class Patience:
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
class _Tries:
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
    def is_settled(self) -> bool:
        """Tell whether another attempt could only end like this one."""
        last = self.faults[-1]
        if self.sent >= last.consequence.tries:
            return True
        recent = self.faults[-_SAME_IN_A_ROW:]
        same = {fault.detail for fault in recent}
        return last.kind == "server" and len(recent) == _SAME_IN_A_ROW and len(same) == 1

    def story(self) -> str:
        """Tell it in one line."""
        last = self.faults[-1]
        kinds = Counter(fault.words for fault in self.faults)
        what = ", ".join(words if len(kinds) == 1 else f"{count} x {words}" for words, count in kinds.items())
        asked = "" if last.retry_after_s is None else f" (last Retry-After {last.retry_after_s:g} s)"
        return f"{self.sent} attempt{'s' * (self.sent > 1)}: {what}{asked}: {last.detail}"


class RetryingClient:
    """Sends each call until it is answered, or until there is no use in it."""

    def __init__(self, inner: ModelClient, limiter: Limiter, halt: Halt, endpoint: str, patience: Patience) -> None:
        """Send through ``inner``.

        Args:
            inner: Makes one attempt; raises CallFault.
            limiter: Of the model, shared by all who ask it.
            halt: Of the run, shared by all.
            endpoint: What messages call the other side.
            patience: How long to go on.

        """
        self._inner = inner
        self._limiter = limiter
        self._halt = halt
        self._endpoint = endpoint
        self._patience = patience
        self._breaker = Breaker(endpoint, halt)

    async def send(self, call: Call) -> Reply:
        """Return the answer, with the attempts it took and the seconds of the last one.

        Raises:
            CallFailed: there is none; the record counts what was sent.
            RunStopped: there will be none for any call of this run.

        """
        tries = _Tries(call)
        try:
            reply = await self._send(tries)
        except CallFault as fault:
            raise self._given_up(tries, fault) from fault
        except RunStopped as stopped:
            raise RunStopped(str(stopped), tries.record) from stopped
        self._breaker.answered()
        return reply

    async def _send(self, tries: _Tries) -> Reply:
        """Make the first attempt, and others only where it failed: to be ready for them costs a tenth of a call."""
        try:
            return await self._attempt(tries)
        except CallFault as fault:
            from tenacity import AsyncRetrying, retry_if_exception_type  # noqa: PLC0415 - most runs do without

            retrying = AsyncRetrying(
                retry=retry_if_exception_type(CallFault),
                wait=self._pause_s,
                stop=self._is_over,
                sleep=self._halt.sleep,
                reraise=True,
            )
            reply: Reply = await retrying(self._again, tries, [fault])
            return reply

    async def _again(self, tries: _Tries, first: list[CallFault]) -> Reply:
        """Fail once more as the first attempt did, so that it is judged as the others are; then attempt."""
        if first:
            raise first.pop()
        return await self._attempt(tries)

    async def _attempt(self, tries: _Tries) -> Reply:
        tokens = _guess(tries.call) if self._limiter.counts_tokens else 0
        try:
            async with self._limiter.slot(tokens, until=tries.deadline):
                self._halt.check()
                reply = await self._on_the_wire(tries)
        except TimeoutError:  # no slot came by the deadline
            raise tries.faults[-1] from None
        except CallFault as fault:
            self._learn(tries, fault)
            raise
        self._limiter.succeeded()
        if reply.tokens_in is not None and reply.tokens_out is not None:
            self._limiter.spend(reply.tokens_in + reply.tokens_out - tokens)
        return reply

    async def _on_the_wire(self, tries: _Tries) -> Reply:
        began = _now()
        if tries.deadline is None:
            tries.deadline = began + self._patience.call_s
        tries.sent += 1
        end = min(began + self._patience.timeout_s, tries.deadline, self._halt.deadline)
        try:
            async with asyncio.timeout_at(end):
                reply = await self._inner.send(tries.call)
        except TimeoutError:
            message = f"no whole reply within {end - began:.3g} s ({self._endpoint})"
            raise CallFault("timeout", message) from None
        return replace(reply, attempts=tries.sent, latency_s=_now() - began)

    def _learn(self, tries: _Tries, fault: CallFault) -> None:
        tries.faults.append(fault)
        if fault.consequence.crowded:
            self._limiter.refused()
        if fault.retry_after_s is not None:
            self._limiter.pause(fault.retry_after_s)
            self._stop_if_too_long(fault, fault.retry_after_s)

    def _stop_if_too_long(self, fault: CallFault, seconds: float) -> None:
        if _now() + seconds > self._halt.deadline:
            self._halt.stop(
                f"{fault.words}: {self._endpoint} asks to wait {seconds:g} s, beyond the end of this run: run again "
                "later, or raise max_duration_s; what is answered is kept"
            )

    def _pause_s(self, state: RetryCallState) -> float:
        tries: _Tries = state.args[0]
        call = tries.call
        seed = digest([call.endpoint, call.model, call.payload, call.trial])
        return max(self._patience.pause_s(seed, tries.sent), tries.faults[-1].retry_after_s or 0.0)

    def _is_over(self, state: RetryCallState) -> bool:
        tries: _Tries = state.args[0]
        deadline = self._halt.deadline if tries.deadline is None else min(tries.deadline, self._halt.deadline)
        late = _now() + state.upcoming_sleep >= deadline
        return late or tries.is_settled or tries.sent >= self._patience.attempts

    def _given_up(self, tries: _Tries, fault: CallFault) -> CallFailed:
        story = tries.story()
        if fault.consequence.stops_run:
            self._halt.stop(str(fault))
            return RunStopped(story, tries.record)
        self._breaker.failed(fault)
        return CallFailed(story, tries.record)


def _guess(call: Call) -> int:
    tokens = guess(call)
    return tokens.read + tokens.written


def _now() -> float:
    return asyncio.get_running_loop().time()

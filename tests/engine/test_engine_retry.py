from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace

import pytest

from pytest_evalgate.engine.faults import CallFault, FaultKind
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import CircuitBreaker, RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import ApplicationFailure, Call, CallFailed, CallRecord, Reply, RunStopped

_CALL = Call("chat", "http://there/v1", "m", {"messages": [{"role": "user", "content": "hi"}]}, label="s::a")


@dataclass
class _Script:
    """A client that plays ``steps`` in turn, repeating the last one; numbers are seconds before the next step."""

    steps: list[Reply | CallFault | float]
    sent_at: list[float] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        self.sent_at.append(_now())
        step = self._next()
        if isinstance(step, float):
            await asyncio.sleep(step)
            step = self._next()
        if isinstance(step, Reply):
            return step
        raise step if isinstance(step, CallFault) else AssertionError("two pauses in a row")

    def _next(self) -> Reply | CallFault | float:
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.sent_at, self.sent_at[1:], strict=False)]


def _client(
    script: _Script,
    *,
    stop_signal: StopSignal | None = None,
    limits: Limits | None = None,
    retry_policy: RetryPolicy | None = None,
) -> RetryingClient:
    stop_signal = stop_signal or StopSignal()
    limiter = Limiter(limits or Limits(8), stop_signal)
    return RetryingClient(script, limiter, stop_signal, "http://there/v1", retry_policy or RetryPolicy())


def _fault(
    kind: FaultKind, status: int | None = None, retry_after_s: float | None = None, message: str = "no"
) -> CallFault:
    return CallFault(kind, message, status=status, retry_after_s=retry_after_s)


def _now() -> float:
    return asyncio.get_running_loop().time()


_OK = Reply("yes", tokens_in=3, tokens_out=1)
_429 = _fault("rate_limit", 429)


async def test_a_reply_has_its_attempts_and_the_latency_of_the_last_one() -> None:
    reply = await _client(_Script([_429, 2.0, _OK])).send(_CALL)
    assert reply == replace(_OK, attempts=2, latency_s=reply.latency_s)
    assert reply.latency_s == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "timeout", "connection"])
async def test_a_transient_fault_is_retried_up_to_five_attempts(kind: FaultKind) -> None:
    script = _Script([_fault(kind)])
    with pytest.raises(CallFailed) as failed:
        await _client(script).send(_CALL)
    assert len(script.sent_at) == 5
    assert failed.value.record == CallRecord("target", "m", 5)


async def test_the_tokens_of_replies_without_an_answer_are_counted() -> None:
    fault = _fault("no_answer", 200)
    fault.tokens = (10, 900)
    reply = await _client(_Script([fault, _OK])).send(_CALL)
    assert (reply.attempts, reply.tokens_in, reply.tokens_out) == (2, 13, 901)
    with pytest.raises(CallFailed) as failed:
        await _client(_Script([fault])).send(_CALL)
    assert failed.value.record == CallRecord("target", "m", 3, 30, 2700)


async def test_the_message_has_attempts_kinds_and_the_last_retry_after() -> None:
    with pytest.raises(CallFailed) as failed:
        await _client(_Script([_fault("rate_limit", 429, 20.0, "slow down (http://there)")])).send(_CALL)
    assert str(failed.value) == "5 attempts: 429 rate limit (last Retry-After 20 s): slow down (http://there)"
    script = _Script([_429, _fault("timeout"), _429, _fault("bad_request", 400, message="too long")])
    with pytest.raises(CallFailed) as failed:
        await _client(script).send(_CALL)
    assert str(failed.value) == "4 attempts: 2 x 429 rate limit, 1 x timeout, 1 x 400 refused: too long"


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (_fault("bad_request", 400), 1),
        (_fault("malformed", 200), 3),
        (_fault("no_answer", 200), 3),
        (_fault("server", 500, message="division by zero"), 3),  # three times the same
    ],
)
async def test_a_fault_that_retries_cannot_fix_has_fewer_attempts(fault: CallFault, attempts: int) -> None:
    script = _Script([fault])
    with pytest.raises(CallFailed, match=f"{attempts} attempt"):
        await _client(script).send(_CALL)
    assert len(script.sent_at) == attempts


async def test_different_server_errors_have_five_attempts() -> None:
    script = _Script([_fault("server", 500, message=f"request {number}") for number in range(9)])
    with pytest.raises(CallFailed, match="5 attempts"):
        await _client(script).send(_CALL)


async def test_pauses_grow_and_are_reproducible_for_a_call() -> None:
    retry_policy = RetryPolicy(first_pause_s=1.0, longest_pause_s=3.0)
    gaps = []
    for _ in range(2):
        script = _Script([_fault("connection")])
        with pytest.raises(CallFailed):
            await _client(script, retry_policy=retry_policy).send(_CALL)
        gaps.append(script.gaps)
    assert gaps[0] == pytest.approx(gaps[1])
    assert all(0 <= gap <= bound + 1e-6 for gap, bound in zip(gaps[0], [1, 2, 3, 3], strict=True))


def test_different_calls_have_different_pauses() -> None:
    assert RetryPolicy().pause_s("a", 1) != RetryPolicy().pause_s("b", 1)


@pytest.mark.parametrize("retry_after", [7.0, 40.0])
async def test_retry_after_is_honoured(retry_after: float) -> None:
    script = _Script([_fault("rate_limit", 429, retry_after), _OK])
    await _client(script).send(_CALL)
    assert script.gaps == [pytest.approx(retry_after)]


async def test_retry_after_of_one_call_holds_back_the_others() -> None:
    script = _Script([_fault("rate_limit", 429, 7.0), _OK])
    client = _client(script)
    first = asyncio.create_task(client.send(_CALL))
    await asyncio.sleep(1)
    await client.send(replace(_CALL, trial=1))
    await first
    assert script.gaps[0] == pytest.approx(7.0)


async def test_a_wait_beyond_the_deadline_of_the_call_is_waited_for() -> None:
    script = _Script([_fault("rate_limit", 429, 51.0), _fault("rate_limit", 429, 51.0), _OK])
    await _client(script, retry_policy=RetryPolicy(timeout_s=10)).send(_CALL)
    assert script.gaps == [pytest.approx(51.0)] * 2


async def test_the_calls_that_wait_for_the_slot_of_a_refused_one_wait_as_long() -> None:
    script = _Script([_fault("rate_limit", 429, 7.0), _OK])
    client = _client(script, limits=Limits(1))
    await asyncio.gather(*(client.send(replace(_CALL, trial=trial)) for trial in range(4)))
    assert script.gaps[0] == pytest.approx(7.0)


async def test_a_rate_limit_without_a_wait_is_waited_for_until_its_minute_is_over() -> None:
    script = _Script([_429, _429, _429, _429, _OK])
    await _client(script).send(_CALL)
    assert 60 < sum(script.gaps) < 66


async def test_a_server_that_is_unavailable_without_a_wait_is_not_waited_for_that_long() -> None:
    script = _Script([_fault("overloaded", 503)])
    with pytest.raises(CallFailed):
        await _client(script).send(_CALL)
    assert sum(script.gaps) < 8


@dataclass
class _Window:
    """A server that serves ``most`` calls in each ``seconds``, and refuses the others, with or without the wait."""

    most: int
    seconds: float
    is_told: bool
    latency_s: float = 0.05
    refused: int = 0
    _begin: float = -math.inf
    _served: int = 0

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        now = _now()
        if now - self._begin >= self.seconds:
            self._begin, self._served = now, 0
        self._served += 1
        is_refused, left = self._served > self.most, self._begin + self.seconds - now
        await asyncio.sleep(self.latency_s)
        if is_refused:
            self.refused += 1
            raise _fault("rate_limit", 429, left if self.is_told else None)
        return _OK


@pytest.mark.parametrize(
    ("most", "calls", "is_told"),
    [(4, 8, True), (4, 8, False), (4, 100, True), (4, 100, False), (1, 30, True), (30, 500, True), (30, 500, False)],
)
@pytest.mark.parametrize("latency_s", [0.05, 2.0])
async def test_no_call_is_lost_to_a_limit_by_the_minute(
    most: int, calls: int, latency_s: float, *, is_told: bool
) -> None:
    server, stop_signal = _Window(most, 60.0, is_told, latency_s), StopSignal()
    client = RetryingClient(server, Limiter(Limits(32), stop_signal), stop_signal, "there", RetryPolicy())
    start = _now()
    await asyncio.gather(*(client.send(replace(_CALL, trial=trial)) for trial in range(calls)))
    assert _now() - start < 1.6 * 60 * (calls / most) + 70


async def test_retry_after_beyond_the_deadline_of_the_run_stops_it() -> None:
    stop_signal = StopSignal(30)
    with pytest.raises(CallFailed):
        await _client(_Script([_fault("rate_limit", 429, 31.0)]), stop_signal=stop_signal).send(_CALL)
    assert "asks to wait 31 s" in (stop_signal.reason or "")


async def test_a_found_out_wait_beyond_the_deadline_of_the_run_stops_it() -> None:
    stop_signal, start = StopSignal(30), _now()
    with pytest.raises(RunStopped):
        await _client(_Script([_429]), stop_signal=stop_signal).send(_CALL)
    assert "refuses every call, for another 41 s, beyond the end of this run" in (stop_signal.reason or "")
    assert _now() - start < 25


async def test_a_wait_that_comes_with_another_fault_is_honoured() -> None:
    script = _Script([_fault("server", 500, 50.0), _OK])
    await _client(script, retry_policy=RetryPolicy(timeout_s=1)).send(_CALL)
    assert script.gaps == [pytest.approx(50.0)]


async def test_an_attempt_ends_at_its_timeout() -> None:
    with pytest.raises(CallFailed, match="timeout: no complete reply within 2 s"):
        await _client(_Script([math.inf]), retry_policy=RetryPolicy(timeout_s=2)).send(_CALL)
    reply = await _client(_Script([10.0, _OK]), retry_policy=RetryPolicy(timeout_s=11)).send(_CALL)
    assert reply.value == "yes"


async def test_all_attempts_end_at_the_deadline_of_the_call() -> None:
    start = _now()
    with pytest.raises(CallFailed, match="timeout"):
        await _client(_Script([math.inf]), retry_policy=RetryPolicy(timeout_s=2, first_pause_s=5.0)).send(_CALL)
    assert _now() - start <= 10 + 1e-6


async def test_waiting_for_the_first_slot_does_not_count_against_the_deadline() -> None:
    client = _client(_Script([_OK]), limits=Limits(1), retry_policy=RetryPolicy(timeout_s=10))
    client._limiter.pause(500)
    assert (await client.send(_CALL)).attempts == 1


async def test_waiting_for_the_slot_of_a_retry_does_not_count_against_the_deadline() -> None:
    script = _Script([_429, _OK])
    client = _client(script, limits=Limits(1), retry_policy=RetryPolicy(timeout_s=10))
    task = asyncio.create_task(client.send(_CALL))
    await asyncio.sleep(0)
    client._limiter.pause(500)
    await task
    assert script.gaps == [pytest.approx(500)]


async def test_a_refusal_by_status_concerns_its_case_once_a_call_has_succeeded() -> None:
    client = _client(_Script([_OK, CallFault("forbidden", "no", status=403, remedy="check KEY"), _OK]))
    await client.send(_CALL)
    with pytest.raises(CallFailed) as failed:
        await client.send(_CALL)
    assert type(failed.value) is CallFailed
    assert str(failed.value) == "1 attempt: 403 refused: no"
    assert failed.value.is_final
    await client.send(_CALL)


async def test_an_error_of_an_application_is_its_failure_and_trips_no_breaker() -> None:
    stop_signal = StopSignal()
    script = _Script([CallFault("server", "broken", status=500, is_miss=True)])
    client = _client(script, stop_signal=stop_signal, limits=Limits(1))
    results = await asyncio.gather(
        *(client.send(replace(_CALL, trial=trial)) for trial in range(12)), return_exceptions=True
    )
    assert [type(result) for result in results] == [ApplicationFailure] * 12
    assert isinstance(results[0], ApplicationFailure)
    assert results[0].record == CallRecord("target", "m", 3)
    assert stop_signal.reason is None


@pytest.mark.parametrize(
    ("kind", "is_final"), [("timeout", False), ("rate_limit", False), ("bad_request", True), ("too_large", True)]
)
async def test_a_failed_call_knows_whether_another_run_would_fail_in_the_same_way(
    kind: FaultKind, *, is_final: bool
) -> None:
    with pytest.raises(CallFailed) as failed:
        await _client(_Script([_fault(kind)])).send(_CALL)
    assert failed.value.is_final is is_final


@pytest.mark.parametrize("kind", ["quota", "auth", "unknown_model", "forbidden", "bad_parameter", "redirect"])
async def test_a_fault_of_all_calls_stops_the_run_and_no_call_is_sent_after_it(kind: FaultKind) -> None:
    script = _Script([_fault(kind, 401, message="check KEY")])
    client = _client(script)
    with pytest.raises(RunStopped) as stopped:
        await client.send(_CALL)
    assert stopped.value.record == CallRecord("target", "m", 1)
    with pytest.raises(RunStopped, match="check KEY") as stopped:
        await client.send(_CALL)
    assert stopped.value.record is None
    assert stopped.value.is_final
    assert len(script.sent_at) == 1


async def test_a_call_between_two_attempts_at_the_stop_of_the_run_keeps_its_record() -> None:
    stop_signal = StopSignal()
    client = _client(_Script([_fault("rate_limit", 429, 60.0)]), stop_signal=stop_signal)
    task = asyncio.create_task(client.send(_CALL))
    await asyncio.sleep(1)
    stop_signal.stop("interrupted")
    with pytest.raises(RunStopped, match="interrupted") as stopped:
        await task
    assert stopped.value.record == CallRecord("target", "m", 1)


async def test_a_call_in_flight_at_the_stop_of_the_run_is_awaited() -> None:
    stop_signal = StopSignal()
    client = _client(_Script([5.0, _OK]), stop_signal=stop_signal)
    task = asyncio.create_task(client.send(_CALL))
    await asyncio.sleep(1)
    stop_signal.stop("no money")
    assert (await task).value == "yes"


async def test_the_deadline_of_the_run_ends_attempts() -> None:
    stop_signal, start = StopSignal(3), _now()
    with pytest.raises(CallFailed):
        await _client(_Script([math.inf]), stop_signal=stop_signal).send(_CALL)
    assert _now() - start <= 3 + 0.1


async def test_the_run_stops_if_the_first_ten_calls_fail() -> None:
    stop_signal = StopSignal()
    script = _Script([_fault("connection", message="ConnectError: refused")])
    client = _client(script, stop_signal=stop_signal, limits=Limits(1))
    calls = (client.send(replace(_CALL, trial=trial)) for trial in range(30))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results].count(RunStopped) == 20
    assert "10 of the last 10 calls to http://there/v1 failed (10 x no connection)" in (stop_signal.reason or "")


async def test_a_cancelled_call_releases_its_slot() -> None:
    client = _client(_Script([math.inf]), limits=Limits(1))
    task = asyncio.create_task(client.send(_CALL))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert client._limiter.snapshot.in_flight == 0


async def test_estimated_tokens_are_corrected_by_the_usage() -> None:
    payload = {"messages": [{"role": "user", "content": "x" * 396}], "max_tokens": 20}
    script = _Script([Reply("yes", tokens_in=100, tokens_out=5)])
    client = _client(script, limits=Limits(8, tokens_per_minute=60.0))
    for trial in range(2):
        await client.send(replace(_CALL, payload=payload, trial=trial))
    assert script.gaps == [pytest.approx(105.0)]


async def test_other_exceptions_are_not_retried() -> None:
    class Broken:
        async def send(self, call: Call) -> Reply:
            raise KeyError(call.label)

    stop_signal = StopSignal()
    client = RetryingClient(Broken(), Limiter(Limits(1), stop_signal), stop_signal, "there", RetryPolicy())
    with pytest.raises(KeyError):
        await client.send(_CALL)


# --- circuit breaker ------------------------------------------------------------------------------------------------


def _stop_reason(outcomes: str) -> str | None:
    """Play successful (+) and failed (-) calls."""
    stop_signal = StopSignal()
    breaker = CircuitBreaker("http://there/v1", stop_signal)
    for outcome in outcomes:
        if outcome == "+":
            breaker.record_success()
        else:
            breaker.record_failure(CallFault("connection", "refused"))
    return stop_signal.reason


@pytest.mark.parametrize(
    "outcomes", ["-" * 9, "+" + "-" * 10, "-" * 9 + "+", "+-" * 30, "+" * 100 + "-" * 10, "+" * 1000]
)
def test_the_breaker_stays_closed_while_half_of_the_calls_succeed(outcomes: str) -> None:
    assert _stop_reason(outcomes) is None


@pytest.mark.parametrize("outcomes", ["-" * 10, "+" * 9 + "-" * 11, "+" * 100 + "-" * 11, "-" * 9 + "+" + "-" * 10])
def test_the_breaker_opens_if_all_first_or_most_of_the_last_calls_fail(outcomes: str) -> None:
    assert _stop_reason(outcomes) is not None
    assert _stop_reason(outcomes[:-1]) is None


def test_the_breaker_names_the_endpoint_the_kinds_and_the_counts() -> None:
    stop_signal = StopSignal()
    breaker = CircuitBreaker("http://there/v1", stop_signal)
    for number in range(10):
        breaker.record_failure(CallFault("timeout" if number % 3 else "connection", f"fault {number}"))
    assert stop_signal.reason == (
        "10 of the last 10 calls to http://there/v1 failed (6 x timeout, 4 x no connection); the last one: fault 9. "
        "Fix this, and run again (replies received so far are cached)"
    )

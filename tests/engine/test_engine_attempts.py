from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.faults import CallFault, FaultKind
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, CallFailed, CallRecord, Reply, RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

_CALL = Call("chat", "http://there/v1", "m", {"messages": [{"role": "user", "content": "hi"}]}, label="s::a")


@dataclass
class _Script:
    """A client that plays ``steps`` in turn, the last one for ever; numbers are seconds before the next step."""

    steps: list[Reply | CallFault | float]
    sent_at: list[float] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        self.sent_at.append(asyncio.get_running_loop().time())
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
    halt: StopSignal | None = None,
    limits: Limits | None = None,
    retry_policy: RetryPolicy | None = None,
) -> RetryingClient:
    halt = halt or StopSignal()
    return RetryingClient(
        script, Limiter(limits or Limits(8), halt), halt, "http://there/v1", retry_policy or RetryPolicy()
    )


def _fault(
    kind: FaultKind, status: int | None = None, retry_after_s: float | None = None, said: str = "no"
) -> CallFault:
    return CallFault(kind, said, status=status, retry_after_s=retry_after_s)


_OK = Reply("yes", tokens_in=3, tokens_out=1)
_429 = _fault("rate_limit", 429)


def test_an_answer_is_handed_on_with_its_attempts_and_the_time_of_the_last(run_hastily: Run) -> None:
    script = _Script([_429, 2.0, _OK])
    reply = run_hastily(_client(script).send(_CALL))
    assert reply == replace(_OK, attempts=2, latency_s=reply.latency_s)
    assert reply.latency_s == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "timeout", "connection"])
def test_what_may_pass_is_tried_five_times_in_all(run_hastily: Run, kind: FaultKind) -> None:
    script = _Script([_fault(kind)])
    with pytest.raises(CallFailed) as failed:
        run_hastily(_client(script).send(_CALL))
    assert len(script.sent_at) == 5
    assert failed.value.record == CallRecord("target", "m", 5)


def test_the_message_counts_attempts_and_kinds_and_what_the_server_asked_for(run_hastily: Run) -> None:
    with pytest.raises(CallFailed) as failed:
        run_hastily(_client(_Script([_fault("rate_limit", 429, 20.0, "slow down (http://there)")])).send(_CALL))
    assert str(failed.value) == "5 attempts: 429 rate limit (last Retry-After 20 s): slow down (http://there)"
    script = _Script([_429, _fault("timeout"), _429, _fault("bad_request", 400, said="too long")])
    with pytest.raises(CallFailed) as failed:
        run_hastily(_client(script).send(_CALL))
    assert str(failed.value) == "4 attempts: 2 x 429 rate limit, 1 x timeout, 1 x 400 refused: too long"


def test_a_request_that_is_refused_is_not_sent_again(run_hastily: Run) -> None:
    script = _Script([_fault("bad_request", 400)])
    with pytest.raises(CallFailed, match="1 attempt: 400 refused: no"):
        run_hastily(_client(script).send(_CALL))
    assert len(script.sent_at) == 1


def test_a_malformed_reply_is_worth_two_more_attempts(run_hastily: Run) -> None:
    script = _Script([_fault("malformed", 200)])
    with pytest.raises(CallFailed):
        run_hastily(_client(script).send(_CALL))
    assert len(script.sent_at) == 3


def test_the_same_server_error_three_times_in_a_row_is_its_last_word(run_hastily: Run) -> None:
    script = _Script([_fault("server", 500, said="division by zero")])
    with pytest.raises(CallFailed, match="3 attempts"):
        run_hastily(_client(script).send(_CALL))
    assert len(script.sent_at) == 3


def test_server_errors_that_differ_are_tried_on(run_hastily: Run) -> None:
    script = _Script([_fault("server", 500, said=f"request {number}") for number in range(9)])
    with pytest.raises(CallFailed, match="5 attempts"):
        run_hastily(_client(script).send(_CALL))


def test_pauses_grow_and_are_the_same_each_time_for_the_same_call(run_hastily: Run) -> None:
    retry_policy = RetryPolicy(first_pause_s=1.0, longest_pause_s=3.0)
    gaps = []
    for _ in range(2):
        script = _Script([_429])
        with pytest.raises(CallFailed):
            run_hastily(_client(script, retry_policy=retry_policy).send(_CALL))
        gaps.append(script.gaps)
    assert gaps[0] == pytest.approx(gaps[1])
    assert all(0 <= gap <= bound + 1e-6 for gap, bound in zip(gaps[0], [1, 2, 3, 3], strict=True))


def test_different_calls_come_back_at_different_times() -> None:
    assert RetryPolicy().pause_s("a", 1) != RetryPolicy().pause_s("b", 1)


@pytest.mark.parametrize("asked", [7.0, 40.0])
def test_the_server_gets_the_pause_that_it_asks_for(run_hastily: Run, asked: float) -> None:
    script = _Script([_fault("rate_limit", 429, asked), _OK])
    run_hastily(_client(script).send(_CALL))
    assert script.gaps == [pytest.approx(asked)]


def test_while_one_call_was_told_to_wait_no_other_is_sent(run_hastily: Run) -> None:
    script = _Script([_fault("rate_limit", 429, 7.0), _OK])
    client = _client(script)

    async def play() -> None:
        first = asyncio.create_task(client.send(_CALL))
        await asyncio.sleep(1)
        await client.send(replace(_CALL, trial=1))
        await first

    run_hastily(play())
    assert script.gaps[0] == pytest.approx(7.0)


def test_a_pause_beyond_the_calls_own_deadline_ends_it_at_once(run_hastily: Run) -> None:
    script = _Script([_fault("rate_limit", 429, 51.0)])
    with pytest.raises(CallFailed, match=r"1 attempt: 429 rate limit \(last Retry-After 51 s\)"):
        run_hastily(_client(script, retry_policy=RetryPolicy(timeout_s=10)).send(_CALL))


def test_a_pause_beyond_the_end_of_the_run_stops_the_run(run_hastily: Run) -> None:
    halt = StopSignal(30)
    with pytest.raises(CallFailed):
        run_hastily(_client(_Script([_fault("rate_limit", 429, 31.0)]), halt=halt).send(_CALL))
    assert halt.reason is not None
    assert "asks to wait 31 s" in halt.reason


def test_an_attempt_that_hangs_ends_at_its_time_limit(run_hastily: Run) -> None:
    script = _Script([10.0, _OK])
    with pytest.raises(CallFailed, match="timeout: no complete reply within 2 s"):
        run_hastily(_client(_Script([math.inf]), retry_policy=RetryPolicy(timeout_s=2)).send(_CALL))
    assert run_hastily(_client(script, retry_policy=RetryPolicy(timeout_s=11)).send(_CALL)).value == "yes"


def test_all_attempts_together_end_at_the_calls_deadline(run_hastily: Run) -> None:
    async def play() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(CallFailed, match="timeout"):
            await _client(_Script([math.inf]), retry_policy=RetryPolicy(timeout_s=2, first_pause_s=5.0)).send(_CALL)
        return asyncio.get_running_loop().time() - began

    assert run_hastily(play()) <= 10 + 1e-6


def test_waiting_for_the_first_turn_does_not_count_against_the_call(run_hastily: Run) -> None:
    client = _client(_Script([9.0, _OK]), limits=Limits(1), retry_policy=RetryPolicy(timeout_s=10))

    async def play() -> list[Reply]:
        script = _Script([_OK])
        client._inner = script
        client._limiter.pause(500)
        return [await client.send(_CALL)]

    assert [reply.attempts for reply in run_hastily(play())] == [1]


def test_waiting_for_another_turn_does_and_the_last_fault_is_told(run_hastily: Run) -> None:
    script = _Script([_429])
    client = _client(script, limits=Limits(1), retry_policy=RetryPolicy(timeout_s=10))

    async def play() -> None:
        task = asyncio.create_task(client.send(_CALL))
        await asyncio.sleep(0)
        client._limiter.pause(500)
        await task

    with pytest.raises(CallFailed, match="1 attempt: 429 rate limit"):
        run_hastily(play())


@pytest.mark.parametrize("kind", ["quota", "auth", "unknown_model"])
def test_what_no_call_can_survive_stops_the_run_and_nothing_more_is_sent(run_hastily: Run, kind: FaultKind) -> None:
    script = _Script([_fault(kind, 401, said="check KEY")])
    halt = StopSignal()
    client = _client(script, halt=halt)

    async def play() -> None:
        with pytest.raises(RunStopped) as stopped:
            await client.send(_CALL)
        assert stopped.value.record == CallRecord("target", "m", 1)
        with pytest.raises(RunStopped, match="check KEY") as stopped:
            await client.send(_CALL)
        assert stopped.value.record is None

    run_hastily(play())
    assert len(script.sent_at) == 1


def test_a_call_that_is_between_two_attempts_when_the_run_stops_says_what_it_sent(run_hastily: Run) -> None:
    halt = StopSignal()
    client = _client(_Script([_fault("rate_limit", 429, 60.0)]), halt=halt)

    async def play() -> None:
        task = asyncio.create_task(client.send(_CALL))
        await asyncio.sleep(1)
        halt.stop("interrupted")
        await task

    with pytest.raises(RunStopped, match="interrupted") as stopped:
        run_hastily(play())
    assert stopped.value.record == CallRecord("target", "m", 1)


def test_what_is_on_its_way_when_the_run_stops_is_still_awaited(run_hastily: Run) -> None:
    halt = StopSignal()
    client = _client(_Script([5.0, _OK]), halt=halt)

    async def play() -> Reply:
        task = asyncio.create_task(client.send(_CALL))
        await asyncio.sleep(1)
        halt.stop("no money")
        return await task

    assert run_hastily(play()).value == "yes"


def test_the_end_of_the_run_ends_attempts_too(run_hastily: Run) -> None:
    async def play() -> float:
        halt = StopSignal(3)
        began = asyncio.get_running_loop().time()
        with pytest.raises(CallFailed):
            await _client(_Script([math.inf]), halt=halt).send(_CALL)
        return asyncio.get_running_loop().time() - began

    assert run_hastily(play()) <= 3 + 0.1


def test_when_nothing_is_ever_answered_the_run_stops_after_ten_calls(run_hastily: Run) -> None:
    script = _Script([_fault("connection", said="ConnectError: refused")])
    halt = StopSignal()
    client = _client(script, halt=halt, limits=Limits(1))

    async def play() -> list[Any]:
        calls = (client.send(replace(_CALL, trial=trial)) for trial in range(30))
        return await asyncio.gather(*calls, return_exceptions=True)

    results = run_hastily(play())
    assert [type(result) for result in results].count(RunStopped) == 20
    assert "10 of the last 10 calls to http://there/v1 failed (10 x no connection)" in (halt.reason or "")


def test_a_cancelled_call_frees_its_slot(run_hastily: Run) -> None:
    client = _client(_Script([math.inf]), limits=Limits(1))

    async def play() -> None:
        task = asyncio.create_task(client.send(_CALL))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert client._limiter.snapshot.in_flight == 0

    run_hastily(play())


def test_estimated_tokens_are_reserved_and_corrected_by_what_was_used(run_hastily: Run) -> None:
    payload = {"messages": [{"role": "user", "content": "x" * 396}], "max_tokens": 20}
    script = _Script([Reply("yes", tokens_in=100, tokens_out=5)])
    client = _client(script, limits=Limits(8, tokens_per_minute=60.0))

    async def play() -> None:
        for trial in range(2):
            await client.send(replace(_CALL, payload=payload, trial=trial))

    run_hastily(play())
    assert script.gaps == [pytest.approx(105.0)]


def test_an_error_of_our_own_is_not_taken_for_a_fault(run_hastily: Run) -> None:
    class Broken:
        async def send(self, call: Call) -> Reply:
            raise KeyError(call.label)

    halt = StopSignal()
    with pytest.raises(KeyError):
        run_hastily(RetryingClient(Broken(), Limiter(Limits(1), halt), halt, "there", RetryPolicy()).send(_CALL))

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.server import Admission
from tests.support.server import Limits as ServerLimits

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.engine.limiter import Limiter, Limits, TokenBucket
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, Reply, RunStopped


@dataclass
class _Traffic:
    """Calls that take ``seconds`` each, with the times at which they were admitted."""

    limiter: Limiter
    seconds: float = 1.0
    entered: list[tuple[str, float]] = field(default_factory=list)
    peak: int = 0

    def __post_init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def call(self, name: str = "", tokens: float = 0, *, attempts: int = 0) -> None:
        async with self.limiter.slot(tokens, attempts=attempts):
            self.entered.append((name, round(asyncio.get_running_loop().time() - self._began, 3)))
            self.peak = max(self.peak, self.limiter.snapshot.in_flight)
            await asyncio.sleep(self.seconds)

    @property
    def names(self) -> str:
        return "".join(name for name, _ in self.entered)

    @property
    def times(self) -> list[float]:
        return [when for _, when in self.entered]


def _limiter(most: int, stop_signal: StopSignal | None = None, **limits: Any) -> Limiter:
    return Limiter(Limits(most, **{"start": most} | limits), stop_signal or StopSignal())


async def test_at_most_the_limit_of_calls_is_in_flight() -> None:
    traffic = _Traffic(_limiter(3))
    await asyncio.gather(*(traffic.call() for _ in range(10)))
    assert traffic.peak == 3
    assert traffic.times == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert traffic.limiter.snapshot.in_flight == 0


async def test_calls_are_admitted_in_their_order() -> None:
    traffic = _Traffic(_limiter(1))
    await asyncio.gather(*(traffic.call(name) for name in "abcde"))
    assert traffic.names == "abcde"


async def test_retries_go_before_new_calls() -> None:
    traffic = _Traffic(_limiter(1))
    calls = ((name, attempts) for name, attempts in zip("abcde", (0, 0, 1, 3, 1), strict=True))
    await asyncio.gather(*(traffic.call(name, attempts=attempts) for name, attempts in calls))
    assert traffic.names == "adceb"


async def test_a_cancelled_waiter_takes_no_slot() -> None:
    traffic = _Traffic(_limiter(1))
    tasks = [asyncio.create_task(traffic.call(name)) for name in "abcd"]
    await asyncio.sleep(0.5)
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert traffic.names == "ad"
    assert traffic.limiter.snapshot.in_flight == 0


async def test_a_waiter_cancelled_at_its_admission_releases_the_slot() -> None:
    traffic = _Traffic(_limiter(1))
    async with traffic.limiter.slot():
        waiting = asyncio.create_task(traffic.call("b"))
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert traffic.limiter.snapshot.in_flight == 0
    await traffic.call("c")
    assert traffic.names == "c"


async def test_a_call_that_is_cancelled_or_raises_releases_its_slot() -> None:
    async def fail(limiter: Limiter) -> None:
        async with limiter.slot():
            raise ValueError("no")

    traffic = _Traffic(_limiter(1), seconds=100)
    task = asyncio.create_task(traffic.call())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(ValueError, match="no"):
        await fail(traffic.limiter)
    assert traffic.limiter.snapshot.in_flight == 0


async def test_two_successes_add_a_slot_until_the_first_refusal() -> None:
    limiter = _limiter(10, start=4)
    for _ in range(8):
        limiter.succeeded()
    assert limiter.snapshot.limit == 8
    for _ in range(8):
        limiter.succeeded()
    assert limiter.snapshot.limit == 10


async def test_at_first_three_quarters_of_the_maximum_are_sent() -> None:
    assert Limiter(Limits(64), StopSignal()).snapshot.limit == 48
    assert Limiter(Limits(1), StopSignal()).snapshot.limit == 1


async def test_after_a_refusal_a_round_of_successes_adds_one_slot() -> None:
    limiter = _limiter(20)
    limiter.refused()
    assert limiter.snapshot.limit == 14
    for _ in range(14):
        limiter.succeeded()
    assert limiter.snapshot.limit == 14
    limiter.succeeded()
    assert limiter.snapshot.limit == 15


async def test_simultaneous_refusals_decrease_the_limit_once_and_never_below_one() -> None:
    limiter = _limiter(20)
    for _ in range(5):
        limiter.refused()
    assert (limiter.snapshot.limit, limiter.snapshot.refusals) == (14, 5)
    for _ in range(20):
        await asyncio.sleep(0.31)
        limiter.refused()
    assert limiter.snapshot.limit == 1


async def test_after_a_decrease_no_call_is_admitted_until_enough_have_ended() -> None:
    traffic = _Traffic(_limiter(4))
    calls = [asyncio.create_task(traffic.call()) for _ in range(8)]
    await asyncio.sleep(0.5)
    traffic.limiter.refused()
    await asyncio.wait(calls)
    assert traffic.times == [0, 0, 0, 0, 1, 1, 2, 2]


async def test_a_refusal_is_followed_by_a_cool_down() -> None:
    traffic = _Traffic(_limiter(4), seconds=0.01)
    traffic.limiter.refused()
    await traffic.call()
    assert traffic.times == [0.1]


async def test_a_pause_is_not_ended_by_a_shorter_one() -> None:
    traffic = _Traffic(_limiter(8))
    traffic.limiter.pause(3)
    waiting = [asyncio.create_task(traffic.call()) for _ in range(2)]
    await asyncio.sleep(1)
    traffic.limiter.pause(0.5)
    waiting.append(asyncio.create_task(traffic.call()))
    await asyncio.wait(waiting)
    assert [round(when, 1) for when in traffic.times] == [3, 3, 3]


async def test_after_a_pause_calls_start_one_by_one() -> None:
    traffic = _Traffic(_limiter(100))
    traffic.limiter.pause(3)
    waiting = [asyncio.create_task(traffic.call()) for _ in range(60)]
    await asyncio.sleep(3.01)
    assert len(traffic.entered) == 3
    traffic.limiter.pause(1)
    await asyncio.sleep(0.9)
    assert len(traffic.entered) == 3
    await asyncio.wait(waiting)
    assert traffic.times[3] == pytest.approx(4.01)
    assert traffic.times[-1] < 4.2


async def test_a_pause_can_be_prolonged_while_calls_wait() -> None:
    traffic = _Traffic(_limiter(8))
    traffic.limiter.pause(3)
    waiting = asyncio.create_task(traffic.call())
    await asyncio.sleep(1)
    traffic.limiter.pause(5)
    await waiting
    assert traffic.times == [6]


async def test_requests_per_minute_are_spread_evenly() -> None:
    traffic = _Traffic(_limiter(50, requests_per_minute=120.0))
    await asyncio.gather(*(traffic.call() for _ in range(5)))
    assert traffic.times == pytest.approx([0, 0.5, 1, 1.5, 2])


async def test_tokens_per_minute_are_estimated_and_corrected() -> None:
    traffic = _Traffic(_limiter(50, tokens_per_minute=60.0))
    await traffic.call("a", tokens=11)
    traffic.limiter.spend(20 - 11)
    await traffic.call("b", tokens=1)
    traffic.limiter.spend(-1)
    await traffic.call("c", tokens=1)
    assert traffic.times == pytest.approx([0, 20, 21])


def test_tokens_are_counted_only_if_they_are_limited() -> None:
    assert not _limiter(1).counts_tokens
    assert _limiter(1, tokens_per_minute=1000.0).counts_tokens


def test_the_shares_of_the_workers_add_up_to_the_limits() -> None:
    share = Limits(10, requests_per_minute=500.0, tokens_per_minute=1000.0).shared_by(4)
    assert share == Limits(2, requests_per_minute=125.0, tokens_per_minute=250.0)
    assert Limits(2).shared_by(4) == Limits(1)


async def test_a_stop_of_the_run_ends_all_waiting() -> None:
    stop_signal = StopSignal()
    traffic = _Traffic(_limiter(4, stop_signal))
    traffic.limiter.pause(600)
    waiting = [asyncio.create_task(traffic.call()) for _ in range(3)]
    await asyncio.sleep(1)
    stop_signal.stop("no money")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [RunStopped] * 3
    with pytest.raises(RunStopped, match="no money"):
        await traffic.call()
    assert traffic.entered == []
    assert traffic.limiter.snapshot.in_flight == 0


async def test_the_capacity_of_a_server_is_found_without_losing_a_call() -> None:
    limiter = _limiter(64, start=16)
    in_server, throttled = 0, 0

    async def call() -> None:
        nonlocal in_server, throttled
        while True:
            async with limiter.slot():
                if in_server < 20:
                    in_server += 1
                    await asyncio.sleep(0.2)
                    in_server -= 1
                    limiter.succeeded()
                    return
                throttled += 1
                limiter.refused()
            await asyncio.sleep(0.5)

    await asyncio.gather(*(call() for _ in range(300)))
    assert throttled < 100
    assert limiter.snapshot.limit <= 24


@dataclass
class _Refusing:
    """Server that refuses calls above its limits with a Retry-After of 1 s; one call after the other reaches it."""

    limits: ServerLimits
    refused: int = 0
    in_flight: int = 0
    reached: float = 0.0

    def __post_init__(self) -> None:
        self._admission = Admission(self.limits)

    async def send(self, call: Call) -> Reply:
        self.reached = max(self.reached, _now()) + 0.0005
        await asyncio.sleep(self.reached - _now())
        if not self._admission.admits(self.in_flight, _now()):
            self.refused += 1
            await asyncio.sleep(0.002)
            fault = CallFault("rate_limit", "too many")
            fault.retry_after_s = 1.0
            raise fault
        self.in_flight += 1
        await asyncio.sleep(0.2 + 0.0002 * (call.trial % 50))
        self.in_flight -= 1
        return Reply("x")


def _now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("limits", "told", "ideal_s", "most_refused"),
    [
        (ServerLimits(requests_per_second=50, burst=50), 3000, 7.2, 0),
        (ServerLimits(requests_per_second=50, burst=50), None, 7.2, 12),
        (ServerLimits(requests_per_second=10, burst=10), None, 39.2, 60),
        (ServerLimits(capacity=20), None, 4.0, 35),
        (ServerLimits(capacity=5), None, 16.0, 60),
        (ServerLimits(), None, 1.4, 0),
    ],
    ids=["50/s told", "50/s", "10/s", "20 at a time", "5 at a time", "none"],
)
async def test_a_limit_is_found_out_in_little_more_than_the_ideal_time(
    limits: ServerLimits, told: int | None, ideal_s: float, most_refused: int
) -> None:
    server, stop_signal = _Refusing(limits), StopSignal()
    limiter = Limiter(Limits(64, told), stop_signal)
    client = RetryingClient(server, limiter, stop_signal, "there", RetryPolicy())
    start = _now()
    await asyncio.gather(*(client.send(Call("chat", "e", "m", {}, trial)) for trial in range(400)))
    assert server.refused <= most_refused
    assert _now() - start < 1.15 * ideal_s


async def test_a_server_that_accepts_the_probe_limits_the_number_of_calls_and_is_not_waited_for() -> None:
    limiter = _limiter(10)
    slots = [limiter.slot() for _ in range(6)]
    for slot in slots:
        await slot.__aenter__()
    limiter.refused(2.0)  # five others are accepted
    await slots[0].__aexit__()
    probing = asyncio.create_task(limiter.slot().__aenter__())
    await asyncio.sleep(0)
    assert not probing.done()  # before a success
    limiter.succeeded()
    probe = await probing
    assert probe.is_probe
    limiter.succeeded(is_probe=True)
    assert limiter.snapshot.limit == 5
    assert limiter.snapshot.paused_until <= _now()
    assert not limiter.pauses_all
    assert limiter.refused(2.0) == 2.0
    assert limiter.snapshot.paused_until <= _now()


async def test_a_limit_without_a_short_hint_is_one_by_the_minute_and_pauses_all() -> None:
    for wait_s in (None, 30.0):
        limiter = _limiter(10)
        slots = [limiter.slot() for _ in range(6)]
        for slot in slots:
            await slot.__aenter__()
        limiter.refused(wait_s)
        limiter.succeeded()
        waiting = asyncio.create_task(limiter.slot().__aenter__())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()


# --- token bucket ---------------------------------------------------------------------------------------------------


def _sent(bucket: TokenBucket, amounts: list[float], seconds: float) -> list[float]:
    """Take each amount as soon as possible, for ``seconds``; return the times."""
    now, times = 0.0, []
    for amount in amounts:
        while wait := bucket.wait_s(amount, now):
            now += wait
        if now > seconds:
            break
        bucket.take(amount)
        times.append(now)
    return times


def test_a_slow_rate_has_equal_distances() -> None:
    assert _sent(TokenBucket(60), [1] * 4, 10) == pytest.approx([0, 1, 2, 3])


def test_a_fast_rate_starts_with_a_small_burst() -> None:
    times = _sent(TokenBucket(2400), [1] * 40, 10)
    assert times[:32] == [0] * 32
    assert times[32] == pytest.approx(60 / (2400 - 31))  # slower: the burst is a part of the first minute


def test_an_amount_above_the_capacity_delays_the_next_one() -> None:
    assert _sent(TokenBucket(60), [30, 1, 1], 100) == pytest.approx([0, 30, 31])


def test_a_refill_does_not_exceed_the_capacity() -> None:
    bucket = TokenBucket(60)
    bucket.take(1)
    bucket.take(-5)
    assert bucket.wait_s(1, 0.0) == 0
    bucket.take(1)
    assert bucket.wait_s(1, 0.0) == pytest.approx(1)


@given(st.floats(1, 100_000), st.integers(1, 300))
def test_no_minute_exceeds_its_limit_by_more_than_the_burst(per_minute: float, wanted: int) -> None:
    times = _sent(TokenBucket(per_minute), [1] * wanted, 60)
    assert len(times) <= per_minute + 1 + 1e-6
    assert len(times) == wanted or len(times) >= int(per_minute)

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass
class _Traffic:
    """Calls that take ``seconds`` each; who entered when, counted from the start."""

    limiter: Limiter
    seconds: float = 1.0
    entered: list[tuple[str, float]] = field(default_factory=list)
    peak: int = 0

    def __post_init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def call(self, name: str = "", tokens: float = 0, until: float | None = None) -> None:
        async with self.limiter.slot(tokens, until=until):
            self.entered.append((name, round(asyncio.get_running_loop().time() - self._began, 3)))
            self.peak = max(self.peak, self.limiter.snapshot.in_flight)
            await asyncio.sleep(self.seconds)

    @property
    def names(self) -> str:
        return "".join(name for name, _ in self.entered)

    @property
    def times(self) -> list[float]:
        return [when for _, when in self.entered]


def _limiter(most: int, halt: StopSignal | None = None, **limits: Any) -> Limiter:
    return Limiter(Limits(most, **{"start": most} | limits), halt or StopSignal())


def test_no_more_than_the_limit_are_in_flight_and_all_get_in(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(3))
        await asyncio.gather(*(traffic.call() for _ in range(10)))
        assert traffic.peak == 3
        assert traffic.times == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
        assert traffic.limiter.snapshot.in_flight == 0

    run_hastily(play())


def test_who_comes_first_goes_first(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(1))
        await asyncio.gather(*(traffic.call(name) for name in "abcde"))
        assert traffic.names == "abcde"

    run_hastily(play())


def test_a_call_that_was_sent_before_goes_before_those_that_were_not(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(1))
        later = asyncio.get_running_loop().time() + 100
        await asyncio.gather(traffic.call("a"), traffic.call("b"), traffic.call("c", until=later))
        assert traffic.names == "acb"

    run_hastily(play())


def test_nothing_free_by_the_deadline_is_a_timeout_and_leaves_the_others_alone(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(1), seconds=5)
        soon = asyncio.get_running_loop().time() + 2
        results = await asyncio.gather(
            traffic.call("a"), traffic.call("b", until=soon), traffic.call("c"), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), TimeoutError, type(None)]
        assert traffic.times == [0, 5]

    run_hastily(play())


def test_a_waiter_that_is_cancelled_takes_no_slot_with_it(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(1))
        tasks = [asyncio.create_task(traffic.call(name)) for name in "abcd"]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert traffic.names == "ad"
        assert traffic.limiter.snapshot.in_flight == 0

    run_hastily(play())


def test_a_waiter_that_is_cancelled_in_the_moment_of_its_admission_gives_the_slot_back(run_hastily: Run) -> None:
    async def play() -> None:
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

    run_hastily(play())


def test_a_call_that_is_cancelled_or_raises_gives_its_slot_back(run_hastily: Run) -> None:
    async def fail(limiter: Limiter) -> None:
        async with limiter.slot():
            raise ValueError("no")

    async def play() -> None:
        traffic = _Traffic(_limiter(1), seconds=100)
        task = asyncio.create_task(traffic.call())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(ValueError, match="no"):
            await fail(traffic.limiter)
        assert traffic.limiter.snapshot.in_flight == 0

    run_hastily(play())


def test_each_success_makes_room_for_one_more_until_the_first_refusal() -> None:
    async def play() -> None:
        limiter = _limiter(10, start=4)
        for _ in range(4):
            limiter.succeeded()
        assert limiter.snapshot.limit == 8
        for _ in range(4):
            limiter.succeeded()
        assert limiter.snapshot.limit == 10

    asyncio.run(play())


def test_after_a_refusal_a_whole_round_of_successes_makes_room_for_one(run_hastily: Run) -> None:
    async def play() -> None:
        limiter = _limiter(20)
        limiter.throttled()
        assert limiter.snapshot.limit == 14
        for _ in range(14):
            limiter.succeeded()
        assert limiter.snapshot.limit == 14
        limiter.succeeded()
        assert limiter.snapshot.limit == 15

    run_hastily(play())


def test_refusals_that_come_together_cut_once_and_the_floor_is_one(run_hastily: Run) -> None:
    async def play() -> None:
        limiter = _limiter(20)
        for _ in range(5):
            limiter.throttled()
        assert (limiter.snapshot.limit, limiter.snapshot.refusals) == (14, 5)
        for _ in range(20):
            await asyncio.sleep(0.31)
            limiter.throttled()
        assert limiter.snapshot.limit == 1

    run_hastily(play())


def test_after_a_cut_nobody_gets_in_until_enough_have_left(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(4))
        calls = [asyncio.create_task(traffic.call()) for _ in range(8)]
        await asyncio.sleep(0.5)
        traffic.limiter.throttled()
        await asyncio.wait(calls)
        assert traffic.times == [0, 0, 0, 0, 1, 1, 2, 2]

    run_hastily(play())


def test_a_refusal_that_frees_a_slot_does_not_let_the_next_call_run_into_the_same(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(4), seconds=0.01)
        traffic.limiter.throttled()
        await traffic.call()
        assert traffic.times == [0.1]

    run_hastily(play())


def test_a_pause_holds_everybody_back_and_a_shorter_one_does_not_end_it(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(8))
        traffic.limiter.pause(3)
        waiting = [asyncio.create_task(traffic.call()) for _ in range(2)]
        await asyncio.sleep(1)
        traffic.limiter.pause(0.5)
        waiting.append(asyncio.create_task(traffic.call()))
        await asyncio.wait(waiting)
        assert [round(when, 1) for when in traffic.times] == [3, 3, 3]

    run_hastily(play())


def test_after_a_pause_calls_go_out_one_by_one_so_that_a_refusal_can_still_hold_the_others_back(
    run_hastily: Run,
) -> None:
    async def play() -> None:
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

    run_hastily(play())


def test_a_pause_that_is_prolonged_while_calls_wait_for_its_end_holds(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(8))
        traffic.limiter.pause(3)
        waiting = asyncio.create_task(traffic.call())
        await asyncio.sleep(1)
        traffic.limiter.pause(5)
        await waiting
        assert traffic.times == [6]

    run_hastily(play())


def test_requests_a_minute_are_spread_evenly(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(50, requests_per_minute=120.0))
        await asyncio.gather(*(traffic.call() for _ in range(5)))
        assert traffic.times == pytest.approx([0, 0.5, 1, 1.5, 2])

    run_hastily(play())


def test_tokens_a_minute_are_reserved_by_estimate_and_corrected_by_use(run_hastily: Run) -> None:
    async def play() -> None:
        traffic = _Traffic(_limiter(50, tokens_per_minute=60.0))
        await traffic.call("a", tokens=11)
        traffic.limiter.spend(20 - 11)
        await traffic.call("b", tokens=1)
        traffic.limiter.spend(-1)
        await traffic.call("c", tokens=1)
        assert traffic.times == pytest.approx([0, 20, 21])

    run_hastily(play())


def test_without_a_limit_on_tokens_nothing_needs_to_be_estimated() -> None:
    assert not _limiter(1).counts_tokens
    assert _limiter(1, tokens_per_minute=1000.0).counts_tokens


def test_the_share_of_a_worker_adds_up_to_the_whole() -> None:
    share = Limits(10, requests_per_minute=500.0, tokens_per_minute=1000.0).shared_by(4)
    assert share == Limits(2, requests_per_minute=125.0, tokens_per_minute=250.0)
    assert Limits(2).shared_by(4) == Limits(1)


def test_those_who_wait_are_told_when_the_run_stops(run_hastily: Run) -> None:
    async def play() -> None:
        halt = StopSignal()
        traffic = _Traffic(_limiter(4, halt))
        traffic.limiter.pause(600)
        waiting = [asyncio.create_task(traffic.call()) for _ in range(3)]
        await asyncio.sleep(1)
        halt.stop("no money")
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [RunStopped] * 3
        with pytest.raises(RunStopped, match="no money"):
            await traffic.call()
        assert traffic.entered == []
        assert traffic.limiter.snapshot.in_flight == 0

    run_hastily(play())


def test_a_server_that_bears_20_at_a_time_is_found_out_without_losing_a_call(run_hastily: Run) -> None:
    async def play() -> None:
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
                    limiter.throttled()
                await asyncio.sleep(0.5)

        await asyncio.gather(*(call() for _ in range(300)))
        assert throttled < 100
        assert limiter.snapshot.limit <= 24

    run_hastily(play())

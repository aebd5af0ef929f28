from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_run_goes_on_until_it_is_stopped_and_the_first_reason_stays() -> None:
    halt = StopSignal()
    halt.check()
    halt.stop("no money")
    halt.stop("no time")
    with pytest.raises(RunStopped, match="no money"):
        halt.check()


def test_who_sleeps_is_woken_when_the_run_stops_even_from_another_thread() -> None:
    async def sleep() -> None:
        halt = StopSignal()
        threading.Timer(0.02, halt.stop, ["interrupted"]).start()
        await halt.sleep(600)

    with pytest.raises(RunStopped, match="interrupted"):
        asyncio.run(sleep())


def test_nobody_falls_asleep_in_a_run_that_has_stopped() -> None:
    halt = StopSignal()
    halt.stop("over")
    with pytest.raises(RunStopped, match="over"):
        asyncio.run(halt.sleep(600))


def test_a_sleeper_sleeps_for_as_long_as_asked(run_hastily: Callable[[Any], float]) -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await StopSignal().sleep(5)
        return loop.time() - began

    assert run_hastily(sleep()) == pytest.approx(5)


def test_the_end_of_the_runs_time_wakes_sleepers_and_names_the_setting(run_hastily: Callable[[Any], None]) -> None:
    with pytest.raises(RunStopped, match="max_duration_s = 30 s"):
        run_hastily(StopSignal(30).sleep(600))


def test_a_run_whose_time_is_over_sends_nothing_more() -> None:
    with pytest.raises(RunStopped, match="max_duration_s = 0 s"):
        StopSignal(0).check()


def test_stopping_after_the_loop_has_gone_is_no_error() -> None:
    halt = StopSignal()
    asyncio.run(halt.sleep(0))
    halt.stop("late")
    assert halt.reason == "late"


def test_a_sleeper_that_was_cancelled_is_left_alone() -> None:
    async def cancel_and_stop() -> None:
        halt = StopSignal()
        sleeper = asyncio.create_task(halt.sleep(600))
        await asyncio.sleep(0)
        sleeper.cancel()
        halt.stop("over")
        with pytest.raises(asyncio.CancelledError):
            await sleeper

    asyncio.run(cancel_and_stop())

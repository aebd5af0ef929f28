from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import RunStopped


def test_the_first_reason_of_a_stop_stays() -> None:
    stop_signal = StopSignal()
    stop_signal.check()
    stop_signal.stop("no money")
    stop_signal.stop("no time")
    with pytest.raises(RunStopped, match="no money"):
        stop_signal.check()


def test_a_stop_from_another_thread_wakes_sleepers() -> None:
    async def sleep() -> None:
        stop_signal = StopSignal()
        threading.Timer(0.02, stop_signal.stop, ["interrupted"]).start()
        await stop_signal.sleep(600)

    with pytest.raises(RunStopped, match="interrupted"):
        asyncio.run(sleep())


async def test_sleeping_after_a_stop_raises() -> None:
    stop_signal = StopSignal()
    stop_signal.stop("over")
    with pytest.raises(RunStopped, match="over"):
        await stop_signal.sleep(600)


async def test_sleep_takes_the_requested_time() -> None:
    start = asyncio.get_running_loop().time()
    await StopSignal().sleep(5)
    assert asyncio.get_running_loop().time() - start == pytest.approx(5)


async def test_the_deadline_wakes_sleepers_and_names_the_setting() -> None:
    with pytest.raises(RunStopped, match="max_duration_s = 30 s"):
        await StopSignal(30).sleep(600)


def test_no_call_is_sent_after_the_deadline() -> None:
    with pytest.raises(RunStopped, match="max_duration_s = 0 s"):
        StopSignal(0).check()


def test_a_stop_after_the_end_of_the_loop_is_no_error() -> None:
    stop_signal = StopSignal()
    asyncio.run(stop_signal.sleep(0))
    stop_signal.stop("late")
    assert stop_signal.reason == "late"


async def test_a_stop_leaves_cancelled_sleepers_alone() -> None:
    stop_signal = StopSignal()
    sleeper = asyncio.create_task(stop_signal.sleep(600))
    await asyncio.sleep(0)
    sleeper.cancel()
    stop_signal.stop("over")
    with pytest.raises(asyncio.CancelledError):
        await sleeper

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.loop import Engine
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.errors import EngineStopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Any


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


async def _add(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_all_work_runs_on_one_loop_in_another_thread(engine: Engine) -> None:
    async def where() -> tuple[asyncio.AbstractEventLoop, int]:
        return asyncio.get_running_loop(), threading.get_ident()

    seen = {engine.run(where()), engine.wait(engine.work_queue("a", 1).submit(where))}
    assert len(seen) == 1
    assert seen.pop()[1] != threading.get_ident()


def test_an_exception_of_the_work_is_raised_and_the_engine_continues(engine: Engine) -> None:
    async def fail() -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="of the work itself"):
        engine.wait(engine.work_queue("a", 1).submit(fail))
    assert engine.run(_add(1, 1)) == 2


def test_a_queue_starts_its_work_in_order_within_its_window(engine: Engine) -> None:
    started: list[int] = []
    running = 0
    most = 0

    def work(number: int) -> Callable[[], Coroutine[Any, Any, int]]:
        async def run() -> int:
            nonlocal running, most
            started.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001 * (number % 3))
            running -= 1
            return number

        return run

    work_queue = engine.work_queue("a", 3)
    futures = [work_queue.submit(work(number)) for number in range(50)]
    assert [engine.wait(future) for future in futures] == list(range(50))
    assert started == list(range(50))
    assert most == 3


def test_a_full_queue_does_not_delay_another(engine: Engine) -> None:
    for _ in range(3):
        engine.work_queue("slow", 1).submit(_for_ever)
    assert engine.wait(engine.work_queue("fast", 1).submit(lambda: _add(2, 3))) == 5


def test_a_queue_keeps_its_first_window(engine: Engine) -> None:
    assert engine.work_queue("a", 1) is engine.work_queue("a", 9)


def test_waiting_calls_tick(engine: Engine) -> None:
    gate = threading.Event()

    async def work() -> str:
        await asyncio.to_thread(gate.wait)
        return "done"

    assert engine.wait(engine.work_queue("a", 1).submit(work), tick=gate.set) == "done"


def test_stopping_fails_all_futures_and_closes_generators(engine: Engine) -> None:
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("generator closed")

    generators: list[AsyncIterator[int]] = []

    async def work() -> None:
        generators.append(numbers())
        await anext(generators[0])
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    work_queue = engine.work_queue("a", 1)
    running, queued = work_queue.submit(work), work_queue.submit(_for_ever)
    while not generators:
        time.sleep(0.001)
    engine.stop()
    for future in (running, queued, work_queue.submit(_for_ever)):
        with pytest.raises(EngineStopped, match="was stopped before the reply came"):
            engine.wait(future)
    assert seen == ["cancelled", "generator closed"]
    engine.stop()


def test_stopping_does_not_wait_for_work_that_blocks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_evalgate.engine.loop._STOP_TIMEOUT_S", 0.05)
    release = threading.Event()
    entered = threading.Event()

    async def block() -> None:
        entered.set()
        release.wait(120)  # blocks the loop itself

    engine.work_queue("a", 1).submit(block)
    assert entered.wait(60)
    start = time.monotonic()
    engine.stop()
    assert time.monotonic() - start < 60
    release.set()


def test_an_interrupt_in_the_work_is_raised_by_wait(engine: Engine) -> None:
    async def interrupt() -> None:
        raise KeyboardInterrupt

    work_queue = engine.work_queue("a", 2)
    future, other = work_queue.submit(interrupt), work_queue.submit(_for_ever)
    with pytest.raises(KeyboardInterrupt):
        engine.wait(future)
    assert engine.run(_add(1, 1)) == 2, "the loop goes on"
    assert not other.done()


def test_waiting_for_an_ended_engine_raises(engine: Engine) -> None:
    future = engine.work_queue("a", 1).submit(_for_ever)
    engine._work_queues.clear()  # as if the thread had been killed: its future stays pending
    engine.stop()
    future.__init__()  # type: ignore[misc]  # as new
    with pytest.raises(EngineStopped, match="thread has ended"):
        engine.wait(future)


def test_work_that_outlasts_the_run_is_not_awaited(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pytest_evalgate.engine.loop._GRACE_S", 0)
    engine = Engine(StopSignal(0))
    try:
        future = engine.work_queue("a", 1).submit(_for_ever)
        message = "the run reached max_duration_s = 0 s: .*; this case had not ended: set timeouts in its code"
        with caplog.at_level("INFO"), pytest.raises(EngineStopped, match=message):
            engine.wait(future)
        assert caplog.messages == ["a case after the end of the run took longer than 0 s"]
    finally:
        engine.stop()


def test_a_thread_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(
        EngineStopped, match="the engine's thread cannot be started: can't start new thread: raise the"
    ):
        Engine()


def test_a_loop_that_is_stopped_from_inside_goes_on(engine: Engine) -> None:
    async def stop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "stopped"

    assert engine.run(stop()) == "stopped"
    assert engine.run(_add(1, 2)) == 3


def test_work_that_is_cancelled_from_inside_says_so(engine: Engine) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    with pytest.raises(EngineStopped, match="was cancelled by other code in its process"):
        engine.wait(engine.work_queue("a", 1).submit(cancel))

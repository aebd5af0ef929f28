from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_evalgate.engine.clients.lazy import LazyResource
from pytest_evalgate.engine.faults import CallFault, FaultFactory

_SENDER = FaultFactory("http://127.0.0.1:9/v1", "m")


def test_it_is_made_once_in_a_thread_for_all_who_ask() -> None:
    threads: list[int] = []

    def make() -> str:
        threads.append(threading.get_ident())
        return "client"

    async def ask() -> list[str]:
        opening = LazyResource(make, _SENDER)
        return await asyncio.gather(*(opening.get() for _ in range(5)))

    assert asyncio.run(ask()) == ["client"] * 5
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


def test_what_cannot_be_made_is_a_fault_and_nothing_to_close() -> None:
    def make() -> str:
        raise ValueError("bad proxy")

    async def ask() -> str | None:
        opening = LazyResource(make, _SENDER)
        assert await opening.get_if_created() is None
        with pytest.raises(CallFault, match="bad proxy"):
            await opening.get()
        return await opening.get_if_created()

    assert asyncio.run(ask()) is None


def test_what_was_being_made_when_the_run_ended_is_nothing_to_close() -> None:
    release = threading.Event()

    async def end() -> str | None:
        opening = LazyResource(lambda: str(release.wait(60)), _SENDER)
        waiting = asyncio.ensure_future(opening.get())
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as the engine does when it stops
            task.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        release.set()
        return await opening.get_if_created()

    assert asyncio.run(end()) is None

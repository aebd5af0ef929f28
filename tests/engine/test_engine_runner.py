from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine import Runner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _add(one: int, other: int) -> int:
    await asyncio.sleep(0)
    return one + other


def test_work_runs_to_its_end_on_one_loop() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with Runner() as runner:
        assert runner.run(_add(1, 2)) == 3
        assert runner.run(loop()) is runner.run(loop())


def test_what_the_work_raises_comes_out_and_the_runner_goes_on() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with Runner() as runner:
        with pytest.raises(ValueError, match="no"):
            runner.run(fail())
        assert runner.run(_add(1, 1)) == 2


def test_closing_cancels_what_is_left_and_closes_generators() -> None:
    seen: list[str] = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("generator closed")

    async def start() -> tuple[asyncio.Task[None], AsyncIterator[int]]:
        left = asyncio.create_task(wait_for_ever())
        await asyncio.sleep(0)
        generator = numbers()
        assert await anext(generator) == 1
        return left, generator

    runner = Runner()
    task, generator = runner.run(start())
    runner.close()
    assert task.cancelled()
    assert seen == ["cancelled", "generator closed"]
    del generator
    runner.close()


def test_a_task_that_fails_while_it_is_cancelled_does_not_break_closing() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on the way out")

    async def start() -> asyncio.Task[None]:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        return task

    with Runner() as runner:
        task = runner.run(start())
    assert isinstance(task.exception(), ValueError)

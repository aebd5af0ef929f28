from __future__ import annotations

import asyncio

import pytest

from pytest_evalgate.engine.trial import run_sync


def test_work_that_never_waits_needs_no_loop() -> None:
    async def at_once() -> int:
        return 3

    assert run_sync(at_once()) == 3


def test_work_that_waits_after_all_is_refused() -> None:
    with pytest.raises(RuntimeError, match="needs an event loop"):
        run_sync(asyncio.sleep(0))

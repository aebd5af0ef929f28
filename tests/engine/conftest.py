"""Engine tests: ``async`` tests run on an event loop whose clock jumps over every wait."""

from __future__ import annotations

import asyncio
import inspect
import selectors
import time
from typing import Any

import pytest


class _JumpingSelector(selectors.DefaultSelector):
    """Returns at once, and counts the time that it should have waited."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.passed += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        self._start = time.monotonic()
        super().__init__(self._jumping_selector)

    def time(self) -> float:
        return self._start + self._jumping_selector.passed


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async`` test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True

"""What tests of the engine share: a loop whose time passes at once."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class _Hasty(selectors.DefaultSelector):
    """Instead of waiting until ``timeout``, it lets that time have passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.passed += timeout
        return ready


class _HastyLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hasty = _Hasty()
        self._began = time.monotonic()
        super().__init__(self._hasty)

    def time(self) -> float:
        return self._began + self._hasty.passed


@pytest.fixture
def run_hastily() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine on a loop whose clock jumps over every wait, exactly to its end."""

    def run(work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=_HastyLoop) as runner:
            return runner.run(work)

    return run

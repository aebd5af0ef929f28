"""Running what never waits, without an event loop: asyncio alone costs 16 ms and 3 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` that never waits for anything, without a loop.

    Raises:
        RuntimeError: it did wait.

    """
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("work that should never wait has waited")

"""The layer of the cache around a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.cache.memory import Memory
    from pytest_evalgate.protocols import ModelClient


@dataclass(frozen=True, slots=True)
class CachedClient:
    """Sends what is not remembered through ``inner``."""

    inner: ModelClient
    memory: Memory

    async def send(self, call: Call) -> Reply:
        """Return the answer to ``call``; raises as ``inner``, and CallFailed where the memory is offline."""
        return await self.memory.remember(call, lambda: self.inner.send(call))

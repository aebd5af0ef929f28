"""Memory: whatever was asked before is not asked again."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate.calls import CallFailed
from pytest_evalgate.engine.cache.database import Damaged, Unavailable
from pytest_evalgate.engine.cache.entries import remembered
from pytest_evalgate.engine.cache.flights import Flights
from pytest_evalgate.engine.cache.inventory import newest
from pytest_evalgate.engine.cache.keys import first_difference, key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.cache.entries import Entry
    from pytest_evalgate.engine.cache.inventory import Question
    from pytest_evalgate.engine.cache.store import ReplyCache

_NO_CASSETTES: Final[Mapping[str, Entry]] = MappingProxyType({})
_MOST_RECALLED: Final = 20_000
"""Answers that an estimate has found and that are kept until they are asked for: some 40 MB."""

_FIRST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.2
_PATIENCE_S: Final = 600.0
"""How long the answer of another process is waited for: it may be halted, and its lease with it."""


class Memory:
    """What is remembered, and how it comes to be; used on one loop.

    Example::

        memory = Memory(ReplyCache(folder, find_seal(os.environ)))
        reply = await memory.remember(call, lambda: client.send(call))
    """

    def __init__(
        self,
        cache: ReplyCache,
        *,
        cassettes: Mapping[str, Entry] = _NO_CASSETTES,
        offline: bool = False,
        shared: bool = False,
    ) -> None:
        """Look up in ``cache``, then in ``cassettes``.

        Args:
            cache: Where answers are kept.
            cassettes: Entries by key, from `cassette.read`.
            offline: Nothing is asked: what is not remembered is missing.
            shared: Other processes may send the same calls now, so that each call takes a lease and looks again.

        """
        self._cache = cache
        self._cassettes = cassettes
        self._offline = offline
        self._shared = shared
        self._flights = Flights()
        self._asked: asyncio.Future[dict[Question, Entry]] | None = None
        self._recalled: dict[str, Reply | None] = {}
        self.misses = 0
        """Calls that were not remembered while offline."""

    def recall(self, call: Call) -> Reply | None:
        """Return what is remembered of ``call``, as a reply that cost nothing; it is kept until it is asked for."""
        key = key_of(call)
        reply = self._find(key)
        if len(self._recalled) < _MOST_RECALLED:
            self._recalled[key] = reply
        return reply

    async def remember(self, call: Call, produce: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return what is remembered of ``call``, or what ``produce`` returns, and remember that.

        It is called once for all who ask at the same time (in all processes, if the memory is shared), and only a
        complete answer is kept: before this returns, so that it is never paid twice. Whatever ``produce`` raises is
        raised, and not kept.

        Raises:
            CallFailed: nothing is remembered and the memory is offline.

        """
        key = key_of(call)
        if (reply := self._known(key)) is not None:
            return reply
        if self._offline:
            self.misses += 1
            raise CallFailed(await self._why_missing(call))
        return await self._flights.share(key, lambda: self._obtain(key, call, produce))

    async def _obtain(self, key: str, call: Call, produce: Callable[[], Awaitable[Reply]]) -> Reply:
        if not self._shared:
            return await self._produce(call, produce)
        async with self._leased(key):
            if (reply := self._cache.find(key)) is not None:  # another process was faster
                return reply
            return await self._produce(call, produce)

    async def _produce(self, call: Call, produce: Callable[[], Awaitable[Reply]]) -> Reply:
        reply = await produce()
        if reply.finish == "complete":
            await self._cache.put(call, reply)
        return reply

    @asynccontextmanager
    async def _leased(self, key: str) -> AsyncIterator[None]:
        """Hold the lease of ``key``; or go on without it once the answer is there, or has been waited for too long."""
        leases = self._cache.leases
        if leases is None:
            yield
            return
        taken = await self._wait(leases.take, key)
        try:
            yield
        finally:
            if taken:
                leases.give(key)

    async def _wait(self, take: Callable[[str], bool], key: str) -> bool:
        look_s, deadline = _FIRST_LOOK_S, time.monotonic() + _PATIENCE_S
        while not (taken := take(key)) and time.monotonic() < deadline:
            await asyncio.sleep(look_s)
            look_s = min(1.5 * look_s, _LONGEST_LOOK_S)
            if self._cache.find(key) is not None:
                return False
        return taken

    def _known(self, key: str) -> Reply | None:
        """Return what was recalled, once; from then on, and where nothing was, what is there by now."""
        return self._recalled.pop(key) if key in self._recalled else self._find(key)

    def _find(self, key: str) -> Reply | None:
        reply = self._cache.find(key)
        if reply is None and key in self._cassettes:
            return remembered(self._cassettes[key].reply)
        return reply

    async def _why_missing(self, call: Call) -> str:
        if self._asked is None:
            self._asked = asyncio.ensure_future(asyncio.to_thread(self._everything_asked))
        before = (await asyncio.shield(self._asked)).get((call.label, call.purpose, call.trial))
        nearest = (
            "nothing of this case was ever remembered"
            if before is None
            else f"since {before.made} this has changed: {first_difference(before.call, call)}"
        )
        return (
            f"{call.label}: not remembered, and offline nothing is sent ({nearest}); "
            "run it once online, or import a cassette: pytest-evalgate cache import FILE"
        )

    def _everything_asked(self) -> dict[Question, Entry]:
        found = newest(self._cassettes.values())
        try:
            return found | newest(row.entry for row in self._cache.rows() if row.entry)
        except (Damaged, Unavailable):  # it is only an explanation
            return found

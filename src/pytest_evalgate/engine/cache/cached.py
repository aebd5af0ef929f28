"""The layer of the cache around a client."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.cache.entries import as_cached, first_difference, key_of
from pytest_evalgate.engine.cache.inventory import newest
from pytest_evalgate.engine.cache.store import CacheDamaged, CacheUnavailable
from pytest_evalgate.records.calls import Call, CallFailed, Reply, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping

    from pytest_evalgate.engine.cache.entries import Entry
    from pytest_evalgate.engine.cache.inventory import CallIdentity
    from pytest_evalgate.engine.cache.store import ReplyCache
    from pytest_evalgate.protocols import ModelClient, Target
    from pytest_evalgate.records.calls import CallKind
    from pytest_evalgate.records.results import Case, Json


@dataclass(frozen=True, slots=True)
class CachedClient:
    """Sends what is not remembered through ``inner``."""

    inner: ModelClient
    memory: ReadThroughCache

    async def send(self, call: Call) -> Reply:
        """Return the answer to ``call``; raises as ``inner``, and CallFailed where the memory is offline."""
        return await self.memory.get_or_create(call, lambda: self.inner.send(call))


@dataclass(slots=True)
class _PendingCall:
    """An answer on its way, who waits for it, and whether its cost is on somebody's account."""

    task: asyncio.Task[Reply]
    waiting: int = 0
    cost_claimed: bool = False

    def claim_cost(self) -> bool:
        """Tell whether this caller is the one who accounts for it."""
        first, self.cost_claimed = not self.cost_claimed, True
        return first


class SingleFlight:
    """Answers on their way, by key; used on one loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self._pending: dict[str, _PendingCall] = {}

    async def run_once(self, key: str, fetch: Callable[[], Coroutine[None, None, Reply]]) -> Reply:
        """Return what ``fetch`` returns, which runs once for all who share ``key`` meanwhile.

        One of them gets the reply as it is, the others as one that cost nothing. A caller who is cancelled takes
        nothing from the others; with the last one the work is cancelled.

        Raises:
            CallFailed: what ``fetch`` raised, with its record for one of them.

        """
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _PendingCall(asyncio.ensure_future(fetch()))
        pending.waiting += 1
        try:
            reply = await asyncio.shield(pending.task)
        except CallFailed as failed:
            if pending.claim_cost():
                raise
            raise type(failed)(str(failed)) from failed
        finally:
            pending.waiting -= 1
            if not pending.waiting:
                self._end(key, pending)
        return reply if pending.claim_cost() else as_cached(reply)

    def _end(self, key: str, pending: _PendingCall) -> None:
        pending.task.cancel()
        if self._pending.get(key) is pending:
            del self._pending[key]


_NO_CASSETTES: Final[Mapping[str, Entry]] = MappingProxyType({})
_MAX_PREFETCHED: Final = 20_000
"""Answers that an estimate has found and that are kept until they are asked for: some 40 MB."""

_FIRST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.2
_PATIENCE_S: Final = 600.0
"""How long the answer of another process is waited for: it may be halted, and its lease with it."""


class ReadThroughCache:
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
        self._single_flight = SingleFlight()
        self._newest_entries: asyncio.Future[dict[CallIdentity, Entry]] | None = None
        self._prefetched: dict[str, Reply | None] = {}
        self.misses = 0
        """Calls that were not remembered while offline."""

    def lookup(self, call: Call) -> Reply | None:
        """Return what is remembered of ``call``, as a reply that cost nothing; it is kept until it is asked for."""
        key = key_of(call)
        reply = self._find(key)
        if len(self._prefetched) < _MAX_PREFETCHED:
            self._prefetched[key] = reply
        return reply

    async def get_or_create(self, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return what is remembered of ``call``, or what ``create`` returns, and remember that.

        It is called once for all who ask at the same time (in all processes, if the memory is shared), and only a
        complete answer is kept: before this returns, so that it is never paid twice. Whatever ``create`` raises is
        raised, and not kept.

        Raises:
            CallFailed: nothing is remembered and the memory is offline.

        """
        key = key_of(call)
        if (reply := self._cached(key)) is not None:
            return reply
        if self._offline:
            self.misses += 1
            raise CallFailed(await self._miss_message(call))
        return await self._single_flight.run_once(key, lambda: self._fetch(key, call, create))

    async def _fetch(self, key: str, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        if not self._shared:
            return await self._produce(call, create)
        async with self._leased(key):
            if (reply := self._cache.find(key)) is not None:  # another process was faster
                return reply
            return await self._produce(call, create)

    async def _produce(self, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        reply = await create()
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

    def _cached(self, key: str) -> Reply | None:
        """Return what was recalled, once; from then on, and where nothing was, what is there by now."""
        return self._prefetched.pop(key) if key in self._prefetched else self._find(key)

    def _find(self, key: str) -> Reply | None:
        reply = self._cache.find(key)
        if reply is None and key in self._cassettes:
            return as_cached(self._cassettes[key].reply)
        return reply

    async def _miss_message(self, call: Call) -> str:
        if self._newest_entries is None:
            self._newest_entries = asyncio.ensure_future(asyncio.to_thread(self._load_newest_entries))
        before = (await asyncio.shield(self._newest_entries)).get((call.label, call.purpose, call.trial))
        nearest = (
            "nothing of this case was ever remembered"
            if before is None
            else f"since {before.made} this has changed: {first_difference(before.call, call)}"
        )
        return (
            f"{call.label}: not remembered, and offline nothing is sent ({nearest}); "
            "run it once online, or import a cassette: pytest-evalgate cache import FILE"
        )

    def _load_newest_entries(self) -> dict[CallIdentity, Entry]:
        found = newest(self._cassettes.values())
        try:
            return found | newest(row.entry for row in self._cache.rows() if row.entry)
        except (CacheDamaged, CacheUnavailable):  # it is only an explanation
            return found


class _Exited(Exception):  # noqa: N818 - carries a SystemExit past the loop, which it would end
    def __init__(self, exited: SystemExit) -> None:
        self.exited = exited
        super().__init__()


@dataclass(frozen=True, slots=True)
class CachedTarget:
    """Answers from ``memory``, or from ``inner``, whose exceptions are raised and not remembered.

    Args:
        inner: The target: a function, a command, or one that a hook brings.
        memory: What is remembered.
        kind: How it is asked.
        endpoint: The name of the function or command.
        suite: Whose cases they are.
        version: Changes when the application may answer otherwise.

    """

    inner: Target
    memory: ReadThroughCache
    kind: CallKind
    endpoint: str
    suite: str
    version: str

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of ``trial`` of ``case``; raises as ``inner``, and CallFailed offline."""
        call = self.call_of(case, trial)
        try:
            reply = await self.memory.get_or_create(call, lambda: self._ask(case, trial))
        except _Exited as error:
            raise error.exited from None
        return Output(reply.value, reply.metadata, reply.latency_s, reply.finish, record_of(call, reply))

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call as which an answer is remembered: the case stands in it by its content."""
        return Call(
            self.kind,
            self.endpoint,
            "",
            {"id": case.id, "fingerprint": case.fingerprint},
            trial,
            self.version,
            route=self.suite,
            label=f"{self.suite}::{case.id}",
        )

    async def _ask(self, case: Case, trial: int) -> Reply:
        start = time.perf_counter()
        try:
            output = await self.inner.answer(case, trial)
        except SystemExit as exited:
            raise _Exited(exited) from exited
        taken_s = time.perf_counter() - start if output.latency_s is None else output.latency_s
        return Reply(_as_json(output.value), output.finish, _as_json(output.metadata), latency_s=taken_s, cost_usd=0.0)


def _as_json(value: Json) -> Json:
    """Return ``value`` as it would be remembered, so that a case is graded alike each time; else as it is."""
    try:
        return json.loads(jsonl.canonical(value))
    except (TypeError, ValueError, RecursionError):
        return value

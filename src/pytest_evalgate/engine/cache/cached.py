"""Cache layer around clients and targets: read-through, with single flight."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeGuard

from pytest_evalgate.engine.cache.entries import as_cached, first_difference, key_of
from pytest_evalgate.engine.cache.inventory import newest
from pytest_evalgate.engine.cache.store import CacheDamaged, CacheUnavailable
from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import ApplicationFailure, Call, CallFailed, Reply, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping

    from pytest_evalgate.engine.cache.entries import Entry
    from pytest_evalgate.engine.cache.inventory import CallIdentity
    from pytest_evalgate.engine.cache.store import ReplyCache
    from pytest_evalgate.protocols import ModelClient, Target
    from pytest_evalgate.records.calls import CallKind
    from pytest_evalgate.records.cases import Case, Json

_NO_REDACTION: Final = Redactor()
_NO_CASSETTES: Final[Mapping[str, Entry]] = MappingProxyType({})

# Replies that an estimate keeps for the run after it: about 40 MB.
_MAX_PREFETCHED: Final = 20_000

_FIRST_POLL_S: Final = 0.02
_LONGEST_POLL_S: Final = 0.2
# Time to wait for another process: it may be suspended while it holds the lease.
_LEASE_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class CachedClient:
    """Client that sends only calls that are not cached."""

    inner: ModelClient
    cache: ReadThroughCache

    async def send(self, call: Call) -> Reply:
        """Return the reply to ``call``; raises like ``inner``, and CallFailed if the cache is offline."""
        return await self.cache.get_or_create(call, lambda: self.inner.send(call))


@dataclass(frozen=True, slots=True)
class CachedTarget:
    """Target whose outputs are cached; exceptions are raised and not cached.

    ``endpoint`` is the name of the function or command. The ``version`` of the application is part of the key.
    """

    inner: Target
    cache: ReadThroughCache
    kind: CallKind
    endpoint: str
    suite: str
    version: str

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of ``trial`` of ``case``; raises like ``inner``, and CallFailed if offline."""
        call = self.call_of(case, trial)
        reply = await self.cache.get_or_create(call, lambda: self._call_inner(case, trial))
        return Output(
            reply.value, reply.metadata, reply.latency_s, reply.finish, record_of(call, reply), reply.reasoning
        )

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call under which an output is cached; it contains the fingerprint of the case's content."""
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

    async def _call_inner(self, case: Case, trial: int) -> Reply:
        start = time.perf_counter()
        output = await self.inner.answer(case, trial)
        taken_s = time.perf_counter() - start if output.latency_s is None else output.latency_s
        return Reply(
            _as_json(output.value),
            output.finish,
            _as_json(output.metadata),
            latency_s=taken_s,
            cost_usd=0.0,
            reasoning=output.reasoning,
        )


def _as_json(value: Json) -> Json:
    """Return ``value`` as the cache would return it, so that new and cached outputs are graded alike."""
    try:
        return json.loads(jsonl.canonical(value))
    except (TypeError, ValueError, RecursionError):
        return value


class ReadThroughCache:
    """Read-through cache: returns cached replies, creates and caches missing ones. Used on one event loop.

    Example::

        cache = ReadThroughCache(ReplyCache(folder, find_signer(os.environ)))
        reply = await cache.get_or_create(call, lambda: client.send(call))
    """

    def __init__(
        self,
        store: ReplyCache,
        *,
        cassettes: Mapping[str, Entry] = _NO_CASSETTES,
        offline: bool = False,
        shared: bool = False,
        redactor: Redactor = _NO_REDACTION,
    ) -> None:
        """Look up in ``store``, then in ``cassettes``: entries by key, from `entries.read`.

        If ``offline``, a call that is not cached fails. If ``shared``, other processes may send the same calls now, so
        each call takes a lease and looks up again. ``redactor`` removes API keys from what models, functions, commands
        and hooks return, so that a cassette can be committed.
        """
        self._store = store
        self._cassettes = cassettes
        self._offline = offline
        self._shared = shared
        self._redactor = redactor
        self._lookups = _Lookups(store)
        self._single_flight = SingleFlight()
        self._newest_entries: asyncio.Future[dict[CallIdentity, Entry]] | None = None
        self._prefetched: dict[str, Reply | None] = {}
        self.misses = 0
        """Calls that were not cached while offline."""

    @property
    def is_empty(self) -> bool:
        """Whether no call is cached."""
        return not self._cassettes and self._store.is_empty

    def lookup(self, call: Call) -> Reply | None:
        """Return the cached reply to ``call``, and keep it for `get_or_create`."""
        call = call.cached_as or call
        key = key_of(call)
        reply = self._usable(key, call, self._store.find(key))
        if len(self._prefetched) < _MAX_PREFETCHED:
            self._prefetched[key] = reply
        return reply

    async def get_or_create(self, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        """Return the cached reply to ``call``, or that of ``create``, which is then cached.

        ``create`` runs once for all concurrent callers (in all processes, if the cache is shared). Only a complete
        reply that the call accepts is cached, before this returns, so that it is never paid twice. Exceptions are not
        cached. A cached reply that the call does not accept is not returned.

        Raises:
            CallFailed: the call is not cached and the cache is offline.
        """
        call = call.cached_as or call
        key = key_of(call)
        # the result of `lookup` is used once: another process may have cached a missing reply since
        if key in self._prefetched:
            reply = self._prefetched.pop(key)
        else:
            reply = self._usable(key, call, await self._lookups.find(key))
        if reply is not None:
            return reply
        if self._offline:
            self.misses += 1
            raise CallFailed(await self._miss_message(call), is_final=True)
        return await self._single_flight.run_once(key, lambda: self._fetch(key, call, create))

    async def _fetch(self, key: str, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        if not self._shared:
            return await self._create(key, call, create)
        async with self._lease(key):
            if _is_usable(reply := self._store.find(key), call):  # another process has cached it meanwhile
                return reply
            return await self._create(key, call, create)

    async def _create(self, key: str, call: Call, create: Callable[[], Awaitable[Reply]]) -> Reply:
        reply = self._redacted(await create())
        if reply.finish == "complete" and _is_usable(reply, call):
            await self._store.put(call, reply, key=key)
        return reply

    def _redacted(self, reply: Reply) -> Reply:
        if not self._redactor.forms:
            return reply
        before = reply.value, dict(reply.metadata), reply.reasoning
        value, metadata, reasoning = self._redactor.redact_json(before)
        if (value, metadata, reasoning) == before:
            return reply
        return replace(reply, value=value, metadata=metadata, reasoning=reasoning)

    @asynccontextmanager
    async def _lease(self, key: str) -> AsyncIterator[None]:
        """Hold the lease of ``key``; continue without it when the reply is cached, or after the timeout."""
        leases = self._store.leases
        if leases is None:
            yield
            return
        poll_s, deadline = _FIRST_POLL_S, time.monotonic() + _LEASE_TIMEOUT_S
        while not (acquired := leases.acquire(key)):
            if time.monotonic() >= deadline:
                report_expired("the lease of a call", _LEASE_TIMEOUT_S)
                break
            await asyncio.sleep(poll_s)
            poll_s = min(1.5 * poll_s, _LONGEST_POLL_S)
            if self._store.find(key) is not None:
                break
        try:
            yield
        finally:
            if acquired:
                leases.release(key)

    def _usable(self, key: str, call: Call, reply: Reply | None) -> Reply | None:
        """Return the reply found in the store, or that of a cassette, if ``call`` accepts it."""
        if reply is None and key in self._cassettes:
            reply = as_cached(self._cassettes[key].reply)
        return reply if _is_usable(reply, call) else None

    async def _miss_message(self, call: Call) -> str:
        if self._newest_entries is None:
            self._newest_entries = asyncio.ensure_future(asyncio.to_thread(self._load_newest_entries))
        try:
            before = (await asyncio.shield(self._newest_entries)).get((call.label, call.purpose, call.trial))
        except RuntimeError:  # no thread can be started
            before = None
        nearest = (
            "no call of this case is cached"
            if before is None
            else f"changed since {before.made}: {first_difference(before.call, call)}"
        )
        return (
            f"{call.label}: not cached, and an offline run sends nothing ({nearest}); "
            "run it once online, or import a cassette: pytest-evalgate cache import FILE"
        )

    def _load_newest_entries(self) -> dict[CallIdentity, Entry]:
        found = newest(self._cassettes.values())
        try:
            return found | newest(row.entry for row in self._store.rows() if row.entry)
        except (CacheDamaged, CacheUnavailable):  # the message then names no earlier call
            return found


def _is_usable(reply: Reply | None, call: Call) -> TypeGuard[Reply]:
    return reply is not None and (call.accepts is None or call.accepts(reply))


class _Lookups:
    """Look-ups of calls on an event loop: all that are made in one of its iterations share a statement."""

    def __init__(self, store: ReplyCache) -> None:
        self._store = store
        self._waiting: list[tuple[str, asyncio.Future[Reply | None]]] = []

    async def find(self, key: str) -> Reply | None:
        """Return the reply that is stored under ``key``."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._find_all)
        future: asyncio.Future[Reply | None] = loop.create_future()
        self._waiting.append((key, future))
        return await future

    def _find_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            found = self._store.find_all([key for key, _ in waiting])
        except Exception as error:  # noqa: BLE001 - else the calls would wait for ever
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for key, future in waiting:
            if not future.done():  # cancelled
                future.set_result(found.get(key))


class SingleFlight:
    """Pending calls by key: concurrent callers share one; used on one event loop."""

    def __init__(self) -> None:
        """Start without pending calls."""
        self._pending: dict[str, _PendingCall] = {}

    async def run_once(self, key: str, fetch: Callable[[], Coroutine[None, None, Reply]]) -> Reply:
        """Return the result of ``fetch``, which runs once for all concurrent callers with the same ``key``.

        One caller gets the reply with its cost, the others get it as a cached one. A caller that is cancelled does not
        affect the others; when all are cancelled, so is the call.

        Raises:
            CallFailed: ``fetch`` raised it; one caller gets its record.
            ApplicationFailure: the same.
        """
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _PendingCall(asyncio.ensure_future(fetch()))
        pending.waiting += 1
        try:
            reply = await asyncio.shield(pending.task)  # a cancelled caller must not cancel the call of the others
        except CallFailed as failed:
            if pending.claim_cost():
                raise
            # without the record: its cost would be counted twice
            raise type(failed)(str(failed), is_final=failed.is_final) from failed
        except ApplicationFailure as failure:
            if pending.claim_cost():
                raise
            raise ApplicationFailure(str(failure)) from failure
        finally:
            pending.waiting -= 1
            if not pending.waiting:
                pending.task.cancel()
                if self._pending.get(key) is pending:
                    del self._pending[key]
        return reply if pending.claim_cost() else as_cached(reply)


@dataclass(slots=True)
class _PendingCall:
    task: asyncio.Task[Reply]
    waiting: int = 0
    cost_claimed: bool = False

    def claim_cost(self) -> bool:
        """Return whether this caller is the first, and accounts for the cost."""
        first, self.cost_claimed = not self.cost_claimed, True
        return first

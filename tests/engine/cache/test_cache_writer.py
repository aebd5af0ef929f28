"""Writer of the cache: whatever happens to its thread, replies are returned and the loss is said once."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import writer as writer_module
from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.engine.cache import ReplyCache

    Break = Callable[[ReplyCache, pytest.MonkeyPatch], None]


def _raise(error: BaseException) -> Any:
    raise error


def _no_thread(cache: ReplyCache, patch: pytest.MonkeyPatch) -> None:
    del cache
    patch.setattr(threading.Thread, "start", lambda _: _raise(RuntimeError("can't start new thread")))


def _failing_commit(error: BaseException) -> Break:
    return lambda cache, patch: patch.setattr(cache._writer, "_commit", lambda _: _raise(error))


def _dying_thread(error: BaseException) -> Break:
    return lambda cache, patch: patch.setattr(cache._writer, "_commit_batch", lambda _: _raise(error))


def _blocked_commit(cache: ReplyCache, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer_module, "_WRITE_TIMEOUT_S", 0.05)
    patch.setattr(cache._writer, "_commit", lambda _: threading.Event().wait(2))


@pytest.mark.parametrize(
    ("break_writer", "reason"),
    [
        (_no_thread, "can't start new thread"),
        (_failing_commit(MemoryError("no stack")), "MemoryError: no stack"),
        (_failing_commit(SystemExit(1)), "SystemExit: 1"),
        (_dying_thread(OSError(22, "Invalid argument")), "OSError: [Errno 22] Invalid argument"),
        (_dying_thread(KeyboardInterrupt()), "KeyboardInterrupt"),
        (_blocked_commit, "no commit within 0.05 s"),
    ],
)
def test_a_cache_that_cannot_be_written_is_done_without(
    cache: ReplyCache, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, break_writer: Break, reason: str
) -> None:
    break_writer(cache, monkeypatch)

    async def put_all() -> None:
        await asyncio.gather(*(cache.put(ask(str(n)), Reply(n)) for n in range(20)))
        await cache.put(ask("later"), Reply("x"))

    asyncio.run(asyncio.wait_for(put_all(), 60))
    monkeypatch.undo()
    assert cache.problem == f"cache.db is no longer written: {reason}"


def test_a_write_after_the_end_of_the_thread_fails_at_once(cache: ReplyCache, ask: Callable[..., Any]) -> None:
    asyncio.run(cache.put(ask("a"), Reply("x")))
    cache._writer._queue.put(None)
    while cache._writer._end_reason is None:
        time.sleep(0.001)
    asyncio.run(asyncio.wait_for(cache.put(ask("b"), Reply("x")), 60))
    assert cache.problem == "cache.db is no longer written: its writer has ended"
    assert len(list(cache.rows())) == 1


def test_entries_of_a_loop_that_ends_first_are_committed(cache: ReplyCache, ask: Callable[..., Any]) -> None:
    async def begin() -> None:
        writes = [asyncio.ensure_future(cache.put(ask(name), Reply("x"))) for name in ("a", "b")]
        await asyncio.sleep(0)
        writes[0].cancel()

    asyncio.run(begin())
    cache._writer.close()
    assert cache.problem is None
    assert len(list(cache.rows())) == 2


def test_more_entries_than_a_batch_holds_are_committed(
    cache: ReplyCache, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_MAX_BATCH", 3)

    async def put_all() -> None:
        await asyncio.gather(*(cache.put(ask(str(n)), Reply(n)) for n in range(8)))

    asyncio.run(put_all())
    assert len(list(cache.rows())) == 8

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import diskcache  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.engine.cache import CacheDamaged, ReplyCache, Signer, key_of, store
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.records.calls import Call

    Put = Callable[..., Call]
    Ask = Callable[..., Call]


def test_a_reply_is_cached_for_the_next_run_without_its_cost(folder: Path, signer: Signer, ask: Ask) -> None:
    call = ask()
    reply = Reply(
        {"a": [1, "é"]}, "complete", {"tool_calls": []}, "m-1", 3, 4, latency_s=0.25, attempts=2, cost_usd=0.5
    )
    with ReplyCache(folder, signer) as cache:
        assert cache.get(call) is None
        asyncio.run(cache.put(call, reply))
    with ReplyCache(folder, signer) as cache:
        assert cache.problem is None
        assert cache.get(call) == replace(reply, attempts=0, cost_usd=0.0)


def test_an_entry_has_its_run_and_its_time(cache: ReplyCache, put: Put) -> None:
    put(cache, label="faq::b", purpose="judge:tone", route="candidate")
    [row] = cache.rows()
    assert row.entry is not None
    assert row.entry.run == "r1"
    assert row.entry.made.endswith("Z")
    call = row.entry.call
    assert (call.label, call.purpose, call.route) == ("faq::b", "judge:tone", "candidate")


@pytest.mark.parametrize("finish", ["length", "content_filter", "refusal"])
def test_an_incomplete_reply_is_rejected(cache: ReplyCache, ask: Ask, finish: Any) -> None:
    with pytest.raises(ValueError, match=f"faq::a: a reply that ended by {finish}"):
        asyncio.run(cache.put(ask(), Reply("hi", finish)))
    assert list(cache.rows()) == []


def test_a_newer_reply_replaces_an_older_one(cache: ReplyCache, put: Put) -> None:
    put(cache, value="old")
    call = put(cache, value="new")
    found = cache.get(call)
    assert found is not None
    assert found.value == "new"
    assert len(list(cache.rows())) == 1


def test_simultaneous_puts_share_transactions(cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    commit = cache._commit

    def counted(entries: list[tuple[str, Entry]]) -> None:
        sizes.append(len(entries))
        commit(entries)

    monkeypatch.setattr(cache._writer, "_commit", counted)

    async def put_all() -> None:
        await asyncio.gather(*(cache.put(ask(str(n)), Reply(n)) for n in range(100)))

    asyncio.run(put_all())
    assert sum(sizes) == 100
    assert len(sizes) < 50
    assert len(list(cache.rows())) == 100


def test_a_reply_that_is_no_json_is_reported_and_not_cached(cache: ReplyCache, ask: Ask) -> None:
    asyncio.run(cache.put(ask("a"), Reply(float("nan"))))
    asyncio.run(cache.put(ask("b"), Reply({1, 2})))
    asyncio.run(cache.put(ask("c"), Reply("fine")))
    assert [row.entry.reply.value for row in cache.rows() if row.entry] == ["fine"]
    assert "the reply to faq::a cannot be cached" in (cache.problem or "")


def test_surrogates_and_nuls_are_kept(cache: ReplyCache, put: Put) -> None:
    found = cache.get(put(cache, value="\ud800 \0"))
    assert found is not None
    assert found.value == "\ud800 \0"


def test_added_entries_do_not_replace_cached_ones(cache: ReplyCache, put: Put, ask: Ask) -> None:
    call = put(cache, "a", "mine")
    brought = [Entry(ask(text), Reply("theirs"), "2026-01-01T00:00:00Z", "r0") for text in ("a", "b")]
    assert cache.add(brought) == 1
    assert {row.entry.reply.value for row in cache.rows() if row.entry} == {"mine", "theirs"}
    found = cache.get(call)
    assert found is not None
    assert found.value == "mine"


def test_rows_are_removed_by_number(cache: ReplyCache, put: Put) -> None:
    gone, kept = put(cache, "a"), put(cache, "b")
    cache.remove([row.number for row in cache.rows() if row.key == key_of(gone)])
    assert cache.get(gone) is None
    assert cache.get(kept) is not None


def test_a_closed_cache_is_empty_and_may_be_closed_again(folder: Path, signer: Signer, put: Put) -> None:
    cache = ReplyCache(folder, signer)
    call = put(cache)
    cache.close()
    cache.close()
    assert cache.get(call) is None
    assert cache.leases is None
    assert list(cache.rows()) == []
    cache.remove([1])
    asyncio.run(cache.put(call, Reply("hi")))


def test_the_cache_never_evicts(cache: ReplyCache) -> None:
    assert cache._replies.eviction_policy == "none"
    assert cache._replies.size_limit == 2**62
    assert cache._replies.cull_limit == 0


def test_every_connection_distrusts_the_schema(cache: ReplyCache) -> None:
    assert cache._replies._sql("PRAGMA trusted_schema").fetchall() == [(0,)]
    assert cache._replies._sql("PRAGMA journal_mode").fetchall() == [("wal",)]
    assert cache._replies._sql("PRAGMA mmap_size").fetchall() in ([(0,)], [])


# --- damage ---------------------------------------------------------------------------------------------------------


def _stays_harmless(cache: ReplyCache, ask: Ask) -> None:
    """Neither look-ups nor puts raise, and the problem is one line."""
    assert cache.get(ask()) is None
    asyncio.run(cache.put(ask(), Reply("paid")))
    assert cache.get(ask()) in (None, Reply("paid", metadata={}, attempts=0, cost_usd=0.0))
    assert cache.problem
    assert "\n" not in cache.problem


@pytest.mark.parametrize("left", [99, 100, 1000, 4096, 5000, 0.5, 0.9])
def test_a_truncated_database_does_not_stop_the_run(
    folder: Path, signer: Signer, put: Put, ask: Ask, left: float
) -> None:
    with ReplyCache(folder, signer) as cache:
        for number in range(40):
            put(cache, f"question {number}", os.urandom(500).hex())
    path = folder / store.NAME
    size = path.stat().st_size
    os.truncate(path, int(left if left >= 1 else size * left))
    with ReplyCache(folder, signer) as cache:
        for number in range(40):
            cache.get(ask(f"question {number}"))
        with contextlib.suppress(CacheDamaged):
            list(cache.rows())
        _stays_harmless(cache, ask)
    with ReplyCache(folder, signer) as cache:  # the damaged one was moved away when it was closed, or before
        assert cache.problem is None
        assert cache.get(put(cache)) is not None
    assert [path for path in folder.iterdir() if ".corrupt-" in path.name]


def test_a_database_found_corrupt_during_the_run_is_moved_at_its_end(
    folder: Path, signer: Signer, put: Put, ask: Ask
) -> None:
    with ReplyCache(folder, signer) as cache:
        for number in range(40):
            put(cache, f"question {number}", os.urandom(500).hex())
    path = folder / store.NAME
    with path.open("r+b") as file:
        half = path.stat().st_size // 2
        file.seek(half)
        file.write(b"\xff" * half)
    with ReplyCache(folder, signer) as cache:
        assert cache.problem is None
        for number in range(40):
            cache.get(ask(f"question {number}"))
        assert "cache.db is no longer read: database disk image is malformed" in (cache.problem or "")
    assert not path.exists()
    assert [path for path in folder.iterdir() if ".corrupt-" in path.name]


_FOREIGN = {
    "a value that is not UTF-8": "UPDATE Cache SET value = CAST(x'ff00' || value AS TEXT)",
    "a tag that is not UTF-8": "UPDATE Cache SET tag = CAST(x'ff00' AS TEXT)",
    "one of three": "UPDATE Cache SET value = CAST(x'ff' AS TEXT) WHERE rowid = 2",
}


@pytest.mark.parametrize("statement", _FOREIGN.values(), ids=_FOREIGN.keys())
def test_a_database_that_cannot_be_decoded_is_moved_once(
    folder: Path, signer: Signer, put: Put, ask: Ask, statement: str
) -> None:
    names = ("a", "b", "c")
    with ReplyCache(folder, signer) as cache:
        for name in names:
            put(cache, name)
    with contextlib.closing(sqlite3.connect(folder / store.NAME)) as database:
        database.execute(statement)
        database.commit()
    problems = []
    for _ in range(3):
        with ReplyCache(folder, signer) as cache:
            for name in names:
                if cache.get(ask(name)) is None:
                    put(cache, name)
            problems.append(cache.problem)
    assert "cache.db is no longer read: Could not decode to UTF-8" in (problems[0] or "")
    assert problems[1:] == [None, None]
    with ReplyCache(folder, signer) as cache:
        assert all(cache.get(ask(name)) is not None for name in names)
    assert len([path for path in folder.iterdir() if ".corrupt-" in path.name]) == 1


def test_a_key_that_cannot_be_decoded_is_found_by_reading_all_rows(folder: Path, signer: Signer, put: Put) -> None:
    with ReplyCache(folder, signer) as cache:
        put(cache)
    with contextlib.closing(sqlite3.connect(folder / store.NAME)) as database:
        database.execute("UPDATE Cache SET key = CAST(x'ff' AS TEXT)")
        database.commit()
    with ReplyCache(folder, signer) as cache, pytest.raises(CacheDamaged, match="Could not decode"):
        list(cache.rows())
    assert not (folder / store.NAME).exists()


def test_an_entry_of_another_key_does_not_move_the_database(folder: Path, put: Put, ask: Ask) -> None:
    with ReplyCache(folder, Signer(b"one key of sixteen bytes")) as cache:
        put(cache)
    with ReplyCache(folder, Signer(b"another key of sixteen")) as cache:
        assert cache.get(ask()) is None
    assert (folder / store.NAME).exists()


def test_a_thread_may_disconnect_and_look_up_again(cache: ReplyCache, put: Put) -> None:
    call = put(cache)
    assert cache.get(call) is not None
    cache.disconnect()
    assert cache.get(call) is not None


def test_a_file_that_is_no_database_is_moved(folder: Path, signer: Signer, ask: Ask) -> None:
    folder.mkdir()
    (folder / store.NAME).write_bytes(b"not a database at all, but long enough to look like one" * 99)
    with ReplyCache(folder, signer) as cache:
        _stays_harmless(cache, ask)
        assert "moved to cache.db.corrupt-" in (cache.problem or "")
        assert cache.usable


def test_an_empty_file_is_a_new_cache(folder: Path, signer: Signer, put: Put) -> None:
    folder.mkdir()
    (folder / store.NAME).touch()
    with ReplyCache(folder, signer) as cache:
        assert cache.get(put(cache)) is not None
        assert cache.problem is None


def test_a_folder_that_cannot_be_created_means_no_cache(tmp_path: Path, signer: Signer, ask: Ask) -> None:
    (tmp_path / "file").write_text("")
    with ReplyCache(tmp_path / "file" / "cache", signer) as cache:
        _stays_harmless(cache, ask)
        assert not cache.usable
        assert "no cache in" in (cache.problem or "")


def test_a_folder_named_after_a_variable_is_not_expanded(tmp_path: Path, signer: Signer, ask: Ask) -> None:
    with ReplyCache(tmp_path / "$HOME", signer) as cache:
        _stays_harmless(cache, ask)
        assert "environment variable" in (cache.problem or "")


def test_a_locked_database_means_no_cache(
    folder: Path, signer: Signer, put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOCK_TIMEOUT_S", 0.05)
    with ReplyCache(folder, signer) as cache:
        put(cache)
    with contextlib.closing(sqlite3.connect(folder / store.NAME, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with ReplyCache(folder, signer) as cache:
            _stays_harmless(cache, ask)
            assert "locked" in (cache.problem or "")
        holder.execute("ROLLBACK")
    with ReplyCache(folder, signer) as cache:
        assert cache.problem is None
        assert cache.get(ask()) is not None


def test_a_database_that_is_locked_later_is_read_but_not_written(
    folder: Path, signer: Signer, put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOCK_TIMEOUT_S", 0.02)
    with ReplyCache(folder, signer) as cache:
        call = put(cache, "cached")
        with contextlib.closing(sqlite3.connect(folder / store.NAME, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            asyncio.run(cache.put(ask("new"), Reply("paid")))
            assert cache.get(call) is not None
            assert cache.problem == "cache.db is no longer written: locked by another process"
            holder.execute("ROLLBACK")


def test_opening_does_not_wait_for_another_process_for_ever(
    folder: Path, signer: Signer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_evalgate.engine.cache.store._OPEN_TIMEOUT_S", 0.05)
    folder.mkdir()
    code = (
        "import sys\nfrom pathlib import Path\nfrom pytest_evalgate.engine.cache.leases import Leases\n"
        "with Leases(Path(sys.argv[1])).exclusive(0):\n    print(flush=True)\n    sys.stdin.read(1)\n"
    )
    command = [sys.executable, "-c", code, str(folder / "leases")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with ReplyCache(folder, signer) as cache:
            _stays_harmless(cache, ask)
            assert "another process has been opening it" in (cache.problem or "")
        holder.kill()


def test_a_diskcache_with_another_schema_is_not_used(
    folder: Path, signer: Signer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SCHEMA_SHA256", "0" * 64)
    with ReplyCache(folder, signer) as cache:
        _stays_harmless(cache, ask)
        assert f"diskcache {diskcache.__version__} creates another database than 5.6.3" in (cache.problem or "")


_FULL = """
import asyncio, os, resource, signal, sqlite3, sys
from pathlib import Path
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.engine.cache import ReplyCache, Signer
call = lambda n: Call("chat", "x", "m", {"n": n}, label=f"faq::{n}")
cache = ReplyCache(Path(sys.argv[1]), Signer(b"k" * 32))
asyncio.run(cache.put(call(0), Reply("cached")))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
for n in range(1, 30):
    asyncio.run(cache.put(call(n), Reply(os.urandom(20_000).hex())))
print(cache.get(call(0)).value, "|", cache.problem)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
sqlite3.connect(cache.path, timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")  # nothing is left locked
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no resource limits")
def test_a_full_disk_stops_only_writing(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cached | cache.db is no longer written: ")


_READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.engine.cache import ReplyCache, Signer
call = Call("chat", "x", "m", {}, label="faq::a")
os.chdir(sys.argv[1])
with ReplyCache(Path("cache"), Signer(b"k" * 32)) as cache:
    asyncio.run(cache.put(call, Reply("cached")))
Path("cache/cache.db").chmod(0o444)
Path("cache").chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
os.access("cache", os.W_OK, effective_ids=True) and sys.exit("still writable")
cache = ReplyCache(Path("cache"), Signer(b"k" * 32))
asyncio.run(cache.put(call, Reply("paid")))
print(cache.get(call), "|", cache.problem)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are other ones")
def test_a_read_only_folder_means_no_cache(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _READ_ONLY, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("None | no cache in cache: ")


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.engine.cache import ReplyCache, Signer
async def main():
    cache = ReplyCache(Path(sys.argv[1]), Signer(b"k" * 32))
    call = lambda n: Call("chat", "x", "m", {"n": n})
    await asyncio.gather(*(cache.put(call(n), Reply(n)) for n in range(20)))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_cached_replies_survive_a_killed_process(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    with ReplyCache(folder, Signer(b"k" * 32)) as cache:
        assert cache.problem is None
        assert len([row for row in cache.rows() if row.entry]) == 20


def test_a_copy_of_a_cache_is_a_cache(folder: Path, signer: Signer, put: Put, tmp_path: Path) -> None:
    with ReplyCache(folder, signer) as cache:
        call = put(cache)
    shutil.copytree(folder, tmp_path / "copy")
    with ReplyCache(tmp_path / "copy", signer) as cache:
        assert cache.get(call) is not None

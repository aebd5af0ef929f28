from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import ReplyCache, Signer
from pytest_evalgate.engine.cache.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ONE, _TWO = "0f" * 32, "f0" * 32

_HOLDER = """
import sys
from pathlib import Path
from pytest_evalgate.engine.cache.leases import Leases
leases = Leases(Path(sys.argv[1]))
with leases.exclusive(0) if sys.argv[2] == "exclusive" else __import__("contextlib").nullcontext():
    print(sys.argv[2] == "exclusive" or leases.acquire(sys.argv[2]), flush=True)
    sys.stdin.read(1)
"""


@contextmanager
def _held(path: Path, what: str) -> Iterator[subprocess.Popen[bytes]]:
    """Hold a lease in another process."""
    command = [sys.executable, "-c", _HOLDER, str(path), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    leases = Leases(tmp_path / "leases")
    yield leases
    leases.close()


def test_a_lease_excludes_other_processes(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", _ONE):
        assert not leases.acquire(_ONE)
        assert leases.acquire(_TWO)
        with leases.exclusive(0) as acquired:
            assert acquired


def test_killing_the_holder_frees_the_lease(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", _ONE) as holder:
        holder.kill()
        holder.wait()
        assert leases.acquire(_ONE)


def test_a_released_lease_can_be_acquired(leases: Leases, tmp_path: Path) -> None:
    assert leases.acquire(_ONE)
    leases.release(_ONE)
    with _held(tmp_path / "leases", _ONE):
        assert not leases.acquire(_ONE)


def test_the_exclusive_lease_excludes_other_processes(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", "exclusive"):
        with leases.exclusive(0.05) as acquired:
            assert not acquired
        assert leases.acquire(_ONE)
    with leases.exclusive(60) as acquired:
        assert acquired


def test_the_lease_file_stays_empty(leases: Leases, tmp_path: Path) -> None:
    leases.acquire(_ONE)
    assert (tmp_path / "leases").read_bytes() == b""


def test_closed_leases_block_nothing(leases: Leases) -> None:
    leases.close()
    assert leases.acquire(_ONE)
    leases.release(_ONE)
    leases.close()


def test_a_lease_file_that_is_a_link_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="link"):
        Leases(tmp_path / "link")


# --- calls of several processes -------------------------------------------------------------------------------------

_WORKER = """
import asyncio, os, random, sys
from pathlib import Path
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.engine.cache import ReadThroughCache, ReplyCache, Signer

folder, counter, crash = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "crash"
calls = [Call("chat", "x", "m", {"n": n}, label=f"faq::{n}") for n in range(50)]
random.Random(os.getpid()).shuffle(calls)

async def pay(call):
    descriptor = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{call.label}\\n".encode())
    os.close(descriptor)
    if crash:
        os.kill(os.getpid(), 9)
    await asyncio.sleep(0.02)
    return Reply(call.label)

async def main():
    with ReplyCache(folder, Signer(b"k" * 32), run=str(os.getpid())) as cache:
        shared = ReadThroughCache(cache, shared=True)
        replies = await asyncio.gather(*(shared.get_or_create(call, lambda call=call: pay(call)) for call in calls))
        assert [reply.value for reply in replies] == [call.label for call in calls]
        assert cache.problem is None, cache.problem

asyncio.run(main())
"""


def _start(folder: Path, counter: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WORKER, str(folder), str(counter), how]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=120)
    return errors if process.returncode else ""


def test_eight_processes_send_each_of_fifty_calls_once(folder: Path, tmp_path: Path) -> None:
    counter = tmp_path / "paid"
    workers = [_start(folder, counter, "live") for _ in range(8)]
    assert [_end(worker) for worker in workers] == [""] * 8
    assert sorted(counter.read_text().split()) == sorted(f"faq::{n}" for n in range(50))
    with ReplyCache(folder, Signer(b"k" * 32)) as cache:
        rows = list(cache.rows())
        assert len([row for row in rows if row.entry]) == 50
        assert len({row.key for row in rows}) == 50


def test_the_call_of_a_killed_process_is_sent_by_another(folder: Path, tmp_path: Path) -> None:
    counter = tmp_path / "paid"
    doomed = _start(folder, counter, "crash")
    workers = [_start(folder, counter, "live") for _ in range(2)]
    doomed.communicate(timeout=120)
    assert [_end(worker) for worker in workers] == ["", ""]
    with ReplyCache(folder, Signer(b"k" * 32)) as cache:
        assert len([row for row in cache.rows() if row.entry]) == 50
    assert 50 <= len(counter.read_text().split()) <= 51

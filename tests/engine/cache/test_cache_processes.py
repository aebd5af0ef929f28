"""Several processes that want the same answers pay for each of them once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.engine.cache import ReplyCache, Signer

if TYPE_CHECKING:
    from pathlib import Path

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
        memory = ReadThroughCache(cache, shared=True)
        replies = await asyncio.gather(*(memory.get_or_create(call, lambda call=call: pay(call)) for call in calls))
        assert [reply.value for reply in replies] == [call.label for call in calls]
        assert cache.problem is None, cache.problem

asyncio.run(main())
"""


def _start(folder: Path, counter: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WORKER, str(folder), str(counter), how]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=120)
    return said if process.returncode else ""


def test_eight_processes_and_fifty_questions_are_fifty_calls(folder: Path, tmp_path: Path) -> None:
    counter = tmp_path / "paid"
    workers = [_start(folder, counter, "live") for _ in range(8)]
    assert [_end(worker) for worker in workers] == [""] * 8
    assert sorted(counter.read_text().split()) == sorted(f"faq::{n}" for n in range(50))
    with ReplyCache(folder, Signer(b"k" * 32)) as cache:
        rows = list(cache.rows())
        assert len([row for row in rows if row.entry]) == 50
        assert len({row.key for row in rows}) == 50


def test_a_process_that_is_killed_in_the_midst_of_a_call_leaves_it_to_the_others(folder: Path, tmp_path: Path) -> None:
    counter = tmp_path / "paid"
    doomed = _start(folder, counter, "crash")
    workers = [_start(folder, counter, "live") for _ in range(2)]
    doomed.communicate(timeout=120)
    assert [_end(worker) for worker in workers] == ["", ""]
    with ReplyCache(folder, Signer(b"k" * 32)) as cache:
        assert len([row for row in cache.rows() if row.entry]) == 50
    assert 50 <= len(counter.read_text().split()) <= 51

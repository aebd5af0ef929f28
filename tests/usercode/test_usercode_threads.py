from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from pytest_evalgate.errors import CodeExit
from pytest_evalgate.usercode.daemon_threads import DaemonThreads


def _run(threads: DaemonThreads, count: int) -> list[str]:
    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(threads.run(lambda: threading.current_thread().name) for _ in range(count)))

    return asyncio.run(all_of_them())


def test_no_more_threads_are_started_than_allowed_and_none_beforehand() -> None:
    before = threading.active_count()
    threads = DaemonThreads(2)
    assert threading.active_count() == before
    assert _run(threads, 20) == ["evalgate-target"] * 20
    assert threading.active_count() - before <= 2
    threads.close()


def test_functions_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=60)
    threads = DaemonThreads(3)

    async def meet() -> list[int]:
        return await asyncio.gather(*(threads.run(barrier.wait) for _ in range(3)))

    assert sorted(asyncio.run(meet())) == [0, 1, 2]
    threads.close()


def test_an_exception_in_a_thread_is_raised() -> None:
    threads = DaemonThreads(1)

    def fail() -> None:
        raise SystemExit(3)

    async def run() -> None:
        with pytest.raises(CodeExit):
            await threads.run(fail)

    asyncio.run(run())
    threads.close()


def test_a_function_that_never_returns_does_not_keep_the_process() -> None:
    code = """
import asyncio, threading
from pytest_evalgate.usercode.daemon_threads import DaemonThreads

async def main():
    try:
        await asyncio.wait_for(DaemonThreads(1).run(threading.Event().wait), 0.05)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("given up\n", "")

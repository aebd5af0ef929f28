"""Code of the user that cancels, exits, patches or raises what no task may raise: it costs its own call only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import CodeExit, MissingOutput
from pytest_evalgate.text.exceptions import describe_error
from pytest_evalgate.usercode import UserCode, guarded
from pytest_evalgate.usercode import loop_thread as loop_thread_module

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture
def code() -> Iterator[UserCode]:
    with contextlib.closing(UserCode()) as code:
        yield code


async def _fine() -> str:
    await asyncio.sleep(0.01)
    return "fine"


async def _result(work: Awaitable[Any]) -> Any:
    """Return the result of a call, or the description of its exception; fail if the caller itself is cancelled."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - any of them
        return describe_error(error)


def _beside(code: UserCode, call: Callable[[], object], run: str = "run") -> object:
    """Make a call between calls that end well: before it, during it and after it."""

    async def all_of_them() -> list[Any]:
        before = await code.run(_fine)
        during = asyncio.ensure_future(code.run(_fine))
        result = await _result(getattr(code, run)(call))
        return [result, before, await during, await code.run(_fine)]

    result, *others = asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert others == ["fine"] * 3
    return result


def _raise(error: BaseException) -> Any:
    raise error


async def _raise_soon(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


async def _cancel_itself() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
    return "not reached"


async def _cancel_itself_and_return() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "cancelled all the same"


async def _stop_the_loop() -> str:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    return "answered"


async def _close_the_loop() -> None:
    asyncio.get_running_loop().close()


async def _run_a_loop() -> None:
    work = _fine()
    try:
        asyncio.run(work)
    finally:
        work.close()


async def _exit_in_a_task() -> None:
    await asyncio.gather(_raise_soon(SystemExit(4)))


async def _exit_in_a_task_that_is_not_awaited() -> str:
    task = asyncio.ensure_future(_raise_soon(KeyboardInterrupt()))
    await asyncio.wait([task])
    assert isinstance(task.exception(), KeyboardInterrupt)
    return "answered"


async def _fail_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raise_soon(ValueError("in a task")))


async def _exit_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raise_soon(SystemExit(5)))


async def _raise_in_a_callback() -> str:
    asyncio.get_running_loop().call_soon(_raise, SystemExit(1))
    await asyncio.sleep(0.01)
    return "answered"


async def _set_another_policy() -> str:
    asyncio.set_event_loop(None)
    return "answered"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: "plain", "plain"),
        (_fine, "fine"),
        (lambda: _raise_soon(ValueError("no")), "ValueError: no"),
        (lambda: _raise_soon(SystemExit("usage")), "SystemExit: usage"),
        (lambda: _raise_soon(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda: _raise_soon(GeneratorExit()), "GeneratorExit"),
        (lambda: _raise_soon(asyncio.CancelledError()), "CancelledError"),
        (lambda: _raise_soon(BaseException("bare")), "BaseException: bare"),
        (lambda: _raise_soon(StopAsyncIteration()), "StopAsyncIteration"),
        (lambda: _raise_soon(StopIteration()), "RuntimeError: coroutine raised StopIteration"),
        (lambda: _raise(StopIteration("x")), "RuntimeError: it raised StopIteration: x"),
        (lambda: _raise(SystemExit(0)), "SystemExit: 0"),
        (lambda: _raise_soon(TimeoutError("its own")), "TimeoutError: its own"),
        (_cancel_itself, "CancelledError"),
        (_cancel_itself_and_return, "CancelledError"),
        (_stop_the_loop, "answered"),
        (_close_the_loop, "RuntimeError: Cannot close a running event loop"),
        (_run_a_loop, "RuntimeError: asyncio.run() cannot be called from a running event loop"),
        (_exit_in_a_task, "SystemExit: 4"),
        (_exit_in_a_task_that_is_not_awaited, "answered"),
        (
            _fail_in_a_group,
            "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception): ValueError: in a task",
        ),
        (_exit_in_a_group, "SystemExit: 5"),
        (_raise_in_a_callback, "answered"),
        (_set_another_policy, "answered"),
    ],
)
def test_a_call_costs_only_itself(code: UserCode, call: Callable[[], object], expected: str) -> None:
    assert _beside(code, call) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: "plain", "plain"),
        (_fine, "fine"),  # returns something to await
        (lambda: asyncio.run(_fine()), "fine"),
        (lambda: _raise(SystemExit(2)), "SystemExit: 2"),
        (lambda: _raise(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda: _raise(asyncio.CancelledError()), "CancelledError"),
        (lambda: _raise(GeneratorExit()), "GeneratorExit"),
        (lambda: next(iter(())), "RuntimeError: it raised StopIteration"),
    ],
)
def test_a_plain_function_costs_only_itself(code: UserCode, function: Callable[[], object], expected: str) -> None:
    assert _beside(code, function, "run_plain") == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        (lambda: "returned", 0),
        (lambda: sys.exit(0), 0),
        (lambda: sys.exit(3), 3),
        (lambda: sys.exit("usage"), 1),
        (lambda: _raise(ValueError("no")), 1),
    ],
)
def test_a_forked_child_that_returns_ends(
    code: UserCode, end: Callable[[], object], exit_code: int, *, is_async: bool
) -> None:
    """It would go on with the session that its parent runs."""

    def fork() -> object:
        child = os.fork()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else end()

    async def fork_on_loop() -> object:
        return fork()

    assert asyncio.run(code.run(fork_on_loop) if is_async else code.run_plain(fork)) == exit_code


def test_nest_asyncio_in_a_call_interrupts_no_other(code: UserCode) -> None:
    """nest_asyncio runs the loop inside of itself, which takes the work of the frame that runs it."""

    async def nested() -> str:
        loop: Any = asyncio.get_running_loop()
        inner = asyncio.ensure_future(_fine())
        while not inner.done():
            for event, _ in loop._selector.select(0.01):
                loop._process_events([(event, _)])
            loop._scheduled and loop._scheduled[0]._when <= loop.time() and loop._ready.append(loop._scheduled.pop(0))
            while loop._ready:
                task: Any = asyncio.current_task()
                asyncio.tasks._leave_task(loop, task)
                loop._ready.popleft()._run()
                asyncio.tasks._enter_task(loop, task)
        return inner.result()

    async def many() -> list[Any]:
        return await asyncio.gather(*(code.run(nested) for _ in range(5)), *(code.run(_fine) for _ in range(20)))

    assert asyncio.run(asyncio.wait_for(many(), 60)) == ["fine"] * 25


def test_interruptions_are_reported(code: UserCode) -> None:
    warning = code.warning
    assert warning is None
    assert _beside(code, _stop_the_loop) == "answered"
    assert "the event loop was interrupted once, and started again (it was stopped). Write" in str(code.warning)


def test_coroutines_share_a_loop_which_is_not_that_of_the_caller(code: UserCode) -> None:
    async def where() -> tuple[asyncio.AbstractEventLoop, int]:
        return asyncio.get_running_loop(), threading.get_ident()

    async def all_of_them() -> set[Any]:
        return {await code.run(where), await code.run(where), await where()}

    assert len(asyncio.run(all_of_them())) == 2


async def _cancel_all_others() -> str:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return "cancelled"


def test_a_call_that_another_call_cancels_is_repeated(code: UserCode) -> None:
    begun: list[int] = []

    async def slow() -> str:
        begun.append(1)
        await asyncio.sleep(0.05)
        return "slow"

    async def all_of_them() -> list[Any]:
        return list(await asyncio.gather(code.run(slow), code.run(slow), code.run(_cancel_all_others)))

    assert asyncio.run(all_of_them()) == ["slow", "slow", "cancelled"]
    assert len(begun) == 4


def test_a_call_that_is_always_cancelled_is_missing(code: UserCode) -> None:
    async def cancel_for_ever() -> None:
        while True:
            await _cancel_all_others()
            await asyncio.sleep(0)

    async def all_of_them() -> list[Any]:
        canceller = asyncio.ensure_future(code.run(cancel_for_ever))
        results = await asyncio.gather(
            _result(code.run(lambda: asyncio.sleep(60))), _result(code.finish(asyncio.sleep(60)))
        )
        canceller.cancel()
        return list(results)

    described = "MissingOutput: the code of another case cancelled it, with all tasks of the event loop: set"
    assert [str(result).startswith(described) for result in asyncio.run(all_of_them())] == [True, True]


def test_a_thread_for_blocking_code_does_not_keep_the_process() -> None:
    script = """
import asyncio, threading
from pytest_evalgate.usercode import UserCode

async def block():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    assert await asyncio.to_thread(lambda: "in a thread") == "in a thread"
    await asyncio.gather(asyncio.to_thread(exit, 3), return_exceptions=True)
    return "given up"

code = UserCode()
print(asyncio.run(code.run(block)))
code.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("given up\n", "")


def test_a_cancelled_caller_cancels_its_call(code: UserCode) -> None:
    ended = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(code.run(wait), 0.05)

    asyncio.run(give_up())
    assert ended.wait(60)


def test_a_call_whose_thread_ends_is_missing(code: UserCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_thread_module, "_MAX_INTERRUPTIONS", 1)

    async def stop_and_wait() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.Event().wait()

    async def both() -> None:
        with pytest.raises(MissingOutput, match="thread that runs async code has ended"):
            await code.run(stop_and_wait)
        with pytest.raises(MissingOutput, match="thread that runs async code has ended"):
            await code.run(_fine)

    asyncio.run(asyncio.wait_for(both(), 60))


def test_a_thread_that_cannot_be_started_is_no_fault_of_the_code(
    code: UserCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def both() -> None:
        for call in (code.run, code.run_plain):
            with pytest.raises(MissingOutput, match="can't start new thread: raise the limit of processes"):
                await call(_fine)

    asyncio.run(both())


def test_closing_does_not_wait_for_code_that_blocks(code: UserCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_evalgate.usercode.code._CLOSE_TIMEOUT_S", 0.05)
    entered, release = threading.Event(), threading.Event()

    async def block() -> None:
        entered.set()
        release.wait(120)

    async def start() -> None:
        task = asyncio.ensure_future(code.run(block))
        await asyncio.to_thread(entered.wait, 60)
        code.close()
        task.cancel()

    asyncio.run(start())
    release.set()


def test_an_exit_keeps_its_exception() -> None:
    error = SystemExit(3)
    outcome = guarded(lambda: _raise(error))
    assert isinstance(outcome.error, CodeExit)
    assert outcome.error.error is error


def test_a_lowered_recursion_limit_is_restored() -> None:
    before = sys.getrecursionlimit()
    assert guarded(lambda: sys.setrecursionlimit(before // 2)).error is None
    assert sys.getrecursionlimit() == before

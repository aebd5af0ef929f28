"""Sessions that break off, by Ctrl-C, SIGTERM or kill -9: what was answered is never asked again."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.engine.cache import ReplyCache, find_signer
from pytest_evalgate.runs.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_PATIENCE_S = 60
_ANSWER = "def answer(question):\n    note(question)\n    return 'yes'\n"


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end or process.poll() is not None:
            process.kill()
            pytest.fail(f"it never came: {process.communicate()[0]}")
        time.sleep(0.02)


def _end_of(process: subprocess.Popen[str]) -> str:
    """Return what a process has said, that has to end soon."""
    try:
        return process.communicate(timeout=_PATIENCE_S)[0]
    finally:
        process.kill()


def _rows(project: Project) -> int:
    """Count the answers in the cache of a session that is running."""
    with contextlib.closing(sqlite3.connect(f"file:{project.state}/cache/cache.db?mode=ro", uri=True)) as cache:
        return int(cache.execute("SELECT COUNT(*) FROM Cache").fetchone()[0])


@pytest.mark.parametrize(
    ("number", "args", "send"),
    [
        pytest.param(signal.SIGINT, (), os.kill, id="F15 SIGINT"),
        pytest.param(signal.SIGINT, ("-n2",), os.killpg, id="F15 SIGINT, to the workers too"),
        pytest.param(signal.SIGTERM, (), os.killpg, id="F16 SIGTERM, to its processes too"),
        pytest.param(signal.SIGTERM, ("-n2",), os.kill, id="F16 SIGTERM, to the controller of workers"),
    ],
)
def test_an_interrupt_while_calls_hang_ends_the_session_and_a_rerun_goes_on(
    project: Project,
    server: ScriptedServer,
    number: signal.Signals,
    args: tuple[str, ...],
    send: Callable[[int, int], None],
) -> None:
    project.model_suite(server, *"abcdefgh", model={"max_concurrency": "2"})
    server.queue(*[Behaviour.text("yes")] * 3)
    server.script(Behaviour.hang())
    process = project.start(*args)
    _wait_for(lambda: server.calls == 5 and _rows(project) == 3, process)
    sent_at = time.monotonic()
    send(process.pid, number)
    said = _end_of(process)
    assert time.monotonic() - sent_at < 30  # it takes 0.5 s
    assert process.returncode == project.verdict["exit_code"] == 2
    assert project.verdict["verdict"] == "not_evaluated"
    assert "run the same command again to resume this run: cached replies are not requested again" in said
    broken_off = project.verdict["run_id"]
    with StateFolder(project.state).locked():
        pass  # it was released

    server.script(Behaviour.text("yes"))
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"evalgate: resuming the interrupted run {broken_off}: its answers are reused"])
    assert len(project.asked(server)) == 5 + 5
    assert Counter(project.asked(server)[5:]) == Counter(set("abcdefgh") - set(project.asked(server)[:3]))
    assert project.verdict["calls"]["cached"] == 3
    assert "resuming the interrupted run" not in project.run().stdout.str()


def test_a_hanging_function_does_not_keep_an_interrupted_session(project: Project) -> None:
    project.python_suite(
        "import time\ndef answer(question):\n    note(question)\n    time.sleep(0 if question == 'a' else 60)\n",
        "a",
        "b",
    )
    process = project.start()
    _wait_for(lambda: len(project.calls) == 2, process)
    os.kill(process.pid, signal.SIGINT)
    said = _end_of(process)
    assert process.returncode == 2, said
    assert project.verdict["exit_code"] == 2


def _committed(project: Project) -> set[str]:
    """Return the cases whose answers are in the cache."""
    with ReplyCache(project.state / "cache", find_signer(os.environ)) as cache:
        return {row.entry.call.label.partition("::")[2] for row in cache.rows() if row.entry}


def _killing(process: Callable[[], subprocess.Popen[str]], request_number: int) -> Callable[[Request], Behaviour]:
    """Kill the process when the request of that number arrives."""

    def decide(request: Request) -> Behaviour:
        if request.number == request_number:
            process().kill()
        return Behaviour.text("yes", latency_s=0.01)

    return decide


@pytest.mark.parametrize("request_number", [1, 5, 12, 20])
def test_f17_a_killed_session_is_gone_on_with(project: Project, server: ScriptedServer, request_number: int) -> None:
    ids = [f"case-{number:02}" for number in range(20)]
    project.model_suite(server, *ids, model={"max_concurrency": "2"})
    project.run("--collect-only")  # makes the folders
    started: list[subprocess.Popen[str]] = []
    is_started = threading.Event()

    def process() -> subprocess.Popen[str]:
        is_started.wait(_PATIENCE_S)
        return started[0]

    server.answer_with(_killing(process, request_number))
    started.append(project.start())
    is_started.set()
    _end_of(started[0])
    assert started[0].returncode == -signal.SIGKILL
    assert not project.has_verdict
    before = project.asked(server)
    committed = _committed(project)
    assert len(committed) >= request_number - 4  # what was under way may be lost, and nothing else

    server.script(Behaviour.text("yes"))
    result = project.run()
    assert result.ret == 0
    assert set(project.asked(server)[len(before) :]) == set(ids) - committed
    # not the server's count: a request of the killed process may still have been under way
    assert project.verdict["calls"]["sent"] == 20 - len(committed)
    result.stdout.fnmatch_lines(["evalgate: resuming the interrupted run *"])


_BREAKING_OFF = """
import os, signal, time
def answer(question):
    note(question)
    if question == "c" and not os.environ["MENDED"]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)  # the thread is not waited for
    return "yes"
"""


@pytest.fixture
def broken_off(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A run of a function that broke off at the third of four cases; outside of the tree it is mended now."""
    project.write(".gitignore", "calls\n.*\n")  # what the function notes is no part of the working tree
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    monkeypatch.setenv("MENDED", "")
    project.suite(dict.fromkeys("abcd"), target='{ python = "bot:answer", max_concurrency = 1 }')
    project.write_bot(_BREAKING_OFF)
    with pytest.raises(KeyboardInterrupt):
        project.run()
    assert project.calls == ["a", "b", "c"]
    monkeypatch.setenv("MENDED", "yes")
    return project


def test_the_answers_of_a_function_are_kept_for_the_run_that_goes_on(broken_off: Project) -> None:
    result = broken_off.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["evalgate: resuming the interrupted run *"])
    assert broken_off.calls == [*"abc", *"cd"]


def test_what_was_taken_over_is_said_and_counted(broken_off: Project) -> None:
    first = broken_off.verdict["run_id"]
    result = broken_off.run()
    result.stdout.fnmatch_lines(
        [
            f"evalgate: resuming the interrupted run {first}: its answers are reused",
            "*= eval gate =*",
            f"2 answers reused from the interrupted run {first}",
        ]
    )
    assert broken_off.verdict["resumed"] == {"run_id": first, "answers": 2}


_OF_MODEL = "import os\ndef answer(question):\n    note(question)\n    return os.environ['MODEL']\n"


@pytest.mark.parametrize(
    "first", [("-k", "a or b"), (), ("-x",), ("--maxfail=1",), ("--deselect", "golden/faq.jsonl::faq::c")]
)
def test_a_run_that_ended_is_never_resumed_whatever_it_selected(
    project: Project, monkeypatch: pytest.MonkeyPatch, first: tuple[str, ...]
) -> None:
    project.suite(dict.fromkeys("abcd"), target='{ python = "bot:answer" }')
    project.write(".gitignore", "calls\n.*\n")
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    project.write_bot(_OF_MODEL)
    monkeypatch.setenv("MODEL", "old")
    project.run(*first)
    monkeypatch.setenv("MODEL", "yes")
    result = project.run()
    assert "resuming" not in result.stdout.str()
    assert project.verdict["accounting"]["passed"] == 4
    assert project.verdict["resumed"] is None


@pytest.mark.parametrize(
    ("env", "variable", "resumed"),
    [
        pytest.param('["MENDED"]', "MENDED", False, id="declared"),
        pytest.param('"MENDED"', "MENDED", False, id="declared as a text"),
        pytest.param("[]", "EVALGATE_WISH", False, id="one of ours"),
        pytest.param('["MENDED"]', "OTHER", False, id="declared, another one changes too"),
        pytest.param("[]", "OTHER", True, id="not declared"),
    ],
)
def test_a_run_is_resumed_only_in_the_same_declared_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch, env: str, variable: str, *, resumed: bool
) -> None:
    project.write(".gitignore", "calls\n.*\n")
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    monkeypatch.setenv("MENDED", "")
    project.suite(dict.fromkeys("abcd"), target=f'{{ python = "bot:answer", max_concurrency = 1, env = {env} }}')
    project.write_bot(_BREAKING_OFF)
    with pytest.raises(KeyboardInterrupt):
        project.run()
    monkeypatch.setenv("MENDED", "yes")
    monkeypatch.setenv(variable, "yes")
    assert ("resuming" in project.run().stdout.str()) is resumed


def test_a_declared_variable_is_a_part_of_the_version(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite(dict.fromkeys("ab"), target='{ python = "bot:answer", version = "1", env = ["MODEL"] }')
    project.write_bot(_OF_MODEL)
    for model in ("yes", "no", "yes"):
        monkeypatch.setenv("MODEL", model)
        project.run()
        assert project.verdict["accounting"]["passed"] == (2 if model == "yes" else 0)
    assert Counter(project.calls) == Counter("ab") + Counter("ab")  # the third run has the answers of the first


def test_a_run_that_is_finished_is_not_gone_on_with(broken_off: Project) -> None:
    broken_off.run()
    result = broken_off.run()
    assert "resuming the interrupted run" not in result.stdout.str()
    assert broken_off.calls == [*"abc", *"cd", *"abcd"]


def test_a_run_may_be_begun_anew(broken_off: Project) -> None:
    result = broken_off.run("--no-eval-resume")
    assert "resuming the interrupted run" not in result.stdout.str()
    assert broken_off.calls == [*"abc", *"abcd"]


@pytest.mark.parametrize("edited", ["bot.py", "helper.py", "golden/faq.jsonl", "evalgate.toml"])
def test_after_an_edit_everything_is_asked_again(broken_off: Project, edited: str) -> None:
    path = broken_off.path / edited
    comment = "" if edited.endswith("jsonl") else "# edited"
    path.write_text((path.read_text() if path.exists() else "") + f"{comment}\n")
    result = broken_off.run()
    assert "resuming the interrupted run" not in result.stdout.str()
    assert broken_off.calls == [*"abc", *"abcd"]


def test_other_options_are_other_work(broken_off: Project) -> None:
    broken_off.run("--eval-trials", "2")
    assert Counter(broken_off.calls) == Counter("abc") + Counter("abcd") + Counter("abcd")


def test_with_a_version_answers_are_kept_from_run_to_run(project: Project) -> None:
    project.suite(dict.fromkeys("abc"), target='{ python = "bot:answer", version = "1" }')
    project.write_bot(_ANSWER)
    project.run()
    project.write_bot(_ANSWER + "# edited\n")
    assert project.run().ret == 0
    assert Counter(project.calls) == Counter("abc")
    toml = project.path / "evalgate.toml"
    toml.write_text(toml.read_text().replace('version = "1"', 'version = "2"'))
    project.run()
    assert Counter(project.calls) == Counter("abcabc")


_TOGETHER = """
import threading
ALL_HERE = threading.Barrier(8, timeout=60)
def answer(question):
    ALL_HERE.wait()
    return "yes"
"""
_TOGETHER_ASYNC = """
import asyncio
ARRIVED = []
async def answer(question):
    ARRIVED.append(question)
    async with asyncio.timeout(60):
        while len(ARRIVED) < 8:
            await asyncio.sleep(0.001)
    return "yes"
"""


@pytest.mark.parametrize("code", [_TOGETHER, _TOGETHER_ASYNC], ids=["in threads", "async"])
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_functions_wait_together(project: Project, code: str, args: tuple[str, ...]) -> None:
    project.python_suite(code, *"abcdefgh")
    assert project.run(*args).ret == 0  # none of them returns before all were called


def test_no_more_functions_run_at_a_time_than_are_allowed(project: Project) -> None:
    project.suite(dict.fromkeys("abcdefgh"), target='{ python = "bot:answer", max_concurrency = 2 }')
    project.write_bot(
        "import threading, time\n"
        "NOW = threading.Semaphore(2)\n"
        "def answer(question):\n"
        "    assert NOW.acquire(blocking=False), 'a third one'\n"
        "    time.sleep(0.01)\n"
        "    NOW.release()\n"
        "    return 'yes'\n"
    )
    assert project.run().ret == 0
    assert set(project.outcomes.values()) == {"passed"}


def test_a_spread_function_is_called_once_for_each_case_by_several_workers(project: Project) -> None:
    project.python_suite(
        "import os\ndef answer(question):\n    note(f'{question}:{os.getpid()}')\n    return 'yes'\n", *"abcdefgh"
    )
    project.configure('xdist = "spread"')
    assert project.run("-n2").ret == 0
    assert sorted(call.partition(":")[0] for call in project.calls) == list("abcdefgh")
    assert len({call.partition(":")[2] for call in project.calls}) == 2

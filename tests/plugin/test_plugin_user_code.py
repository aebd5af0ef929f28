"""User code that exits, cancels, patches, breaks its loop or raises the unshowable costs its own case only."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_DEEDS = {
    "exit": ("sys.exit(0)", "SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "close": ("raise GeneratorExit", "GeneratorExit"),
    "cancelled": ("raise asyncio.CancelledError", "CancelledError"),
    "unshowable": ("raise Unshowable", "Unshowable (its text cannot be read)"),
    "huge": ("raise ValueError('x' * 10_000_000)", f"ValueError: {'x' * 787}…"),
    "hostile": ("raise ValueError('a\\ud800\\0\\x1b[31m')", "ValueError: a"),
    "not pickled": ("raise OSError(threading.Lock())", "OSError: <unlocked _thread.lock object at"),
    "group": ("raise ExceptionGroup('g', [Unshowable()])", "ExceptionGroup: g (1 sub-exception): Unshowable (its"),
    "interrupts": ("raise BaseExceptionGroup('g', [KeyboardInterrupt()])", "BaseExceptionGroup: g (1 sub-exception)"),
    "loop of causes": ("raise_from_each_other()", "ValueError: one"),
    "returns the unshowable": ("return Unshowable()", "TypeError: the target returned Unshowable"),
    "dict that exits": ("return Exiting(a=1)", "SystemExit: 0"),
}
_HARMLESS = {
    "other folder": "os.chdir('/')",
    "other loop": "asyncio.set_event_loop(None)",
    "thread": "threading.Thread(target=threading.Event().wait).start()",
    "closed output": "sys.stdout.close()",
}
_ASYNC = {
    "cancels itself": ("asyncio.current_task().cancel(); await asyncio.sleep(0)", "CancelledError"),
    "cancels all": ("[task.cancel() for task in asyncio.all_tasks()]; await asyncio.sleep(0)", "CancelledError"),
    "stops the loop": ("asyncio.get_running_loop().stop()", ""),
    "closes the loop": ("asyncio.get_running_loop().close()", "RuntimeError: Cannot close a running event loop"),
    "exits in a task": ("await asyncio.create_task(asyncio.to_thread(sys.exit, 0))", "SystemExit"),
    "blocks a thread": ("asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)", ""),
}

_BOT = """
import asyncio, os, sys, threading

class Unshowable(Exception):
    def __str__(self):
        return self.response.text
    __repr__ = __str__

class Exiting(dict):
    def items(self):
        sys.exit(0)

def raise_from_each_other():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one

def answer(question):
{deeds}
    return "yes"

async def answer_async(question):
    await asyncio.sleep(0)
{async_deeds}
    return answer(question)

def grade(case, output):
    return answer(case.id) == "yes"

async def grade_async(case, output):
    return await answer_async(case.id) == "yes"

def fine(question):
    return "yes"
"""


def _branches(deeds: dict[str, str]) -> str:
    lines = (f'if question == "{name}": {deed}' for name, deed in deeds.items())
    return textwrap.indent("\n".join(lines), "    ")


@pytest.fixture
def zoo(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.path)
    deeds = {name: deed for name, (deed, _) in _DEEDS.items()} | _HARMLESS
    async_deeds = {name: deed for name, (deed, _) in _ASYNC.items()}
    project.write("bot.py", _BOT.format(deeds=_branches(deeds), async_deeds=_branches(async_deeds)))
    return project


@pytest.mark.parametrize("function", ["answer", "answer_async"])
def test_what_a_target_does_costs_its_own_case(zoo: Project, function: str) -> None:
    expected = {name: reason for name, (_, reason) in _DEEDS.items()} | dict.fromkeys(_HARMLESS, "")
    if function == "answer_async":
        expected |= {name: reason for name, (_, reason) in _ASYNC.items()}
    zoo.suite(dict.fromkeys(expected), target=f'{{ python = "bot:{function}" }}')
    zoo.suite(dict.fromkeys("abc"), name="other", target='{ python = "bot:fine" }')
    result = zoo.run()
    assert result.ret in {0, 1}, result.stdout.str()
    outcomes = {name: "missed" if reason else "passed" for name, reason in expected.items()}
    assert zoo.outcomes == outcomes | dict.fromkeys("abc", "passed")
    for name, reason in expected.items():
        assert zoo.rows[name].get("reason", "").startswith(reason), name


@pytest.mark.parametrize("function", ["grade", "grade_async"])
def test_what_a_scorer_does_costs_its_own_case(zoo: Project, function: str) -> None:
    expected = {name: reason for name, (_, reason) in _DEEDS.items() if "return" not in name and "dict" not in name}
    zoo.suite(dict.fromkeys([*expected, *_HARMLESS], "yes"), scorers=f'[{{ python = "bot:{function}" }}]')
    zoo.suite(dict.fromkeys("abc"), name="other", target='{ python = "bot:fine" }')
    assert zoo.run().ret == 1
    fine = dict.fromkeys([*_HARMLESS, *"abc"], "passed")
    assert zoo.outcomes == dict.fromkeys(expected, "errored") | fine
    place = f'golden/faq.jsonl:1: case "exit": scorer "{function}": SystemExit: 0'
    assert zoo.rows["exit"]["reason"] == place


def test_nest_asyncio_in_a_target_costs_no_case(project: Project) -> None:
    pytest.importorskip("nest_asyncio")
    code = """
import asyncio

async def inner(question):
    await asyncio.sleep(0.01)
    return "yes"

async def answer(question):
    import nest_asyncio
    nest_asyncio.apply()
    return asyncio.run(inner(question))
"""
    project.python_suite(code, *"abcdefgh")
    options = ("-p", "no:asyncio", "-p", "no:cacheprovider")
    result = project.pytester.runpytest_subprocess("--eval-gate", *options)  # it patches its process for good
    assert set(project.outcomes.values()) == {"passed"}
    result.stdout.fnmatch_lines(["*async code: the event loop was patched by nest_asyncio*"])


@pytest.mark.parametrize("hook", ["scorers", "targets"])
def test_a_hook_that_exits_is_an_error(project: Project, hook: str) -> None:
    project.suite({"a": "yes"})
    project.write("conftest.py", f"import sys\ndef pytest_evalgate_{hook}():\n    sys.exit(0)\n")
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*the hook pytest_evalgate_{hook} called sys.exit(): SystemExit: 0"])


def test_a_report_hook_that_exits_does_not_change_the_verdict(project: Project) -> None:
    project.suite({"a": "no"})
    project.write("conftest.py", "import sys\ndef pytest_evalgate_report(report):\n    sys.exit(0)\n")
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*pytest_evalgate_report: SystemExit: 0"])


def test_a_run_ends_although_a_function_does_not(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_evalgate.engine.loop._GRACE_S", 0.1)
    code = (
        "import threading\ndef answer(question):\n    question == 'b' and threading.Event().wait()\n    return 'yes'\n"
    )
    project.python_suite(code, *"abc")
    project.configure("max_duration_s = 1\n")
    result = project.run()
    assert result.ret == 1
    assert project.outcomes == {"a": "passed", "b": "errored", "c": "passed"}
    assert "max_duration_s = 1 s" in project.rows["b"]["reason"]

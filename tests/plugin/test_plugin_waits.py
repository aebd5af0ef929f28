"""Waits of a session: each ends by its wake-up, also on a machine that is busy.

`pytest_evalgate.waits` lists them with their bounds. The proof is a count of the waits that their bound ended.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_CASES = 200
_LOOPS = 6
_OPTIONS = ("--eval-gate", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:anyio")

_LOG_TO_A_FILE = """
import logging, pathlib

class Expired(logging.Handler):
    def emit(self, record):
        with pathlib.Path(__file__).with_name("expired").open("a") as file:
            file.write(record.getMessage() + "\\n")

log = logging.getLogger("pytest_evalgate.waits")
log.setLevel("INFO")
log.addHandler(Expired())
"""

_TARGETS = {
    "plain": 'target = { python = "bot:answer" }',
    "async": 'target = { python = "bot:answer_async" }',
    "program": f'target = {{ command = ["{sys.executable}", "-S", "-c", "print(\'yes\')"] }}',
}
_BOT = """
import asyncio, time

def answer(question):
    time.sleep(0.01)
    return "yes"

async def answer_async(question):
    await asyncio.sleep(0.01)
    return "yes"

def grade(case, output):
    return output.value == "yes"
"""


def _read(project: Project) -> list[str]:
    path = project.path / "expired"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _project(project: Project, server: ScriptedServer, cases: int) -> None:
    """Write suites of all kinds of targets, with ``cases`` cases in all."""
    server.script(Behaviour.text("yes"))
    ids = [f"c{number}" for number in range(cases // 4)]
    project.write("bot.py", _BOT)
    project.write("conftest.py", _LOG_TO_A_FILE)
    project.model_suite(server, *ids, name="model", scorers='["exact", { python = "bot:grade" }]')
    for name, target in _TARGETS.items():
        key, _, value = target.partition(" = ")
        project.suite(dict.fromkeys(ids), name=name, **{key: value})


def test_an_expired_wait_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "pytest_evalgate.waits"):
        report_expired("a commit of the cache", 30)
    assert caplog.messages == ["a commit of the cache took longer than 30 s"]


def test_no_wait_expires_on_two_workers(project: Project, server: ScriptedServer) -> None:
    _project(project, server, 12)
    result = project.pytester.runpytest_subprocess("-n2", *_OPTIONS)
    assert result.ret == 0
    assert project.verdict["accounting"]["passed"] == 12
    assert _read(project) == []


@pytest.mark.busy
def test_no_wait_expires_beside_busy_loops(
    project: Project, server: ScriptedServer, request: pytest.FixtureRequest
) -> None:
    if "busy" not in request.config.option.markexpr:
        pytest.skip("takes a minute; to run it: make busy")
    _project(project, server, _CASES)
    loops = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(_LOOPS)]
    try:
        result = project.pytester.runpytest_subprocess("-n4", *_OPTIONS)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert result.ret == 0
    assert project.verdict["accounting"]["passed"] == _CASES
    assert _read(project) == []

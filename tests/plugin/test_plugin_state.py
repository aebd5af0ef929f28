from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.runs.state import StateFolder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

_INTERRUPTING = """
def answer(question):
    import os, signal, time
    if question == "b":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)  # the thread is not waited for
    return "yes"
"""


@pytest.mark.parametrize("door", ["golden set", "in code"])
def test_an_interrupt_leaves_a_run_and_no_pass(project: Project, door: str) -> None:
    if door == "golden set":
        project.python_suite(_INTERRUPTING, "a", "b", "c")
    else:
        project.golden("golden/code.jsonl", "a", "b", "c")
        project.test("if case.id == 'b': raise KeyboardInterrupt\n    return 'yes'")
    with pytest.raises(KeyboardInterrupt):  # pytester hands the interrupt on, after the session is closed
        project.run()
    assert (project.verdict["verdict"], project.verdict["exit_code"]) == ("not_evaluated", 2)
    assert project.outcomes["b"] == project.outcomes["c"] == "not_run"
    assert (project.state / "lock").read_text() == ""


def test_an_interrupt_after_the_last_case_is_not_a_pass(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write("zz/test_it.py", "def test_ordinary():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        project.run("golden", "zz")
    assert (project.verdict["verdict"], project.verdict["exit_code"]) == ("not_evaluated", 2)


def test_a_conftest_that_breaks_the_session_off_leaves_no_verdict_of_an_earlier_one(project: Project) -> None:
    project.suite({"a": "yes"})
    assert project.run().ret == 0
    project.write("conftest.py", "raise RuntimeError('broken')\n")
    assert project.run().ret == 4
    assert not (project.state / "verdict.json").exists()


def test_a_second_session_is_refused_while_the_first_lives(project: Project) -> None:
    project.suite({"a": "yes"})
    project.state.mkdir()
    with StateFolder(project.state).locked():
        result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*another session (process {os.getpid()} on *) uses *.evalgate*EVALGATE_DIR*"])
    assert project.run().ret == 0


@pytest.mark.parametrize("left", ["", "1", "garbage", "9" * 30])
def test_what_a_dead_session_left_in_the_lock_blocks_no_other(project: Project, left: str) -> None:
    project.suite({"a": "yes"})
    project.write(".evalgate/lock", left)
    assert project.run().ret == 0
    assert (project.state / "lock").read_text() == ""


def test_a_variable_moves_the_folder(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALGATE_DIR", str(tmp_path / "elsewhere"))
    project.suite({"a": "yes"})
    assert project.run().ret == 0
    assert (tmp_path / "elsewhere" / "verdict.json").exists()
    assert not project.state.exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_sees_baselines_only(project: Project) -> None:
    project.suite({"a": "yes"})
    project.run()
    for name in ("baselines/faq.json", "cassettes/faq.jsonl", "cache/x"):
        project.write(f".evalgate/{name}", "{}")
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    shown = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", ".evalgate"],
        cwd=project.path, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert shown == [".evalgate/.gitignore", ".evalgate/baselines/faq.json", ".evalgate/cassettes/faq.jsonl"]

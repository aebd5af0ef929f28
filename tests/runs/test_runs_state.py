from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.runs.state import StateFolder, state_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    state = state_of(tmp_path, None)
    state.prepare()
    return state


def test_the_folder_may_be_moved(tmp_path: Path) -> None:
    assert state_of(tmp_path, None).path == tmp_path / ".evalgate"
    assert state_of(tmp_path, "elsewhere").path == tmp_path / "elsewhere"
    assert state_of(tmp_path, str(tmp_path / "abs")).path == tmp_path / "abs"


def test_an_old_verdict_is_removed(state: StateFolder) -> None:
    state.verdict.write_text("{}")
    state.prepare()
    assert not state.verdict.exists()


def test_git_ignores_all_but_baselines_and_cassettes(state: StateFolder, tmp_path: Path) -> None:
    for name in ("baselines/faq.json", "cassettes/faq.jsonl", "runs/r1/run.jsonl", "verdict.json", "lock"):
        (state.path / name).parent.mkdir(parents=True, exist_ok=True)
        (state.path / name).write_text("")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = ["git", "ls-files", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == [
        ".evalgate/.gitignore",
        ".evalgate/baselines/faq.json",
        ".evalgate/cassettes/faq.jsonl",
    ]


def test_an_existing_gitignore_is_not_changed(state: StateFolder) -> None:
    (state.path / ".gitignore").write_text("mine\n")
    state.prepare()
    assert (state.path / ".gitignore").read_text() == "mine\n"


def test_two_sessions_do_not_share_a_folder(state: StateFolder) -> None:
    with state.locked():
        with (
            pytest.raises(UserError, match=f"another session \\(process {os.getpid()}\\) uses .*EVALGATE_DIR"),
            state.locked(),
        ):
            pass
        assert (state.path / "lock").read_text() == str(os.getpid())
    with state.locked():
        pass
    assert not (state.path / "lock").exists()


def test_the_lock_is_given_back_when_the_session_breaks(state: StateFolder) -> None:
    with pytest.raises(RuntimeError), state.locked():
        raise RuntimeError
    assert not (state.path / "lock").exists()


@pytest.mark.parametrize("left", ["", "garbage", "9" * 30, "dead"])
def test_a_lock_that_a_dead_session_left_is_taken_over(state: StateFolder, left: str) -> None:
    if left == "dead":
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            left = str(gone.pid)
    (state.path / "lock").write_text(left)
    with state.locked():
        assert (state.path / "lock").read_text() == str(os.getpid())

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import StorageError, UserError
from pytest_evalgate.runs.state import STATE_VARIABLE, StateFolder, state_of, storage_message

if TYPE_CHECKING:
    from collections.abc import Callable


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
    with state.locked() as note:
        assert note is None
        with (
            pytest.raises(UserError, match=f"another session \\(process {os.getpid()} on .*\\) uses .*EVALGATE_DIR"),
            state.locked(),
        ):
            pass
    with state.locked():
        pass


def test_the_lock_is_given_back_when_the_session_breaks(state: StateFolder) -> None:
    with pytest.raises(RuntimeError), state.locked():
        raise RuntimeError
    with state.locked():
        pass


def _file(path: Path) -> None:
    path.write_text("")


_IN_THE_WAY: dict[str, tuple[Callable[[Path], None], str]] = {
    "": (_file, ": cannot be made: File exists: move the file that is in the way"),
    "verdict.json": (Path.mkdir, "verdict.json: cannot be removed: Is a directory: move the folder"),
}


@pytest.mark.parametrize("name", _IN_THE_WAY)
def test_what_is_in_the_way_is_named_with_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(STATE_VARIABLE, raising=False)
    state = state_of(tmp_path, None)
    put, message = _IN_THE_WAY[name]
    (state.path / name).parent.mkdir(exist_ok=True)
    put(state.path / name)
    with pytest.raises(StorageError) as caught:
        state.prepare()
    assert message in storage_message(caught.value)
    assert storage_message(caught.value).endswith(", or set EVALGATE_DIR to another folder")


def test_a_file_elsewhere_has_no_advice_about_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    error = StorageError(tmp_path / "labels.csv", "labels.csv: cannot be written")
    assert storage_message(error) == "labels.csv: cannot be written"
    assert "EVALGATE_DIR" in storage_message(StorageError(tmp_path / "state" / "runs", "x"))

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.runs import git
from pytest_evalgate.runs.git import tree_sha256
from pytest_evalgate.runs.git_tree import file_at

if TYPE_CHECKING:
    from pathlib import Path


def _call(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _commit(root: Path, name: str, text: str) -> str:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
    _call(root, "add", ".")
    _call(root, "commit", "-qm", name)
    return _call(root, "rev-parse", "HEAD")


@pytest.fixture
def forked(tmp_path: Path) -> tuple[Path, str]:
    """A repository whose branch left ``main`` at the commit that is returned; both went on."""
    root = tmp_path / "repository"
    root.mkdir()
    _call(root, "init", "-q", "-b", "main")
    fork = _commit(root, "project/a.txt", "at the fork")
    _call(root, "checkout", "-qb", "topic")
    _commit(root, "project/b c é[1].txt", "on the branch")
    _call(root, "checkout", "-q", "main")
    _commit(root, "project/a.txt", "later on main")
    _call(root, "checkout", "-q", "topic")
    return root, fork


def test_the_merge_base_is_the_commit_before_the_branch(forked: tuple[Path, str]) -> None:
    root, fork = forked
    assert git.merge_base(root, "main") == git.merge_base(root / "project", "main") == fork
    assert git.merge_base(root, fork) == fork


def test_a_file_at_a_commit(forked: tuple[Path, str]) -> None:
    root, fork = forked
    assert file_at(root, fork, "project/a.txt") == file_at(root / "project", fork, "a.txt") == b"at the fork"
    assert file_at(root / "project", "main", "a.txt") == b"later on main"
    assert file_at(root / "project", "topic", "b c é[1].txt") == b"on the branch"
    assert file_at(root / "project", fork, "b c é[1].txt") is None
    assert file_at(root / "project", fork, "b*") is None


@pytest.mark.parametrize("ref", ["nowhere", "-h", "--all", "origin/main", "main:project"])
def test_the_message_for_a_missing_ref_has_the_command_to_fetch_it(forked: tuple[Path, str], ref: str) -> None:
    with pytest.raises(UserError, match=r"no such branch, tag or commit here; .*fetch-depth: 0"):
        git.merge_base(forked[0], ref)


def test_a_file_at_a_commit_that_is_not_there(forked: tuple[Path, str]) -> None:
    with pytest.raises(UserError, match="no such branch, tag or commit here"):
        file_at(forked[0], "nowhere", "project/a.txt")


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="is not in a git repository"):
        git.merge_base(tmp_path, "main")


def test_no_git(forked: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="git is not installed"):
        git.merge_base(forked[0], "main")


def test_no_common_history(forked: tuple[Path, str]) -> None:
    root, _ = forked
    _call(root, "checkout", "-q", "--orphan", "alone")
    _commit(root, "x.txt", "x")
    with pytest.raises(UserError, match="it has no commit in common with HEAD"):
        git.merge_base(root, "main")


def test_a_shallow_clone_without_the_merge_base(forked: tuple[Path, str], tmp_path: Path) -> None:
    root, _ = forked
    clone = tmp_path / "clone"
    source = f"file://{root}"
    _call(tmp_path, "clone", "-q", "--depth", "1", "--no-single-branch", "--branch", "topic", source, str(clone))
    with pytest.raises(UserError, match=r"this clone is shallow .*fetch-depth: 0"):
        git.merge_base(clone, "origin/main")


@pytest.fixture(params=["git", "plain"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("one")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "ä b.py").write_text("two")
    if request.param == "git":
        (tmp_path / ".gitignore").write_text(".evalgate/\n")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        subprocess.run(["git", "add", "app.py"], cwd=tmp_path, check=True)
    return tmp_path


def _digest(root: Path) -> str | None:
    return tree_sha256(root, without=root / "state")


def test_it_changes_with_every_file_that_is_edited_added_or_removed(root: Path) -> None:
    seen = [_digest(root)]
    (root / "package" / "ä b.py").write_text("longer than it was")
    seen.append(_digest(root))
    os.utime(root / "app.py", ns=(1, 1))
    seen.append(_digest(root))
    (root / "new.txt").write_text("")
    seen.append(_digest(root))
    (root / "app.py").unlink()
    seen.append(_digest(root))
    assert len(set(seen)) == len(seen)
    assert None not in seen


def test_files_that_a_run_creates_do_not_change_the_digest(root: Path) -> None:
    before = _digest(root)
    for name in (".evalgate/verdict.json", "__pycache__/app.pyc", "state/verdict.json"):
        (root / name).parent.mkdir()
        (root / name).write_text("x")
    assert _digest(root) == before


def test_too_many_files_are_not_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_MOST_FILES", 1)
    assert _digest(root) is None

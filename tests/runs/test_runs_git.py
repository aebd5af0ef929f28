from __future__ import annotations

import os
import re
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


def _diverged(root: Path, name: str) -> None:
    """Make the ref ``name`` be the branch's own commit, which is not that of ``main``."""
    _call(root, "update-ref", name, "topic")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("main", "refs/tags/main"),
        ("main", "refs/remotes/main"),
        ("origin/main", "refs/tags/origin/main"),
        ("origin/main", "refs/heads/origin/main"),
    ],
)
def test_a_name_of_several_commits_is_refused(forked: tuple[Path, str], ref: str, name: str) -> None:
    root, fork = forked
    _call(root, "update-ref", "refs/remotes/origin/main", "main")
    assert git.merge_base(root, ref) == fork
    _diverged(root, name)
    with pytest.raises(UserError, match=f"{ref} is the name of refs/.* and refs/.*: write the full name"):
        git.merge_base(root, ref)
    full = "refs/heads/main" if ref == "main" else "refs/remotes/origin/main"
    assert git.merge_base(root, full) == fork


def test_a_tag_of_the_same_commit_is_not_in_the_way(forked: tuple[Path, str]) -> None:
    root, fork = forked
    _call(root, "tag", "-am", "release", "main", "refs/heads/main")
    assert git.merge_base(root, "main") == fork


@pytest.mark.parametrize(
    "ref", ["main", "refs/heads/main", "HEAD~1", "@~1", "main~1", "main^", "v1", "v1^{commit}", "FETCH_HEAD", "remote"]
)
def test_what_names_a_commit(forked: tuple[Path, str], ref: str) -> None:
    root, fork = forked
    _call(root, "tag", "-am", "x", "v1", "main")
    _call(root, "update-ref", "refs/remotes/remote/main", "main")
    _call(root, "symbolic-ref", "refs/remotes/remote/HEAD", "refs/remotes/remote/main")
    (root / ".git/FETCH_HEAD").write_text(_call(root, "rev-parse", "main") + "\n")
    assert git.merge_base(root, ref) == fork


def test_a_short_id_names_a_commit_unless_a_ref_has_that_name(forked: tuple[Path, str]) -> None:
    root, fork = forked
    assert git.commit_of(root, fork[:10]) == fork
    _call(root, "branch", fork[:10], "topic")
    with pytest.raises(UserError, match="and of a commit id"):
        git.commit_of(root, fork[:10])
    _call(root, "branch", fork, "topic")
    assert git.commit_of(root, fork) == fork


@pytest.mark.parametrize(
    "ref", ["main..topic", "^main", ":/fork", "main:project", "main@{1}", "@{u}", "ma*", "", " ", "-q", "refs/main"]
)
def test_what_names_none(forked: tuple[Path, str], ref: str) -> None:
    with pytest.raises(UserError, match="no such branch, tag or commit here"):
        git.commit_of(forked[0], ref)


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_WORK_TREE", "GIT_GRAFT_FILE"]
)
def test_no_variable_leads_to_another_repository(
    forked: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root, fork = forked
    other = tmp_path / "other"
    _call(tmp_path, "init", "-q", "-b", "main", str(other))
    monkeypatch.setenv(name, str(other / ".git"))
    assert git.merge_base(root, "main") == fork


def test_replaced_commits_and_grafts_are_not_seen(forked: tuple[Path, str]) -> None:
    root, fork = forked
    main, topic = _call(root, "rev-parse", "main"), _call(root, "rev-parse", "topic")
    _call(root, "replace", main, topic)
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/grafts").write_text(f"{main} {topic}\n")
    assert git.merge_base(root, "main") == fork


def test_a_folder_of_another_user_is_reported_in_the_words_of_git(
    forked: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = forked
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(git, "_KEPT_VARIABLES", re.compile(""))
    monkeypatch.setenv("HOME", str(root))
    with pytest.raises(UserError) as caught:
        git.merge_base(root, "main")
    message = str(caught.value)
    assert "detected dubious ownership" in message
    assert message.endswith(f"git config --global --add safe.directory {root}")


def test_a_submodule_has_no_base(forked: tuple[Path, str], tmp_path: Path) -> None:
    root, _ = forked
    outer = tmp_path / "outer"
    _call(tmp_path, "init", "-q", str(outer))
    _call(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(root), "inner")
    with pytest.raises(UserError, match=r"inner is in a submodule of .*outer"):
        git.merge_base(outer / "inner", "HEAD")


@pytest.fixture
def pull_request(forked: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """The merge commit that GitHub makes, checked out with fetch-depth: 2, and the tip of its base branch."""
    root, _ = forked
    _call(root, "checkout", "-q", "main")
    tip = _call(root, "rev-parse", "HEAD")
    _call(root, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    _call(root, "update-ref", "refs/pull/7/merge", "HEAD")
    _call(root, "reset", "-q", "--hard", tip)
    clone = tmp_path / "clone"
    _call(tmp_path, "init", "-q", str(clone))
    _call(clone, "fetch", "-q", "--depth", "2", f"file://{root}", "refs/pull/7/merge")
    _call(clone, "checkout", "-q", "--detach", "FETCH_HEAD")
    return clone, tip


def test_the_parent_of_the_merge_commit_is_the_base(pull_request: tuple[Path, str]) -> None:
    clone, tip = pull_request
    assert git.pull_request_base(clone, "main", {}) == tip
    assert git.pull_request_base(clone, "main", {"GITHUB_SHA": _call(clone, "rev-parse", "HEAD")}) == tip


@pytest.mark.parametrize("environ", [{"GITHUB_SHA": "0" * 40}, {"GITHUB_EVENT_NAME": "pull_request_target"}], ids=str)
def test_a_merge_that_github_did_not_make_has_no_base(pull_request: tuple[Path, str], environ: dict[str, str]) -> None:
    with pytest.raises(UserError, match="fetch-depth: 2"):
        git.pull_request_base(pull_request[0], "main", environ)


@pytest.mark.parametrize("branch", ["main", "-h", "ma in", "no such"])
def test_a_shallow_clone_names_the_depth_that_is_enough(forked: tuple[Path, str], tmp_path: Path, branch: str) -> None:
    clone = tmp_path / "clone"
    _call(tmp_path, "clone", "-q", "--depth", "1", "--branch", "topic", f"file://{forked[0]}", str(clone))
    with pytest.raises(UserError, match=r"this clone is shallow .* fetch-depth: 2 of actions/checkout \(the parent"):
        git.pull_request_base(clone, branch, {})


def test_only_the_branch_of_the_remote_is_the_base_of_a_pull_request(forked: tuple[Path, str]) -> None:
    root, fork = forked
    for name in ("refs/tags/origin/main", "refs/heads/origin/main", "refs/tags/main"):
        _diverged(root, name)
    with pytest.raises(UserError, match="no such branch, tag or commit here"):
        git.pull_request_base(root, "main", {})
    _call(root, "update-ref", "refs/remotes/origin/main", "refs/heads/main")
    assert git.pull_request_base(root, "main", {}) == fork


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

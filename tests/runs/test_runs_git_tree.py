"""Files of a commit: its own links are followed, and nothing of the working tree is."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.runs.git_tree import CommitTree, file_at

if TYPE_CHECKING:
    from pathlib import Path


def _git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> CommitTree:
    """A commit with links in a project that is a subfolder; the working tree has other files."""
    top = tmp_path / "repository"
    root = top / "project"
    (root / "golden").mkdir(parents=True)
    (top / "shared").mkdir()
    (root / "golden/a.jsonl").write_text("a")
    (root / "golden/b c é[1].jsonl").write_text("b")
    (top / "shared/s.jsonl").write_text("s")
    for link, target in (
        ("link.jsonl", "golden/a.jsonl"),
        ("chain.jsonl", "link.jsonl"),
        ("folder", "golden"),
        ("up.jsonl", "../shared/s.jsonl"),
        ("outside.jsonl", "../../secret"),
        ("absolute.jsonl", "/etc/hostname"),
        ("loop.jsonl", "loop.jsonl"),
        ("dangling.jsonl", "nothing"),
    ):
        (root / link).symlink_to(target)
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(b'large').hexdigest()}\nsize 5\n"
    )
    (root / "large.jsonl").write_text(pointer)
    _git(top, "init", "-q", "-b", "main")
    _git(top, "add", "-A")
    _git(top, "commit", "-qm", "base")
    (root / "golden/a.jsonl").write_text("edited")
    (root / "link.jsonl").unlink()
    (root / "link.jsonl").symlink_to("large.jsonl")
    return CommitTree(root, _git(top, "rev-parse", "HEAD"))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("golden/a.jsonl", b"a"),
        ("golden/b c é[1].jsonl", b"b"),
        ("./golden/../golden/a.jsonl", b"a"),
        ("link.jsonl", b"a"),
        ("chain.jsonl", b"a"),
        ("folder/a.jsonl", b"a"),
        ("folder/../link.jsonl", b"a"),
        ("up.jsonl", b"s"),
        ("dangling.jsonl", None),
        ("golden/a.jsonl/x", None),
        ("golden/b*", None),
        ("nothing/at/all", None),
    ],
)
def test_a_file_of_the_commit(tree: CommitTree, path: str, content: bytes | None) -> None:
    assert tree.read(path) == content


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("outside.jsonl", "leads out of the repository"),
        ("absolute.jsonl", "leads to /etc/hostname, which is not in the repository"),
        ("loop.jsonl", "leads to loop.jsonl"),
        ("golden", "it is a folder"),
        ("large.jsonl", r"its content is in Git LFS and was not fetched: git lfs fetch origin [0-9a-f]{40}"),
    ],
)
def test_a_file_that_is_not_among_the_objects(tree: CommitTree, path: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        tree.read(path)


def test_a_large_file_is_read_from_the_store_or_the_working_tree_if_its_digest_is_right(tree: CommitTree) -> None:
    digest = hashlib.sha256(b"large").hexdigest()
    here = tree.root / "large.jsonl"
    here.write_text("another")
    with pytest.raises(UserError, match="Git LFS"):
        tree.read("large.jsonl")
    here.write_text("large")
    assert tree.read("large.jsonl") == b"large"
    here.unlink()
    stored = tree.top / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"large")
    assert tree.read("large.jsonl") == b"large"


def test_a_submodule_is_not_read(tree: CommitTree) -> None:
    _git(tree.top, "update-index", "--add", "--cacheinfo", f"160000,{tree.commit},project/module")
    _git(tree.top, "commit", "-qm", "module")
    commit = _git(tree.top, "rev-parse", "HEAD")
    for path in ("module", "module/golden.jsonl"):
        with pytest.raises(UserError, match="submodule"):
            CommitTree(tree.root, commit).read(path)


def test_case_matters_unless_the_file_system_has_none(tree: CommitTree) -> None:
    assert tree.read("Golden/A.jsonl") is None
    _git(tree.top, "config", "core.ignorecase", "true")
    assert tree.read("Golden/A.jsonl") == b"a"


@pytest.mark.parametrize("worktree", ["/", "/usr"])
def test_the_working_tree_that_git_is_told_to_use_does_not_matter(tree: CommitTree, worktree: str) -> None:
    _git(tree.top, "config", "core.worktree", worktree)
    assert tree.read("golden/a.jsonl") == b"a"


def test_a_replaced_commit_is_not_read(tree: CommitTree) -> None:
    _git(tree.top, "commit", "-qam", "edited")
    _git(tree.top, "replace", tree.commit, "HEAD")
    assert file_at(tree.root, tree.commit, "golden/a.jsonl") == b"a"


def test_the_names_of_a_folder(tree: CommitTree) -> None:
    assert sorted(tree.names_in("folder")) == ["a.jsonl", "b c é[1].jsonl"]
    assert tree.names_in("nothing") == []
    assert tree.names("s.jsonl", "a.jsonl") == ["project/golden/a.jsonl", "shared/s.jsonl"]

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.guard.base_branch import FoundBase, find_base

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.conftest import Repository

_PULL_REQUEST = {"GITHUB_BASE_REF": "main"}


def _find(root: Path, asked: str | None = None, **environ: str) -> FoundBase:
    return find_base(asked, Settings(), root=root, state=root / ".evalgate", environ=environ)


def _clone(repository: Repository, tmp_path: Path, *options: str) -> Path:
    """Clone the branch as CI does: its base is known as ``origin/main``, or not at all."""
    repository.commit("topic")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", *options, "--branch", "topic", f"file://{repository.root}", str(clone))
    return clone


def test_without_a_base_there_is_nothing_to_say(repository: Repository) -> None:
    assert _find(repository.root) == FoundBase()


def test_a_base_that_was_asked_for(repository: Repository) -> None:
    found = _find(repository.root, "main")
    assert found.branch is not None
    assert (found.branch.tree.commit, found.problem) == (repository.git("rev-parse", "main"), None)


def test_what_was_asked_for_goes_before_what_the_pull_request_tells(repository: Repository) -> None:
    repository.commit("topic")
    found = _find(repository.root, "HEAD", **_PULL_REQUEST)
    assert found.branch is not None
    assert found.branch.tree.commit == repository.git("rev-parse", "HEAD")


def test_the_base_of_a_pull_request_is_that_of_the_remote(repository: Repository, tmp_path: Path) -> None:
    found = _find(_clone(repository, tmp_path), **_PULL_REQUEST)
    assert found.branch is not None
    assert found.branch.tree.commit == repository.git("rev-parse", "main")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--depth", "1"), "no such branch, tag or commit here"),
        (("--depth", "1", "--no-single-branch"), "this clone is shallow and does not contain the merge base"),
    ],
    ids=["without the base", "without the merge base"],
)
def test_a_shallow_clone_cannot_tell(
    repository: Repository, tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    clone = _clone(repository, tmp_path, *options)
    found = _find(clone, **_PULL_REQUEST)
    assert found.branch is None
    assert found.problem is not None
    assert found.problem.startswith("origin/main: this clone is shallow and does not contain the merge base")
    assert "fetch-depth: 2" in found.problem
    with pytest.raises(SettingsError, match=why):
        _find(clone, "origin/main")


def test_a_folder_that_is_no_repository_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = _find(tmp_path, **_PULL_REQUEST)
    assert found.branch is None
    assert found.problem is not None
    assert "is not in a git repository" in found.problem
    with pytest.raises(SettingsError, match="is not in a git repository"):
        _find(tmp_path, "main")


def test_a_ref_that_is_not_there_is_an_error_where_it_was_asked_for(repository: Repository) -> None:
    with pytest.raises(SettingsError, match=r"^--eval-base-ref nowhere: no such branch, tag or commit here"):
        _find(repository.root, "nowhere")

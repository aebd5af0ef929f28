from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.runs import git
from pytest_evalgate.runs.git import tree_sha256

if TYPE_CHECKING:
    from pathlib import Path


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


def test_what_a_run_leaves_behind_changes_nothing(root: Path) -> None:
    before = _digest(root)
    for name in (".evalgate/verdict.json", "__pycache__/app.pyc", "state/verdict.json"):
        (root / name).parent.mkdir()
        (root / name).write_text("x")
    assert _digest(root) == before


def test_too_many_files_are_not_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_MOST_FILES", 1)
    assert _digest(root) is None

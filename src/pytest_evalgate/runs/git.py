"""What git knows: the commit of this run, and files at another commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from pytest_evalgate.errors import BaselineError

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT_S = 20


def commit(root: Path) -> str | None:
    """Return the commit that is checked out at ``root``; what CI says where there is no git, else None."""
    done = _git(root, "rev-parse", "HEAD")
    if done is not None and done.returncode == 0:
        return done.stdout.decode("ascii", "replace").strip()
    return os.environ.get("GITHUB_SHA") or None


def show(root: Path, ref: str, path: str) -> bytes:
    """Return the file ``path``, relative to ``root``, as it stands at ``ref``.

    Raises:
        BaselineError: git is not there, or knows no such ref or file.

    """
    if ref.startswith("-") or not ref:
        raise BaselineError(f"git:{ref}: not the name of a branch, a tag or a commit")
    done = _git(root, "show", "--end-of-options", f"{ref}:./{path}")
    if done is None:
        raise BaselineError(f"git:{ref}: git is not installed, or did not answer within {_TIMEOUT_S} s")
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise BaselineError(f"git:{ref}: cannot read {path}: {said}; is the branch fetched? (fetch-depth: 0 in CI)")
    return done.stdout


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        return subprocess.run(  # noqa: S603 - no shell, and the ref cannot be an option
            [program, *arguments], cwd=root, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None

"""What git knows: the commit of this run, where it left another branch, and files at another commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.errors import BaselineError, UserError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_S = 20
_FETCH = "fetch it: in CI actions/checkout with fetch-depth: 0, else git fetch origin"


def commit(root: Path) -> str | None:
    """Return the commit that is checked out at ``root``; what CI says where there is no git, else None."""
    done = _git(root, "rev-parse", "HEAD")
    if done is not None and done.returncode == 0:
        return done.stdout.decode("ascii", "replace").strip()
    return os.environ.get("GITHUB_SHA") or None


def merge_base(root: Path, ref: str) -> str:
    """Return the newest commit that ``ref`` and the commit that is checked out have in common.

    Raises:
        UserError: git is not there, ``root`` lies in no repository, there is no such ref or no such commit; says what
            to do.

    """
    if not _git_output(root, "rev-parse", "--git-dir"):
        raise UserError(f"{root} lies in no git repository: run in a clone, or leave the base ref out")
    if ref.startswith("-") or not _git_output(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        raise UserError(f"no such branch, tag or commit here; {_FETCH}")
    found = _git_output(root, "merge-base", ref, "HEAD")
    if found:
        return found
    if _git_output(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"this clone is shallow and does not reach back to the merge base; {_FETCH}")
    raise UserError("it has no commit in common with HEAD: name the branch that this one goes to")


def file_at(root: Path, ref: str, path: str) -> bytes | None:
    """Return the file ``path``, relative to ``root``, as it stands at a commit; None where the commit has none.

    Raises:
        UserError: git is not there, or knows no such commit.

    """
    listed = _git_bytes(root, "ls-tree", "--name-only", ref, "--", path)
    return _git_bytes(root, "cat-file", "blob", f"{ref}:./{path}") if listed else None


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
        reason = _first_line(done)
        raise BaselineError(f"git:{ref}: cannot read {path}: {reason}; is the branch fetched? (fetch-depth: 0 in CI)")
    return done.stdout


def _git_output(root: Path, *arguments: str) -> str:
    """Return what git prints; "" where it cannot tell."""
    done = _run(root, *arguments)
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _git_bytes(root: Path, *arguments: str) -> bytes:
    done = _run(root, *arguments)
    if done.returncode != 0:
        raise UserError(f"git cannot read it: {_first_line(done)}")
    return done.stdout


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    done = _git(root, *arguments)
    if done is None:
        raise UserError(f"git is not installed, or did not answer within {_TIMEOUT_S} s")
    return done


def _first_line(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]


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


_MOST_FILES = 50_000
_COMPILED = "__pycache__"
_SKIPPED = frozenset({_COMPILED, "node_modules", "venv", "build", "dist"})


def tree_sha256(root: Path, without: Path) -> str | None:
    """Digest names, sizes and times of the files below ``root`` that git does not ignore.

    What Python compiles is left out: it appears with the first run. Where git does not know the folder, hidden
    folders and the usual build folders are left out as well.

    Args:
        root: The folder.
        without: A folder that is left out, with all that it holds.

    Returns:
        The digest; None where there are too many files to look at.

    """
    names = _of_git(root)
    listed: list[list[str | int]] = []
    for name in sorted(_walk(root)) if names is None else names:
        if len(listed) == _MOST_FILES:
            return None
        path = root / name
        if path.is_relative_to(without):
            continue
        try:
            found = path.stat()
        except OSError:  # deleted, and git has not been told
            continue
        listed.append([name, found.st_size, found.st_mtime_ns])
    return jsonl.digest(listed)


def _of_git(root: Path) -> list[str] | None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=20)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return sorted(name for name in names if _COMPILED not in name.split("/"))


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()

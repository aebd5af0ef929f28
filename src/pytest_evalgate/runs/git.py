"""Git: commits, merge bases, files at other commits, and a digest of the working tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import BaselineError, UserError
from pytest_evalgate.text import jsonl
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIMEOUT_S: Final = 20
_FETCH: Final = "fetch it: in CI actions/checkout with fetch-depth: 0, else git fetch origin"
_NO_GIT: Final = f"git is not installed, or did not respond within {_TIMEOUT_S} s"
_MOST_FILES: Final = 50_000
_COMPILED: Final = "__pycache__"
_SKIPPED: Final = frozenset({_COMPILED, "node_modules", "venv", "build", "dist"})


def commit(root: Path) -> str | None:
    """Return the commit that is checked out at ``root``; else that of GitHub Actions, else None."""
    done = _git(root, "rev-parse", "HEAD")
    if done is not None and done.returncode == 0:
        return done.stdout.decode("ascii", "replace").strip()
    return os.environ.get("GITHUB_SHA") or None


def changes_sha256(root: Path, without: Iterable[Path]) -> str:
    """Return a digest of the uncommitted changes of tracked files below ``root``, except those in ``without``.

    "" if there are none, or outside of a repository.
    """
    inside = (path.relative_to(root).as_posix() for path in without if path.is_relative_to(root))
    left_out = (f":(exclude,literal){name}" for name in inside)
    done = _git(root, "diff", "--no-ext-diff", "--no-color", "HEAD", "--", ".", *left_out)
    if done is None or done.returncode != 0 or not done.stdout:
        return ""
    return hashlib.sha256(done.stdout).hexdigest()


def merge_base(root: Path, ref: str) -> str:
    """Return the newest common ancestor of ``ref`` and HEAD.

    Raises:
        UserError: Git is missing, ``root`` is not in a repository, or there is no such ref or ancestor.
    """
    if not _output(root, "rev-parse", "--git-dir"):
        raise UserError(f"{root} is not in a git repository: run in a clone, or remove the base ref")
    if ref.startswith("-") or not _output(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        raise UserError(f"no such branch, tag or commit here; {_FETCH}")
    found = _output(root, "merge-base", ref, "HEAD")
    if found:
        return found
    if _output(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"this clone is shallow and does not contain the merge base; {_FETCH}")
    raise UserError("it has no commit in common with HEAD: name the branch into which this one will be merged")


def file_at(root: Path, ref: str, path: str) -> bytes | None:
    """Return the file ``path``, relative to ``root``, at a commit; None if the commit does not contain it.

    Raises:
        UserError: Git is missing, or there is no such commit.
    """
    if not _run(root, "ls-tree", "--name-only", ref, "--", path):
        return None
    return _run(root, "cat-file", "blob", f"{ref}:./{path}")


def show(root: Path, ref: str, path: str) -> bytes:
    """Return the file ``path``, relative to ``root``, at ``ref``.

    Raises:
        BaselineError: Git is missing, or there is no such ref or file.
    """
    if ref.startswith("-") or not ref:
        raise BaselineError(f"git:{ref}: not the name of a branch, a tag or a commit")
    done = _git(root, "show", "--end-of-options", f"{ref}:./{path}")
    if done is None:
        raise BaselineError(f"git:{ref}: {_NO_GIT}")
    if done.returncode != 0:
        reason = _reason(done)
        raise BaselineError(f"git:{ref}: cannot read {path}: {reason}; is the branch fetched? (fetch-depth: 0 in CI)")
    return done.stdout


def tree_sha256(root: Path, without: Path) -> str | None:
    """Return a digest of the names, sizes and times of the files below ``root`` that git does not ignore.

    Compiled Python files are left out, because the first run creates them. Outside of a repository, hidden folders
    and the usual build folders are left out as well, and so is the folder ``without``. Return None if there are more
    than 50,000 files.
    """
    listed: list[list[str | int]] = []
    tracked = _tracked(root)
    for name in sorted(_walk(root)) if tracked is None else tracked:
        if len(listed) == _MOST_FILES:
            return None
        path = root / name
        if path.is_relative_to(without):
            continue
        try:
            found = path.stat()
        except OSError:  # deleted, but still in git's index
            continue
        listed.append([name, found.st_size, found.st_mtime_ns])
    return jsonl.digest(listed)


def _tracked(root: Path) -> list[str] | None:
    """Return the files that git tracks or would add; None outside of a repository."""
    done = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if done is None or done.returncode != 0:
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return sorted(name for name in names if _COMPILED not in name.split("/"))


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()


def _output(root: Path, *arguments: str) -> str:
    """Return the output of a git command; "" if the command fails."""
    done = _git(root, *arguments)
    if done is None:
        raise UserError(_NO_GIT)
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _run(root: Path, *arguments: str) -> bytes:
    done = _git(root, *arguments)
    if done is None:
        raise UserError(_NO_GIT)
    if done.returncode != 0:
        raise UserError(f"git cannot read it: {_reason(done)}")
    return done.stdout


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        return subprocess.run(  # noqa: S603 - no shell, and refs that look like options are refused above
            [program, *arguments], cwd=root, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        report_expired("git", _TIMEOUT_S)
        return None
    except OSError:
        return None

"""The state of the working tree: answers of an application are kept for a rerun only while its code stands still."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

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

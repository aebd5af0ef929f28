"""Lock for a read, a change and a write of a file. Others wait; the kernel releases it when the process ends."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path``, which is created and never removed; threads and processes take turns.

    Raises:
        StorageError: The file cannot be used, or its file system has no locks.
    """
    files.make_folder(path.parent)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with files.storing(path, "locked"):
        file = os.open(path, flags, 0o644)
    try:
        with files.storing(path, "locked"):
            _lock(file)
        yield
    finally:
        os.close(file)  # releases the lock


if sys.platform == "win32":

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_LOCK, 1)
else:

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

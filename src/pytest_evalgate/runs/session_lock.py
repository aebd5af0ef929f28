"""Session lock: one session at a time uses a state folder.

The lock is a kernel lock on an open file (``flock``, on Windows ``msvcrt.locking``). The kernel releases it when the
process ends, even by a kill. Process ids would not do: an unreaped zombie still has one, and in containers every
session
may have the same. The content of the file is for the message only. The file is not removed, because another session
could then lock a new file of the same name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import stat
import sys
import weakref
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCKED_BYTE: Final = 1 << 30  # on Windows, other processes cannot read a byte that is locked
_LONGEST: Final = 300
_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, getattr(errno, "EDEADLK", errno.EAGAIN)})
_NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EOPNOTSUPP)}
)


class SessionLock:
    """Lock of the file at ``path``."""

    def __init__(self, path: Path) -> None:
        """Create an unlocked lock."""
        self._path = path
        self._file: int | None = None
        self._is_held = False

    def acquire(self) -> str | None:
        """Lock the file; return a note if its file system has no locks.

        Raises:
            UserError: Another running session has locked it.
            StorageError: The file cannot be used.
        """
        with files.storing(self._path, "locked"):
            self._file = file = _open(self._path)
            if hasattr(os, "register_at_fork"):  # a child that outlives a killed session would keep its lock
                os.register_at_fork(after_in_child=_closing_copy(weakref.ref(self)))
            try:
                _lock(file)
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    return (
                        f"{self._path.parent} is on a file system without locks ({error.strerror}): do not run two "
                        "sessions at once in it"
                    )
                if error.errno in _HELD:
                    raise UserError(_held_message(self._path, os.read(file, _LONGEST))) from None
                raise
        self._is_held = True
        with contextlib.suppress(OSError):  # the lock works on a full disk, too
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {platform.node() or 'this host'}".encode("ascii", "replace"))
        return None

    def release(self) -> None:
        """Release the lock, and leave an empty file."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):
            if self._is_held:
                os.ftruncate(file, 0)
                _unlock(file)
        with contextlib.suppress(OSError):
            os.close(file)

    def close_copy(self) -> None:
        """Close the file in a forked child. The parent keeps the lock."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)


def _closing_copy(lock: weakref.ref[SessionLock]) -> Callable[[], None]:
    def close() -> None:
        if (held := lock()) is not None:
            held.close_copy()

    return close


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.open(path, flags, 0o644)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise FileExistsError(errno.EEXIST, "not a regular file")
    return file


def _held_message(path: Path, owner: bytes) -> str:
    who = one_line(owner.decode("ascii", "replace")) or "its process is unknown"
    return (
        f"another session ({who}) uses {path.parent}: wait for it, or give this one another folder with "
        "EVALGATE_DIR=FOLDER"
    )


if sys.platform == "win32":

    def _lock(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)

    def _unlock(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

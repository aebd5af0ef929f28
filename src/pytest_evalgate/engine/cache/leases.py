"""Leases: of all processes that want the same answer, one asks for it.

A lease is a lock on one byte of one file, at an offset that the key decides. The kernel frees it when its process
ends, however that happens: no lease outlives its holder, and none has to expire.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_DIGITS: Final = 15  # of the key: 60 bits, and file offsets have 63
_TAKEN: Final = (PermissionError, BlockingIOError)
_POLL_S: Final = 0.02


class Leases:
    """The leases of one cache. A process opens a lease file once: closing it again would free every lease on it."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``.

        Raises:
            OSError: it cannot be made.

        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file: int | None = os.open(path, flags, 0o600)

    def take(self, key: str) -> bool:
        """Take the lease of ``key``, in hexadecimal, and tell whether it was to be had.

        Processes exclude each other; within one, the lease may be taken again. Where the file system knows no locks,
        every lease is to be had: an answer that is paid twice is better than none.
        """
        return self._take(_offset(key))

    def give(self, key: str) -> None:
        """Give a lease back."""
        self._give(_offset(key))

    @contextlib.contextmanager
    def alone(self, patience_s: float) -> Iterator[bool]:
        """Exclude the other processes while one of them makes or checks the cache; tell whether it was possible."""
        deadline = time.monotonic() + patience_s
        while not (taken := self._take(0)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        try:
            yield taken
        finally:
            if taken:
                self._give(0)

    def close(self) -> None:
        """Give everything back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self, offset: int) -> bool:
        try:
            self._lock(offset)
        except _TAKEN:
            return False
        except OSError:
            return True
        return True

    def _give(self, offset: int) -> None:
        with contextlib.suppress(OSError):
            self._unlock(offset)

    if sys.platform == "win32":

        def _lock(self, offset: int) -> None:
            os.lseek(self._opened(), offset, os.SEEK_SET)
            msvcrt.locking(self._opened(), msvcrt.LK_NBLCK, 1)

        def _unlock(self, offset: int) -> None:
            os.lseek(self._opened(), offset, os.SEEK_SET)
            msvcrt.locking(self._opened(), msvcrt.LK_UNLCK, 1)
    else:

        def _lock(self, offset: int) -> None:
            fcntl.lockf(self._opened(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

        def _unlock(self, offset: int) -> None:
            fcntl.lockf(self._opened(), fcntl.LOCK_UN, 1, offset)

    def _opened(self) -> int:
        if self._file is None:
            raise OSError("the leases are closed")
        return self._file


def _offset(key: str) -> int:
    """Return the byte that stands for ``key``; 0 is `Leases.alone`."""
    return 1 + int(key[:_DIGITS], 16)

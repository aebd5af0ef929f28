"""Leases between processes: if several need the same reply at the same time, one of them sends the call.

A lease is a lock on one byte of one file, at an offset derived from the key. The kernel releases it when its process
ends, even by a kill, so leases need no expiry. They are taken only if workers share a cache (`ReadThroughCache`), and
while a cache is opened: a lease for every call would take 7 % of the engine's CPU time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_S: Final = 0.02


class Leases:
    """The leases of one cache. A process must open the file only once: closing it releases all its POSIX locks."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``.

        Raises:
            OSError: it cannot be created.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file: int | None = os.open(path, flags, 0o600)

    def acquire(self, key: str) -> bool:
        """Acquire the lease of ``key``, in hexadecimal, if no other process holds it; return whether it was acquired.

        Always succeeds on a file system without locks: paying twice for a reply is better than having none.
        """
        return self._acquire(_offset(key))

    def release(self, key: str) -> None:
        """Release a lease."""
        self._release(_offset(key))

    @contextlib.contextmanager
    def exclusive(self, timeout_s: float) -> Iterator[bool]:
        """Exclude other processes while the cache is opened; yield whether that succeeded within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not (acquired := self._acquire(0)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not acquired:
            report_expired("the opening of the cache by another process", timeout_s)
        try:
            yield acquired
        finally:
            if acquired:
                self._release(0)

    def close(self) -> None:
        """Release all leases."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _acquire(self, offset: int) -> bool:
        try:
            self._lock(offset)
        except (PermissionError, BlockingIOError):
            return False
        except OSError:  # closed, or no locks on this file system
            return True
        return True

    def _release(self, offset: int) -> None:
        with contextlib.suppress(OSError):
            self._unlock(offset)

    if sys.platform == "win32":

        def _lock(self, offset: int) -> None:
            os.lseek(self._descriptor(), offset, os.SEEK_SET)
            msvcrt.locking(self._descriptor(), msvcrt.LK_NBLCK, 1)

        def _unlock(self, offset: int) -> None:
            os.lseek(self._descriptor(), offset, os.SEEK_SET)
            msvcrt.locking(self._descriptor(), msvcrt.LK_UNLCK, 1)
    else:

        def _lock(self, offset: int) -> None:
            fcntl.lockf(self._descriptor(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)

        def _unlock(self, offset: int) -> None:
            fcntl.lockf(self._descriptor(), fcntl.LOCK_UN, 1, offset)

    def _descriptor(self) -> int:
        if self._file is None:
            raise OSError("the leases are closed")
        return self._file


def _offset(key: str) -> int:
    """Return the byte of ``key``: 60 of its bits, since file offsets have 63; byte 0 belongs to `Leases.exclusive`."""
    return 1 + int(key[:15], 16)

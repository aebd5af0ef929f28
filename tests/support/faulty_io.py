"""Faulty input and output: the Nth operation on files of a folder fails, as SQLite tests its own writes.

A test runs a write with N = 1, 2, 3, ... until no operation fails, and checks after each what is left on the disk.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_WRITING = frozenset("wxa+")


class FaultyIO:
    """Operations on files below ``folder``: the one with number ``at`` raises OSError with the code ``errno``."""

    def __init__(self, folder: Path, at: int, errno: int) -> None:
        """Count from 1."""
        self.folder = folder.resolve()
        self.at = at
        self.errno = errno
        self.count = 0
        self.failed: str | None = None

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Replace the functions of ``os`` and ``io`` that `pytest_evalgate` writes with."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(io, "open", self._open(io.open))
            for name in ("replace", "mkdir", "unlink", "link"):
                patch.setattr(os, name, self._on_path(name, getattr(os, name)))
            patch.setattr(os, "fsync", self._fsync(os.fsync))
            yield self

    def step(self, what: str) -> None:
        """Count an operation, and raise if it is the one that fails."""
        self.count += 1
        if self.count == self.at:
            self.failed = what
            raise OSError(self.errno, os.strerror(self.errno))

    def covers(self, path: Any) -> bool:
        """Return whether the file is below the folder."""
        return isinstance(path, str | os.PathLike) and Path(path).absolute().is_relative_to(self.folder)

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if not (_WRITING & set(mode) and self.covers(file)):
                return real(file, mode, *args, **options)
            self.step(f"open {file}")
            return _FaultyFile(real(file, mode, *args, **options), self)

        return faulty

    def _on_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(path: Any, *args: Any, **options: Any) -> Any:
            if self.covers(path):
                self.step(f"{name} {path}")
            return real(path, *args, **options)

        return faulty

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def faulty(descriptor: int) -> None:
            self.step("fsync")
            real(descriptor)

        return faulty


class _FaultyFile:
    """A file whose writes are counted. A write that fails writes half of its data before, as a full disk does."""

    def __init__(self, file: Any, faults: FaultyIO) -> None:
        self._file = file
        self._faults = faults

    def write(self, data: Any) -> int:
        try:
            self._faults.step("write")
        except OSError:
            self._file.write(data[: len(data) // 2])
            raise
        written: int = self._file.write(data)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

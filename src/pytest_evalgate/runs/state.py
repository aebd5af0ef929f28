"""State folder, ``.evalgate/``: the runs, verdict, baselines and cache of a project. One session uses it at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.session_lock import SessionLock
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.errors import StorageError

STATE_VARIABLE: Final = "EVALGATE_DIR"
_FOLDER: Final = ".evalgate"
_GITIGNORE: Final = """\
# made by pytest-evalgate: baselines and cassettes are versioned, the rest is not
*
!.gitignore
!baselines/
!baselines/**
!cassettes/
!cassettes/**
"""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder for files that outlive a session."""

    path: Path

    @property
    def verdict(self) -> Path:
        """The verdict of the newest session. The file is missing during a session and after an interrupted one."""
        return self.path / "verdict.json"

    def prepare(self) -> None:
        """Create the folder, and remove the verdict of the last session: CI must not take an old pass for a new one.

        Raises:
            StorageError: The folder cannot be used.
        """
        self.make()
        files.remove(self.verdict)

    def make(self) -> None:
        """Create the folder, with the rules that keep runs and caches out of git.

        Raises:
            StorageError: The folder cannot be used.
        """
        files.make_folder(self.path)
        ignore = self.path / ".gitignore"
        if not os.path.lexists(ignore):
            files.write_atomically(ignore, _GITIGNORE.encode("ascii"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[str | None]:
        """Lock the folder for this process; yield a note if its file system has no locks.

        Raises:
            UserError: Another running session has locked it.
            StorageError: The file of the lock cannot be used.
        """
        lock = SessionLock(self.path / "lock")
        try:
            yield lock.acquire()
        finally:
            lock.release()


def state_of(root: Path, moved_to: str | None) -> StateFolder:
    """Return the state folder of the project at ``root``; ``moved_to`` is the value of ``EVALGATE_DIR``."""
    return StateFolder(root / (moved_to or _FOLDER))


def storage_message(error: StorageError) -> str:
    """Return the message of an error. For files in the state folder, it names the variable that moves the folder."""
    moved_to = os.environ.get(STATE_VARIABLE)
    path = error.path.absolute()
    belongs = path.is_relative_to(Path(moved_to).absolute()) if moved_to else _FOLDER in path.parts
    return f"{error}, or set {STATE_VARIABLE} to another folder" if belongs else str(error)


def in_ci(environ: Mapping[str, str]) -> bool:
    """Return whether this is a CI job: every common CI service sets ``CI``."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}

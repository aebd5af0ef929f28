"""State folder, ``.evalgate/``: the runs, verdict, baselines and cache of a project. One session uses it at a time."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
        """Create the folder, and delete the verdict of the last session: CI must not read an old pass as a new one."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.verdict.unlink(missing_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text(_GITIGNORE, encoding="ascii")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process.

        Raises:
            UserError: Another running session has locked it.
        """
        lock = self.path / "lock"
        _acquire(lock)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def state_of(root: Path, moved_to: str | None) -> StateFolder:
    """Return the state folder of the project at ``root``; ``moved_to`` is the value of ``EVALGATE_DIR``."""
    return StateFolder(root / (moved_to or _FOLDER))


def _acquire(lock: Path) -> None:
    for _ in range(2):  # a second attempt after removing the lock of a dead process
        # the lock is linked with its content: an empty one would look like the lock of a dead process
        draft = lock.with_name(f"{lock.name}.{os.getpid()}")
        draft.write_text(str(os.getpid()), encoding="ascii")
        try:
            os.link(draft, lock)
        except FileExistsError:
            if _running_owner(lock) is not None:
                break
            lock.unlink(missing_ok=True)
        else:
            return
        finally:
            draft.unlink()
    raise UserError(
        f"another session (process {_running_owner(lock) or '?'}) uses {lock.parent}: wait for it, or give this one "
        f"another folder with EVALGATE_DIR=FOLDER (remove {lock} if there is no such process)"
    )


def _running_owner(lock: Path) -> int | None:
    """Return the id of the process that owns the lock; None if it has ended."""
    try:
        pid = int(lock.read_text())
        os.kill(pid, 0)
    except (OSError, OverflowError, ValueError) as error:
        return -1 if isinstance(error, PermissionError) else None  # it runs, but as another user
    return pid


def in_ci(environ: Mapping[str, str]) -> bool:
    """Return whether this is a CI job: every common CI service sets ``CI``."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}

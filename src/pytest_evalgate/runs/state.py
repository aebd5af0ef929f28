"""The state folder, ``.evalgate/``: runs, verdict and baselines of one project, used by one session at a time."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE_VARIABLE = "EVALGATE_DIR"
_FOLDER = ".evalgate"
_IGNORE = "# made by pytest-evalgate: baselines and cassettes are versioned, the rest is not\n*\n!.gitignore\n"
_KEPT = ("baselines", "cassettes")


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Where a project keeps what outlives a session."""

    path: Path

    @property
    def verdict(self) -> Path:
        """Where the newest session left its verdict; absent while a session runs and after one that broke off."""
        return self.path / "verdict.json"

    def prepare(self) -> None:
        """Make the folder, and remove the verdict of an earlier session: a stale pass must not be read as ours."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.verdict.unlink(missing_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            kept = "".join(f"!{name}/\n!{name}/**\n" for name in _KEPT)
            ignore.write_text(_IGNORE + kept, encoding="ascii")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            UserError: another session that is still alive holds it; names its process id.

        """
        lock = self.path / "lock"
        _take(lock)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def state_of(root: Path, moved_to: str | None) -> StateFolder:
    """Return the state folder of the project at ``root``, or where ``EVALGATE_DIR`` moved it."""
    return StateFolder(root / (moved_to or _FOLDER))


def _take(lock: Path) -> None:
    for _ in range(2):  # once more after a lock that a dead session left behind
        try:
            _create(lock, str(os.getpid()))
        except FileExistsError:
            holder = _holder(lock)
            if holder is not None:
                break
            lock.unlink(missing_ok=True)
        else:
            return
    raise UserError(
        f"another session (process {_holder(lock) or '?'}) uses {lock.parent}: wait for it, "
        f"or give this one a folder of its own: EVALGATE_DIR=... (or remove {lock} if there is no such process)"
    )


def _create(lock: Path, holder: str) -> None:
    """Make the lock with its content in one step: an empty lock would look like that of a dead process."""
    draft = lock.with_name(f"{lock.name}.{holder}")
    draft.write_text(holder, encoding="ascii")
    try:
        os.link(draft, lock)
    finally:
        draft.unlink()


def _holder(lock: Path) -> int | None:
    """Return the process that holds the lock; None if it is gone."""
    try:
        pid = int(lock.read_text())
        os.kill(pid, 0)
    except (OSError, OverflowError, ValueError) as error:
        return -1 if isinstance(error, PermissionError) else None
    return pid

"""Files: atomic writes, and paths that must stay inside of the root folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace the file at ``path`` by ``data`` in one step that survives a crash; create parent folders.

    A reader sees the old bytes or the new ones, never a mixture: write a temporary file in the same folder, fsync it,
    rename it, fsync the folder. On any error, also one raised by the iterable ``data``, the old file is unchanged.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".evalgate-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # there is no old file, or the file system has no permissions
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename durable: fsync of the file alone does not write the folder's entry."""
    with contextlib.suppress(OSError):  # Windows cannot open a folder; some file systems cannot sync one
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def resolve_inside(root: Path, path: Path) -> Path:
    """Resolve ``path``, which is relative to ``root``, including symbolic links.

    Raises:
        ValueError: The path is outside of ``root``; the message names both.
    """
    try:
        top = root.resolve()
        resolved = (top / path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, up to Python 3.12
        raise ValueError(f"{path} cannot be resolved: {error}") from error
    if not resolved.is_relative_to(top):
        raise ValueError(f"{path} leads to {resolved}, outside of {top}; move it below that folder")
    return resolved


def relative_name(path: Path, root: Path) -> str:
    """Return ``path`` with forward slashes: relative to ``root`` if it is below it, otherwise absolute."""
    full = os.path.normpath(path.absolute())  # removes "..", which Path.absolute keeps
    places = ((full, os.path.normpath(root.absolute())), (os.path.realpath(path), os.path.realpath(root)))
    for place, top in places:
        if Path(place).is_relative_to(top):
            return Path(place).relative_to(top).as_posix()
    return Path(full).as_posix()

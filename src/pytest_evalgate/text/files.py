"""Files: written whole or not at all, and never outside of their root."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace the file at ``path`` by ``data`` in one step that survives a crash; parent folders are made.

    A reader sees the old bytes or the new ones, never a mixture: temporary file in the same folder, fsync, rename,
    fsync of the folder. On any error, one raised while ``data`` is drawn included, the old file is as it was.

    Raises:
        OSError: the file cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".evalgate-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        _copy_permissions(path, temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def resolve_inside(root: Path, path: Path) -> Path:
    """Resolve ``path``, symbolic links included, taking it from ``root`` where it is relative.

    Raises:
        ValueError: it lies outside of ``root``; the message names both.

    """
    try:
        top = root.resolve()
        resolved = (top / path).resolve()
    except (OSError, RuntimeError) as error:  # a symbolic link that leads to itself
        raise ValueError(f"{path} cannot be resolved: {error}") from error
    if not resolved.is_relative_to(top):
        raise ValueError(f"{path} leads to {resolved}, outside of {top}; move it below that folder")
    return resolved


def relative_name(path: Path, root: Path) -> str:
    """Name ``path`` with forward slashes: relative to ``root`` where it lies below it, else absolute."""
    full = os.path.normpath(path.absolute())  # takes out "..", which Path.absolute keeps
    places = ((full, os.path.normpath(root.absolute())), (os.path.realpath(path), os.path.realpath(root)))
    for place, top in places:
        if Path(place).is_relative_to(top):
            return Path(place).relative_to(top).as_posix()
    return Path(full).as_posix()


def _copy_permissions(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError):  # there is no old file, or the file system has no permissions
        target.chmod(source.stat().st_mode & 0o777)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows cannot open a folder, some file systems cannot sync one
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Files: atomic writes, and paths that must stay inside of the root folder.

Every file that a session or a command leaves behind is written here. A disk that is full or read-only, a quota, a
missing permission or a file of the wrong kind becomes a `StorageError`, whose message has the path and the next step.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError, StorageError, UserError
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_NEXT_STEPS: Final[Mapping[str, str]] = {
    "ENOSPC": "free some space",
    "EDQUOT": "free some space of the quota",
    "EROFS": "choose a folder that can be written",
    "EACCES": "give this user the permission to write there",
    "EPERM": "give this user the permission to write there",
    "EMFILE": "allow more open files (ulimit -n)",
    "ENFILE": "allow more open files",
    "EEXIST": "move the file that is in the way",
    "ENOTDIR": "move the file that is in the way",
    "EISDIR": "move the folder that is in the way",
    "ENOTEMPTY": "move the folder that is in the way",
    "ELOOP": "remove the symbolic link",
    "ENAMETOOLONG": "choose a shorter path",
    "EIO": "check the disk",
}
"""Advice by the name of the error. Windows lacks some of the numbers, and macOS has others."""


_EXHAUSTED: Final = frozenset({"EMFILE", "ENFILE", "ENOSPC", "EDQUOT"})


@contextlib.contextmanager
def storing(path: Path, action: str = "written") -> Iterator[None]:
    """Turn errors of the operating system into `StorageError`: ``path`` cannot be ``action``, the reason, the advice.

    Raises:
        StorageError: The block raised OSError.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(path, action, error) from error


def storage_error(path: Path, action: str, error: OSError) -> StorageError:
    """Return the error that ``path`` cannot be ``action``, for loops in which `storing` would take too long."""
    step = _NEXT_STEPS.get(errno.errorcode.get(error.errno or 0, ""), "check the path")
    return StorageError(path, f"{path}: cannot be {action}: {error.strerror or error}: {step}")


def is_exhaustion(error: BaseException) -> bool:
    """Return whether the machine has no file descriptor or no space left, which is not a failure of the code."""
    return isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in _EXHAUSTED


def make_folder(path: Path) -> None:
    """Create a folder and its parents, unless it exists.

    Raises:
        StorageError: It cannot be created.
    """
    with storing(path, "made"):
        path.mkdir(parents=True, exist_ok=True)


def remove(path: Path) -> None:
    """Remove a file, if it exists.

    Raises:
        StorageError: It is a folder, or cannot be removed.
    """
    with storing(path, "removed"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(path.lstat().st_mode):  # unlink would report EPERM on macOS
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.unlink()


def write_atomically(
    path: Path, data: bytes | Iterable[bytes], *, patch: Callable[[], tuple[int, bytes]] | None = None
) -> None:
    """Replace the file at ``path`` by ``data`` in one step that survives a crash; create parent folders.

    A reader sees the old bytes or the new ones, never a mixture: write a temporary file in the same folder, fsync it,
    rename it, fsync the folder. On any error, also one raised by the iterable ``data``, the old file is unchanged.
    ``patch`` is called when all data are written; it returns an offset, and the bytes to write there.

    Raises:
        StorageError: The file cannot be written.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".evalgate-{secrets.token_hex(8)}.tmp")
    with storing(path):
        try:
            with temporary.open("xb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                if patch is not None:
                    offset, part = patch()
                    file.seek(offset)
                    file.write(part)
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


def append_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Append complete lines to a file, with fsync; create it and its parent folders if necessary.

    On an error, the file keeps its old content. A last line that a crash has cut is ended first, so that nothing is
    appended to it.

    Raises:
        StorageError: The lines cannot be written.
    """
    make_folder(path.parent)
    with storing(path), contextlib.suppress(FileNotFoundError):
        require_regular(path)
    with storing(path), path.open("ab+", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        is_cut = file.read(1) not in (b"", b"\n")
        data = b"\n" * is_cut + b"".join(lines)
        try:
            while data:  # a disk that becomes full accepts only a part
                data = data[file.write(data) or 0 :]
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def _sync_folder(folder: Path) -> None:
    """Make the rename durable: fsync of the file alone does not write the folder's entry."""
    with contextlib.suppress(OSError):  # Windows cannot open a folder; some file systems cannot sync one
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def require_regular(path: Path) -> None:
    """Raise OSError unless ``path`` is a regular file: reading a named pipe would block for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise FileExistsError(errno.EEXIST, "not a regular file")


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It cannot be read, or is not a regular file.
    """
    require_regular(path)
    return path.read_bytes()


def read_head(path: Path, size: int = 20_000) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def resolve_inside(root: Path, path: Path) -> Path:
    """Resolve ``path``, which is relative to ``root``, including symbolic links.

    Raises:
        ValueError: The path is outside of ``root``, or cannot be resolved; the message names it.
    """
    try:
        top = root.resolve()
        resolved = (top / path).resolve()
    # RuntimeError: a loop of symbolic links, up to Python 3.12; ValueError: a NUL character
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} cannot be resolved: {error}") from error
    if not resolved.is_relative_to(top):
        raise ValueError(f"{path} leads to {resolved}, outside of {top}; move it below that folder")
    return resolved


def configured_path(root: Path, path: Path | str, place: str, error: type[UserError] = SettingsError) -> Path:
    """Resolve a path that the user has configured at ``place``, like `resolve_inside`.

    Raises:
        UserError: The path cannot be used; the exception is of the type ``error``, its message begins with ``place``.
    """
    try:
        return resolve_inside(root, Path(path))
    except ValueError as problem:
        raise error(f"{place}: {problem}") from None


def existing_path(root: Path, path: Path | str, place: str, error: type[UserError] = SettingsError) -> Path:
    """Resolve the path of a file that the user has configured at ``place``, like `configured_path`.

    Raises:
        UserError: The path cannot be used, or there is no such file; the message names the most similar file.
    """
    found = configured_path(root, path, place, error)
    if not found.exists():
        raise error(f"{place}: there is no file {path} in {root}{nearest_file(root, path)}")
    return found


_MOST_SEARCHED: Final = 2000
"""Files among which a similar name is searched."""

_NOT_SEARCHED: Final = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})


def nearest_file(root: Path, path: Path | str) -> str:
    """Return ``; did you mean "x"?`` with the file below ``root`` that is the most similar to ``path``."""
    wanted = Path(path)
    known = [*islice(_files_below(root), _MOST_SEARCHED)]
    same_name = [name for name in known if Path(name).name == wanted.name]
    alike = (name for name in known if Path(name).suffix == wanted.suffix)
    return f'; did you mean "{same_name[0]}"?' if same_name else did_you_mean(wanted.as_posix(), alike, cutoff=0.7)


def _files_below(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_SEARCHED and not name.startswith("."))
        yield from (Path(folder, name).relative_to(root).as_posix() for name in sorted(names))


def relative_name(path: Path, root: Path) -> str:
    """Return ``path`` with forward slashes: relative to ``root`` if it is below it, otherwise absolute."""
    full = os.path.normpath(path.absolute())  # removes "..", which Path.absolute keeps
    places = ((full, os.path.normpath(root.absolute())), (os.path.realpath(path), os.path.realpath(root)))
    for place, top in places:
        if Path(place).is_relative_to(top):
            return Path(place).relative_to(top).as_posix()
    return Path(full).as_posix()

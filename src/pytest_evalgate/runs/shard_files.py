"""The files of a folder that are shards by their names; whoever filled the folder is not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import Run
    from pytest_evalgate.runs.origin import Origin

_MOST_BYTES = 1 << 30
"""All shards together: they are held in memory."""

_LISTED = 5


@dataclass(frozen=True, slots=True)
class ShardRun:
    """What a shard left: its run, in which the cases of other shards are not run."""

    path: str
    shard: Shard
    origin: Origin
    run: Run


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """The shards of a folder, and what is wrong with the others; ``unread`` are the numbers of those."""

    runs: tuple[ShardRun, ...]
    problems: tuple[str, ...] = ()
    unread: frozenset[int] = frozenset()


def read_folder(folder: Path, count: int) -> ShardFolder:
    """Read the shards that lie directly in a folder, in the order of their numbers.

    Args:
        folder: The folder; what lies in folders below it is not looked at.
        count: How many shards the run has: those of another number are not read.

    Raises:
        RunFileError: there is no such folder, or no shard in it.

    """
    found = _shards_in(folder)
    if not found:
        raise RunFileError(
            f"{folder}: holds no shard (a file such as 1-of-{count}.jsonl); where each lies in a folder of its own, "
            "put them into one (actions/download-artifact: merge-multiple: true)"
        )
    others = [shard.file_name for shard in found if shard.count != count]
    problems = [f"{folder}: expected are {count} shards, but there is {listed(others)}"] if others else []
    return _read_all(folder, [shard for shard in found if shard.count == count], problems)


def listed(names: Sequence[str]) -> str:
    """Join names for a message; of many the first."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(jsonl.visible(name) for name in names[:_LISTED]) + more


def _read_all(folder: Path, shards: Sequence[Shard], problems: Sequence[str]) -> ShardFolder:
    runs: list[ShardRun] = []
    unread: dict[int, str] = {}
    room = _MOST_BYTES
    for shard in shards:
        try:
            path, size = _locate(folder, shard.file_name)
            room -= size
            runs.append(_read(path, folder / shard.file_name, room))
        except RunFileError as error:
            unread[shard.index] = str(error)
    return ShardFolder(tuple(runs), (*problems, *unread.values()), frozenset(unread))


def _shards_in(folder: Path) -> list[Shard]:
    try:
        found = [shard for entry in folder.iterdir() if (shard := Shard.of_file(entry.name)) is not None]
    except OSError as error:
        raise RunFileError(f"{folder}: cannot be read: {error.strerror}; name the folder of the shards") from None
    return sorted(found, key=lambda shard: (shard.count, shard.index))


def _locate(folder: Path, name: str) -> tuple[Path, int]:
    """Return the path of a file, symbolic links resolved, and its size in bytes."""
    try:
        path = files.inside(folder, Path(name))
        return path, path.stat().st_size
    except (OSError, ValueError) as error:
        raise RunFileError(f"{folder / name}: cannot be used: {error}") from None


def _read(path: Path, name: Path, room: int) -> ShardRun:
    if room < 0:
        raise RunFileError(f"{name}: not read: the shards hold more than {_MOST_BYTES >> 20:,} MiB")
    run, origin = run_file.read_with_origin(path)
    if origin.shard is None:
        raise RunFileError(f"{name}: a whole run, not a shard; remove it")
    return ShardRun(str(name), origin.shard, origin, run)

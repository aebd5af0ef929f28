"""Shard files in the store: each as a row and its compressed pieces, so that no process has a whole file in memory.

A file is stored in one transaction, and is checked by its size and its SHA-256 when it is read.
"""

from __future__ import annotations

import hashlib
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.store.database import Database

PIECE: Final = 4 << 20
"""Size of a piece in bytes, before its compression."""

_LEVEL: Final = 1  # run files become 5 to 34 times smaller; level 6 saves another quarter, for 2.6 times the CPU
_COLUMNS: Final = ("project", "shards", "file", "place", "content")


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """The shard files of one run in a store.

    Args:
        database: The open store.
        project: The project that the shards are of.
        name: The name of the run, which all of its shards share.
    """

    database: Database
    project: str
    name: str

    @property
    def _key(self) -> dict[str, str]:
        return {"project": self.project, "shards": self.name}

    def reserve(self, file: str) -> None:
        """Delete the file of an earlier attempt; this also shows whether the store can be written to."""
        with self.database.transaction():
            self.database.change("shard_reserve", **self._key, file=file, stored=_now())

    def put(self, path: Path, file: str) -> None:
        """Store a local file as ``file``, whole or not at all; it replaces an earlier one.

        Raises:
            OSError: The local file cannot be read.
        """
        with path.open("rb") as source, self.database.transaction():
            sha256, size = hashlib.file_digest(source, "sha256").hexdigest(), source.tell()
            key = {**self._key, "file": file}
            self.database.change("shard_insert", **key, stored=_now(), bytes=size, sha256=sha256)
            source.seek(0)
            for place, piece in enumerate(iter(lambda: source.read(PIECE), b"")):
                self.database.insert("shard_pieces", _COLUMNS, [(*key.values(), place, zlib.compress(piece, _LEVEL))])

    def size(self) -> int | None:
        """Return the size of all files together in bytes; None if there is none."""
        found = self.database.query("shard_files", **self._key)
        return sum(row["bytes"] for row in found) if found else None

    def copy(self, folder: Path) -> None:
        """Copy all files to a local folder.

        Raises:
            RunFileError: A file is not the one that was stored, or has another name than a shard.
        """
        for row in self.database.query("shard_files", **self._key):
            if Shard.of_file(row["file"]) is None:
                raise RunFileError(f"a file named {jsonl.quote_text(row['file'])}: shards have names as 1-of-4.jsonl")
            files.write_atomically(folder / row["file"], self._pieces(row["file"], row["bytes"], row["sha256"]))

    def _pieces(self, file: str, size: int, sha256: str) -> Iterator[bytes]:
        """Yield the content of a file, which is checked at its end; no more than ``size`` bytes are decompressed."""
        digest, left, place = hashlib.sha256(), size, 0
        while left:
            found = self.database.query("shard_piece", **self._key, file=file, place=place)
            piece = _inflated(found[0]["content"], left) if found else b""
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
            place += 1
            yield piece
        if left or digest.hexdigest() != sha256:
            raise RunFileError(f"{file}: is not the file that was stored: run {Shard.of_file(file)} again")


def _inflated(content: bytes, most: int) -> bytes:
    """Return the bytes of a piece; no bytes if it is damaged or has more than ``most``."""
    inflater = zlib.decompressobj()
    try:
        piece = inflater.decompress(content, min(PIECE, most))
    except zlib.error:
        return b""
    return piece if inflater.eof else b""


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

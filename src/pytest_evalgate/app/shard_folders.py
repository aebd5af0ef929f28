"""Folder that the shards of a run share: at a URL of fsspec, or in the project's store as ``store://RUN``."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from pytest_evalgate.app.past_runs import place_of, project_name, within
from pytest_evalgate.errors import RunFileError, SettingsError, StorageError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.remote import MAX_BYTES, RemoteFolder
from pytest_evalgate.store import Database, StoreError, StorePlace
from pytest_evalgate.store.shard_files import ShardFiles
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.config import Settings

SCHEME: Final = "store://"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_WAIT_S: Final = 60.0
_SLOWEST: Final = 1 << 20
"""Bytes that a store takes in a second at least, after the first minute."""

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 1.0

Found = TypeVar("Found")


class SharedFolder(Protocol):
    """A folder for the shard files of one run, which other machines can read."""

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""

    def reserve(self, name: str) -> None:
        """Remove the file of an earlier attempt, before anything is spent.

        Raises:
            SettingsError: The folder cannot be written to.
        """

    def put(self, path: Path, name: str) -> None:
        """Store a local file as ``name``, whole or not at all.

        Raises:
            StorageError: It could not be stored; the message names the local file.
        """

    def fetch(self, folder: Path, count: int) -> None:
        """Copy the shard files of a run of ``count`` shards to a local folder.

        Raises:
            RunFileError: They cannot be read.
        """


def checked_url(text: str, place: str) -> str:
    """Return a URL that the user gave at ``place``, without a slash at the end.

    Raises:
        SettingsError: Shards cannot be stored there.
    """
    if not text.startswith(SCHEME):
        return RemoteFolder.parse(text, place).url
    if _NAME.fullmatch(text.removeprefix(SCHEME)) is None:
        given = jsonl.quote_text(text)
        raise SettingsError(f"{place}: {given}: give the shards of a run one name of letters and digits: store://RUN")
    return text.rstrip("/")


def shard_folder(url: str, settings: Settings, *, root: Path, state: Path) -> SharedFolder:
    """Return the folder at a checked URL.

    Raises:
        SettingsError: It is in the store, which is switched off.
        StoreError: The variable of ``store_env`` has no address.
    """
    if not url.startswith(SCHEME):
        return RemoteFolder(url)
    place = place_of(settings, state)
    if place is None:
        raise SettingsError(f'{url}: store = "off": remove the line, or give shards another URL')
    return StoreFolder(url, place, project_name(root))


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """Shard files in the store of a project.

    Args:
        url: ``store://RUN``.
        place: The store.
        project: The name of the project.
        pause: Waits for some seconds before another attempt.
    """

    url: str
    place: StorePlace
    project: str
    pause: Callable[[float], object] = time.sleep

    def reserve(self, name: str) -> None:
        """Delete the file of an earlier attempt; raises as `SharedFolder.reserve`."""
        try:
            self._write(lambda found: found.reserve(name), 0)
        except UserError as error:
            raise SettingsError(f"{self.url}/{name}: {error}; nothing was sent") from None

    def put(self, path: Path, name: str) -> None:
        """Store a local file, in three attempts; raises as `SharedFolder.put`."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._write(lambda found: found.put(path, name), path.stat().st_size)
            except (StoreError, OSError) as error:
                if attempt == _ATTEMPTS:
                    step = "run the shard again, or copy the file to the other shards' and merge that folder"
                    message = f"{self.url}/{name}: {error}; the shard is stored in {path} only: {step}"
                    raise StorageError(path, message) from None
                self.pause(_PAUSE_S * 2 ** (attempt - 1))
            else:
                return

    def fetch(self, folder: Path, count: int) -> None:
        """Copy all shard files to a local folder; raises as `SharedFolder.fetch`."""
        is_new = self.place.file is not None and not self.place.file.exists()
        size = None if is_new else self._read(lambda found: found.size(), 0)
        if size is None:
            where = f"{self.place.name} contains no shard of this name (a file 1-of-{count}.jsonl)"
            raise RunFileError(f"{self.url}: {where}")
        if size > MAX_BYTES:
            raise RunFileError(f"{self.url}: not read: the shards are larger than {MAX_BYTES >> 20:,} MiB")
        self._read(lambda found: found.copy(folder), size)

    def _write(self, work: Callable[[ShardFiles], None], size: int) -> None:
        def run() -> None:
            with Database.open(self.place) as database:
                work(self._files(database))

        self._bounded(run, size)

    def _read(self, work: Callable[[ShardFiles], Found], size: int) -> Found:
        def run() -> Found:
            with Database.reading(self.place) as database:
                return work(self._files(database))

        try:
            return self._bounded(run, size)
        except (RunFileError, StoreError) as error:
            raise RunFileError(f"{self.url}: {error}") from None

    def _files(self, database: Database) -> ShardFiles:
        return ShardFiles(database, self.project, self.url.removeprefix(SCHEME))

    def _bounded(self, run: Callable[[], Found], size: int) -> Found:
        """Run a call that a server could keep for ever; that of SQLite ends by itself."""
        if self.place.file is not None:
            return run()
        found: Found = within(_WAIT_S + size / _SLOWEST, self.place, run)
        return found

"""Folder of shard files at a URL: object storage (``s3://``, ``gs://``, ``az://``) and other file systems of fsspec.

Keys come from where the provider's own library finds them: environment, profile, workload identity. They are never
part of a URL, and never of a message. Nothing is imported, and no endpoint is called, unless a URL is given.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from pytest_evalgate.errors import RunFileError, SettingsError, StorageError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.shard import Shard, join_names
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAX_BYTES: Final = 64 << 30
"""Size of all shard files of a run together."""

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 1.0
_CHUNK: Final = 8 << 20
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://")
_READ_ONLY: Final = frozenset({"http", "https", "github", "git", "data"})
_WHOLE_OBJECTS: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss"})
"""Storage where an object appears only when all of its bytes have arrived. Elsewhere a file is renamed at the end."""

_FINAL: Final = (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError, ImportError)
_SECRET: Final = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|CONNECTION_STRING|SAS")
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    # bounds for a host that does not answer; botocore waits for 60 s, five times
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}},
}


def is_url(text: str) -> bool:
    """Return whether a text is a URL, not a path."""
    return _URL.match(text) is not None


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder at a URL, for the shard files of one run.

    Args:
        url: Its URL, without a slash at the end.
        pause: Waits for some seconds before another attempt.
    """

    url: str
    pause: Callable[[float], object] = time.sleep

    @classmethod
    def parse(cls, text: str, place: str) -> Self:
        """Parse a URL that the user gave at ``place``.

        Raises:
            SettingsError: It cannot be written to, or contains a key.
        """
        if not is_url(text):
            raise SettingsError(f"{place}: {jsonl.quote_text(text)} is not a URL such as s3://bucket/runs/RUN/")
        parts = urlsplit(text)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise SettingsError(f"{place}: a URL without a key, a query and a fragment: set keys in the environment")
        if parts.scheme in _READ_ONLY or "::" in text:
            raise SettingsError(f"{place}: files cannot be stored at {parts.scheme}: use s3://, gs:// or az://")
        if not f"{parts.netloc}{parts.path}".strip("/"):
            raise SettingsError(f"{place}: {text} names no bucket and no folder: s3://bucket/runs/RUN/")
        return cls(text.rstrip("/"))

    def reserve(self, name: str) -> None:
        """Remove the file that an earlier attempt has stored, before anything is spent.

        This also shows whether the folder can be written to.

        Raises:
            SettingsError: It cannot.
        """

        def remove(system: Any, path: str) -> None:
            probe = f"{path}.{secrets.token_hex(4)}.tmp"
            self._make_folder(system)
            system.pipe_file(probe, b"")
            system.rm_file(probe)
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(path)

        try:
            self._try(name, remove)
        except RunFileError as error:
            raise SettingsError(f"{error}; nothing was sent") from None

    def put(self, path: Path, name: str) -> None:
        """Store a local file as ``name``, whole or not at all.

        Raises:
            StorageError: It could not be stored in three attempts; the message names the local file.
        """

        def store(system: Any, target: str) -> None:
            size = path.stat().st_size
            if _scheme(self.url) in _WHOLE_OBJECTS:
                system.put_file(str(path), target)
            else:
                temporary = f"{target}.{secrets.token_hex(8)}.tmp"
                self._make_folder(system)
                system.put_file(str(path), temporary)
                system.mv(temporary, target)
            if (stored := system.info(target)["size"]) != size:
                raise OSError(f"{stored} of {size} bytes arrived")

        try:
            self._try(name, store)
        except RunFileError as error:
            step = "run the shard again, or copy the file there"
            raise StorageError(path, f"{error}; the shard is stored in {path} only: {step}") from None

    def fetch(self, folder: Path, count: int) -> None:
        """Copy the shard files of a run of ``count`` shards to a local folder.

        Raises:
            RunFileError: The folder cannot be read, contains other files, or more than `MAX_BYTES`.
        """
        sizes = self._sizes()
        foreign = [name for name in sizes if Shard.of_file(name) is None]
        if foreign:
            names = join_names(foreign)
            raise RunFileError(f"{self.url}: contains {names}: use a folder that contains the shards of one run only")
        if not sizes:
            raise RunFileError(f"{self.url}: contains no shard (a file such as 1-of-{count}.jsonl)")
        if sum(sizes.values()) > MAX_BYTES:
            raise RunFileError(f"{self.url}: not read: the shards are larger than {MAX_BYTES >> 20:,} MiB")
        for name, size in sizes.items():
            self._try(name, partial(_copy, folder / name, size))

    def _sizes(self) -> dict[str, int]:
        """Return the size of each file of the folder, by name."""
        found: dict[str, int] = {}

        def list_files(system: Any, path: str) -> None:
            found.clear()
            with contextlib.suppress(FileNotFoundError):
                found.update(
                    (entry["name"].rstrip("/").rpartition("/")[2], entry["size"])
                    for entry in system.ls(path, detail=True, refresh=True)
                    if entry["type"] == "file" and entry["name"].rstrip("/") != path.rstrip("/")
                )

        self._try("", list_files)
        return dict(sorted(found.items()))

    def _make_folder(self, system: Any) -> None:
        """Create the folder, but never a bucket: object storage has no folders."""
        if _scheme(self.url) not in _WHOLE_OBJECTS:
            system.makedirs(self._path(system, ""), exist_ok=True)

    def _path(self, system: Any, name: str) -> str:
        return str(system._strip_protocol(f"{self.url}/{name}" if name else self.url))  # noqa: SLF001 - fsspec's own way

    def _try(self, name: str, work: Callable[[Any, str], None]) -> None:
        """Call ``work`` with the file system and the path of a file; up to three times if it fails.

        Raises:
            RunFileError: It failed for good; the message has the URL and the reason, without keys.
        """
        place = f"{self.url}/{name}" if name else self.url
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._system() as system:
                    return work(system, self._path(system, name))
            except SettingsError:
                raise
            except Exception as error:  # noqa: BLE001 - each provider has its own exceptions
                if attempt == _ATTEMPTS or isinstance(error, _FINAL):
                    raise RunFileError(f"{place}: {_reason(error)}") from None
                self.pause(_PAUSE_S * 2 ** (attempt - 1))
        return None

    @contextlib.contextmanager
    def _system(self) -> Iterator[Any]:
        try:
            import fsspec  # noqa: PLC0415 - only if a URL is given
        except ImportError:
            raise _missing_extra(self.url) from None
        scheme = _scheme(self.url)
        try:
            system = fsspec.filesystem(scheme, skip_instance_cache=True, **_OPTIONS.get(scheme, {}))
        except (ImportError, ValueError) as error:
            raise _missing_extra(self.url, str(error)) from None
        try:
            yield system
        finally:
            _close(system)


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _close(system: Any) -> None:
    """Close the connections of s3fs, which leaves that to the end of the process."""
    session = getattr(system, "_s3", None)
    if session is not None:
        with contextlib.suppress(Exception):
            system.close_session(system.loop, session)


def _missing_extra(url: str, reason: str = "") -> SettingsError:
    if _scheme(url) in {"s3", "s3a"} or not reason:
        return SettingsError(f"{url}: pip install 'pytest-evalgate[remote]'")
    return SettingsError(f"{url}: {reason}")


def _reason(error: Exception) -> str:
    """Return an error without the values of variables that may be keys."""
    names = [name for name in os.environ if _SECRET.search(name)]
    text = Redactor.of(names, os.environ).redact(" ".join(str(error).split()) or "no reason given")
    return f"{type(error).__name__}: {jsonl.escape_text(text, 300)}"


def _copy(target: Path, size: int, system: Any, path: str) -> None:
    """Copy a file of ``size`` bytes; a file that has become longer is not read to its end."""

    def chunks() -> Iterator[bytes]:
        left = size
        with system.open(path, "rb", block_size=_CHUNK, cache_type="readahead") as file:
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise OSError(f"{size - left} of {size} bytes arrived")

    files.write_atomically(target, chunks())

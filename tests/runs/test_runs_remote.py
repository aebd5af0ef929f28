from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from pytest_evalgate.errors import RunFileError, SettingsError, StorageError
from pytest_evalgate.runs import remote
from pytest_evalgate.runs.remote import RemoteFolder, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Use = Callable[["_Faulty"], RemoteFolder]


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture(params=["memory", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemoteFolder]:
    url = "memory://bucket/run" if request.param == "memory" else f"file://{tmp_path}/remote/run"
    yield RemoteFolder.parse(f"{url}/", "place")
    fsspec.filesystem("memory").store.clear()


def _names(folder: RemoteFolder) -> list[str]:
    system, path = fsspec.core.url_to_fs(folder.url)
    return sorted(name.rpartition("/")[2] for name in system.ls(path, detail=False))


def _local(tmp_path: Path, text: str = "shard\n", name: str = "1-of-2.jsonl") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_comes_back_as_it_was(folder: RemoteFolder, tmp_path: Path) -> None:
    for name in ("1-of-2.jsonl", "2-of-2.jsonl"):
        folder.reserve(name)
        folder.put(_local(tmp_path, f"content of {name}\n", name), name)
    assert _names(folder) == ["1-of-2.jsonl", "2-of-2.jsonl"]
    folder.fetch(tmp_path / "copy", 2)
    assert (tmp_path / "copy" / "2-of-2.jsonl").read_text() == "content of 2-of-2.jsonl\n"


def test_a_file_replaces_that_of_an_earlier_attempt(folder: RemoteFolder, tmp_path: Path) -> None:
    folder.reserve("1-of-2.jsonl")
    folder.put(_local(tmp_path, "old and longer\n"), "1-of-2.jsonl")
    folder.reserve("1-of-2.jsonl")
    assert _names(folder) == []
    folder.put(_local(tmp_path, "new\n"), "1-of-2.jsonl")
    folder.fetch(tmp_path / "copy", 2)
    assert (tmp_path / "copy" / "1-of-2.jsonl").read_text() == "new\n"


def test_foreign_files_are_named(folder: RemoteFolder, tmp_path: Path) -> None:
    folder.reserve("1-of-2.jsonl")
    folder.put(_local(tmp_path), "1-of-2.jsonl")
    folder.put(_local(tmp_path), "notes 1.txt")
    with pytest.raises(RunFileError, match=r"run: contains notes 1.txt: use a folder"):
        folder.fetch(tmp_path / "copy", 2)
    assert not (tmp_path / "copy").exists()


def test_an_empty_folder_and_one_that_does_not_exist_are_named(folder: RemoteFolder, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RunFileError, match=r"run: contains no shard \(a file such as 1-of-2.jsonl\)"):
            folder.fetch(tmp_path / "copy", 2)
        folder.reserve("1-of-2.jsonl")


def test_more_than_the_bound_is_not_read(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.reserve("1-of-2.jsonl")
    folder.put(_local(tmp_path), "1-of-2.jsonl")
    monkeypatch.setattr(remote, "MAX_BYTES", 3)
    with pytest.raises(RunFileError, match="not read: the shards are larger"):
        folder.fetch(tmp_path / "copy", 2)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("runs/1", '"runs/1" is not a URL such as s3://bucket/runs/RUN/'),
        ("C:\\runs", "is not a URL"),
        ("https://example.org/runs", "files cannot be stored at https: use s3://, gs:// or az://"),
        ("simplecache::s3://evals/runs", "is not a URL"),
        ("s3://evals/a::b", "files cannot be stored at s3"),
        ("s3://AKIAKEY:hunter2secret@evals/runs", "a URL without a key"),
        ("s3://evals/runs?token=hunter2secret", "a URL without a key, a query and a fragment"),
        ("s3://", "names no bucket and no folder"),
        ("s3:///", "names no bucket"),
    ],
)
def test_other_urls_are_refused_without_their_keys(url: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RemoteFolder.parse(url, "--eval-shards-to")
    assert told in str(caught.value)
    assert str(caught.value).startswith("--eval-shards-to: ")
    assert "hunter2" not in str(caught.value)


def test_a_path_is_not_a_url() -> None:
    assert all(map(is_url, ("s3://b/r", "file:///r")))
    assert not any(map(is_url, ("shards/", "C:/x", "/x")))


class _Faulty:
    """A file system in memory whose uploads fail with these errors, one a call."""

    def __init__(self, *errors: Exception, stored: int | None = None) -> None:
        self.errors = list(errors)
        self.calls = 0
        self._stored = stored
        self._memory = fsspec.filesystem("memory")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    def put_file(self, source: str, target: str) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        self._memory.put_file(source, target)

    def info(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._memory.info(path)
        return found if self._stored is None else {**found, "size": self._stored}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Callable[[_Faulty], RemoteFolder]]:
    def use(system: _Faulty) -> RemoteFolder:
        monkeypatch.setattr(fsspec, "filesystem", lambda *_, **__: system)
        return RemoteFolder("memory://bucket/run", pauses.append)

    memory = fsspec.filesystem("memory")
    yield use
    memory.store.clear()


def test_an_upload_is_repeated(use: Use, tmp_path: Path, pauses: list[float]) -> None:
    system = _Faulty(TimeoutError("slow"), ConnectionError("reset"))
    use(system).put(_local(tmp_path), "1-of-2.jsonl")
    assert (system.calls, pauses) == (3, [1.0, 2.0])


def test_an_upload_that_fails_names_the_local_file(
    use: Use, tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    path, error = _local(tmp_path), OSError("signature of wJalrXUtnFEMI/K7MDENG\nwas wrong")
    with pytest.raises(StorageError) as caught:
        use(_Faulty(error, error, error, error)).put(path, "1-of-2.jsonl")
    assert str(caught.value) == (
        f"memory://bucket/run/1-of-2.jsonl: OSError: signature of *** was wrong; the shard is stored in {path} only: "
        "run the shard again, or copy the file there"
    )
    assert pauses == [1.0, 2.0]
    assert path.exists()


def test_what_another_attempt_cannot_change_is_not_repeated(use: Use, tmp_path: Path, pauses: list[float]) -> None:
    with pytest.raises(StorageError, match="PermissionError: denied; the shard is stored in"):
        use(_Faulty(PermissionError("denied"))).put(_local(tmp_path), "1-of-2.jsonl")
    assert pauses == []


def test_an_upload_that_arrived_in_part_is_a_failure(use: Use, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="3 of 6 bytes arrived"):
        use(_Faulty(stored=3)).put(_local(tmp_path), "1-of-2.jsonl")


def test_a_folder_that_cannot_be_written_to_is_known_before_anything_is_sent(
    tmp_path: Path, pauses: list[float]
) -> None:
    _local(tmp_path, name="file")
    folder = RemoteFolder(f"file://{tmp_path}/file/run", pauses.append)
    with pytest.raises(SettingsError, match=r"file/run/1-of-2.jsonl: .*; nothing was sent"):
        folder.reserve("1-of-2.jsonl")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(SettingsError, match=r"s3://b/r: pip install 'pytest-evalgate\[remote\]'"):
        RemoteFolder("s3://b/r").reserve("1-of-2.jsonl")


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere://b/r: Protocol not known: nowhere"):
        RemoteFolder("nowhere://b/r").reserve("1-of-2.jsonl")


def test_no_connection_is_opened_for_a_local_folder(
    folder: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    folder.reserve("1-of-2.jsonl")
    folder.put(_local(tmp_path), "1-of-2.jsonl")
    folder.fetch(tmp_path / "copy", 2)

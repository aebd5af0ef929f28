"""Shards in the store: a file comes back as it was or not at all, and `merge` decides as on one machine."""

from __future__ import annotations

import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import forked

from pytest_evalgate.app import shard_folders
from pytest_evalgate.app.shard_folders import StoreFolder, checked_url, shard_folder
from pytest_evalgate.cli import main
from pytest_evalgate.config import Settings
from pytest_evalgate.errors import RunFileError, SettingsError, StorageError
from pytest_evalgate.store import Database, StoreError, StorePlace, shard_files
from pytest_evalgate.store.shard_files import ShardFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_URL = "store://nightly/17"
_VOLATILE = ("run_id", "duration_s")
_NOT_EVALUATED, _USAGE = 12, 4


def _folder(place: StorePlace, url: str = _URL) -> StoreFolder:
    return StoreFolder(url, place, "shop", lambda _: None)


def _local(tmp_path: Path, content: bytes = b"shard\n", name: str = "1-of-2.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def _change(place: StorePlace, sql: str, **parameters: Any) -> None:
    with Database.open(place) as database:
        assert database.driver.change(sql, parameters)


# -- one file


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000])
def test_a_file_of_any_size_comes_back_as_it_was(
    place: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(shard_files, "PIECE", 64)
    content = bytes(at % 256 for at in range(size))
    folder = _folder(place)
    for name in ("1-of-2.jsonl", "2-of-2.jsonl"):
        folder.reserve(name)
        folder.put(_local(tmp_path, content, name), name)
    _folder(place, "store://nightly/18").put(_local(tmp_path, b"of another run"), "1-of-2.jsonl")
    folder.fetch(tmp_path / "copy", 2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == {
        "1-of-2.jsonl": content,
        "2-of-2.jsonl": content,
    }


def test_a_later_attempt_replaces_the_file(place: StorePlace, tmp_path: Path) -> None:
    folder = _folder(place)
    folder.put(_local(tmp_path, b"old and longer\n" * 9), "1-of-2.jsonl")
    folder.reserve("1-of-2.jsonl")
    with pytest.raises(RunFileError, match=r"contains no shard of this name \(a file 1-of-2.jsonl\)"):
        folder.fetch(tmp_path / "copy", 2)
    folder.put(_local(tmp_path, b"old and longer\n" * 9), "1-of-2.jsonl")
    folder.put(_local(tmp_path, b"new\n"), "1-of-2.jsonl")
    folder.fetch(tmp_path / "copy", 2)
    assert (tmp_path / "copy" / "1-of-2.jsonl").read_bytes() == b"new\n"


def test_a_store_that_does_not_exist_is_not_created_to_read_it(tmp_path: Path) -> None:
    place = StorePlace.at(tmp_path / "state" / "store.db")
    with pytest.raises(RunFileError, match=r"^store://nightly/17: .*store.db contains no shard of this name"):
        _folder(place).fetch(tmp_path / "copy", 2)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "planted",
    [
        "UPDATE shard_files SET bytes = bytes - 1",
        "UPDATE shard_files SET bytes = bytes + 1",
        "UPDATE shard_files SET sha256 = 'a'",
        "DELETE FROM shard_pieces WHERE place = 1",
        "DELETE FROM shard_pieces WHERE place = 3",
        "UPDATE shard_pieces SET place = 9 - place",
        "UPDATE shard_pieces SET content = (SELECT content FROM shard_pieces WHERE place = 0) WHERE place = 2",
    ],
)
def test_a_damaged_file_is_not_read(
    place: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    monkeypatch.setattr(shard_files, "PIECE", 64)
    folder = _folder(place)
    folder.put(_local(tmp_path, bytes(range(200))), "1-of-2.jsonl")
    _change(place, planted)
    with pytest.raises(RunFileError, match=r"1-of-2.jsonl: is not the file that was stored: run shard 1 of 2 again"):
        folder.fetch(tmp_path / "copy", 2)
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_piece_that_is_no_zlib_or_larger_than_a_piece_is_not_read(place: StorePlace, tmp_path: Path) -> None:
    folder = _folder(place)
    for content in (b"\x00plain", zlib.compress(b"x" * (shard_files.PIECE + 1)), zlib.compress(b"xy")[:-1]):
        folder.put(_local(tmp_path, b"xy"), "1-of-2.jsonl")
        _change(place, "UPDATE shard_pieces SET content = :content", content=content)
        with pytest.raises(RunFileError, match="is not the file that was stored"):
            folder.fetch(tmp_path / "copy", 2)


def test_a_name_that_leaves_the_folder_is_not_written(place: StorePlace, tmp_path: Path) -> None:
    folder = _folder(place)
    folder.put(_local(tmp_path), "1-of-2.jsonl")
    for table in ("shard_files", "shard_pieces"):
        _change(place, f"UPDATE {table} SET file = '../../1-of-2.jsonl'")  # noqa: S608 - the names above
    with pytest.raises(RunFileError, match=r'a file named "../../1-of-2.jsonl": shards have names as'):
        folder.fetch(tmp_path / "copy", 2)


def test_more_than_the_bound_is_not_read(place: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _folder(place)
    folder.put(_local(tmp_path), "1-of-2.jsonl")
    monkeypatch.setattr(shard_folders, "MAX_BYTES", 3)
    with pytest.raises(RunFileError, match="not read: the shards are larger"):
        folder.fetch(tmp_path / "copy", 2)


def test_a_file_that_changes_while_it_is_stored_leaves_nothing(
    place: StorePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(place) as database:
        files = ShardFiles(database, "shop", "17")

        def fail(*_: object) -> bytes:
            raise OSError("the disk is gone")

        monkeypatch.setattr("pytest_evalgate.store.shard_files.zlib.compress", fail)
        with pytest.raises(OSError, match="the disk is gone"):
            files.put(_local(tmp_path), "1-of-2.jsonl")
        assert files.size() is None


# -- a store that fails


def test_a_server_that_is_away_is_asked_three_times_and_the_file_stays(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    pauses: list[float] = []
    place = StorePlace("$EVALGATE_STORE", None, f"postgresql://u:hunter2secret@/evals?host={tmp_path}")
    folder = StoreFolder(_URL, place, "shop", pauses.append)
    path = _local(tmp_path)
    with pytest.raises(StorageError, match=f"the shard is stored in {path} only: run the shard again") as caught:
        folder.put(path, "1-of-2.jsonl")
    assert pauses == [1.0, 2.0]
    with pytest.raises(SettingsError, match=r"^store://nightly/17/1-of-2.jsonl: \$EVALGATE_STORE: .*nothing was sent"):
        folder.reserve("1-of-2.jsonl")
    with pytest.raises(RunFileError, match=r"^store://nightly/17: \$EVALGATE_STORE: "):
        folder.fetch(tmp_path / "copy", 2)
    assert "hunter2" not in str(caught.value)


def test_a_store_that_cannot_be_written_ends_the_shard_before_it_runs(postgres: StorePlace, tmp_path: Path) -> None:
    with Database.open(postgres):
        pass
    reading = StorePlace(postgres.name, None, f"{postgres.url}%20-cdefault_transaction_read_only%3Don")
    with pytest.raises(SettingsError, match=r"read-only transaction: .*; nothing was sent"):
        _folder(reading).reserve("1-of-2.jsonl")
    file = tmp_path / "store.db"
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(SettingsError, match=r"not a database.*nothing was sent"):
        _folder(StorePlace.at(file)).reserve("1-of-2.jsonl")


@pytest.mark.parametrize(
    "url", ["store://", "store:///x", "store://a b", "store://a?b", "store://é", f"store://{'a' * 201}"]
)
def test_other_names_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^merge: .*: give the shards of a run one name"):
        checked_url(url, "merge")


def test_a_url_without_a_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked_url("store://a/b.c-1/", "merge") == "store://a/b.c-1"
    with pytest.raises(SettingsError, match=r'^store://a: store = "off": remove the line'):
        shard_folder("store://a", Settings(store="off"), root=tmp_path, state=tmp_path)
    monkeypatch.delenv("EVALGATE_STORE", raising=False)
    with pytest.raises(StoreError, match=r"\$EVALGATE_STORE is not set"):
        shard_folder("store://a", Settings(store_env="EVALGATE_STORE"), root=tmp_path, state=tmp_path)


# -- sessions


class _Sessions:
    """Sessions of one project as processes, each with a state folder of its own and the same store."""

    def __init__(self, root: Path, store: StorePlace) -> None:
        self.root, self._store = root, store
        golden, outputs = [], []
        for number in range(400):
            tags = [f"lang:{('de', 'en')[number % 2]}"]
            golden.append({"id": f"c{number}", "input": "?", "expected": "yes", "tags": tags})
            outputs.append({"id": f"c{number}", "output": "no" if number % 7 == 5 else "yes"})
        for name, rows in (("golden.jsonl", golden), ("outputs.jsonl", outputs)):
            (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.configure()
        (root / "pytest.ini").write_text("[pytest]\n")

    def configure(self, least: float = 0.8) -> None:
        store = 'store_env = "EVALGATE_STORE"\n' if self._store.url else ""
        (self.root / "evalgate.toml").write_text(
            f'{store}report = {{ formats = ["markdown"] }}\n[suites.faq]\ngolden = "golden.jsonl"\n'
            'target = { recorded = "outputs.jsonl" }\nscorers = ["exact"]\nslices = ["lang"]\n'
            f'gates = [{{ kind = "pass-rate", min = {least} }}, '
            '{ kind = "slice", by = "lang", min = 0.7, min_n = 50 }]\n'
        )

    def environment(self, state: str) -> dict[str, str]:
        """Return the variables of a process, whose state folder has a link to the file of SQLite."""
        folder = self.root / state
        folder.mkdir(exist_ok=True)
        if self._store.file is not None and not (folder / "store.db").is_symlink():
            (folder / "store.db").symlink_to(self._store.file)
        return {"EVALGATE_DIR": str(folder), "EVALGATE_STORE": self._store.url, "COLUMNS": "100"}

    def run(self, state: str, **environ: str) -> tuple[int, str]:
        kept = {name: os.environ[name] for name in ("PATH", "XDG_CONFIG_HOME", "HOME") if name in os.environ}
        words = ("pytest", "--eval-gate", "-q", "-p", "no:cacheprovider")
        return forked.run(words, self.root, {**kept, **self.environment(state), **environ})

    def shard(self, number: int) -> tuple[int, str]:
        return self.run(f"state-{number}", EVALGATE_SHARD=f"{number}/4", EVALGATE_SHARDS_TO=_URL)

    def verdict(self, state: str) -> Mapping[str, Any]:
        value = json.loads((self.root / state / "verdict.json").read_text())
        return {name: item for name, item in value.items() if name not in _VOLATILE}


@pytest.fixture
def sessions(tmp_path: Path, place: StorePlace) -> _Sessions:
    root = tmp_path / "project"
    root.mkdir()
    return _Sessions(root, place)


@pytest.fixture
def evalgate(
    sessions: _Sessions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a verb in this process; it returns the exit code and what was printed."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.chdir(sessions.root)
        for name, value in sessions.environment("merged").items():
            monkeypatch.setenv(name, value)
        code = main(words)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_4_shards_as_processes_get_the_verdict_of_the_whole(
    sessions: _Sessions, place: StorePlace, evalgate: Callable[..., tuple[int, str]]
) -> None:
    assert sessions.run("whole")[0] == 0
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(sessions.shard, range(1, 5)))
    assert [code for code, _ in found] == [_NOT_EVALUATED] * 4, found
    stored = f"shard 3 of 4 is stored in {_URL}/3-of-4.jsonl"
    assert f"evalgate: NOT EVALUATED  {stored}   (exit 12)" in found[2][1]
    command = f"pytest-evalgate merge {_URL}/ --expect-shards 4 --gate"
    assert command in " ".join(found[2][1].split())
    merge = command.split()[1:]
    code, printed = evalgate(*merge)
    assert code == 0, printed
    assert sessions.verdict("merged") == sessions.verdict("whole")
    assert list((sessions.root / "merged").glob("shards-*")) == []

    # what prevents a merge of files prevents this one
    third = sessions.root / "state-3" / "shards" / "3-of-4.jsonl"
    folder = StoreFolder(_URL, place, "project")
    _change(place, "DELETE FROM shard_files WHERE file = '2-of-4.jsonl'")
    assert "shard 2 of 4 is missing (2-of-4.jsonl)" in _refused(evalgate(*merge))
    folder.put(third, "2-of-4.jsonl")
    assert "2-of-4.jsonl, store://nightly/17/3-of-4.jsonl: each contains shard 3 of 4" in _refused(evalgate(*merge))
    changed = third.read_bytes().replace(b'"passed"', b'"missed"', 1)
    assert changed != third.read_bytes()
    (sessions.root / "changed").write_bytes(changed)
    folder.put(sessions.root / "changed", "3-of-4.jsonl")
    assert "store://nightly/17/3-of-4.jsonl: " in _refused(evalgate(*merge))
    folder.put(third, "3-of-4.jsonl")
    sessions.configure(least=0.5)
    assert sessions.shard(2)[0] == _NOT_EVALUATED
    assert "shards differ: config_sha256: " in _refused(evalgate(*merge))

    assert evalgate("store", "prune", "--keep-days", "1")[0] == 0
    assert len(_stored(place)) == 4
    _change(place, "UPDATE shard_files SET stored = '2020-01-01T00:00:00Z' WHERE file <> '1-of-4.jsonl'")
    code, printed = evalgate("store", "prune", "--keep-days", "1", "--json")
    assert (code, json.loads(printed)["removed_shards"]) == (0, 3)
    assert _stored(place) == ["1-of-4.jsonl"]


def _refused(found: tuple[int, str]) -> str:
    code, printed = found
    assert code == _USAGE, printed
    return printed


def _stored(place: StorePlace) -> list[str]:
    with Database.reading(place) as database:
        pieces = database.driver.rows("SELECT DISTINCT file FROM shard_pieces ORDER BY file", {})
        names = [row["file"] for row in database.query("shard_files", project="project", shards="nightly/17")]
    assert [row["file"] for row in pieces] == names
    return names


def test_a_shard_ends_before_it_runs_if_its_store_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "project").mkdir()
    sessions = _Sessions(tmp_path / "project", StorePlace.at(tmp_path / "folder"))
    code, printed = sessions.shard(1)
    assert (code, "; nothing was sent" in printed) == (_USAGE, True), printed
    assert not (sessions.root / "state-1" / "shards").exists()

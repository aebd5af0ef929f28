"""Attacks with crafted databases (SECURITY.md): none has an effect, and the run continues."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import pickle
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diskcache  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.engine.cache import ReadThroughCache, ReplyCache, Signer, key_of
from pytest_evalgate.engine.cache.store import NAME, SETTINGS, InlineDisk, InvalidRow
from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.calls import Call

    Put = Callable[..., Call]


class _Payload:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Return the path that a payload would create."""
    return tmp_path / "side-effect"


def _sql(folder: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


def _create(folder: Path, signer: Signer, put: Put, value: str = "hi") -> Call:
    """Create a cache with one reply."""
    with ReplyCache(folder, signer) as cache:
        return put(cache, value=value)


def _update(folder: Path, call: Call, **columns: Any) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    _sql(folder, f"UPDATE Cache SET {names} WHERE key = ?", values=(*columns.values(), key_of(call)))  # noqa: S608 - a test


def _reply_and_calls(cache: ReplyCache, call: Call) -> tuple[Any, int]:
    """Return the reply through the cache, and the number of calls that were sent."""
    sent = []

    async def ask() -> Reply:
        sent.append(call)
        return Reply("paid")

    return asyncio.run(ReadThroughCache(cache).get_or_create(call, ask)).value, len(sent)


def _is_inert(folder: Path, signer: Signer, call: Call, *, bad: int = 1) -> None:
    """The row is a miss, is listed as invalid, and is overwritten by the next reply."""
    with ReplyCache(folder, signer) as cache:
        assert cache.get(call) is None
        assert len([row for row in cache.rows() if row.problem]) == bad
        assert _reply_and_calls(cache, call) == ("paid", 1)
        assert "not used" in (cache.problem or "")
    with ReplyCache(folder, signer) as cache:
        assert _reply_and_calls(cache, call) == ("paid", 0)


def test_a_pickled_value_is_not_unpickled(folder: Path, signer: Signer, put: Put, trap: Path) -> None:
    call = _create(folder, signer, put)
    _update(folder, call, mode=4, value=pickle.dumps(_Payload(trap)))
    _is_inert(folder, signer, call)
    assert not trap.exists()


def test_a_pickled_key_is_not_unpickled_during_iteration(folder: Path, signer: Signer, put: Put, trap: Path) -> None:
    call = _create(folder, signer, put)
    poison = pickle.dumps(_Payload(trap))
    _sql(folder, "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 0, 1, x'00')", values=(poison,))
    with ReplyCache(folder, signer) as cache:
        assert [row.problem for row in cache.rows()] == ["", "its key is not a string: it would have to be unpickled"]
        assert _reply_and_calls(cache, call) == ("hi", 0)
        found = list(diskcache.Cache(str(folder), disk=InlineDisk, **SETTINGS))
        assert found == [key_of(call), None]
    assert not trap.exists()


@pytest.mark.parametrize("mode", [2, 3, 4])
def test_a_file_that_a_row_names_is_neither_read_nor_deleted(
    folder: Path, signer: Signer, put: Put, tmp_path: Path, mode: int
) -> None:
    call = _create(folder, signer, put)
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    _update(folder, call, mode=mode, filename="../victim.txt", value=None)
    _is_inert(folder, signer, call)
    assert victim.read_text() == "precious"


def test_removing_a_row_does_not_delete_the_file_that_it_names(
    folder: Path, signer: Signer, put: Put, tmp_path: Path
) -> None:
    call = _create(folder, signer, put)
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    _update(folder, call, filename="../victim.txt")
    with ReplyCache(folder, signer) as cache:
        [row] = cache.rows()
        assert row.problem == "it names a file"
        cache.remove([row.number])
        assert list(cache.rows()) == []
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON Cache BEGIN DELETE FROM Settings; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE other (x)",
        "CREATE INDEX other ON Cache (value)",
        "DROP TRIGGER Settings_count_insert",
        "ALTER TABLE Cache RENAME TO Cache2",
        "ALTER TABLE Cache ADD COLUMN extra",
    ],
)
def test_a_database_with_another_schema_is_moved(folder: Path, signer: Signer, put: Put, statement: str) -> None:
    call = _create(folder, signer, put)
    _sql(folder, statement)
    _is_moved(folder, signer, call)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("disk_pickle_protocol", 5),
        ("disk_min_file_size", 0),
        ("eviction_policy", "least-recently-used"),
        ("size_limit", 1),
        ("size_limit", float(2**62)),
        ("cull_limit", 10),
        ("statistics", 1),
        ("sqlite_trusted_schema", 1),
        ("sqlite_writable_schema", 1),
        ("_directory", "/tmp/elsewhere"),  # noqa: S108 - nothing is made there
        ("get", 1),
        ("count", "many"),
    ],
)
def test_a_database_with_other_settings_is_moved(
    folder: Path, signer: Signer, put: Put, name: str, value: object
) -> None:
    call = _create(folder, signer, put)
    _sql(folder, "INSERT OR REPLACE INTO Settings VALUES (?, ?)", values=(name, value))
    _is_moved(folder, signer, call)


def test_a_database_with_a_view_instead_of_a_table_is_moved(folder: Path, signer: Signer, put: Put) -> None:
    call = _create(folder, signer, put)
    _sql(folder, "DROP TABLE Settings", "CREATE VIEW Settings AS SELECT 'size_limit' AS key, 1 AS value")
    _is_moved(folder, signer, call)


def _is_moved(folder: Path, signer: Signer, call: Call) -> None:
    with ReplyCache(folder, signer) as cache:
        assert "cache.db was moved to cache.db.corrupt-" in (cache.problem or "")
        assert _reply_and_calls(cache, call) == ("paid", 1)
    assert len([path for path in folder.iterdir() if ".corrupt-" in path.name and "-wal" not in path.name]) == 1
    with ReplyCache(folder, signer) as cache:
        assert cache.problem is None
        assert _reply_and_calls(cache, call) == ("paid", 0)


def test_a_reply_forged_without_the_key_is_not_used(folder: Path, signer: Signer, put: Put) -> None:
    call = _create(folder, signer, put, value="no")
    key = key_of(call)
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        [[signed]] = connection.execute("SELECT value FROM Cache").fetchall()
    body = zlib.compress(zlib.decompress(signed[32:]).replace(b'"no"', b'"yes"'))
    bound = key.encode() + b"\0" + body
    for tag in (signed[:32], hashlib.sha256(bound).digest(), hmac.digest(b"guess", bound, "sha256")):
        _update(folder, call, value=tag + body)
        with ReplyCache(folder, signer) as cache:
            assert cache.get(call) is None
    _is_inert(folder, signer, call)


def test_the_replies_of_two_calls_cannot_be_swapped(folder: Path, signer: Signer, put: Put) -> None:
    with ReplyCache(folder, signer) as cache:
        yes, no = put(cache, "is it good?", "yes"), put(cache, "is it bad?", "no")
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        signed = dict(connection.execute("SELECT key, value FROM Cache").fetchall())
    _update(folder, yes, value=signed[key_of(no)])
    _update(folder, no, value=signed[key_of(yes)])
    with ReplyCache(folder, signer) as cache:
        assert (cache.get(yes), cache.get(no)) == (None, None)
        assert "2 look-ups" in (cache.problem or "")


def test_without_a_key_a_reply_under_the_key_of_another_call_is_invalid(folder: Path, put: Put) -> None:
    signer = Signer(None)
    with ReplyCache(folder, signer) as cache:
        call, other = put(cache, "a"), put(cache, "b")
        body = signer.verify(key_of(call), cache._replies.get(key_of(call)))
    _update(folder, other, value=signer.sign(key_of(other), body))
    with ReplyCache(folder, signer) as cache:
        assert [row.problem for row in cache.rows()] == ["", "it is stored under the key of another call"]


@pytest.mark.parametrize("keyed", [True, False])
def test_a_bomb_is_a_miss(folder: Path, put: Put, *, keyed: bool) -> None:
    signer = Signer(b"k" * 32 if keyed else None)
    call = _create(folder, signer, put)
    bomb = zlib.compress(b'{"a":"' + b" " * 2**25 + b'"}', 9)
    _update(folder, call, value=signer.sign(key_of(call), bomb))
    _is_inert(folder, signer, call)


@pytest.mark.parametrize("value", ["text", 7, 1.5, None, b"", b"x" * 31])
def test_a_value_of_another_type_is_a_miss(folder: Path, signer: Signer, put: Put, value: object) -> None:
    call = _create(folder, signer, put)
    _update(folder, call, value=value)
    _is_inert(folder, signer, call)


def test_an_expired_entry_is_a_miss_and_can_be_put_again(folder: Path, signer: Signer, put: Put) -> None:
    call = _create(folder, signer, put)
    _update(folder, call, expire_time=1.0)
    with ReplyCache(folder, signer) as cache:
        assert _reply_and_calls(cache, call) == ("paid", 1)
        assert _reply_and_calls(cache, call) == ("paid", 0)


def test_labels_are_not_interpreted_as_sql(folder: Path, signer: Signer, put: Put) -> None:
    label = "faq::a'; DROP TABLE Cache; --"
    with ReplyCache(folder, signer) as cache:
        call = put(cache, "'); DELETE FROM Cache; --", label=label)
        assert [row.entry.call.label for row in cache.rows() if row.entry] == [label]
        assert cache.get(call) is not None


def test_a_database_that_is_a_pipe_is_moved(folder: Path, signer: Signer, put: Put) -> None:
    folder.mkdir()
    os.mkfifo(folder / NAME)
    with ReplyCache(folder, signer) as cache:
        assert "not a regular file" in (cache.problem or "")
        assert cache.get(put(cache)) is not None


def test_another_database_behind_a_link_is_not_changed(folder: Path, signer: Signer, put: Put, tmp_path: Path) -> None:
    other = tmp_path / NAME
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE history (url)")
    before = other.read_bytes()
    folder.mkdir()
    (folder / NAME).symlink_to(other)
    with ReplyCache(folder, signer) as cache:
        assert cache.get(put(cache)) is not None
    assert other.read_bytes() == before


def test_the_disk_accepts_only_text_keys_and_bytes(tmp_path: Path) -> None:
    disk = InlineDisk(str(tmp_path))
    assert disk.put("key") == ("key", True)
    assert disk.store(b"value", read=False) == (0, 1, None, b"value")
    assert disk.fetch(1, None, b"value", read=False) == b"value"
    for key in (b"key", 1, ("a",)):
        with pytest.raises(TypeError, match="a cache key is a string"):
            disk.put(key)  # type: ignore[arg-type]  # what is tried
    for value in ("text", 1, {"a": 1}):
        with pytest.raises(TypeError, match="a cache value is bytes"):
            disk.store(value, read=False)  # type: ignore[arg-type]  # what is tried
    for mode in (0, 2, 3, 4, None, "1"):
        with pytest.raises(InvalidRow, match="mode"):
            disk.fetch(mode, None, b"value", read=False)


def test_the_cache_never_imports_pickle() -> None:
    package = Path(str(InlineDisk.__init__.__globals__["__file__"])).parent  # diskcache's: it is the one that pickles
    assert package.name == "diskcache"
    ours = Path(__file__).parents[3] / "src" / "pytest_evalgate" / "engine" / "cache"
    assert not [path.name for path in ours.glob("*.py") if "import pickle" in path.read_text("utf-8")]

"""Every row of the cache's database, one after the other: what it remembers, or what is wrong with it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl
from pytest_evalgate.engine.cache import database
from pytest_evalgate.engine.cache.disk import ForeignRow, inline_value, is_key
from pytest_evalgate.engine.cache.entries import Entry, decode, unpack
from pytest_evalgate.engine.cache.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_evalgate.engine.cache.auth import Seal


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, its key, and the entry, or else the problem, that it holds."""

    number: int
    key: str
    entry: Entry | None
    problem: str = ""


def read(path: Path, seal: Seal) -> Iterator[Row]:
    """Yield the rows of the database at ``path`` in the order in which they were written.

    Raises:
        Damaged: the database is torn.
        Unavailable: it cannot be read now.

    """
    columns = "SELECT rowid, key, raw, mode, filename, value FROM Cache ORDER BY rowid"
    with database.failures(), contextlib.closing(database.connect(path)) as connection:
        for number, key, raw, *stored in connection.execute(columns):
            yield _row(number, key, raw, stored, seal)


def remove(path: Path, numbers: Iterable[int]) -> None:
    """Delete rows in one transaction; raises as `read`."""
    with database.failures(), contextlib.closing(database.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM Cache WHERE rowid = ?", ((number,) for number in numbers))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _row(number: int, key: Any, raw: Any, stored: list[Any], seal: Seal) -> Row:
    name = jsonl.visible(str(key))
    try:
        if not is_key(key, raw):
            raise ForeignRow("its key is not a text: it would have to be unpickled")
        entry = decode(unpack(seal.open(key, inline_value(*stored))))
        if key_of(entry.call) != key:
            raise ForeignRow("it stands under the key of another call")
    except ValueError as error:
        return Row(number, name, None, jsonl.visible(str(error), 200))
    return Row(number, name, entry)

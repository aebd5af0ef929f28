"""Cassettes: remembered calls as a plain JSON Lines file, to be read, reviewed and committed.

A cassette carries no seal: it is as trusted as the branch that it comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.engine.cache.entries import decode, encode
from pytest_evalgate.engine.cache.keys import key_of
from pytest_evalgate.errors import LineProblem, RecordingError
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_evalgate.engine.cache.entries import Entry

FOLDER = "cassettes"
"""Of the state folder: every ``*.jsonl`` in it is replayed."""


def in_folder(state: Path) -> tuple[Path, ...]:
    """Return the cassettes of a state folder, by name."""
    return tuple(sorted((state / FOLDER).glob("*.jsonl")))


def lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the lines of a cassette in an order that depends on nothing but the entries."""
    for entry in sorted(entries, key=_order):
        yield codec.dumps(encode(entry)).encode("ascii") + b"\n"


def read(paths: Iterable[Path], *, root: Path) -> dict[str, Entry]:
    """Return the entries of cassettes by key; of two with the same key, the one that was read first.

    Raises:
        RecordingError: malformed lines; all of them are listed.

    """
    found: dict[str, Entry] = {}
    problems: list[LineProblem] = []
    for path in paths:
        name = files.relative_name(path, root)
        rows, bad = jsonl.read(path, name=name)
        problems += bad
        for row in rows:
            try:
                entry = decode(row.value)
                found.setdefault(key_of(entry.call), entry)
            except ValueError as error:
                problems.append(LineProblem(name, row.number, "", str(error)))
    if problems:
        raise RecordingError("\n".join(map(str, problems)))
    return found


def _order(entry: Entry) -> tuple[str, str, int, str]:
    call = entry.call
    return call.label, call.purpose, call.trial, key_of(call)

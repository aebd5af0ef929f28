"""Opening the cache of a folder: one process at a time, and only what was looked at before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import diskcache  # type: ignore[import-untyped]

from pytest_evalgate.engine.cache import database
from pytest_evalgate.engine.cache.database import Damaged, Unavailable
from pytest_evalgate.engine.cache.disk import InlineDisk
from pytest_evalgate.engine.cache.leases import Leases

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class OpenCache:
    """An open cache: the replies, the leases, and what the user has to be told about its opening."""

    replies: Any  # diskcache.Cache, which ships no types
    leases: Leases
    note: str = ""


def folder_of(state: Path) -> Path:
    """Return the folder of the cache inside a state folder."""
    return state / "cache"


def open_cache(folder: Path) -> OpenCache:
    """Open the cache in ``folder``, which is made; a damaged one is put aside and a new one begun.

    Raises:
        Unavailable: there is no cache to be had here; says why.

    """
    try:
        with database.failures():
            folder.mkdir(parents=True, exist_ok=True)
            leases = Leases(folder / "leases")
        try:
            return _open(folder, leases)
        except BaseException:
            leases.close()
            raise
    except Damaged as damage:  # a new database of this diskcache is none that we know
        raise Unavailable(f"diskcache {diskcache.__version__} makes a database unlike 5.6.3: {damage}") from damage


def put_aside(path: Path, damage: str) -> str:
    """Rename a damaged database; return what the user is told.

    Raises:
        Unavailable: it cannot be renamed.

    """
    with database.failures():
        aside = database.put_aside(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    return f"{path.name} was put aside as {aside.name} ({damage}), and a new cache begun"


def _open(folder: Path, leases: Leases) -> OpenCache:
    with leases.alone(_PATIENCE_S) as alone:
        if not alone:
            raise Unavailable(f"another process has been opening it for {_PATIENCE_S:.0f} s")
        note = _checked(folder / database.NAME)
        with database.failures():
            replies = diskcache.Cache(
                _plain(folder), timeout=database.PATIENCE_S, disk=InlineDisk, **database.SETTINGS
            )
            replies.close()  # a connection belongs to its thread, and this one may never look anything up
        database.inspect(folder / database.NAME)
        return OpenCache(replies, leases, note)


def _checked(path: Path) -> str:
    try:
        database.inspect(path)
    except Damaged as damage:
        return put_aside(path, str(damage))
    return ""


def _plain(folder: Path) -> str:
    """Return the name of ``folder`` unless diskcache would read it as another one."""
    name = str(folder.absolute())
    if os.path.expandvars(name) != name:
        raise Unavailable(f"{name} holds the name of an environment variable; choose another folder")
    return name

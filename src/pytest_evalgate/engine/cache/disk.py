"""diskcache's storage without its dangers.

As it comes, diskcache unpickles values and keys, and reads and deletes files that a row names (CVE-2025-69872): who
can write the database runs code and deletes files. Here a row is a text key with bytes inline, or it is nothing.
"""

from __future__ import annotations

from typing import Any, Final

import diskcache  # type: ignore[import-untyped]

MODE_RAW: Final = 1
"""How diskcache marks a value that stands in its row as it is."""


class ForeignRow(ValueError):  # noqa: N818 - named as what was met
    """A row that this disk did not write."""


class InlineDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Text keys and inline bytes; no pickle, no file, whatever a row says."""

    def put(self, key: str) -> tuple[str, bool]:
        """Return the columns ``key`` and ``raw``."""
        if type(key) is not str:
            raise TypeError(f"a cache key is a text, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str | None:
        """Return the key of a row that was met on iteration; None where the row is not ours."""
        return key if is_key(key, raw) else None

    def store(self, value: bytes, read: bool, key: Any = None) -> tuple[int, int, None, bytes]:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the columns ``size``, ``mode``, ``filename`` and ``value``."""
        if type(value) is not bytes:
            raise TypeError(f"a cache value is bytes, not {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return the value of a row.

        Raises:
            ForeignRow: it is not one of ours; it names what is wrong with it.

        """
        return inline_value(mode, filename, value)

    def remove(self, file_path: Any) -> None:
        """Leave the file alone that a row names: this disk has none."""


def is_key(key: Any, raw: Any) -> bool:
    """Tell whether two columns hold a key of ours."""
    return raw == 1 and type(key) is str


def inline_value(mode: Any, filename: Any, value: Any) -> bytes:
    """Return the value that three columns hold; raises as `InlineDisk.fetch`."""
    if mode != MODE_RAW:
        raise ForeignRow(f"mode {mode!r}: its value would have to be read from a file or unpickled")
    if filename is not None:
        raise ForeignRow("it names a file")
    if type(value) is not bytes:
        raise ForeignRow(f"its value is not bytes but {type(value).__name__}")
    return value

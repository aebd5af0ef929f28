"""Standard streams that code of the user cannot close: pytest would end with an internal error and no verdict."""

from __future__ import annotations

import contextlib
import sys
from typing import Any


class KeptStreams:
    """The standard output and error, whose method ``close`` does nothing until they are released."""

    def __init__(self) -> None:
        """Keep no stream yet."""
        self._streams: list[Any] = []

    def keep(self) -> None:
        """Keep the current streams open; pytest captures with others inside of tests."""
        for stream in (sys.stdout, sys.stderr):
            if any(stream is kept for kept in self._streams):
                continue
            with contextlib.suppress(AttributeError, TypeError):  # of another type, or None
                stream.close = _do_nothing  # type: ignore[method-assign]
                self._streams.append(stream)

    def release(self) -> None:
        """Let the streams be closed."""
        while self._streams:
            with contextlib.suppress(AttributeError):
                del self._streams.pop().close


def _do_nothing() -> None: ...

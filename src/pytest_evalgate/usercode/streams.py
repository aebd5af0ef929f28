"""The standard output and error while code of the user runs in threads."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from functools import partial
from typing import Any, Final

_MAIN: Final = threading.main_thread().ident

_HELD_CHARS: Final = 1_000_000
"""Maximum length of the text that is held; the oldest is dropped."""


class StandardStreams:
    """The standard streams of this process. The owner has to call `release`."""

    def __init__(self) -> None:
        """Change no stream yet."""
        self._kept: dict[int, Any] = {}
        self._holding: dict[int, Any] = {}
        self._held: deque[tuple[str, str]] = deque()
        self._held_chars = 0
        self._lock = threading.Lock()

    def keep_open(self) -> None:
        """Let the method ``close`` of the current streams do nothing; pytest captures with others inside of tests.

        If code of the user closed them, pytest would end with an internal error and without a verdict.
        """
        for stream in (sys.stdout, sys.stderr):
            if id(stream) in self._kept:
                continue
            with contextlib.suppress(AttributeError, TypeError):  # of another type, or None
                stream.close = _do_nothing  # type: ignore[method-assign]
                self._kept[id(stream)] = stream

    def hold_threads(self) -> None:
        """Hold what threads write to the current streams, until `deliver`.

        pytest captures only while a test runs. What other threads write between two tests would reach the terminal,
        unescaped: a runner would obey the workflow commands in it. The main thread and timers are not held: a timer of
        pytest-timeout shows the stacks and ends the process.
        """
        for name in ("stdout", "stderr"):
            stream: Any = getattr(sys, name)
            if id(stream) in self._holding:
                continue
            with contextlib.suppress(AttributeError, TypeError):
                stream.write = partial(self._write, name, stream.write)
                self._holding[id(stream)] = stream

    def deliver(self) -> None:
        """Write what is held to the streams of now, with which pytest captures the output of a test."""
        with self._lock:
            held = [*self._held]
            self._drop(0)
        for name, text in held:
            stream = getattr(sys, name)
            if stream is not None:
                stream.write(text)

    def release(self) -> None:
        """Let the streams be closed and written to as before; what is still held is dropped."""
        while self._kept:
            with contextlib.suppress(AttributeError):
                del self._kept.popitem()[1].close
        while self._holding:
            with contextlib.suppress(AttributeError):
                del self._holding.popitem()[1].write
        with self._lock:
            self._drop(0)

    def _write(self, name: str, write: Any, text: str) -> int:
        if threading.get_ident() == _MAIN or isinstance(threading.current_thread(), threading.Timer):
            return write(text)  # type: ignore[no-any-return]  # each dot of pytest comes here
        kept = text[-_HELD_CHARS:]
        with self._lock:
            self._held.append((name, kept))
            self._held_chars += len(kept)
            self._drop(_HELD_CHARS)
        return len(text)

    def _drop(self, chars: int) -> None:
        """Drop the oldest text until at most ``chars`` characters are held."""
        while self._held_chars > chars:
            self._held_chars -= len(self._held.popleft()[1])


def _do_nothing() -> None: ...

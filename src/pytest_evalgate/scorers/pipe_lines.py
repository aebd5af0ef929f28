"""Lines from a pipe, each with a deadline."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from typing import IO, Final, Protocol

_CHUNK: Final = 1 << 16


class Lines(Protocol):
    """Reads the replies of a process that answers one line to each request."""

    def read(self, seconds: float) -> bytes:
        """Wait for one line.

        Raises:
            TimeoutError: there is none after ``seconds``.
            EOFError: the other end is closed.

        """

    def close(self) -> None:
        """Close the pipe; the other end has to be closed before."""


def lines_of(pipe: IO[bytes]) -> Lines:
    """Read ``pipe``, which has no buffer, in the way that this system knows."""
    return PolledLines(pipe) if hasattr(select, "poll") else ThreadedLines(pipe)


class PolledLines:
    """Waits in the calling thread: a reply takes two thirds of the time that it takes through a thread that reads."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """Watch ``pipe``."""
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def read(self, seconds: float) -> bytes:
        """Wait for one line; see `Lines`."""
        deadline = time.monotonic() + seconds
        line = bytearray()
        while not line.endswith(b"\n"):
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            part = os.read(self._pipe.fileno(), _CHUNK)
            if not part:
                raise EOFError
            line += part
        return bytes(line)

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()


class ThreadedLines:
    """Waits for a thread that reads: Windows cannot wait for a pipe with a deadline."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """Start to read ``pipe``."""
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(pipe, self._lines), name="evalgate-pipe", daemon=True)
        self._reader.start()

    def read(self, seconds: float) -> bytes:
        """Wait for one line; see `Lines`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not line:
            raise EOFError
        return line

    def close(self) -> None:
        """Wait for the thread, which closes the pipe."""
        if self._reader is not threading.current_thread():  # a finaliser runs in whichever thread collects
            self._reader.join()


def _read(pipe: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(b"")

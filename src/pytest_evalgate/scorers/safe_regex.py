"""Regular expressions that cannot hang the run.

A pattern from a golden set, matched against what a model wrote, may backtrack for years, and `re` cannot be
interrupted: it runs in a child process that is killed at the deadline and replaced.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.jsonl import quoted
from pytest_evalgate.scorers.pipe_lines import Lines, lines_of

if TYPE_CHECKING:
    from types import TracebackType

How = Literal["search", "full", "last", "compile"]
"""``search`` finds the first match, ``last`` the last one, ``full`` one of the whole text; ``compile`` only checks."""

TEXT_LIMIT: Final = 1_000_000
"""Characters of a text in which a pattern is looked for."""

DEADLINE_S: Final = 0.5
_START_S: Final = 30.0
_WORKER: Final = Path(__file__).with_name("pattern_worker.py")


class PatternTimeout(ScorerError):  # noqa: N818 - named as the thing that happened
    """A pattern did not come to an end within the deadline."""


class PatternError(ScorerError):
    """A pattern is malformed, or too much for the machine."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a pattern found: its first group that took part, else the whole match, else None.

    ``cut`` says that the text was longer than `TEXT_LIMIT`, and only its head was searched.
    """

    text: str | None
    cut: bool = False


class PatternMatcher:
    r"""Matches patterns in a child process that starts at the first use; safe to share between threads.

    Example::

        with PatternMatcher() as matcher:
            matcher.find(r"A: (\d+)", "A: 1 A: 2", how="last").text  # "2"
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S) -> None:
        """Give every match ``deadline_s`` seconds."""
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._end: weakref.finalize[[], PatternMatcher] | None = None

    def find(self, pattern: str, text: str, *, flags: int = 0, how: How = "search") -> Found:
        """Look for ``pattern`` in the first `TEXT_LIMIT` characters of ``text``.

        Args:
            pattern: in the syntax of `re`.
            text: where to look.
            flags: of `re`.
            how: which match.

        Raises:
            PatternTimeout: there is no answer at the deadline.
            PatternError: the pattern is malformed, or its process died.

        """
        request = {"pattern": pattern, "flags": flags, "text": text[:TEXT_LIMIT], "how": how}
        # the child limits itself as well, later: it must not outlive a parent that was killed
        line = json.dumps(request | {"limit_s": 2 * self._deadline_s}).encode("ascii") + b"\n"
        with self._lock:
            reply = self._ask(line, pattern)
        if error := reply.get("error"):
            raise PatternError(f"pattern {quoted(pattern)}: {error}")
        return Found(reply["found"], cut=len(text) > TEXT_LIMIT)

    def check(self, pattern: str) -> None:
        """Refuse a malformed pattern; raises as `find` does."""
        self.find(pattern, "", how="compile")

    def close(self) -> None:
        """End the child process; a later match starts another one."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        """Return the matcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the matcher."""
        self.close()

    def _ask(self, line: bytes, pattern: str) -> dict[str, Any]:
        reply = None
        try:
            reply = self._running().ask(line, self._deadline_s)
        except TimeoutError:
            raise PatternTimeout(
                f"pattern {quoted(pattern)} took longer than {self._deadline_s} s and was stopped: "
                'make it simpler, or use engine = "re2", which cannot hang'
            ) from None
        except (OSError, EOFError) as error:
            reason = str(error) or "it ended without a reply"
            raise PatternError(f"pattern {quoted(pattern)}: its process died: {reason}") from error
        finally:
            if reply is None:  # a late reply must not be taken for the next one; KeyboardInterrupt comes here too
                self._stop()
        parsed: dict[str, Any] = json.loads(reply)
        return parsed

    def _running(self) -> _Child:
        if self._child is None or self._child.process.poll() is not None:
            self._stop()
            self._child = _Child.start()
            self._end = weakref.finalize(self, self._child.stop)
        return self._child

    def _stop(self) -> None:
        if self._end is not None:
            self._end()
        self._child = self._end = None


@dataclass(frozen=True, slots=True)
class _Child:
    """The child process and the two ends of its pipes."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    replies: Lines

    @classmethod
    def start(cls) -> _Child:
        """Start a process and wait until it is ready, so that starting takes nothing from a match's deadline."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-I", "-S", str(_WORKER)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if process.stdin is None or process.stdout is None:  # pragma: no cover - both were asked for
            raise RuntimeError("no pipes")
        child = cls(process, process.stdin, lines_of(process.stdout))
        try:
            child.replies.read(_START_S)
        except BaseException as error:
            child.stop()
            if isinstance(error, TimeoutError | EOFError):
                raise BrokenPipeError(f"it did not start within {_START_S} s") from error
            raise
        return child

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Send a request and wait for its reply; raises as `Lines.read`, and OSError where the process is gone."""
        unsent = memoryview(line)
        while unsent:  # a write to a pipe may take a part only
            unsent = unsent[self.requests.write(unsent) :]
        return self.replies.read(seconds)

    def stop(self) -> None:
        """Kill the process and leave nothing of it behind; may be called again."""
        self.process.kill()
        self.requests.close()
        self.process.wait()
        self.replies.close()

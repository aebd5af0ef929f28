"""Outcome of a call of the user's code: its value, or an exception that is safe to raise in a task."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import CodeExit
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable

MORE_THREADS: Final = "raise the limit of processes (ulimit -u, or the container's), or of memory"
"""Next step if a thread cannot be started."""

# Code that lowers it would break the rest of the process.
_RECURSION_LIMIT: Final = sys.getrecursionlimit()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Value of a call, or its exception."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        """Return the value, or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.value


def carry(error: BaseException) -> Exception:
    """Return an exception that may be raised in a task instead of ``error``.

    asyncio ends the event loop on SystemExit and KeyboardInterrupt, takes CancelledError for a cancellation, and
    refuses StopIteration, so that a caller would wait for ever.
    """
    if isinstance(error, StopIteration):
        replaced = RuntimeError(f"it raised {describe_error(error)}")
        replaced.__cause__ = error  # for the traceback
        return replaced
    return error if isinstance(error, Exception) else CodeExit(error)


def guarded(call: Callable[[], object]) -> Outcome:
    """Call a plain function of the user and return its outcome; raises nothing."""
    process = os.getpid()
    try:
        outcome = Outcome(call())
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        outcome = Outcome(error=carry(error))
    end_forked_child(process, outcome)
    restore_limits()
    return outcome


def restore_limits() -> None:
    """Undo what code may have lowered for the whole process."""
    if sys.getrecursionlimit() < _RECURSION_LIMIT:
        sys.setrecursionlimit(_RECURSION_LIMIT)


def end_forked_child(process: int, outcome: Outcome) -> None:
    """End a process that the code forked off ``process``, and that returns from it instead of ending.

    It would run the session a second time, on the files and the event loop of the first, or wait for calls for ever.
    """
    if os.getpid() == process:
        return
    error = outcome.error.error if isinstance(outcome.error, CodeExit) else outcome.error
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    os._exit(code if isinstance(code, int) else int(code is not None))  # nothing is flushed twice

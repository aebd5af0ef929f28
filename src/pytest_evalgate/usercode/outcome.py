"""Outcome of a call of the user's code: its value, or an exception that is safe to raise in a task."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import CodeExit
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
        return RuntimeError(f"it raised {describe_error(error)}")
    return error if isinstance(error, Exception) else CodeExit(error)


def guarded(call: Callable[[], object]) -> Outcome:
    """Call a plain function of the user and return its outcome; raises nothing."""
    try:
        return Outcome(call())
    except BaseException as error:  # noqa: BLE001 - the caller gets it
        return Outcome(error=carry(error))
    finally:
        restore_limits()


def restore_limits() -> None:
    """Undo what code may have lowered for the whole process."""
    if sys.getrecursionlimit() < _RECURSION_LIMIT:
        sys.setrecursionlimit(_RECURSION_LIMIT)

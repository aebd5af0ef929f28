"""Signals: SIGTERM ends a session like Ctrl-C, and both are deferred during imports that must not be interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt; a second SIGTERM ends the process as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def defer_interrupts() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM: after an interrupted first import of numpy, the process cannot import it again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


@contextlib.contextmanager
def no_silent_exit(stop_capture: Callable[[], object], decided: Callable[[], int | None]) -> Iterator[None]:
    """Replace the exit code 0 of ``os._exit``: code that calls it would end the session without a verdict, and pass.

    Forked children of the code are not affected. After the verdict, a session that ends so, because of threads that
    hang for example, has the exit code of the verdict.

    Args:
        stop_capture: Makes standard error that of the session again.
        decided: Returns the exit code of the verdict; None before it.
    """
    process, end = os.getpid(), os._exit

    def end_loudly(status: int) -> NoReturn:
        if status == 0 and os.getpid() == process:
            code = decided()
            if code is None:
                stop_capture()
                os.write(2, _EXITED)
            status = EXIT_ENDED if code is None else code
        end(status)

    os._exit = end_loudly
    try:
        yield
    finally:
        os._exit = end


EXIT_ENDED: Final = 3
"""Exit code of a session that code of the user ended with ``os._exit(0)``: pytest's code for an internal error."""

_EXITED: Final = b"\nevalgate: code called os._exit(0) before the verdict: nothing was decided   (exit 3)\n"


def _interrupt(number: int, frame: object) -> NoReturn:
    del frame
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt("SIGTERM")

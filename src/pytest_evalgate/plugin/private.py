"""Takes keys out of what pytest shows of a test: traceback, with ``-l`` locals, what it printed, properties."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_evalgate.text.redaction import Redactor


def redact(report: pytest.TestReport, redactor: Redactor) -> None:
    """Take the keys out of a report; a failure that shows one becomes plain text."""
    if not redactor.forms:
        return
    report.sections = [(name, redactor.redact(text)) for name, text in report.sections]
    report.user_properties = [
        (name, redactor.redact(value) if isinstance(value, str) else value) for name, value in report.user_properties
    ]
    if report.longrepr is None or isinstance(report.longrepr, tuple):
        return
    text = report.longreprtext
    if (cleaned := redactor.redact(text)) != text:
        report.longrepr = cleaned


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt; a second one ends the process as ever."""
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
    """Let Ctrl-C and SIGTERM wait: a first import of numpy that breaks off cannot be begun again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _interrupt(number: int, frame: object) -> NoReturn:
    del frame
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt("SIGTERM")

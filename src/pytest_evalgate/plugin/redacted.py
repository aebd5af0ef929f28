"""Takes keys out of what pytest shows of a test: traceback, with ``-l`` locals, what it printed, properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_evalgate.redaction import Redactor


def redact(report: pytest.TestReport, redactor: Redactor) -> None:
    """Take the keys out of a report; a failure that shows one becomes plain text."""
    if not redactor.forms:
        return
    report.sections = [(name, redactor.clean(text)) for name, text in report.sections]
    report.user_properties = [
        (name, redactor.clean(value) if isinstance(value, str) else value) for name, value in report.user_properties
    ]
    if report.longrepr is None or isinstance(report.longrepr, tuple):
        return
    text = report.longreprtext
    if (cleaned := redactor.clean(text)) != text:
        report.longrepr = cleaned

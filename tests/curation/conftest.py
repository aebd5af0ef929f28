"""Logs of rows that are written for a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path  # noqa: TC003 - pytest reads the annotations of fixtures
from typing import Any

import pytest

from pytest_evalgate.curation.log_files import LogFile, open_log

WriteLog = Callable[[Iterable[Mapping[str, Any]]], LogFile]
"""Writes rows to a new file, and opens it as a log."""


@pytest.fixture
def write_log(tmp_path: Path) -> WriteLog:
    """Return a function that writes a log."""
    written = 0

    def write(rows: Iterable[Mapping[str, Any]]) -> LogFile:
        nonlocal written
        path = tmp_path / f"log{written}.jsonl"
        written += 1
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return open_log(path, path.name)

    return write

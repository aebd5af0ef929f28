"""The console script ``pytest-evalgate``: one module a verb, no pytest inside."""

from __future__ import annotations

from pytest_evalgate.cli.main import main

__all__ = ["main"]

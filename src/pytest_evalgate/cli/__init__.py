"""Console script ``pytest-evalgate``: one module per verb, none of which imports pytest."""

from __future__ import annotations

from pytest_evalgate.cli.main import main

__all__ = ["main"]

"""``pytest-evalgate export``: stored runs for other tools."""

from __future__ import annotations

from pytest_evalgate.cli.export.verb import VERB

__all__ = ["VERB"]

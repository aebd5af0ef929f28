"""``pytest-evalgate init``: the files that a project begins with, and those of its CI."""

from __future__ import annotations

from pytest_evalgate.cli.init.verb import add_parser

__all__ = ["add_parser"]

"""``pytest-evalgate power``: how many cases and trials a drop needs to be seen."""

from __future__ import annotations

from pytest_evalgate.cli.power.verb import add_parser

__all__ = ["add_parser"]

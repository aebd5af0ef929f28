"""``pytest-evalgate calibrate``: a judge held against people's labels, before it may gate."""

from __future__ import annotations

from pytest_evalgate.cli.calibrate.verb import add_parser

__all__ = ["add_parser"]

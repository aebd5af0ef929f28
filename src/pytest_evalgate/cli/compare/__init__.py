"""``pytest-evalgate compare``: what changed between two runs or baselines, case by case."""

from __future__ import annotations

from pytest_evalgate.cli.compare.verb import add_parser

__all__ = ["add_parser"]

"""``pytest-evalgate compare``: the difference between two runs or baselines, case by case."""

from __future__ import annotations

from pytest_evalgate.cli.compare.verb import VERB

__all__ = ["VERB"]

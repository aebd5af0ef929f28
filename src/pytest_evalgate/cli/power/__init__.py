"""``pytest-evalgate power``: the cases and trials that it takes to detect a drop."""

from __future__ import annotations

from pytest_evalgate.cli.power.verb import VERB

__all__ = ["VERB"]

"""``pytest-evalgate runs``: the stored runs, and one of them."""

from __future__ import annotations

from pytest_evalgate.cli.runs.inspection import VERB

__all__ = ["VERB"]

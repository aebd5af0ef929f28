"""``pytest-evalgate query``: questions to the store of results."""

from __future__ import annotations

from pytest_evalgate.cli.query.patterns import VERB

__all__ = ["VERB"]

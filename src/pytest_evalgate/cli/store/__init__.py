"""``pytest-evalgate store``: bring runs into the store, remove old ones, check it."""

from __future__ import annotations

from pytest_evalgate.cli.store.upkeep import VERB

__all__ = ["VERB"]

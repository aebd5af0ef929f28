"""Store of results: SQLite by default, PostgreSQL for a team. One schema and one set of queries, as plain SQL files."""

from __future__ import annotations

from pytest_evalgate.store.database import Database, StoreError
from pytest_evalgate.store.places import StorePlace

__all__ = ["Database", "StoreError", "StorePlace"]

"""Store of results, on SQLite by default or on PostgreSQL. One schema and one set of queries, as plain SQL files."""

from __future__ import annotations

from pytest_evalgate.store.database import Database
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.store.places import StorePlace

__all__ = ["Database", "StoreError", "StorePlace"]

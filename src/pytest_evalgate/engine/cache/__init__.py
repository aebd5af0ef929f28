"""Reply cache. Entries are signed, so that a tampered cache file cannot inject outputs."""

from __future__ import annotations

from pytest_evalgate.engine.cache.auth import KEY_VARIABLE, Signer, find_signer
from pytest_evalgate.engine.cache.cached import CachedClient, CachedTarget, ReadThroughCache
from pytest_evalgate.engine.cache.entries import Entry, first_difference, key_of
from pytest_evalgate.engine.cache.store import CacheDamaged, CacheUnavailable, ReplyCache, Row, folder_of

__all__ = [
    "KEY_VARIABLE",
    "CacheDamaged",
    "CacheUnavailable",
    "CachedClient",
    "CachedTarget",
    "Entry",
    "ReadThroughCache",
    "ReplyCache",
    "Row",
    "Signer",
    "find_signer",
    "first_difference",
    "folder_of",
    "key_of",
]

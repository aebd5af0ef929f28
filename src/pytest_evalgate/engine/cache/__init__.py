"""The cache: answers that were paid once, kept so that nobody has to trust whoever may have written its file."""

from pytest_evalgate.engine.cache.auth import KEY_VARIABLE, Seal, find_seal
from pytest_evalgate.engine.cache.client import CachedClient
from pytest_evalgate.engine.cache.database import Damaged, Unavailable
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.engine.cache.keys import first_difference, key_of
from pytest_evalgate.engine.cache.memory import Memory
from pytest_evalgate.engine.cache.opening import folder_of
from pytest_evalgate.engine.cache.remembered import RememberedTarget
from pytest_evalgate.engine.cache.rows import Row
from pytest_evalgate.engine.cache.store import ReplyCache

__all__ = [
    "KEY_VARIABLE",
    "CachedClient",
    "Damaged",
    "Entry",
    "Memory",
    "RememberedTarget",
    "ReplyCache",
    "Row",
    "Seal",
    "Unavailable",
    "find_seal",
    "first_difference",
    "folder_of",
    "key_of",
]

"""The working plugin of the session that an item belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_evalgate.plugin.session import EvalSession

SESSION: pytest.StashKey[EvalSession] = pytest.StashKey()


def session_of(config: pytest.Config) -> EvalSession:
    """Return the working plugin."""
    return config.stash[SESSION]

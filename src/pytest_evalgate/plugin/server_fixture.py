"""Fixture ``evalgate_server``: a scripted server for tests of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.testing import ScriptedServer


@pytest.fixture
def evalgate_server() -> Iterator[ScriptedServer]:
    """Scripted OpenAI-compatible server on localhost; see ``pytest_evalgate.testing``."""
    from pytest_evalgate.testing import ScriptedServer  # noqa: PLC0415 - http.server: only if a test uses the fixture

    with ScriptedServer() as server:
        yield server

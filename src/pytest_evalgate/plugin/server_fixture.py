"""The fixture ``evalgate_server``: a local server with a script, for tests of one's own target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.testing import ScriptedServer


@pytest.fixture
def evalgate_server() -> Iterator[ScriptedServer]:
    """A local server that speaks OpenAI's API and answers as it is told; see ``pytest_evalgate.testing``."""
    from pytest_evalgate.testing import ScriptedServer  # noqa: PLC0415 - asyncio, for those alone who ask for it

    with ScriptedServer() as server:
        yield server

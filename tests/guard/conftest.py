"""The builder of runs and baselines that tests of the gates use."""

from __future__ import annotations

import pytest
from tests.gates.conftest import Build


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()

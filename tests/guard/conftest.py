"""The builder of runs and baselines that tests of the gates use, and an environment without a pull request."""

from __future__ import annotations

import os

import pytest
from tests.gates.conftest import Build


@pytest.fixture(autouse=True)
def _no_pull_request_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("EVALGATE_", "GITHUB_", "GIT_"))]:
        if name != "EVALGATE_MUTATIONS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()

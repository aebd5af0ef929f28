"""What all tests share: pytester, and properties that try the same examples every time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

# a build must not fail on an example that the last one did not try (EXPLORE=1 looks for new ones), nor on being slow
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("default" if os.environ.get("EXPLORE") else "repeatable")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts background jobs so, and children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_key_in_the_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the key of the cache made in a folder of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield

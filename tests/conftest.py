"""What all tests share: pytester, and properties that try the same examples every time."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

# a build must not fail on an example that the last one did not try; EXPLORE=1 looks for new ones
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("default" if os.environ.get("EXPLORE") else "repeatable")

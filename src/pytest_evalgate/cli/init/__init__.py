"""``pytest-evalgate init``: a configuration that fits the project, and the files for a CI system."""

from __future__ import annotations

from pytest_evalgate.cli.init.verb import VERB

__all__ = ["VERB"]

"""``pytest-evalgate import``: tables and files of other tools become golden sets, connected with the configuration."""

from __future__ import annotations

from pytest_evalgate.cli.importing.verb import VERB

__all__ = ["VERB"]

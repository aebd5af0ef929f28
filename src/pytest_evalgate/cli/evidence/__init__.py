"""``pytest-evalgate evidence``: write the pack of a release, or check one."""

from __future__ import annotations

from pytest_evalgate.cli.evidence.pack_verb import VERB

__all__ = ["VERB"]

"""``pytest-evalgate label``: outputs for people to label, and the agreement of the people who did."""

from __future__ import annotations

from pytest_evalgate.cli.label.verb import VERB

__all__ = ["VERB"]

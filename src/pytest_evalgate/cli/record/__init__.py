"""``pytest-evalgate record``: the outputs of a suite's target in a file, which later runs grade without calls."""

from __future__ import annotations

from pytest_evalgate.cli.record.verb import VERB

__all__ = ["VERB"]

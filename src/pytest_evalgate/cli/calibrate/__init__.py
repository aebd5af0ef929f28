"""``pytest-evalgate calibrate``: a judge measured against human labels, so that it may gate."""

from __future__ import annotations

from pytest_evalgate.cli.calibrate.verb import VERB

__all__ = ["VERB"]

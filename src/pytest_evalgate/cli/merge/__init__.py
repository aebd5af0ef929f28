"""``pytest-evalgate merge``: the shards of one run, judged once."""

from pytest_evalgate.cli.merge.verb import add_parser

__all__ = ["add_parser"]

"""``pytest-evalgate cache``: what is remembered, and why something is not."""

from pytest_evalgate.cli.cache.verb import add_parser

__all__ = ["add_parser"]

"""``pytest-evalgate lint``: what is wrong with golden sets before anything runs."""

from pytest_evalgate.cli.lint.verb import add_parser

__all__ = ["add_parser"]

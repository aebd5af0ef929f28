"""``pytest-evalgate aa``: how often this suite fails a build in which nothing changed."""

from pytest_evalgate.cli.aa.verb import add_parser

__all__ = ["add_parser"]

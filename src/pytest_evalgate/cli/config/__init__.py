"""``pytest-evalgate config``: what the configuration comes to, and where each value comes from."""

from pytest_evalgate.cli.config.verb import add_parser

__all__ = ["add_parser"]

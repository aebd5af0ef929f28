"""``pytest-evalgate label``: outputs for people to label; ``calibrate --labels`` reads them back."""

from pytest_evalgate.cli.label.verb import add_parser

__all__ = ["add_parser"]

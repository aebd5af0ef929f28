"""``pytest-evalgate drift``: does a judge still say of its anchors what it said before?"""

from pytest_evalgate.cli.drift.verb import add_parser

__all__ = ["add_parser"]

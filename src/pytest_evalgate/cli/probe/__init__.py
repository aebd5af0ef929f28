"""``pytest-evalgate probe``: can an answer talk a judge into passing it?"""

from pytest_evalgate.cli.probe.verb import add_parser

__all__ = ["add_parser"]

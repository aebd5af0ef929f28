"""Verb: a command such as ``pytest-evalgate lint``, or an action of one such as ``pytest-evalgate cache stats``.

The module of each verb exposes ``VERB``: a ``Verb``, or its actions by name. ``main`` holds the help lines of the
verbs, so that ``pytest-evalgate --help`` imports none of these modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb or action.

    Args:
        about: Description; also the help line of an action.
        example: Command that works as printed; at most 70 characters, or argparse wraps it.
        run: Function that runs the verb and returns the exit code.
        add_arguments: Function that adds the arguments of this verb to its parser.
        json: Help line of ``--json``, which every verb has.
    """

    about: str
    example: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
    json: str = "print JSON"


Actions = Mapping[str, Verb]


def define(parser: argparse.ArgumentParser, verb: Verb | Actions) -> None:
    """Add the description, the arguments and the example of a verb, or of each of its actions, to ``parser``."""
    if isinstance(verb, Verb):
        parser.description, parser.epilog = verb.about, f"example: {verb.example}"
        if verb.add_arguments is not None:
            verb.add_arguments(parser)
        parser.add_argument("--json", action="store_true", help=verb.json)
        parser.set_defaults(run=verb.run)
        return
    parser.epilog = f"example: {next(iter(verb.values())).example}"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, action in verb.items():
        define(actions.add_parser(name, help=action.about), action)

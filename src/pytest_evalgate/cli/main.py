"""Parses the command line and hands over to the verb."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.errors import ScorerError, UserError
from pytest_evalgate.records.calls import RunStopped

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERBS = {
    "init": "write a configuration to begin with, or the files of a CI",
    "lint": "what is wrong with golden sets before anything runs",
    "config": "say what the configuration comes to, and where each value comes from",
    "schema": "print the JSON Schema of the configuration, of a golden line, or of verdict.json",
    "baseline": "promote a run, or show a baseline",
    "compare": "what changed between two runs or baselines, and whether the gates let it pass",
    "report": "render the reports of a stored run",
    "power": "how many cases and trials a drop needs to be seen",
    "aa": "how often the gate fails where nothing changed, and which cases flip",
    "merge": "put the shards of a run together, and judge it",
    "verify": "derive the verdict of a run again, by the gates and baselines of the base branch",
    "calibrate": "hold a judge against people's labels, before it may gate",
    "label": "draw outputs for people to label",
    "probe": "try to talk a judge into passing what must not pass",
    "drift": "does a judge still say of its anchors what it said before",
    "cache": "what is remembered of earlier calls: count, check, explain, copy, forget",
}
"""The help line of each verb, by the name of its module; a module is imported when its verb is called."""

_ABOUT = "Set up, check, compare and explain what pytest --eval-gate runs and judges."

EXIT_USAGE = 4
EXIT_INCOMPLETE = 11
EXIT_PIPE = 141  # as the shell reports a command that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; 4 where the user has to change something, 11 where calls got nowhere."""
    parser = argparse.ArgumentParser(prog="pytest-evalgate", description=_ABOUT)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    words = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for verb, summary in _VERBS.items():
        if verb == chosen:
            importlib.import_module(f"pytest_evalgate.cli.{verb}").add_parser(verbs)
        else:
            verbs.add_parser(verb, help=summary)
    args = parser.parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a code page of Windows has not all that models say
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except (UserError, ScorerError, RunStopped) as error:
        print(f"pytest-evalgate: {error}", file=sys.stderr)
        return EXIT_INCOMPLETE if isinstance(error, RunStopped) else EXIT_USAGE
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush complains
        return EXIT_PIPE
    return code

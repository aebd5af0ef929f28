"""Parses the command line and hands over to the verb."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.calls import RunStopped
from pytest_evalgate.cli import (
    aa,
    baseline,
    cache,
    calibrate,
    compare,
    config,
    drift,
    init,
    label,
    lint,
    merge,
    power,
    probe,
    report,
    schema,
    verify,
)
from pytest_evalgate.errors import ScorerError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERBS = (
    init,
    lint,
    config,
    schema,
    baseline,
    compare,
    report,
    power,
    aa,
    merge,
    verify,
    calibrate,
    label,
    probe,
    drift,
    cache,
)

_ABOUT = "Set up, check, compare and explain what pytest --eval-gate runs and judges."

EXIT_USAGE = 4
EXIT_INCOMPLETE = 11
EXIT_PIPE = 141  # as the shell reports a command that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; 4 where the user has to change something, 11 where calls got nowhere."""
    parser = argparse.ArgumentParser(prog="pytest-evalgate", description=_ABOUT)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in _VERBS:
        verb.add_parser(verbs)
    chosen = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a code page of Windows has not all that models say
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except (UserError, ScorerError, RunStopped) as error:
        print(f"pytest-evalgate: {error}", file=sys.stderr)
        return EXIT_INCOMPLETE if isinstance(error, RunStopped) else EXIT_USAGE
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush complains
        return EXIT_PIPE
    return code

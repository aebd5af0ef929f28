"""``pytest-evalgate compare``: its options, and the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.compared_sides import side_of
from pytest_evalgate.app.comparing import CompareOptions, compare
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.compare.screen import render
from pytest_evalgate.cli.options import add_alpha, add_suite, share
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb

if TYPE_CHECKING:
    import argparse

_SIDE: Final = "id of a run, newest, previous, file of a run or baseline, baseline, git:REF or name of a branch"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "older",
        nargs="?",
        default="baseline",
        metavar="A",
        help=f"the older side: {_SIDE} (default: the baseline of each suite)",
    )
    option("newer", nargs="?", default="newest", metavar="B", help="the newer side, as for A (default: newest)")
    add_suite(parser, "every one on both sides")
    option("--regressed", action="store_true", help="print only the cases that got worse, and all of them")
    option("--gate", action="store_true", help="decide B against A as a session would, and exit with its code")
    add_alpha(parser)
    option(
        "--margin",
        type=share,
        metavar="SHARE",
        help="largest accepted drop, 0.05 for 5 points (default: that of the gate, if it has one)",
    )


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    older, newer = side_of(args.older, project), side_of(args.newer, project)
    found = compare(project, older, newer, CompareOptions(args.suite, args.gate, args.alpha, args.margin))
    lines = render(found, regressed_only=args.regressed)
    print_result(args, found.as_json(regressed_only=args.regressed), lines)
    return 0 if found.gate_verdict is None else found.gate_verdict.exit_code


VERB: Final = Verb(
    "Compare two runs or baselines, suite by suite and case by case. Sends nothing.",
    "pytest-evalgate compare main --suite support --regressed",
    _run,
    _add_arguments,
)

"""``pytest-evalgate compare``: the command line of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli.options import level, share

if TYPE_CHECKING:
    import argparse

_ABOUT = "Compare two runs or baselines, suite by suite and case by case. Sends nothing."
_SIDE = "a run's id, newest, previous, the file of a run or of a baseline, baseline, git:REF or the name of a branch"


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "compare",
        help="what changed between two runs or baselines, and whether the gates let it pass",
        description=_ABOUT,
        epilog="example: pytest-evalgate compare main --suite support --regressed",
    )
    option = parser.add_argument
    option(
        "older",
        nargs="?",
        default="baseline",
        metavar="A",
        help=f"the older side: {_SIDE} (default: each suite's baseline)",
    )
    option("newer", nargs="?", default="newest", metavar="B", help="the newer side, named alike (default: newest)")
    option("--suite", help="one suite (default: every one that both sides hold)")
    option("--regressed", action="store_true", help="print the cases that got worse, all of them, and nothing else")
    option("--gate", action="store_true", help="judge B against A as a session would: the exit code is the verdict's")
    option(
        "--alpha",
        type=level,
        help="one-sided level (default: that of the suite's no-regression gate, else 0.05)",
    )
    option(
        "--margin",
        type=share,
        metavar="SHARE",
        help="the largest drop that is accepted, 0.05 for 5 points (default: that of the gate, if it has one)",
    )
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - the same
    from pytest_evalgate.cli.compare import screen  # noqa: PLC0415 - scipy, for this verb only
    from pytest_evalgate.cli.compare.result import CompareOptions, compare  # noqa: PLC0415 - pydantic
    from pytest_evalgate.cli.compare.sides import side_of  # noqa: PLC0415 - the same

    project = Project.find()
    older, newer = side_of(args.older, project), side_of(args.newer, project)
    found = compare(project, older, newer, CompareOptions(args.suite, args.gate, args.alpha, args.margin))
    if args.json:
        print(json.dumps(found.as_json(regressed_only=args.regressed), indent=1))
    else:
        print("\n".join(screen.render(found, regressed_only=args.regressed)))
    return 0 if found.gate_verdict is None else found.gate_verdict.exit_code

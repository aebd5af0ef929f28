"""``pytest-evalgate power``: the command line of it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli.options import level, number, share, whole_number

if TYPE_CHECKING:
    import argparse

_ABOUT = "Say which drop a suite can see, and how many cases and trials a smaller one needs. Sends nothing."
_MOST_CASES = 10_000_000
_MOST_TRIALS = 1_000


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "power",
        help="how many cases and trials a drop needs to be seen",
        description=_ABOUT,
        epilog="example: pytest-evalgate power support --drop 3",
    )
    parser.add_argument("suite", nargs="?", metavar="SUITE", help="a suite (default: every configured one)")
    option = parser.add_argument
    option(
        "--drop",
        type=number(0.1, 99),
        default=5.0,
        metavar="POINTS",
        help="the drop to be seen, in percentage points (default: 5)",
    )
    option(
        "--power",
        type=number(60, 99.9),
        default=80.0,
        metavar="PERCENT",
        help="how probable it shall be that the drop is seen (default: 80)",
    )
    option(
        "--alpha",
        type=level,
        help="one-sided level of the test (default: that of the suite's no-regression gate, else 0.05)",
    )
    option(
        "--cases", type=whole_number(_MOST_CASES), metavar="N", help="plan for so many cases (default: those it has)"
    )
    option(
        "--discordance",
        type=share,
        metavar="SHARE",
        help="share of cases that differ between two identical runs (default: measured, else 0.10)",
    )
    option("--trials", type=whole_number(_MOST_TRIALS), metavar="K", help="trials of each case, in both runs")
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.power import plan, screen  # noqa: PLC0415 - scipy, for this verb only
    from pytest_evalgate.cli.project import Project  # noqa: PLC0415 - the settings bring pydantic

    wish = plan.Wish(
        drop=chosen.drop / 100,
        power=chosen.power / 100,
        alpha=chosen.alpha,
        cases=chosen.cases,
        discordance=chosen.discordance,
        trials=chosen.trials,
    )
    plans = plan.plans_of(Project.find(), chosen.suite, wish)
    if chosen.json:
        print(json.dumps([dataclasses.asdict(plan) for plan in plans], indent=1))
    else:
        print("\n\n".join("\n".join(screen.render(plan)) for plan in plans))
    return 0

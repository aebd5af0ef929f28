"""``pytest-evalgate drift``: the command line of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.cli.options import odd_number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_evalgate.judging.drift import Finding

_ABOUT = (
    "Have a judge grade its anchors again, and hold that against the verdicts that were recorded. Anchors are a file "
    "of labels, as calibrate reads it. Sends calls: one an anchor, and as many as --record says to record them."
)
_EXIT_CODES: Final[Mapping[Finding, int]] = {"steady": 0, "drifted": 1, "incomplete": 11}
_FEWEST: Final = 3
_MOST: Final = 15


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "drift",
        help="does a judge still say of its anchors what it said before",
        description=_ABOUT,
        epilog="example: pytest-evalgate drift faq --anchors labels/faq-anchors.jsonl",
    )
    parser.add_argument("name", metavar="NAME", help="a configured judge")
    parser.add_argument(
        "--anchors", type=Path, required=True, metavar="FILE", help="200 or more labelled outputs, 100 of each kind"
    )
    parser.add_argument(
        "--record",
        type=odd_number(_FEWEST, _MOST),
        nargs="?",
        const=_FEWEST,
        metavar="K",
        help=f"store K verdicts of each anchor, to be held against later ones (default: {_FEWEST})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.drift import screen, work  # noqa: PLC0415 - the engine and scipy
    from pytest_evalgate.cli.project import Project  # noqa: PLC0415 - pydantic

    project = Project.find()
    if chosen.record is not None:
        recorded = work.record(project, chosen.name, chosen.anchors, chosen.record)
        print(json.dumps(dataclasses.asdict(recorded), indent=1) if chosen.json else screen.recorded(recorded))
        return 0
    found = work.check(project, chosen.name, chosen.anchors)
    print(json.dumps(dataclasses.asdict(found), indent=1) if chosen.json else "\n".join(screen.checked(found)))
    return _EXIT_CODES[found.drift.finding]

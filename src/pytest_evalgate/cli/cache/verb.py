"""``pytest-evalgate cache stats|prune|export|import|verify|why``: the command line of it."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser("cache", help="what is remembered of earlier calls: count, check, explain, copy, forget")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _action(actions, "stats", "count what is remembered, by purpose and model", "cache stats")
    prune = _action(actions, "prune", "forget entries by their age or their run", "cache prune --older-than 30d")
    prune.add_argument("--older-than", type=_age, metavar="AGE", help="entries made longer ago: 12h, 30d, 8w")
    prune.add_argument("--keep-runs", type=_number, metavar="N", help="entries that none of the newest N runs made")
    prune.add_argument("--bad", action="store_true", help="entries that fail their check, and are never used")
    export = _action(
        actions,
        "export",
        "write what is remembered as a cassette: plain JSON Lines, to review and to commit",
        "cache export .evalgate/cassettes/faq.jsonl --label faq::",
    )
    export.add_argument("file", metavar="FILE", help="the cassette to write; - for standard output")
    export.add_argument("--label", default="", metavar="PREFIX", help="only labels (suite::case) that begin so")
    export.add_argument("--run", dest="run_id", metavar="ID", help="only what this run made")
    text = "remember what a cassette holds; what is remembered already stays as it is"
    _action(actions, "import", text, "cache import replies.jsonl").add_argument(
        "file", type=Path, metavar="FILE", help="a cassette"
    )
    _action(actions, "verify", "check every entry; exit code 1 where one is bad", "cache verify")
    text = "say why a case was asked again: what its newest call has other than the one before"
    _action(actions, "why", text, "cache why refund-014").add_argument(
        "case", metavar="LABEL|CASE-ID", help="a label (suite::case), or the id of a case"
    )


def _action(actions: Any, name: str, text: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=text, description=text, epilog=f"example: pytest-evalgate {example}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)
    return parser


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.cache.actions import ACTIONS  # noqa: PLC0415 - brings the engine, for this verb only

    return ACTIONS[chosen.action](chosen)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age: write 12h, 30d or 8w")
    return int(found[1]) * _UNITS[found[2]]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)

"""``pytest-evalgate cache``: what is remembered, and why something is not."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.engine.cache import CacheDamaged, CacheUnavailable, ReplyCache, find_signer, folder_of, inventory
from pytest_evalgate.engine.cache import entries as cache_entries
from pytest_evalgate.engine.cache.entries import TIME_FORMAT
from pytest_evalgate.errors import UserError
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.engine.cache import Entry, Signer
    from pytest_evalgate.records.results import Json

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


def _run(args: argparse.Namespace) -> int:

    return ACTIONS[args.action](args)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age: write 12h, 30d or 8w")
    return int(found[1]) * _UNITS[found[2]]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def stats(args: Namespace) -> int:
    """Count what is remembered."""
    project = Project.find()
    with _opened(project) as cache:
        rows = tuple(cache.rows())
    cache_usage = inventory.cache_usage(row.entry for row in rows if row.entry)
    found = {
        "file": files.relative_name(cache.path, project.root),
        "bytes": cache.path.stat().st_size,
        "entries": len(rows),
        "bad": sum(row.entry is None for row in rows),
        "authenticated": cache.signer.authenticated,
        "unauthenticated_because": cache.signer.why,
        "holdings": [asdict(holding) for holding in cache_usage],
        "cassettes": _cassettes(project),
    }
    _print(args, found, _described(found))
    return 0


def prune(args: Namespace) -> int:
    """Forget entries."""
    if args.older_than is None and args.keep_runs is None and not args.bad:
        raise UserError("cache prune: say what to forget: --older-than 30d, --keep-runs 20, or --bad")
    before = None if args.older_than is None else f"{datetime.now(UTC) - args.older_than:{TIME_FORMAT}}"
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        doomed = inventory.outdated(rows, before=before, keep_runs=args.keep_runs, bad=args.bad)
        cache.remove([row.number for row in doomed])
    made = sorted(row.entry.made for row in doomed if row.entry)
    span = f" (made {made[0]} to {made[-1]})" if made else ""
    left = len(rows) - len(doomed)
    line = f"removed {len(doomed):,} entries{span}, {len(doomed) - len(made):,} of them bad; {left:,} are left"
    _print(args, {"removed": len(doomed), "bad": len(doomed) - len(made), "left": left}, [line])
    return 0


def export(args: Namespace) -> int:
    """Write a cassette."""
    with _opened(Project.find()) as cache:
        entries = [row.entry for row in cache.rows() if row.entry and _is_selected(row.entry, args)]
    if args.file == "-":
        sys.stdout.writelines(line.decode("ascii") for line in cache_entries.lines(entries))
        return 0
    try:
        files.write_atomically(Path(args.file), cache_entries.lines(entries))
    except OSError as error:
        raise UserError(f"{args.file}: cannot be written: {error.strerror}") from None
    _print(args, {"file": args.file, "entries": len(entries)}, [f"{len(entries):,} entries -> {args.file}"])
    return 0


def import_cassette(args: Namespace) -> int:
    """Remember what a cassette holds."""
    project = Project.find()
    entries = cache_entries.read([args.file], root=project.root)
    with _opened(project) as cache:
        added = cache.add(entries.values())
        if cache.problem:
            raise UserError(f"{args.file}: {cache.problem}")
    known = len(entries) - added
    _print(args, {"added": added, "known": known}, [f"{added:,} entries added, {known:,} were there already"])
    return 0


def verify(args: Namespace) -> int:
    """Check every entry."""
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        problem = cache.problem
    bad = [{"row": row.number, "key": row.key, "problem": row.problem} for row in rows if row.entry is None]
    lines = [f"row {row['row']}, key {row['key']}: {row['problem']}" for row in bad]
    lines.append(f"{len(rows):,} entries checked, {len(bad):,} bad")
    lines += ["bad entries are never used; to remove them: pytest-evalgate cache prune --bad"] if bad else []
    lines += _unauthenticated(cache.signer)
    _print(args, {"entries": len(rows), "bad": bad, "trouble": problem}, lines)
    return 1 if bad or problem else 0


def why(args: Namespace) -> int:
    """Explain why a case was asked again."""
    with _opened(Project.find()) as cache:
        entries = [row.entry for row in cache.rows() if row.entry and _is_of(row.entry, args.case)]
    changes = inventory.changes(entries)
    lines = [_describe_change(change) for change in changes] or [f"nothing is remembered of {escape_text(args.case)}"]
    _print(args, [asdict(change) for change in changes], lines)
    return 0 if changes else 1


ACTIONS: Final[Mapping[str, Callable[[Namespace], int]]] = {
    "stats": stats,
    "prune": prune,
    "export": export,
    "import": import_cassette,
    "verify": verify,
    "why": why,
}


@contextmanager
def _opened(project: Project) -> Iterator[ReplyCache]:
    """Open the project's cache.

    Raises:
        UserError: it cannot be used, or turns out to be torn.

    """
    required = project.settings.cache_auth == "required"
    cache = ReplyCache(folder_of(project.state.path), find_signer(os.environ, required=required))
    with cache:
        if not cache.usable:
            raise UserError(cache.problem or "no cache")
        if cache.problem:
            print(f"pytest-evalgate: {cache.problem}", file=sys.stderr)
        try:
            yield cache
        except (CacheDamaged, CacheUnavailable) as error:
            raise UserError(f"{files.relative_name(cache.path, project.root)}: {error}") from None


def _cassettes(project: Project) -> list[dict[str, Json]]:
    return [
        {
            "file": files.relative_name(path, project.root),
            "entries": len(cache_entries.read([path], root=project.root)),
        }
        for path in cache_entries.in_folder(project.state.path)
    ]


def _described(found: Mapping[str, Json]) -> list[str]:
    lines = [f"{found['file']}: {found['entries']:,} entries, {found['bytes'] / 1e6:,.1f} MB"]
    lines += [
        f"  {escape_text(held['purpose'])}  {escape_text(held['model'])}  {held['entries']:,} entries, "
        f"{held['tokens_in']:,} tokens in, {held['tokens_out']:,} out"
        for held in found["holdings"]
    ]
    if found["bad"]:
        lines.append(f"{found['bad']:,} of them fail their check and are not used: pytest-evalgate cache verify")
    if not found["authenticated"]:
        lines.append(f"unauthenticated, checked for damage only: {found['unauthenticated_because']}")
    lines += [
        f"cassette {tape['file']}: {tape['entries']:,} entries, as trusted as the branch that it is from"
        for tape in found["cassettes"]
    ]
    return lines


def _unauthenticated(signer: Signer) -> list[str]:
    return [] if signer.authenticated else [f"unauthenticated, checked for damage only: {signer.why}"]


def _is_selected(entry: Entry, args: Namespace) -> bool:
    return entry.call.label.startswith(args.label) and args.run_id in (None, entry.run)


def _is_of(entry: Entry, case: str) -> bool:
    return entry.call.label == case or entry.call.label.endswith(f"::{case}")


def _describe_change(change: inventory.Change) -> str:
    asked = (
        f"{escape_text(change.label, 200)}  {escape_text(change.purpose)}  trial {change.trial}: made {change.made}"
    )
    if not change.before:
        return f"{asked}; it is the only one"
    return f"{asked}; since {change.before} this has changed: {change.difference or 'nothing'}"


def _print(args: Namespace, found: Json, lines: list[str]) -> None:
    print(json.dumps(found, indent=1) if args.json else "\n".join(lines))

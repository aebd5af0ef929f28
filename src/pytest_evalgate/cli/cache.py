"""``pytest-evalgate cache``: the contents of the reply cache, and the reason why a case was sent again."""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_run
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.engine.cache import CacheDamaged, CacheUnavailable, ReplyCache, find_signer, folder_of, inventory
from pytest_evalgate.engine.cache import entries as cache_entries
from pytest_evalgate.engine.cache.entries import TIME_FORMAT
from pytest_evalgate.errors import UserError
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.engine.cache import Signer
    from pytest_evalgate.records.cases import Json


def _stats(args: Namespace) -> int:
    project = Project.find()
    with _opened(project) as cache:
        rows = tuple(cache.rows())
    found = {
        "file": files.relative_name(cache.path, project.root),
        "bytes": cache.path.stat().st_size,
        "entries": len(rows),
        "bad": sum(row.entry is None for row in rows),
        "authenticated": cache.signer.authenticated,
        "unauthenticated_because": cache.signer.why,
        "holdings": list(inventory.cache_usage(row.entry for row in rows if row.entry)),
        "cassettes": [
            {
                "file": files.relative_name(path, project.root),
                "entries": len(cache_entries.read([path], root=project.root)),
            }
            for path in cache_entries.in_folder(project.state.path)
        ],
    }
    print_result(args, found, _stats_lines(found, cache.signer))
    return 0


def _stats_lines(found: Mapping[str, Json], signer: Signer) -> Iterator[str]:
    yield f"{found['file']}: {_entries(found['entries'])}, {found['bytes'] / 1e6:,.1f} MB"
    for used in found["holdings"]:
        yield (
            f"  {escape_text(used.purpose)}  {escape_text(used.model)}  {_entries(used.entries)}, "
            f"{used.tokens_in:,} tokens in, {used.tokens_out:,} out"
        )
    if found["bad"]:
        yield f"{found['bad']:,} of them failed the check and are not used: pytest-evalgate cache verify"
    yield from _unsigned(signer)
    for cassette in found["cassettes"]:
        number = _entries(cassette["entries"])
        yield f"cassette {cassette['file']}: {number}, as trustworthy as the branch that contains it"


def _add_prune(parser: ArgumentParser) -> None:
    parser.add_argument("--older-than", type=_age, metavar="AGE", help="entries older than this: 12h, 30d, 8w")
    parser.add_argument("--keep-runs", type=_run_count, metavar="N", help="entries of other runs than the newest N")
    parser.add_argument("--bad", action="store_true", help="entries that fail the check, which are never used")


def _age(text: str) -> timedelta:
    units = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age: write 12h, 30d or 8w")
    return int(found[1]) * units[found[2]]


def _run_count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _prune(args: Namespace) -> int:
    if args.older_than is None and args.keep_runs is None and not args.bad:
        raise UserError("cache prune: name what to remove: --older-than 30d, --keep-runs 20 or --bad")
    before = None if args.older_than is None else f"{datetime.now(UTC) - args.older_than:{TIME_FORMAT}}"
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        removed = inventory.outdated(rows, before=before, keep_runs=args.keep_runs, bad=args.bad)
        cache.remove([row.number for row in removed])
    times = sorted(row.entry.made for row in removed if row.entry)
    span = f" (made {times[0]} to {times[-1]})" if times else ""
    bad, left = len(removed) - len(times), len(rows) - len(removed)
    line = f"removed {_entries(len(removed))}{span}, {bad:,} of them bad; {left:,} left"
    print_result(args, {"removed": len(removed), "bad": bad, "left": left}, [line])
    return 0


def _add_export(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="cassette to write; - for standard output")
    parser.add_argument("--label", default="", metavar="PREFIX", help="entries whose label (suite::case) begins so")
    add_run(parser, "entries of all runs")


def _export(args: Namespace) -> int:
    with _opened(Project.find()) as cache:
        entries = [
            row.entry
            for row in cache.rows()
            if row.entry and row.entry.call.label.startswith(args.label) and args.run_id in (None, row.entry.run)
        ]
    if args.file == "-":
        sys.stdout.writelines(line.decode("ascii") for line in cache_entries.lines(entries))
        return 0
    files.write_atomically(Path(args.file), cache_entries.lines(entries))
    print_result(args, {"file": args.file, "entries": len(entries)}, [f"{_entries(len(entries))} -> {args.file}"])
    return 0


def _add_import(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="cassette to read")


def _import(args: Namespace) -> int:
    project = Project.find()
    entries = cache_entries.read([args.file], root=project.root)
    with _opened(project) as cache:
        added = cache.add(entries.values())
        if cache.problem:
            raise UserError(f"{args.file}: {cache.problem}")
    known = len(entries) - added
    line = f"{_entries(added)} added, {known:,} already cached"
    print_result(args, {"added": added, "known": known}, [line])
    return 0


def _verify(args: Namespace) -> int:
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        problem = cache.problem
    bad = [{"row": row.number, "key": row.key, "problem": row.problem} for row in rows if row.entry is None]
    lines = [f"row {row['row']}, key {row['key']}: {row['problem']}" for row in bad]
    lines.append(f"{_entries(len(rows))} checked, {len(bad):,} bad")
    lines += ["bad entries are never used; to remove them: pytest-evalgate cache prune --bad"] if bad else []
    lines += _unsigned(cache.signer)
    print_result(args, {"entries": len(rows), "bad": bad, "trouble": problem}, lines)
    return 1 if bad or problem else 0


def _add_why(parser: ArgumentParser) -> None:
    parser.add_argument("case", metavar="LABEL|CASE-ID", help="label (suite::case), or id of a case")


def _why(args: Namespace) -> int:
    with _opened(Project.find()) as cache:
        every = (row.entry for row in cache.rows() if row.entry)
        entries = [one for one in every if one.call.label == args.case or one.call.label.endswith(f"::{args.case}")]
    changes = inventory.changes(entries)
    lines = [_change_line(change) for change in changes] or [f"no call of {escape_text(args.case)} is cached"]
    print_result(args, changes, lines)
    return 0 if changes else 1


def _change_line(change: inventory.Change) -> str:
    call = f"{escape_text(change.label, 200)}  {escape_text(change.purpose)}  trial {change.trial}: made {change.made}"
    if not change.before:
        return f"{call}; there is no earlier call"
    return f"{call}; changed since {change.before}: {change.difference or 'nothing'}"


VERB: Final[Actions] = {
    "stats": Verb("Count the cached replies by purpose and model.", "pytest-evalgate cache stats", _stats),
    "prune": Verb(
        "Remove entries by age, by run, or because they are bad.",
        "pytest-evalgate cache prune --older-than 30d",
        _prune,
        _add_prune,
    ),
    "export": Verb(
        "Write entries to a cassette: JSON Lines that can be reviewed and committed.",
        "pytest-evalgate cache export .evalgate/cassettes/faq.jsonl",
        _export,
        _add_export,
    ),
    "import": Verb(
        "Add the entries of a cassette to the cache. Entries that are cached already stay unchanged.",
        "pytest-evalgate cache import replies.jsonl",
        _import,
        _add_import,
    ),
    "verify": Verb("Check every entry. Exits with 1 if one is bad.", "pytest-evalgate cache verify", _verify),
    "why": Verb(
        "Explain why a case was sent again: print the first difference between its newest two calls.",
        "pytest-evalgate cache why refund-014",
        _why,
        _add_why,
    ),
}


@contextmanager
def _opened(project: Project) -> Iterator[ReplyCache]:
    """Open the project's cache.

    Raises:
        UserError: the cache cannot be used, or its file is damaged.
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


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _unsigned(signer: Signer) -> list[str]:
    return [] if signer.authenticated else [f"unauthenticated, checked for damage only: {signer.why}"]

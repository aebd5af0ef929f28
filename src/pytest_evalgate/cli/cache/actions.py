"""What ``pytest-evalgate cache`` does."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import files
from pytest_evalgate.cli.project import Project
from pytest_evalgate.engine.cache import Damaged, ReplyCache, Unavailable, cassette, find_seal, folder_of, inventory
from pytest_evalgate.engine.cache.entries import TIME
from pytest_evalgate.errors import UserError
from pytest_evalgate.jsonl import visible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.data import Json
    from pytest_evalgate.engine.cache import Entry, Seal


def stats(chosen: Namespace) -> int:
    """Count what is remembered."""
    project = Project.find()
    with _opened(project) as cache:
        rows = tuple(cache.rows())
    holdings = inventory.holdings(row.entry for row in rows if row.entry)
    found = {
        "file": files.relative_name(cache.path, project.root),
        "bytes": cache.path.stat().st_size,
        "entries": len(rows),
        "bad": sum(row.entry is None for row in rows),
        "authenticated": cache.seal.authenticated,
        "unauthenticated_because": cache.seal.why,
        "holdings": [asdict(holding) for holding in holdings],
        "cassettes": _cassettes(project),
    }
    _print(chosen, found, _described(found))
    return 0


def prune(chosen: Namespace) -> int:
    """Forget entries."""
    if chosen.older_than is None and chosen.keep_runs is None and not chosen.bad:
        raise UserError("cache prune: say what to forget: --older-than 30d, --keep-runs 20, or --bad")
    before = None if chosen.older_than is None else f"{datetime.now(UTC) - chosen.older_than:{TIME}}"
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        doomed = inventory.outdated(rows, before=before, keep_runs=chosen.keep_runs, bad=chosen.bad)
        cache.remove([row.number for row in doomed])
    made = sorted(row.entry.made for row in doomed if row.entry)
    span = f" (made {made[0]} to {made[-1]})" if made else ""
    left = len(rows) - len(doomed)
    line = f"removed {len(doomed):,} entries{span}, {len(doomed) - len(made):,} of them bad; {left:,} are left"
    _print(chosen, {"removed": len(doomed), "bad": len(doomed) - len(made), "left": left}, [line])
    return 0


def export(chosen: Namespace) -> int:
    """Write a cassette."""
    with _opened(Project.find()) as cache:
        entries = [row.entry for row in cache.rows() if row.entry and _is_wanted(row.entry, chosen)]
    if chosen.file == "-":
        sys.stdout.writelines(line.decode("ascii") for line in cassette.lines(entries))
        return 0
    try:
        files.write_atomically(Path(chosen.file), cassette.lines(entries))
    except OSError as error:
        raise UserError(f"{chosen.file}: cannot be written: {error.strerror}") from None
    _print(chosen, {"file": chosen.file, "entries": len(entries)}, [f"{len(entries):,} entries -> {chosen.file}"])
    return 0


def bring_in(chosen: Namespace) -> int:
    """Remember what a cassette holds."""
    project = Project.find()
    entries = cassette.read([chosen.file], root=project.root)
    with _opened(project) as cache:
        added = cache.add(entries.values())
        if cache.trouble:
            raise UserError(f"{chosen.file}: {cache.trouble}")
    known = len(entries) - added
    _print(chosen, {"added": added, "known": known}, [f"{added:,} entries added, {known:,} were there already"])
    return 0


def verify(chosen: Namespace) -> int:
    """Check every entry."""
    with _opened(Project.find()) as cache:
        rows = tuple(cache.rows())
        trouble = cache.trouble
    bad = [{"row": row.number, "key": row.key, "problem": row.problem} for row in rows if row.entry is None]
    lines = [f"row {row['row']}, key {row['key']}: {row['problem']}" for row in bad]
    lines.append(f"{len(rows):,} entries checked, {len(bad):,} bad")
    lines += ["bad entries are never used; to remove them: pytest-evalgate cache prune --bad"] if bad else []
    lines += _unauthenticated(cache.seal)
    _print(chosen, {"entries": len(rows), "bad": bad, "trouble": trouble}, lines)
    return 1 if bad or trouble else 0


def why(chosen: Namespace) -> int:
    """Explain why a case was asked again."""
    with _opened(Project.find()) as cache:
        entries = [row.entry for row in cache.rows() if row.entry and _is_of(row.entry, chosen.case)]
    changes = inventory.changes(entries)
    lines = [_told(change) for change in changes] or [f"nothing is remembered of {visible(chosen.case)}"]
    _print(chosen, [asdict(change) for change in changes], lines)
    return 0 if changes else 1


ACTIONS: Final[Mapping[str, Callable[[Namespace], int]]] = {
    "stats": stats,
    "prune": prune,
    "export": export,
    "import": bring_in,
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
    cache = ReplyCache(folder_of(project.state.path), find_seal(os.environ, required=required))
    with cache:
        if not cache.usable:
            raise UserError(cache.trouble or "no cache")
        if cache.trouble:
            print(f"pytest-evalgate: {cache.trouble}", file=sys.stderr)
        try:
            yield cache
        except (Damaged, Unavailable) as error:
            raise UserError(f"{files.relative_name(cache.path, project.root)}: {error}") from None


def _cassettes(project: Project) -> list[dict[str, Json]]:
    return [
        {
            "file": files.relative_name(path, project.root),
            "entries": len(cassette.read([path], root=project.root)),
        }
        for path in cassette.in_folder(project.state.path)
    ]


def _described(found: Mapping[str, Json]) -> list[str]:
    lines = [f"{found['file']}: {found['entries']:,} entries, {found['bytes'] / 1e6:,.1f} MB"]
    lines += [
        f"  {visible(held['purpose'])}  {visible(held['model'])}  {held['entries']:,} entries, "
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


def _unauthenticated(seal: Seal) -> list[str]:
    return [] if seal.authenticated else [f"unauthenticated, checked for damage only: {seal.why}"]


def _is_wanted(entry: Entry, chosen: Namespace) -> bool:
    return entry.call.label.startswith(chosen.label) and chosen.run_id in (None, entry.run)


def _is_of(entry: Entry, case: str) -> bool:
    return entry.call.label == case or entry.call.label.endswith(f"::{case}")


def _told(change: inventory.Change) -> str:
    asked = f"{visible(change.label, 200)}  {visible(change.purpose)}  trial {change.trial}: made {change.made}"
    if not change.before:
        return f"{asked}; it is the only one"
    return f"{asked}; since {change.before} this has changed: {change.difference or 'nothing'}"


def _print(chosen: Namespace, found: Json, lines: list[str]) -> None:
    print(json.dumps(found, indent=1) if chosen.json else "\n".join(lines))

"""Inventory of the cache: usage by model, changes between calls, and outdated entries."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate.engine.cache.entries import first_difference
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.engine.cache.entries import Entry
    from pytest_evalgate.engine.cache.store import Row

CallIdentity = tuple[str, str, int]
"""Label, purpose and trial, which stay the same if the payload of a call changes."""


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """Entries of one purpose and model; the tokens are those that the endpoint reported."""

    purpose: str
    model: str
    entries: int
    tokens_in: int
    tokens_out: int


def cache_usage(entries: Iterable[Entry]) -> tuple[CacheUsage, ...]:
    """Count entries by purpose and model, in that order."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.call.purpose, entry.call.model or entry.call.endpoint), []).append(entry)
    return tuple(
        CacheUsage(
            purpose,
            model,
            len(group),
            sum(entry.reply.tokens_in or 0 for entry in group),
            sum(entry.reply.tokens_out or 0 for entry in group),
        )
        for (purpose, model), group in sorted(groups.items(), key=lambda item: item[0])
    )


@dataclass(frozen=True, slots=True)
class Change:
    """The newest call of an identity: its time, and its difference from the one before, empty if there is none."""

    label: str
    purpose: str
    trial: int
    made: str
    before: str = ""
    difference: str = ""


def changes(entries: Iterable[Entry]) -> list[Change]:
    """Return, for each call identity, the difference between its newest entry and the one before."""
    found = []
    for identity, (*earlier, last) in sorted(_by_identity(entries).items()):
        before = earlier[-1] if earlier else None
        difference = (before.made, first_difference(before.call, last.call)) if before else ()
        found.append(Change(*identity, last.made, *difference))
    return found


def newest(entries: Iterable[Entry]) -> dict[CallIdentity, Entry]:
    """Return the newest entry of each call identity; of two with the same time, the later one."""
    return {identity: group[-1] for identity, group in _by_identity(entries).items()}


def outdated(rows: Sequence[Row], *, before: str | None, keep_runs: int | None, bad: bool) -> list[Row]:
    """Return the rows to remove: those with entries made ``before`` a time (UTC, ISO 8601).

    With ``keep_runs``, also the entries that none of so many newest runs made; with ``bad``, also the rows without a
    valid entry.
    """
    entries = sorted((row.entry for row in rows if row.entry), key=attrgetter("made"), reverse=True)
    runs = list(dict.fromkeys(entry.run for entry in entries))
    old_runs = frozenset(() if keep_runs is None else runs[keep_runs:])

    def is_outdated(entry: Entry) -> bool:
        return entry.run in old_runs or (before is not None and entry.made < before)

    return [row for row in rows if (is_outdated(row.entry) if row.entry else bad)]


def _by_identity(entries: Iterable[Entry]) -> dict[CallIdentity, list[Entry]]:
    found: dict[CallIdentity, list[Entry]] = {}
    for entry in sorted(entries, key=attrgetter("made")):
        found.setdefault((entry.call.label, entry.call.purpose, entry.call.trial), []).append(entry)
    return found

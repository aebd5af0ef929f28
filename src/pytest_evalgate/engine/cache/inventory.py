"""The inventory: what is remembered, counted, held against itself, and what of it may go."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate.engine.cache.entries import first_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.engine.cache.entries import Entry
    from pytest_evalgate.engine.cache.store import Row

CallIdentity = tuple[str, str, int]
"""Whose call it is, what for, and in which trial: with every change of the payload it is asked anew."""


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """What is remembered for one purpose of one model; tokens are those that the endpoint told."""

    purpose: str
    model: str
    entries: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Change:
    """When a question was last asked, and what had changed since the time before; empty where that was the first."""

    label: str
    purpose: str
    trial: int
    made: str
    before: str = ""
    difference: str = ""


def cache_usage(entries: Iterable[Entry]) -> tuple[CacheUsage, ...]:
    """Count entries by purpose and model, in that order."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.call.purpose, entry.call.model or entry.call.endpoint), []).append(entry)
    return tuple(_usage(*named, groups[named]) for named in sorted(groups))


def newest(entries: Iterable[Entry]) -> dict[CallIdentity, Entry]:
    """Return the newest entry of each question; of two that are equally old, the later one."""
    return {question: found[-1] for question, found in _by_identity(entries).items()}


def changes(entries: Iterable[Entry]) -> list[Change]:
    """Say of each question in ``entries`` what the newest has other than the one before."""
    return [_change(question, found) for question, found in sorted(_by_identity(entries).items())]


def outdated(rows: Sequence[Row], *, before: str | None, keep_runs: int | None, bad: bool) -> list[Row]:
    """Return the rows that may go, for any of three reasons.

    Args:
        rows: All rows.
        before: They were made before this time (UTC, ISO 8601).
        keep_runs: None of the newest so many runs made them.
        bad: They hold no entry.

    """
    entries = sorted((row.entry for row in rows if row.entry), key=attrgetter("made"), reverse=True)
    runs = list(dict.fromkeys(entry.run for entry in entries))
    gone = frozenset(() if keep_runs is None else runs[keep_runs:])
    return [row for row in rows if (_is_old(row.entry, before, gone) if row.entry else bad)]


def _is_old(entry: Entry, before: str | None, gone: frozenset[str]) -> bool:
    return entry.run in gone or (before is not None and entry.made < before)


def _usage(purpose: str, model: str, entries: Sequence[Entry]) -> CacheUsage:
    tokens_in = sum(entry.reply.tokens_in or 0 for entry in entries)
    return CacheUsage(purpose, model, len(entries), tokens_in, sum(entry.reply.tokens_out or 0 for entry in entries))


def _by_identity(entries: Iterable[Entry]) -> dict[CallIdentity, list[Entry]]:
    found: dict[CallIdentity, list[Entry]] = {}
    for entry in sorted(entries, key=attrgetter("made")):
        found.setdefault((entry.call.label, entry.call.purpose, entry.call.trial), []).append(entry)
    return found


def _change(question: CallIdentity, entries: Sequence[Entry]) -> Change:
    last = entries[-1]
    if len(entries) == 1:
        return Change(*question, last.made)
    before = entries[-2]
    return Change(*question, last.made, before.made, first_difference(before.call, last.call))

"""Shard: one of several sessions that share the cases of a run, so that machines can work in parallel."""

from __future__ import annotations

import re
from array import array
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.records.results import SuitePlan

MOST_SHARDS: Final = 1_000
_SPEC: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_FILE: Final = re.compile(r"([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})\.jsonl")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shards. ``index`` counts from 1.

    Raises:
        ValueError: There is no such shard, or there are too many.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Validate index and count."""
        if not 1 <= self.index <= self.count <= MOST_SHARDS:
            raise ValueError(f"give I/N such as 2/4: one of N shards, from 1 to N, N at most {MOST_SHARDS:,}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``I/N`` from the command line.

        Raises:
            ValueError: It has another form.
        """
        found = _SPEC.fullmatch(text)
        return cls(*map(int, found.groups())) if found else cls(0, 0)

    @classmethod
    def of_file(cls, name: str) -> Self | None:
        """Return the shard whose file has this name; None if no shard has."""
        found = _FILE.fullmatch(name)
        try:
            return cls(*map(int, found.groups())) if found else None
        except ValueError:
            return None

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.index}-of-{self.count}.jsonl"

    def __str__(self) -> str:
        """Return the shard for a message: ``shard 2 of 4``."""
        return f"shard {self.index} of {self.count}"

    def cases_of(self, plan: SuitePlan) -> frozenset[str]:
        """Return the ids of a suite's cases that this shard runs. The result depends on the plan only."""
        if plan.part is not None:  # the plan has no other cases
            return frozenset(case.id for case in plan.cases)
        return frozenset(plan.cases[at].id for at in self.deal(plan.name, (case.slices for case in plan.cases)))

    def deal(self, suite: str, slices: Iterable[tuple[tuple[str, str], ...]]) -> list[int]:
        """Return the positions of the cases of a suite that this shard runs, ascending.

        ``slices`` are those of each case of the plan. Cases are dealt out slice by slice, so that each shard gets its
        share of every slice.
        """
        strata: dict[tuple[tuple[str, str], ...], array[int]] = {}
        for at, own in enumerate(slices):
            strata.setdefault(own, array("L")).append(at)
        ordered = chain.from_iterable(strata[own] for own in sorted(strata))
        return sorted(islice(ordered, self._first(suite), None, self.count))

    def share(self, plan: SuitePlan) -> int:
        """Return the number of cases of a suite that this shard runs."""
        return len(range(self._first(plan.name), plan.size, self.count))

    def _first(self, suite: str) -> int:
        offset = int(jsonl.digest(suite)[:8], 16)  # else the first shard would get the extra case of every suite
        return (self.index + offset) % self.count


_LISTED: Final = 5


def join_names(names: Sequence[str]) -> str:
    """Join names for a message: the first five, and the number of the others."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(jsonl.escape_text(name) for name in names[:_LISTED]) + more


def path_of(state: Path, shard: Shard) -> Path:
    """Return the run file of ``shard`` in the state folder."""
    return state / "shards" / shard.file_name

"""Shard: one of several sessions that share the cases of a run, so that machines can work in parallel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
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
        """Return the ids of a suite's cases that this shard runs.

        Cases are dealt out slice by slice, so that each shard gets its share of every slice. The result depends on the
        plan only.
        """
        ordered = sorted(plan.cases, key=attrgetter("slices"))
        offset = int(jsonl.digest(plan.name)[:8], 16)  # else the first shard would get the extra case of every suite
        return frozenset(case.id for case in ordered[(self.index + offset) % self.count :: self.count])


def path_of(state: Path, shard: Shard) -> Path:
    """Return the run file of ``shard`` in the state folder."""
    return state / "shards" / shard.file_name

"""A shard: one of several sessions that share the cases of a run, so that machines can run beside each other."""

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
_SPEC_PARSERS: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_FILE: Final = re.compile(r"([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})\.jsonl")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shards; ``index`` counts from 1.

    Raises:
        ValueError: there is no such shard, or there are too many.

    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse what is none."""
        if not 1 <= self.index <= self.count <= MOST_SHARDS:
            raise ValueError(f"give I/N such as 2/4: one of N shards, from 1 to N, N at most {MOST_SHARDS:,}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/N``, as the command line has it.

        Raises:
            ValueError: it is none.

        """
        spelled = _SPEC_PARSERS.fullmatch(text)
        return cls(*map(int, spelled.groups())) if spelled else cls(0, 0)

    @classmethod
    def of_file(cls, name: str) -> Self | None:
        """Return the shard that a file holds by its name; None where the name is not that of a shard."""
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
        """Name it in a sentence."""
        return f"shard {self.index} of {self.count}"

    def cases_of(self, plan: SuitePlan) -> frozenset[str]:
        """Return the ids of the cases of a suite that this shard runs.

        Cases are dealt out slice by slice, so that each shard has its share of every slice; the plan alone decides.
        """
        dealt = sorted(plan.cases, key=attrgetter("slices"))
        ahead = int(jsonl.digest(plan.name)[:8], 16)  # else the first shard had the odd case of every suite
        return frozenset(case.id for case in dealt[(self.index + ahead) % self.count :: self.count])


def path_of(state: Path, shard: Shard) -> Path:
    """Return where the run file of ``shard`` is kept in the state folder."""
    return state / "shards" / shard.file_name

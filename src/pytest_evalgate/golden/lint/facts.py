"""The plain facts of one file: which dialect, how many cases, tags and trials."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.data import Json
    from pytest_evalgate.golden.load import ReadFile

_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file holds.

    ``tags`` counts the cases of each tag, the most frequent first; ``trials`` counts those that say how often they
    run.
    """

    file: str
    dialect: str
    mapping: tuple[tuple[str, str], ...]
    cases: int
    skipped: int
    trials: int
    tags: tuple[tuple[str, int], ...]

    def lines(self) -> tuple[str, str]:
        """Say which dialect was read how, and what was counted."""
        told = ", ".join(f"{name} -> {field}" for name, field in self.mapping)
        return (
            f"{self.file}: dialect: {self.dialect}{f' ({told})' if told else ''}",
            f"{self.file}: counts: {', '.join(self._counts())}",
        )

    def as_json(self) -> dict[str, Json]:
        """Return the facts as JSON."""
        return {
            "file": self.file,
            "dialect": self.dialect,
            "mapping": [{"name": name, "field": field} for name, field in self.mapping],
            "cases": self.cases,
            "skipped": self.skipped,
            "with_trials": self.trials,
            "tags": dict(self.tags),
        }

    def _counts(self) -> list[str]:
        some = [f"{tag} {number:,}" for tag, number in self.tags[:_NAMED]]
        more = [f"{len(self.tags) - _NAMED:,} more"] if len(self.tags) > _NAMED else []
        return [
            count(self.cases, "case"),
            *([f"{self.skipped:,} skipped"] if self.skipped else []),
            *([f"{self.trials:,} with trials of their own"] if self.trials else []),
            f"tags: {', '.join([*some, *more])}" if self.tags else "no tags",
        ]


def facts_of(read: ReadFile) -> Facts:
    """Count what a file holds."""
    cases = read.golden.cases
    tags = Counter(tag for case in cases for tag in dict.fromkeys(case.tags))
    return Facts(
        file=read.golden.path,
        dialect=read.dialect or "canonical",
        mapping=read.mapping,
        cases=len(cases),
        skipped=sum(case.skip is not None for case in cases),
        trials=sum(case.trials is not None for case in cases),
        tags=tuple(sorted(tags.items(), key=lambda held: (-held[1], held[0]))),
    )

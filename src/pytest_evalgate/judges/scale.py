"""The scales of a judge: which scores there are, and from which one on its verdict is a pass."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ScaleName = Literal["binary", "1-5"]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Whole scores from ``lowest`` to ``highest``; those from ``passes_from`` on go with the verdict "pass".

    ``asked`` is how a judge is told.
    """

    name: ScaleName
    lowest: int
    highest: int
    passes_from: int
    asked: str

    def share(self, score: int) -> float:
        """Map a score to [0, 1]."""
        return (score - self.lowest) / (self.highest - self.lowest)

    def verdict(self, score: int) -> Literal["pass", "fail"]:
        """Return the verdict that goes with a score."""
        return "pass" if score >= self.passes_from else "fail"

    def describe(self, score: int) -> str:
        """Write a score for people: "fail", "score 2 of 5"."""
        return self.verdict(score) if self.name == "binary" else f"score {score} of {self.highest}"


_FIVE: Final = (
    "a whole number from 1 to 5. Where the rubric does not say what they mean: 5 without fault, 4 with small faults, "
    "3 just good enough, 2 not good enough, 1 of no use"
)

SCALES: Final[Mapping[ScaleName, ScoreScale]] = MappingProxyType(
    {
        "binary": ScoreScale("binary", 0, 1, 1, "1 where the output passes, 0 where it fails"),
        "1-5": ScoreScale("1-5", 1, 5, 3, _FIVE),
    }
)

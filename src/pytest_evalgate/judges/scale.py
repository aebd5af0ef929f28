"""Scales of a judge: the scores it may give, and the lowest one that passes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

ScaleName = Literal["binary", "1-5"]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Whole scores from ``lowest`` to ``highest``. Scores of ``passes_from`` or more have the verdict "pass".

    ``description`` explains the scores to the judge.
    """

    name: ScaleName
    lowest: int
    highest: int
    passes_from: int
    description: str

    def share(self, score: int) -> float:
        """Map a score to [0, 1]."""
        return (score - self.lowest) / (self.highest - self.lowest)

    def verdict(self, score: int) -> Literal["pass", "fail"]:
        """Return the verdict of a score."""
        return "pass" if score >= self.passes_from else "fail"

    def describe(self, score: int) -> str:
        """Format a score for a report: "fail", "score 2 of 5"."""
        return self.verdict(score) if self.name == "binary" else f"score {score} of {self.highest}"


_ONE_TO_FIVE: Final = (
    "a whole number from 1 to 5. Unless the rubric defines the scores, 5 means no faults, 4 minor faults, "
    "3 just acceptable, 2 not acceptable, and 1 useless"
)

SCALES: Final[Mapping[ScaleName, ScoreScale]] = MappingProxyType(
    {
        "binary": ScoreScale("binary", 0, 1, 1, "1 if the output passes, 0 if it fails"),
        "1-5": ScoreScale("1-5", 1, 5, 3, _ONE_TO_FIVE),
    }
)

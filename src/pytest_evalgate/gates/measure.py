"""What of a case enters a gate: one number in [0, 1], made of its trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.stats.aggregates import aggregate_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_evalgate.data import BaselineCase, CaseResult, Trial

Completion = Literal["worst", "best"]
"""How a missing answer is counted: as a miss, or as a pass."""

COMPLETIONS: tuple[Completion, ...] = ("worst", "best")
_FILL: dict[Completion, float] = {"worst": 0.0, "best": 1.0}

_AGGREGATES: dict[str, Literal["pass_at_k", "pass_hat_k"]] = {"pass@": "pass_at_k", "pass^": "pass_hat_k"}


@dataclass(frozen=True, slots=True)
class Measure:
    """The number of a case: of its passes the mean, the majority, pass@k or pass^k; or a scorer's mean score."""

    aggregate: str = "mean"
    scorer: str | None = None

    @property
    def trials(self) -> int:
        """The fewest trials that it can be made of."""
        return int(self.aggregate[5:]) if self.aggregate[:5] in _AGGREGATES else 1

    def shortage(self, trials: int) -> str | None:
        """Say why a suite with so many trials of a case has no such number, if so."""
        if trials >= self.trials:
            return None
        return (
            f"{self.aggregate} takes {self.trials} trials of a case, and the suite has {trials}: "
            f"set trials = {self.trials}"
        )

    def of_results(self, results: Sequence[CaseResult], completion: Completion) -> npt.NDArray[np.float64]:
        """Return the numbers of cases, shape (n,), their missing trials counted by ``completion``."""
        fill = _FILL[completion]
        if self.trials == 1 and all(len(result.trials) <= 1 for result in results):  # no list for each case
            single = (self._value(result.trials[0], fill) if result.trials else fill for result in results)
            return np.fromiter(single, np.float64, len(results))
        return self._of([self._values(result, fill) for result in results])

    def of_baseline(self, cases: Sequence[BaselineCase]) -> npt.NDArray[np.float64]:
        """Return the numbers of the same cases in a baseline that the scorer has graded, shape (n,).

        Raises:
            ValueError: a case has fewer trials than the number is made of.

        """
        return self._of([case.scores.get(self.scorer or "", case.values) for case in cases])

    def _values(self, result: CaseResult, fill: float) -> list[float]:
        values = [self._value(trial, fill) for trial in result.trials]
        return values + [fill] * (self.trials - len(values))  # those that it broke off before

    def _value(self, trial: Trial, fill: float) -> float:
        value = trial.value
        if self.scorer is not None and trial.scores:
            value = next((score.value for score in trial.scores if score.name == self.scorer), None)
        return fill if value is None else value

    def _of(self, trials: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
        counts = np.fromiter(map(len, trials), dtype=np.float64, count=len(trials))
        sums = np.fromiter(map(sum, trials), dtype=np.float64, count=len(trials))
        if self.aggregate == "mean" or not trials:
            return sums / counts
        if self.aggregate == "majority":
            return aggregate_values(sums, counts, "majority")
        return aggregate_values(sums, counts, _AGGREGATES[self.aggregate[:5]], self.trials)

"""The scores of a run, gathered as its cases are drawn: what the charts are made of."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.reports.cases import CaseView


@dataclass(frozen=True, slots=True)
class Gathered:
    """The scores so far, by suite and scorer, eight bytes each."""

    by_suite: dict[str, dict[str, array[float]]] = field(default_factory=dict)

    def add(self, case: CaseView) -> None:
        """Add those of a case; the ones that could not tell are left out."""
        scores = self.by_suite.setdefault(case.suite, {})
        for trial in case.trials:
            for score in trial.scores:
                if score.value is not None:
                    scores.setdefault(score.name, array("d")).append(score.value)

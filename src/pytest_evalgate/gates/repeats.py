"""What several trials a case say beside the rate: flips, flaky cases, and what a further trial is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import Repeats
from pytest_evalgate.stats.repeats import icc_anova
from pytest_evalgate.stats.stability import flip_rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.data import CaseResult


def repeats_of(results: Iterable[CaseResult], n_eff: float) -> Repeats | None:
    """Describe the trials of the cases that have all of theirs; None where none has two."""
    trials = [[trial.value for trial in result.trials] for result in results]
    full = [[value for value in values if value is not None] for values in trials if None not in values]
    several = [values for values in full if len(values) > 1]
    if not several:
        return None
    passes = [round(sum(values)) for values in several]
    counts = [len(values) for values in several]
    flips = flip_rate(passes, counts)
    icc = icc_anova(passes, counts[0]) if len(set(counts)) == 1 else None
    return Repeats(
        flip_rate=flips.rate,
        flaky=flips.flaky,
        icc=None if icc is None else icc.icc,
        design_effect=None if icc is None else icc.design_effect,
        n_eff=n_eff,
    )

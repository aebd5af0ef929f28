"""Models that replied in place of the ones that were asked for, counted over the results of a suite."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_evalgate.records.verdicts import OtherModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.records.results import CaseResult


def other_models(results: Iterable[CaseResult]) -> tuple[OtherModel, ...]:
    """Return the models that replied in place of others, sorted, with the number of their replies."""
    counts: Counter[tuple[str, str, str]] = Counter(
        (record.purpose, record.model, record.served)
        for result in results
        for trial in result.trials
        for record in trial.calls
        if record.served
    )
    return tuple(OtherModel(*names, count) for names, count in sorted(counts.items()))


def served_problem(results: Sequence[CaseResult], before: Sequence[OtherModel]) -> str | None:
    """Return why results cannot be compared with a baseline in which the models ``before`` replied, if so.

    A model that a configuration asks for by another name is comparable: that is the change under test.
    """
    asked = {(record.purpose, record.model) for result in results for trial in result.trials for record in trial.calls}
    now = other_models(results)
    for purpose, model in sorted(asked):
        names = [
            sorted({other.served for other in others if (other.purpose, other.asked) == (purpose, model)})
            for others in (now, before)
        ]
        if names[0] != names[1]:
            here, there = (", ".join(served) or model for served in names)
            return (
                f"another model replied than at the baseline: {here} instead of {there} ({model} was asked for): make "
                "the endpoint serve the same model, or promote a run with the new one"
            )
    return None


def served_notes(others: Iterable[OtherModel]) -> tuple[str, ...]:
    """Return a warning for each model that replied in place of another one."""
    return tuple(
        f"another model replied: {other.asked} was asked for, {other.served} replied to {other.calls:,} "
        f"call{'s' * (other.calls != 1)} of the {other.purpose.replace(':', ' ')}"
        for other in others
    )

"""Agreement of the trials of a case: in their outputs, and in what the scorers read of them.

Gates work on results without outputs, which would take most of the memory. The agreement is computed when these are
left out, and kept on the result of the case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.records.attempts import TrialAgreement
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from pytest_evalgate.records.results import CaseResult, Trial


def agreement_of(result: CaseResult, judges: Collection[str]) -> TrialAgreement | None:
    """Return how far the trials of a case agree; None if its outputs were left out, or other trials were added.

    ``judges`` are the names of the scores of judges, whose reasons quote the output: they do not count.
    """
    if result.agreement is not None:
        return result.agreement if result.agreement.trials == len(result.trials) else None
    if any(trial.output is not None and trial.output.value is None for trial in result.trials):
        return None
    return TrialAgreement(
        len(result.trials),
        raw=_are_equal([_raw(trial) for trial in result.trials]),
        parsed=_are_equal([_parsed(trial, judges) for trial in result.trials]),
    )


def _are_equal(answers: Sequence[Hashable]) -> bool:
    return len(set(answers)) <= 1


def _raw(trial: Trial) -> Hashable:
    """Return the output as text; the result and the reason of a trial without one."""
    return (trial.value, trial.reason) if trial.output is None else jsonl.canonical(trial.output.value)


def _parsed(trial: Trial, judges: Collection[str]) -> Hashable:
    """Return what the scorers read of an output: a rule's reason names it, such as the number that it found."""
    if not trial.scores:
        return trial.value, _raw(trial)
    read = ((score.name, score.value, "" if any(map(score.is_of, judges)) else score.reason) for score in trial.scores)
    return (trial.value, *read)

"""Worst cases of a suite: the order in which its missed and regressed cases are listed, and the worst three in full.

Cases that a failed gate requires to pass come first, then those that got worse, then those with the lowest scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.diff import word_diff
from pytest_evalgate.reports.view import ChangedCaseRow, WorstCase, format_mean
from pytest_evalgate.text.wording import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.records.raised import Raised
    from pytest_evalgate.records.results import CaseResult, SuiteRun
    from pytest_evalgate.records.verdicts import SuiteVerdict
    from pytest_evalgate.reports.view import CaseView, SuiteView, TextPolicy, TrialView

SHOWN: Final = 3
"""Cases of a suite with a failed gate that are shown with their texts."""


def regressed_rows(pairing: Pairing | None, verdict: SuiteVerdict, texts: TextPolicy) -> tuple[ChangedCaseRow, ...]:
    """Return the cases that got worse, worst first."""
    if pairing is None:
        return ()
    required = _RequiredCases.of(verdict)
    ordered = sorted(pairing.regressed, key=lambda one: (required.rank(one.now), one.change, _mean_score(one.now)))
    return tuple(changed_row(one, texts) for one in ordered)


def changed_row(changed: Pair, texts: TextPolicy) -> ChangedCaseRow:
    """Return the row of a case that is compared with the baseline."""
    return _row(changed.now, changed.before.mean, texts)


def missed_rows(
    suite: SuiteRun, pairing: Pairing | None, verdict: SuiteVerdict, texts: TextPolicy
) -> tuple[ChangedCaseRow, ...]:
    """Return the missed cases, worst first; those without an answer are not missed."""
    pairs = {} if pairing is None else {one.now.case.id: one for one in pairing.pairs}
    required = _RequiredCases.of(verdict)

    def badness(result: CaseResult) -> tuple[int, bool, float, float]:
        pair = pairs.get(result.case.id)
        is_new = pair is not None and pair.change < 0
        return required.rank(result), not is_new, result.lowest, _mean_score(result)

    missed = sorted((result for result in suite.results if result.outcome == "missed"), key=badness)
    before = {name: pair.before.mean for name, pair in pairs.items()}
    return tuple(_row(result, before.get(result.case.id), texts) for result in missed)


def _row(result: CaseResult, before: float | None, texts: TextPolicy) -> ChangedCaseRow:
    case = result.case
    now = "no answer" if result.outcome == "errored" else format_mean(result.lowest)
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    raised = raised_in(result)
    text = texts.reason_at(reason, raised)
    cause = "" if text == LEFT_OUT else text if raised is None else f"{reason.partition(':')[0]} {raised.place}"
    return ChangedCaseRow(case.id, case.place, case.tags, format_mean(before), now, text, cause)


def raised_in(result: CaseResult) -> Raised | None:
    """Return where the target raised an exception, in the first trial in which it did."""
    return next((trial.raised for trial in result.trials if trial.raised is not None), None)


class _RequiredCases:
    """The cases that failed must-pass gates require, by tag."""

    def __init__(self, tags: Collection[str], *, every: bool) -> None:
        self._tags, self._every = frozenset(tags), every

    @classmethod
    def of(cls, verdict: SuiteVerdict) -> _RequiredCases:
        """Return the cases that the failed gates of a suite require."""
        failed = [gate.of for gate in verdict.gates if gate.kind == "must-pass" and gate.result == "fail"]
        return cls([tag for tags in failed for tag in tags.split(", ")], every="" in failed)

    def rank(self, result: CaseResult) -> int:
        """Return 0 for a case that has to pass, else 1."""
        return 0 if self._every or self._tags.intersection(result.case.tags) else 1


def _mean_score(result: CaseResult) -> float:
    """Return the mean of the scores that count; 0 if there are none, as for a target that failed."""
    values = [score.value for trial in result.trials for score in trial.scores if score.counts]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


def worst_ids(suite: SuiteView) -> tuple[str, ...]:
    """Return the ids of the worst cases of a suite with a failed gate, worst first."""
    failed = {gate.kind for gate in suite.verdict.gates if gate.result == "fail"}
    if not failed:
        return ()
    by_change = failed <= {"no-regression", "slice"}
    first, second = (suite.regressed, suite.missed_cases) if by_change else (suite.missed_cases, suite.regressed)
    return tuple(dict.fromkeys(row.id for row in (*first[:SHOWN], *second[:SHOWN])))[:SHOWN]


def worst_cases(suite: SuiteView, found: Mapping[str, CaseView]) -> tuple[WorstCase, ...]:
    """Return the worst cases of a suite with their texts; ``found`` has them by id."""
    judges = frozenset(judge.name for judge in suite.verdict.judges)
    return tuple(_worst_case(found[name], judges) for name in worst_ids(suite) if name in found)


def _worst_case(case: CaseView, judges: Collection[str]) -> WorstCase:
    trial = _worst_trial(case.trials)
    if trial is None:
        return WorstCase(case, "", (), case.reason)
    before = case.baseline_output
    diff = () if before is None or not trial.output or trial.output == before else word_diff(before, trial.output)
    failed = (score for score in trial.scores if score.counts and not score.passed and score.why)
    judged = next((score for score in failed if any(map(score.is_of, judges))), None)
    if judged is None:
        place = "" if trial.raised is None or not trial.raised.place else f" ({trial.raised.place})"
        return WorstCase(case, trial.output, diff, f"{trial.reason or case.reason}{place}")
    why = " - ".join(
        filter(None, dict.fromkeys((judged.rationale, judged.reason)))
    )  # a terminal shows two lines of it
    return WorstCase(case, trial.output, diff, why, judged.name)


def _worst_trial(trials: Iterable[TrialView]) -> TrialView | None:
    """Return the first trial with the lowest value, a missing one last; None if there is none."""
    return min(trials, key=lambda trial: 2.0 if trial.value is None else trial.value, default=None)

"""Verdicts of a suite's judges for the report: their rates, raw and corrected, and their calibration."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pytest_evalgate.gates.correction import Correction, method_of
from pytest_evalgate.gates.evidence import Cases, clusters_of, rate_of, weights_of
from pytest_evalgate.records.corrected import CorrectedRate
from pytest_evalgate.records.verdicts import JudgeVerdict
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.judged import judged_rate
from pytest_evalgate.stats.numeric import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.gates.evidence import RateEstimate
    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.records.results import CaseResult, Score


def judge_verdicts(
    results: Sequence[CaseResult], judges: Mapping[str, JudgeRule], created: str, *, whole: bool
) -> Iterator[JudgeVerdict]:
    """Iterate over the verdicts of each judge on the cases that count; the rates are over its own scores.

    The keys of ``judges`` are the names of their scores. ``created`` is the time of the run (UTC, ISO 8601), for the
    age of the calibration; empty if unknown. A run that is not ``whole`` has no rate.
    """
    for name, judge in judges.items():
        scores = [
            [score for trial in result.trials for score in trial.scores if score.is_of(name)] for result in results
        ]
        unreadable = sum(score.passed is None for case in scores for score in case)
        rate = _rate(results, scores) if whole else None
        errors, calibration = judge.errors, judge.calibration
        yield JudgeVerdict(
            name=judge.name,
            fingerprint=judge.fingerprint,
            calibrated=calibration is not None,
            why_not=judge.why_not or ("report_only = true" if judge.report_only else None),
            scored=sum(map(len, scores)) - unreadable,
            unreadable=unreadable,
            pass_rate=None if rate is None else rate.value,
            corrected=None if rate is None else _corrected(rate, judge, Correction.of(name, judge), results),
            tpr=None if errors is None else (errors.tpr, errors.tpr_lower),
            tnr=None if errors is None else (errors.tnr, errors.tnr_lower),
            labels=0 if calibration is None else calibration.label_count,
            age_days=None if calibration is None or not created else _age(calibration.created, created),
        )


def _rate(results: Sequence[CaseResult], scores: Sequence[Sequence[Score]]) -> RateEstimate | None:
    """Return the rate over the cases with a readable verdict; None if there are none."""
    read = [[score.passed for score in case if score.passed is not None] for case in scores]
    places = [place for place, passed in enumerate(read) if passed]
    if not places:
        return None
    counts = np.array([len(read[place]) for place in places], dtype=np.float64)
    passes = np.array([sum(read[place]) for place in places], dtype=np.float64)
    read_results = [results[place] for place in places]
    return rate_of(Cases(passes / counts, counts, clusters_of(read_results), weights=weights_of(read_results)))


def _corrected(
    rate: RateEstimate, judge: JudgeRule, correction: Correction | None, results: Sequence[CaseResult]
) -> CorrectedRate | None:
    """Correct the judge's own rate for its errors; None unless it is calibrated and unchanged since."""
    errors, calibration = judge.errors, judge.calibration
    if errors is None or errors.youden <= ROUNDING or calibration is None or correction is None:
        return None
    if calibration.fingerprint != judge.fingerprint:
        return None
    own_labels = correction.labels_are_of(results)
    found = judged_rate(n=rate.n_eff, passed=rate.value, refused=1 - rate.value, errors=errors, own_labels=own_labels)
    method = method_of(errors, own_labels=own_labels)
    return CorrectedRate(found.value, (found.interval.lower, found.interval.upper), found.lower, method)


def _age(calibrated: str, created: str) -> int:
    before, now = (date.fromisoformat(moment[:10]) for moment in (calibrated, created))
    return max(0, (now - before).days)
